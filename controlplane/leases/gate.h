// xdp-kead's end of the lease gate: takes the changes of every VRF's Kea, puts them into the store, and
// says when they are durable. A thread of its own, so that nothing the daemon's loop does holds up an ACK.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/leases/attachments.h"
#include "controlplane/leases/gate_wire.h"
#include "controlplane/leases/record.h"
#include "controlplane/store/store.h"
#include "dataplane/base/types.h"

namespace xk::leases {

// What the gate must know of a VRF to describe its leases.
struct VrfFacts {
  std::string name;
  std::map<std::uint32_t, Prefix4> subnets;  // by Kea's subnet id
  bool shared = false;                       // with another appliance: changes are taken once let() says so
  AttachmentNames attachments;
};

// The lease as it is kept.
[[nodiscard]] Record record_of(const LeaseChange& change, const VrfFacts& facts);
// What a change does to the store.
[[nodiscard]] store::Operation operation_of(const LeaseChange& change, const VrfFacts& facts);

struct GateStatus {
  VrfId vrf{};
  std::string name;
  bool connected = false;  // a Kea has said hello and was welcomed
  std::uint32_t pid = 0;
  std::uint64_t changes = 0;  // sets of changes taken since xdp-kead started
  Figures figures;            // of the Kea that is connected
  std::string trouble;        // why the last connection was refused or closed by us
};

class Gate {
 public:
  // on_store: from the gate's thread, when the store stops or begins taking leases; why is empty then.
  using OnStore = std::function<void(bool takes, std::string why)>;
  // probe_key: written while the store is gone, to find out when it is back.
  Gate(store::Store& store, std::string probe_key, OnStore on_store);
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // Listens at the path for the Kea of a VRF, which runs as this user; again with other facts: only they
  // change. The path's directory exists; a socket that is there is replaced.
  [[nodiscard]] std::expected<void, Error> open(VrfId vrf, VrfFacts facts, const std::string& path, uid_t uid,
                                                gid_t gid);
  // Of a shared VRF: takes its changes while this holds in the store, and under this condition only. Nothing:
  // takes none, from now on; what is with the store may still be done.
  void let(VrfId vrf, std::optional<store::Compare> condition);
  // Stops listening and removes the socket; an unknown VRF is no error.
  void close(VrfId vrf);
  // VRFs that are open, by id.
  [[nodiscard]] std::vector<GateStatus> status() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace xk::leases
