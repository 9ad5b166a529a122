// Whether a static lease may be as an operator wants it, and what gives way to it. A pure function.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controlplane/model/model.h"
#include "controlplane/statics/static_leases.h"

namespace xk::statics {

// The client that holds the address by a lease of the VRF's server now.
struct Leased {
  std::string mac{};         // "02:00:00:00:00:01"; may be empty
  std::string client_id{};   // hex, may be empty
  std::string circuit_id{};  // bytes; may be empty
  std::string remote_id{};   // bytes; may be empty
  bool declined = false;
};

enum class Effect : std::uint8_t { unchanged, added, changed };

struct Decision {
  Effect effect = Effect::unchanged;
  std::vector<std::string> problems;    // not empty: it may not be; each says what to do
  std::vector<StaticEntry> giving_way;  // static leases that have its address, and go
  bool takes_from_client = false;       // a client holds the address, and is refused it from now on
};

// leased: of its address, if it has one. force: what stands in its way gives way, where that is possible.
[[nodiscard]] Decision decide(const StaticEntry& entry, const Model& model, const StaticLeases& leases,
                              const std::optional<Leased>& leased, bool force);

}  // namespace xk::statics
