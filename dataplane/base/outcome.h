// Names of the one list of outcomes (bpf/shared/outcomes.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "bpf/shared/outcomes.h"

namespace xk {

enum class OutcomeKind : std::uint8_t { pass, redirect, drop, note };

struct OutcomeInfo {
  OutcomeKind kind;
  std::string_view name;
  std::string_view explanation;
};

inline constexpr std::array<OutcomeInfo, XK_OUTCOME_COUNT> kOutcomes = {{
#define XK_KIND_PASS OutcomeKind::pass
#define XK_KIND_REDIRECT OutcomeKind::redirect
#define XK_KIND_DROP OutcomeKind::drop
#define XK_KIND_NOTE OutcomeKind::note
#define XK_OUTCOME_INFO(kind, name, text, explanation) OutcomeInfo{XK_KIND_##kind, text, explanation},
    XK_OUTCOMES(XK_OUTCOME_INFO)
#undef XK_OUTCOME_INFO
#undef XK_KIND_PASS
#undef XK_KIND_REDIRECT
#undef XK_KIND_DROP
#undef XK_KIND_NOTE
}};

using Outcome = enum xk_outcome;

[[nodiscard]] constexpr bool is_drop(Outcome outcome) {
  return kOutcomes[static_cast<std::size_t>(outcome)].kind == OutcomeKind::drop;
}

}  // namespace xk
