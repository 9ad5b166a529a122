// How the lines of both daemons' logs look: key=value, for a person's terminal or the journal.
#pragma once

#include <spdlog/pattern_formatter.h>

#include <memory>
#include <string>
#include <string_view>

#include "dataplane/base/journal.h"

namespace xk {

// "%*": the priority in front of a line for the journal.
class PriorityFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    const auto level = spdlog::level::to_string_view(message.level);
    const std::string_view priority = journal_priority({level.data(), level.size()});
    out.append(priority.data(), priority.data() + priority.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<PriorityFlag>();
  }
};

// The journal has the time itself.
inline std::unique_ptr<spdlog::formatter> log_formatter(const std::string& program) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  const std::string start = stderr_is_journal() ? "%*" : "time=%Y-%m-%dT%H:%M:%S.%e%z ";
  formatter->add_flag<PriorityFlag>('*').set_pattern(start + "level=%l program=" + program + " %v");
  return formatter;
}

}  // namespace xk
