#include "controlplane/leases/user_context.h"

#include <cstddef>

#include "dataplane/base/hex.h"

namespace xk::leases {
namespace {

constexpr int kLevelsMax = 32;
constexpr std::size_t kDigitsMax = 18;
constexpr std::size_t kExponentDigitsMax = 2;

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}
  bool whole_map() {
    space();
    return here() == '{' && value(1) && (space(), at_ == text_.size());
  }

 private:
  [[nodiscard]] char here() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (here() != c) return false;
    ++at_;
    return true;
  }
  void space() {
    while (here() == ' ' || here() == '\t' || here() == '\n' || here() == '\r') ++at_;
  }
  bool word(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  bool digits(std::size_t max) {
    const std::size_t from = at_;
    while (here() >= '0' && here() <= '9') ++at_;
    return at_ != from && at_ - from <= max;
  }
  bool number() {
    take('-');
    if (!digits(kDigitsMax)) return false;
    if (take('.') && !digits(kDigitsMax)) return false;
    if (!take('e') && !take('E')) return true;
    if (!take('+')) take('-');
    return digits(kExponentDigitsMax);
  }
  bool escape() {
    const char c = here();
    ++at_;
    if (c != 'u') return c != '\0' && std::string_view("\"\\/bfnrt").contains(c);
    if (!word("00") || hex_digit(here()) < 0) return false;
    ++at_;
    if (hex_digit(here()) < 0) return false;
    ++at_;
    return true;
  }
  bool string() {
    if (!take('"')) return false;
    for (;;) {
      const char c = here();
      if (static_cast<unsigned char>(c) < ' ') return false;  // the end, too
      ++at_;
      if (c == '"') return true;
      if (c == '\\' && !escape()) return false;
    }
  }
  // The rest of a map or a list, behind its first character.
  bool members(char end, bool keys, int level) {
    space();
    if (take(end)) return true;
    for (;;) {
      space();
      if (keys && (!string() || (space(), !take(':')))) return false;
      space();
      if (!value(level + 1)) return false;
      space();
      if (take(end)) return true;
      if (!take(',')) return false;
    }
  }
  bool value(int level) {
    if (level > kLevelsMax) return false;
    if (take('{')) return members('}', true, level);
    if (take('[')) return members(']', false, level);
    if (here() == '"') return string();
    return word("true") || word("false") || word("null") || number();
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

bool is_user_context(std::string_view text) { return Scanner(text).whole_map(); }

}  // namespace xk::leases
