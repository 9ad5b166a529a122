#include "controlplane/config/guard.h"

#include <string>

namespace xk::config {
namespace {

// Steps through TOML just far enough to know what is outside texts and comments. It may go wrong
// only behind the first syntax error, where the real parser stops.
class DotCounter {
 public:
  explicit DotCounter(std::string_view text) : text_(text) {}

  // The first place with too many dots; line 0: none.
  [[nodiscard]] Position find() {
    while (i_ < text_.size()) {
      const char c = text_[i_];
      if (c == '\n') {
        next_line();
      } else if (c == '#') {
        skip_comment();
      } else if (c == '"' || c == '\'') {
        skip_text(c);
      } else {
        if (c == '.' && ++dots_ > kDotsPerLineMax) {
          return {line_, static_cast<std::uint32_t>(i_ - line_start_ + 1)};
        }
        ++i_;
      }
    }
    return {};
  }

 private:
  void next_line() {
    ++i_;
    ++line_;
    line_start_ = i_;
    dots_ = 0;
  }

  void skip_comment() {
    while (i_ < text_.size() && text_[i_] != '\n') ++i_;
  }

  void skip_text(char quote) {
    const std::string three(3, quote);
    const bool multi_line = text_.substr(i_, 3) == three;
    i_ += multi_line ? 3 : 1;
    while (i_ < text_.size()) {
      const char c = text_[i_];
      if (c == '\n') {
        if (!multi_line) return;  // a syntax error
        next_line();
      } else if (c == '\\' && quote == '"') {
        i_ += i_ + 1 < text_.size() && text_[i_ + 1] != '\n' ? 2 : 1;
      } else if (multi_line && text_.substr(i_, 3) == three) {
        i_ += 3;
        while (i_ < text_.size() && text_[i_] == quote) ++i_;  // up to two belong to the text
        return;
      } else if (!multi_line && c == quote) {
        ++i_;
        return;
      } else {
        ++i_;
      }
    }
  }

  std::string_view text_;
  std::size_t i_ = 0;
  std::size_t line_start_ = 0;
  std::uint32_t line_ = 1;
  std::size_t dots_ = 0;
};

}  // namespace

bool check_bounds(std::string_view toml, Mistakes& mistakes) {
  if (toml.size() > kFileBytesMax) {
    mistakes.add(
        {}, "the file has more than " + std::to_string(kFileBytesMax) + " bytes (8 MiB), the most allowed");
    return false;
  }
  if (const Position at = DotCounter(toml).find(); at.line != 0) {
    mistakes.add(at, "more than " + std::to_string(kDotsPerLineMax) +
                         " dots in one line outside quotes; keys have at most 3 parts");
    return false;
  }
  return true;
}

}  // namespace xk::config
