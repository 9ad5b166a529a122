// The leases of all native engines: their folders, what they begin with, and their journals in the store.
// Threads of its own: one for what is seldom and long, one for journals that answers wait for, and one, of
// low priority, for all others: packets come first.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/leases/gate.h"
#include "controlplane/natives/clock.h"
#include "controlplane/store/store.h"
#include "dataplane/base/types.h"

namespace xk::natives {

struct Spec {
  VrfId vrf{};
  leases::VrfFacts facts;     // the name, and the subnets by id
  std::string directory;      // of its journal
  std::string kea_directory;  // where the VRF's Kea would have left leases
  bool urgent = false;        // answers wait for the store
};

struct Status {
  enum class Phase : std::uint8_t {
    preparing,  // its folder is being made ready
    following,  // the store follows its journal
    ending,     // what is left of its journal goes into the store
  };
  VrfId vrf{};  // 0: of no configuration, left from before
  std::string name;
  std::string directory;
  Phase phase = Phase::preparing;
  std::optional<std::uint64_t> stored;  // revision of the journal up to which the store has it
  std::uint64_t records = 0;            // that went into the store since xdp-kead started
  std::uint64_t restarts = 0;           // times that everything was taken anew
  std::string trouble;                  // why it does not go on; empty: it does
};

class Natives {
 public:
  struct Told {
    bool warning = false;
    std::string vrf{};
    std::string text{};
  };
  struct Parts {
    store::Store& store;
    std::string machine;  // which one this is, of those that share the store
    std::string user;     // that the dataplane runs as
    std::int64_t grace_s = 0;
    std::function<MachineClock()> clock;
    // Both from threads of this: what an operator should know; that something is done which was not, or that
    // the store has more.
    std::function<void(Told)> tell;
    std::function<void()> changed;
  };
  explicit Natives(Parts parts);
  ~Natives();
  Natives(const Natives&) = delete;
  Natives& operator=(const Natives&) = delete;

  // What follows blocks for nobody. Has the folder of a VRF there with its leases, those it had or, if the
  // engine was another one since, those of the store; and its journal followed. EINPROGRESS: not yet.
  [[nodiscard]] std::expected<void, Error> ensure(const Spec& spec);
  // Its journal is complete and nobody writes it: has the rest of it in the store, marks the folder, and
  // follows it no more. EINPROGRESS: not yet. A VRF that has none is no error.
  [[nodiscard]] std::expected<void, Error> finish(const std::string& vrf);
  // All that are followed, by name; also those that an earlier xdp-kead has left.
  [[nodiscard]] std::vector<Status> status() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace xk::natives
