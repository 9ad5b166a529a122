// Which classes a client is in.
#include <algorithm>
#include <array>

#include "dataplane/base/text_bytes.h"
#include "dataplane/serve/native_rules.h"

namespace xk {
namespace {

bool holds(ConditionMatch match, std::string_view value, std::string_view wanted) {
  switch (match) {
    case ConditionMatch::equals:
      return value == wanted;
    case ConditionMatch::begins:
      return value.starts_with(wanted);
    case ConditionMatch::contains:
      return value.find(wanted) != std::string_view::npos;
    case ConditionMatch::present:
      return true;
  }
  return false;
}

// RFC 3004 4: classes with a length in front of each. Many clients send one text without lengths.
bool user_class_holds(const NativeCondition& condition, Bytes user_class) {
  if (holds(condition.match, text_of(user_class), condition.value)) return true;
  while (!user_class.empty()) {
    const std::size_t size = user_class[0];
    if (size == 0 || size + 1 > user_class.size()) return false;
    if (holds(condition.match, text_of(user_class.subspan(1, size)), condition.value)) return true;
    user_class = user_class.subspan(size + 1);
  }
  return false;
}

bool value_holds(const NativeCondition& condition, Bytes value) {
  return !value.empty() && holds(condition.match, text_of(value), condition.value);
}

// An option without a value is there, too.
bool option_holds(const ServerRequest& request, const NativeCondition& condition) {
  std::array<std::uint8_t, kOptionJoinedMax> scratch;
  const auto value = find_option(request, condition.code, scratch);
  return value && holds(condition.match, text_of(*value), condition.value);
}

// The line is found out once, and only for whom it matters.
struct LazyLine {
  Line line;
  bool known = false;
  const Line& of(const ServerRequest& request) {
    if (!known) find_line(request, line);
    known = true;
    return line;
  }
};

bool condition_holds(const ServerRequest& request, const NativeCondition& condition, LazyLine& line) {
  switch (condition.kind) {
    case ConditionKind::vendor_class:
      return value_holds(condition, request.vendor_class);
    case ConditionKind::user_class:
      return !request.user_class.empty() && user_class_holds(condition, request.user_class);
    case ConditionKind::circuit_id:
      return value_holds(condition, line.of(request).circuit_id());
    case ConditionKind::remote_id:
      return value_holds(condition, line.of(request).remote_id());
    case ConditionKind::mac:
      return value_holds(condition, request.chaddr.bytes);
    case ConditionKind::option:
      return option_holds(request, condition);
  }
  return false;
}

}  // namespace

std::uint32_t classes_of(const ServerRequest& request, const NativePlan& plan) {
  const auto& classes = plan.native().classes;
  LazyLine line;
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const bool in = std::ranges::all_of(classes[i].conditions, [&](const NativeCondition& condition) {
      return condition_holds(request, condition, line);
    });
    if (in) bits |= 1u << i;
  }
  return bits;
}

}  // namespace xk
