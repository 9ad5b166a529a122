// What a change has just given up on the server side, and what may still be answered to: a server takes its
// time, and what it answers to a request of before the change is not to be lost.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "dataplane/base/snapshot.h"

namespace xk {

// For so long after a change, answers of servers of before, or to addresses of before, are still taken: as
// long as a request is remembered (relay/recent_requests.h).
inline constexpr std::uint64_t kLateAnswersMs = 30'000;
// At most so many of one attachment and of one VRF; those that were given up last.
inline constexpr std::size_t kLateAnswersMax = 16;

// Each with its end, in monotonic ms.
struct LateAnswers {
  std::map<std::pair<AttachmentId, Ip4>, std::uint64_t> addresses;  // of server attachments
  std::map<std::pair<VrfId, Ip4>, std::uint64_t> servers;           // by the clients' VRF
  // When the first of them ends.
  [[nodiscard]] std::optional<std::uint64_t> next_end_ms() const;
  friend bool operator==(const LateAnswers&, const LateAnswers&) = default;
};

// What `before`, with its late answers, has and `now` has not, less what ends until now_ms. Of attachments
// and VRFs that `now` has not got at all, nothing.
[[nodiscard]] LateAnswers late_answers(const Snapshot& before, const LateAnswers& known, const Snapshot& now,
                                       std::uint64_t now_ms);

}  // namespace xk
