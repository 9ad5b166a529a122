// The words of the configuration file, the API and the tables for the model's enumerations.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "controlplane/model/model.h"

namespace xk {

// Each list is indexed by the enumerator's value.
inline constexpr std::array<std::string_view, 3> kEngineNames{"kea", "relay", "native"};
inline constexpr std::array<std::string_view, 2> kStaticByNames{"dataplane", "kea"};
inline constexpr std::array<std::string_view, 2> kPausedRenewalsNames{"allow", "deny"};
inline constexpr std::array<std::string_view, 4> kOption82PolicyNames{"append", "replace", "keep", "drop"};
inline constexpr std::array<std::string_view, 3> kServerModeNames{"all", "failover", "hash"};
inline constexpr std::array<std::string_view, 4> kPortKindNames{"af_xdp", "ethdev", "pcap", "sim"};
inline constexpr std::array<std::string_view, 2> kExceptionPolicyNames{"drop", "port"};
inline constexpr std::array<std::string_view, 3> kLoopRoleNames{"rx", "vrf", "tx"};
inline constexpr std::array<std::string_view, 3> kDurabilityNames{"strict", "available", "none"};
inline constexpr std::array<std::string_view, 3> kReplyAfterNames{"none", "local", "replicated"};
inline constexpr std::array<std::string_view, 2> kOnFailureNames{"strict", "available"};
inline constexpr std::array<std::string_view, 6> kConditionKindNames{
    "vendor_class", "user_class", "circuit_id", "remote_id", "mac", "option"};
inline constexpr std::array<std::string_view, 2> kAllocateNames{"lowest", "hashed"};
inline constexpr std::array<std::string_view, 2> kStoreBackendNames{"embedded", "etcd"};

[[nodiscard]] std::string_view name_of(Engine engine);
[[nodiscard]] std::string_view name_of(Option82Policy policy);
[[nodiscard]] std::string_view name_of(ServerMode mode);
[[nodiscard]] std::string_view name_of(PortKind kind);
[[nodiscard]] std::string_view name_of(ExceptionPolicy policy);
[[nodiscard]] std::string_view name_of(LoopRole role);
[[nodiscard]] std::string_view name_of(Durability durability);
[[nodiscard]] std::string_view name_of(ReplyAfter reply_after);
[[nodiscard]] std::string_view name_of(ConditionKind kind);
[[nodiscard]] std::string_view name_of(Allocate allocate);
[[nodiscard]] std::string_view name_of(StoreBackend backend);

}  // namespace xk
