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

// An object or array, at most kJsonDepthMax deep. Exceptions of the library end here. The callback
// is told of the parser's events, as the library says.
template <typename Document = nlohmann::json>
[[nodiscard]] std::expected<Document, JsonFailure> parse_json(
    std::string_view text, const typename Document::parser_callback_t& callback = nullptr) {
  JsonScanner scanner;
  if (scanner.feed(text) == JsonScanner::State::too_deep)
    return std::unexpected(JsonFailure{Error{"JSON nested deeper than " + std::to_string(kJsonDepthMax)}, 0});
  try {
    return Document::parse(text, callback);
  } catch (const nlohmann::json::parse_error& failure) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error ...": the
    // caller knows better where that is.
    std::string_view what = failure.what();
    const std::size_t reason = what.find(": ");
    if (reason != std::string_view::npos) what.remove_prefix(reason + 2);
    // byte counts from one, and is the end of what was read last.
    return std::unexpected(JsonFailure{Error{std::string(what)}, failure.byte == 0 ? 0 : failure.byte - 1});
  } catch (const nlohmann::json::exception& failure) {
    // A number beyond all range is no parse_error to the library.
    return std::unexpected(JsonFailure{Error{failure.what()}, 0});
  }
}

// A parsed document takes many times the memory of its text: of answers that we look into no more
// than this is taken. A full page of leases is under 4 MiB.
inline constexpr std::size_t kParsedBytesMax = 8 << 20;

// What a Kea answers to a command: result and text, and the rest untouched.
struct Answer {
  int result = 1;  // 0 success, 1 error, 2 unsupported, 3 empty, 4 conflict
  std::string text;
  nlohmann::json arguments;  // null if there are none
};
[[nodiscard]] Result<Answer> parse_answer(std::string_view json);

}  // namespace xk::kea
