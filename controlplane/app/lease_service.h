// The daemon's leases: the store, the gate in front of it, and what a Kea starts with.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "controlplane/app/lease_keeper.h"
#include "controlplane/kea/render.h"
#include "controlplane/kea/supervisor.h"
#include "controlplane/leases/follower.h"
#include "controlplane/leases/gate.h"
#include "controlplane/leases/kea_file.h"
#include "controlplane/reconcile/desired.h"
#include "controlplane/store/store.h"

namespace xk::kead {

// What the gate and the feed have to know of a VRF's leases.
[[nodiscard]] leases::VrfFacts facts_of(const KeaSpec& spec);
// Opens what [store] says. One that cannot be opened now, or reached, is no Error: it is unavailable until it
// can. An Error says what is wrong with the settings. call_timeout: 0, the usual one.
[[nodiscard]] Result<std::unique_ptr<store::Store>> open_store(const Model& model,
                                                               std::chrono::milliseconds call_timeout = {});

// Thread-safe but for follow(), which the daemon's loop calls.
class LeaseService {
 public:
  struct Told {
    bool warning = false;
    std::string vrf{};  // empty: of none
    std::string text{};
  };
  // tell: from threads of the service; what an operator should know.
  using Tell = std::function<void(Told)>;

  // The directory for the gate's sockets is run_dir/gate.
  [[nodiscard]] static Result<std::unique_ptr<LeaseService>> make(const Appliance& appliance,
                                                                  std::unique_ptr<store::Store> store,
                                                                  std::uint32_t grace_s, Tell tell);
  // From now on looks after leases as time goes by. restart_keas: from a thread of the service.
  void start_keeping(std::function<void(const std::set<std::string>& vrfs)> restart_keas);
  // Nobody waits for changes of leases any more.
  void close() { follower_->close(); }
  ~LeaseService();

  [[nodiscard]] store::Store& store() { return *store_; }
  [[nodiscard]] store::Health health() const { return store_->health(); }
  [[nodiscard]] std::vector<leases::GateStatus> gates() const { return gate_->status(); }

  // Where Kea's hook finds the gate of a VRF.
  [[nodiscard]] std::string gate_socket(VrfId vrf) const;
  // What a VRF's Kea is rendered with; an Error if the hook is not installed.
  [[nodiscard]] Result<kea::GateHook> hook_of(const KeaSpec& spec, Durability durability) const;

  // With [ha]. Who is told when a Kea of a shared VRF is given the leases of the store, and as of which
  // revision; and whether this appliance is the active one: only that one erases leases. From threads of the
  // service.
  struct Sharing {
    std::function<void(const std::string& vrf)> starting;
    std::function<void(const std::string& vrf, store::Revision revision)> prepared;
    std::function<bool(const std::string& vrf)> active;
  };
  // Before anything is prepared or kept.
  void set_sharing(Sharing sharing) { sharing_ = std::move(sharing); }
  [[nodiscard]] leases::Gate& gate() { return *gate_; }

  // Opens the gates of the VRFs that have a Kea with durable leases, closes the others.
  void follow(const Desired& desired);

  // Whether the leases of the VRF are in the store, as of the last follow().
  [[nodiscard]] bool keeps(const std::string& vrf) const;
  // VRFs of which that is so because a Kea puts them there: what is over, and the clock, are ours to see to.
  // Of a VRF of the native engine they go as its journal says.
  [[nodiscard]] std::set<std::string> kept() const;
  // How long after its end a lease is kept.
  [[nodiscard]] std::uint64_t grace_s() const { return grace_s_; }
  [[nodiscard]] leases::LeaseFollower& follower() { return *follower_; }
  // Leases of a VRF behind an address, in order, at most limit. Values that are no lease are left out, and
  // told.
  struct RecordPage {
    std::vector<leases::Record> records;
    bool last = false;
  };
  [[nodiscard]] Result<RecordPage> page(const std::string& vrf, Ip4 behind, std::size_t limit);
  struct Found {
    leases::Record record;
    store::Revision modified = 0;
  };
  [[nodiscard]] Result<std::optional<Found>> find(const std::string& vrf, Ip4 address);
  // What the key had before the revision changed it; empty if that is not known (any more).
  [[nodiscard]] std::string value_before(const std::string& key, store::Revision revision);

  // Makes Kea's lease file from the store, in a thread of the service: kea::Prepare.
  void prepare(const kea::Start& start, std::function<void(Result<>)> done);

 private:
  struct Job {
    kea::Start start;
    std::function<void(Result<>)> done;
  };
  LeaseService(const Appliance& appliance, std::unique_ptr<store::Store> store, std::uint32_t grace_s,
               Tell tell);
  void work();
  void tell_bad(const std::string& vrf, std::uint64_t count, const std::string& first) const;
  [[nodiscard]] Result<> make_ready(const kea::Start& start);
  [[nodiscard]] Result<> restore(const kea::Start& start);

  std::string gate_directory_;
  std::string clock_file_;
  std::uint32_t grace_s_ = 0;
  std::unique_ptr<store::Store> store_;
  Tell tell_;
  Sharing sharing_;
  std::unique_ptr<leases::Gate> gate_;

  mutable std::mutex mutex_;       // of what follows
  std::set<std::string> kept_;     // VRFs whose Keas put leases into the store
  std::set<std::string> natives_;  // VRFs whose journals do
  std::condition_variable wanted_;
  std::deque<Job> jobs_;
  bool stopping_ = false;
  std::thread worker_;
  std::unique_ptr<leases::LeaseFollower> follower_;
  std::unique_ptr<LeaseKeeper> keeper_;  // ends first
};

}  // namespace xk::kead
