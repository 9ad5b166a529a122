#include "controlplane/model/names.h"

namespace xk {
namespace {

template <typename Enum, std::size_t N>
std::string_view name_in(const std::array<std::string_view, N>& names, Enum value) {
  const auto index = static_cast<std::size_t>(value);
  return index < names.size() ? names[index] : std::string_view("?");
}

}  // namespace

std::string_view name_of(Engine engine) { return name_in(kEngineNames, engine); }
std::string_view name_of(Option82Policy policy) { return name_in(kOption82PolicyNames, policy); }
std::string_view name_of(ServerMode mode) { return name_in(kServerModeNames, mode); }
std::string_view name_of(PortKind kind) { return name_in(kPortKindNames, kind); }
std::string_view name_of(ExceptionPolicy policy) { return name_in(kExceptionPolicyNames, policy); }
std::string_view name_of(LoopRole role) { return name_in(kLoopRoleNames, role); }
std::string_view name_of(Durability durability) { return name_in(kDurabilityNames, durability); }
std::string_view name_of(ReplyAfter reply_after) { return name_in(kReplyAfterNames, reply_after); }
std::string_view name_of(ConditionKind kind) { return name_in(kConditionKindNames, kind); }
std::string_view name_of(Allocate allocate) { return name_in(kAllocateNames, allocate); }
std::string_view name_of(StoreBackend backend) { return name_in(kStoreBackendNames, backend); }

}  // namespace xk
