// JSON from somebody else: bounded before it is parsed.
#pragma once

#include <cstddef>
#include <string_view>

#include <nlohmann/json.hpp>

#include "controlplane/reconcile/ports.h"

namespace xk::kea {

inline constexpr std::size_t kJsonDepthMax = 64;

// Watches a JSON text go by, in pieces: is it complete, is it too deep? It tells values apart by
// brackets and strings only; the parser says whether they are right.
class JsonScanner {
 public:
  enum class State { incomplete, complete, too_deep };
  // Takes the next piece. Once complete or too_deep it stays so.
  State feed(std::string_view piece);
  [[nodiscard]] State state() const { return state_; }

 private:
  void step(char c);

  State state_ = State::incomplete;
  std::size_t depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
};

struct JsonFailure {
  Error error;
  std::size_t offset = 0;  // byte of the text where it went wrong
};

// An object or array, at most kJsonDepthMax deep. Exceptions of the library end here.
template <typename Document = nlohmann::json>
[[nodiscard]] std::expected<Document, JsonFailure> parse_json(std::string_view text) {
  JsonScanner scanner;
  if (scanner.feed(text) == JsonScanner::State::too_deep)
    return std::unexpected(JsonFailure{Error{"JSON nested deeper than " + std::to_string(kJsonDepthMax)}, 0});
  try {
    return Document::parse(text);
  } catch (const nlohmann::json::parse_error& failure) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error ...": the
    // caller knows better where that is.
    std::string_view what = failure.what();
    const std::size_t reason = what.find(": ");
    if (reason != std::string_view::npos) what.remove_prefix(reason + 2);
    // byte counts from one, and is the end of what was read last.
    return std::unexpected(JsonFailure{Error{std::string(what)}, failure.byte == 0 ? 0 : failure.byte - 1});
  }
}

// What a Kea answers to a command: result and text, and the rest untouched.
struct Answer {
  int result = 1;  // 0 success, 1 error, 2 unsupported, 3 empty, 4 conflict
  std::string text;
  nlohmann::json arguments;  // null if there are none
};
[[nodiscard]] Result<Answer> parse_answer(std::string_view json);

}  // namespace xk::kea
