// Which VRFs this appliance is active in, and what it has to do for that. Knows no store, no thread and no
// clock: it is told what happened, and says what is to be done. Times are nanoseconds of one clock that goes
// forward.
//
// Two things make it safe, and neither is here: every lease is committed under the condition that the active
// key is still the one that this appliance made, and the dataplane is silent once the session's time is over
// (base/fence.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/ha/records.h"

namespace xk::ha {

inline constexpr std::uint64_t kMs = 1'000'000;
// An operator had this appliance let go of a VRF: for so long it does not take it again.
inline constexpr std::uint64_t kHoldOffNs = 10'000 * kMs;
// A drained VRF is taken only if nobody else has for so long.
inline constexpr std::uint64_t kReluctanceNs = 5'000 * kMs;
// A VRF that cannot be served here is let go after so long, if there is another appliance.
inline constexpr std::uint64_t kUnfitNs = 2'000 * kMs;
inline constexpr std::uint64_t kRetryNs = 50 * kMs;      // of a take that failed
inline constexpr std::uint64_t kAnswerNs = 1'500 * kMs;  // what the store was asked is asked again
inline constexpr std::uint64_t kRenewNs = 5'000 * kMs;   // and a Kea that was to be started anew

// What this appliance can do for a VRF.
struct Ability {
  bool fit = false;         // it can be served here now: dataplane and, where it has one, Kea run
  bool drained = false;     // an operator wants no new clients here
  bool has_leases = false;  // its Kea has to know the leases of the store before it may answer
  friend bool operator==(const Ability&, const Ability&) = default;
};

enum class Standing : std::uint8_t {
  standby,      // another is active, or nobody
  taking,       // the store was asked
  catching_up,  // it is ours; the last leases are on their way to Kea
  active,
  leaving,  // silent already; the store was asked to let it go
};
[[nodiscard]] const char* to_string(Standing standing);

struct Order {
  enum class Kind : std::uint8_t {
    take,      // make the active key, if there is none and the epoch is what it was
    catch_up,  // have Kea know all leases up to the holder's revision, then say caught_up()
    serve,     // take leases under the holder's key and open the fence
    silence,   // close the fence and take no leases any more
    give_up,   // erase the active key, if it is still ours
    renew,     // Kea's leases may be old: start it anew from the store
  };
  Kind kind{};
  std::string vrf;
  std::uint64_t epoch = 0;             // take: the new one
  store::Revision epoch_modified = 0;  // take: of the old one's key; 0: there is none
  std::optional<Holder> holder;        // catch_up, serve, give_up
};

class Election {
 public:
  // What there is of a VRF.
  struct Seat {
    bool wanted = false;  // it is configured here
    Ability ability;
    Standing standing = Standing::standby;
    std::optional<Holder> holder;  // as the store says
    std::uint64_t epoch = 0;
    store::Revision epoch_modified = 0;
    bool fresh = false;  // its Kea follows the store, or made the leases itself
    bool stale = false;  // it was to be started anew, and has not been yet
    std::uint64_t renew_asked_ns = 0;
    std::uint64_t served_epoch = 0;  // Kea made the leases of this epoch; 0: it follows
    std::uint64_t free_since_ns = 0;
    std::uint64_t not_before_ns = 0;
    std::uint64_t unfit_since_ns = 0;  // 0: it is fit
    std::uint64_t asked_ns = 0;        // when the store was asked last
  };

  explicit Election(std::string name) : name_(std::move(name)) {}

  // All VRFs that there are now; of those that are not among them everything is given up.
  void set_vrfs(const std::map<std::string, Ability>& vrfs, std::uint64_t now_ns);
  // The session of this appliance; 0: there is none, and what hung on the one before is lost.
  void set_session(store::SessionId session, std::uint64_t now_ns);
  // Whether another appliance runs.
  void set_others(bool others) { others_ = others; }
  // What the store says is known: before that nothing is taken. False: it has to be read again, and no Kea
  // that follows is right any more.
  void set_known(bool known, std::uint64_t now_ns);

  void set_holder(const std::string& vrf, std::optional<Holder> holder, std::uint64_t now_ns);
  void set_epoch(const std::string& vrf, std::uint64_t epoch, store::Revision modified);
  // Its Kea is about to be started with the leases of the store: changes from now on are to go to it. If it
  // was active here the key is given up; it cannot be served here until set_vrfs() says that it can.
  void set_starting(const std::string& vrf, std::uint64_t now_ns);
  // Its Kea was started with the leases of the store, and follows from there on.
  void set_fresh(const std::string& vrf);
  // It does not follow any more.
  void set_stale(const std::string& vrf);
  // The store did not do it, or nobody knows.
  void take_failed(const std::string& vrf, std::uint64_t now_ns);
  void caught_up(const std::string& vrf, std::uint64_t epoch);
  // Lets go of a VRF and leaves it to others for kHoldOffNs. False: it is not active here.
  bool release(const std::string& vrf, std::uint64_t now_ns);
  // Takes back what release() or drained mean for taking it.
  void want(const std::string& vrf);

  // What is to be done now, each once.
  [[nodiscard]] std::vector<Order> orders(std::uint64_t now_ns);

  [[nodiscard]] const std::map<std::string, Seat>& seats() const { return seats_; }
  // Whether changes of its leases in the store are to go to its Kea, if it has one: also before it is known
  // that the VRF is configured, for its Kea may be starting already.
  [[nodiscard]] bool follows(const std::string& vrf) const;
  [[nodiscard]] const std::string& name() const { return name_; }
  // 0: there is none.
  [[nodiscard]] store::SessionId session() const { return session_; }

 private:
  [[nodiscard]] bool ours(const Seat& seat) const {
    return session_ != 0 && seat.holder && seat.holder->session == session_;
  }
  [[nodiscard]] bool may_take(const Seat& seat, std::uint64_t now_ns) const;
  [[nodiscard]] bool must_leave(const Seat& seat, std::uint64_t now_ns) const;
  void order(Order::Kind kind, const std::string& vrf, const Seat& seat);
  void renew(const std::string& vrf, Seat& seat);
  void ask_for_renewal(const std::string& vrf, Seat& seat, std::uint64_t now_ns);
  void lose(const std::string& vrf, Seat& seat, std::uint64_t now_ns);
  void look(const std::string& vrf, Seat& seat, std::uint64_t now_ns);
  void leave(const std::string& vrf, Seat& seat, std::uint64_t now_ns);

  std::string name_;
  store::SessionId session_ = 0;
  bool others_ = false;
  bool known_ = false;
  std::map<std::string, Seat> seats_;
  std::vector<Order> orders_;
};

}  // namespace xk::ha
