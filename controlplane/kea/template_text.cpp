#include "controlplane/kea/template_text.h"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace xk::kea {

namespace {

constexpr std::string_view kFence = "%%";

// Follows strings, so that what looks like a comment or a placeholder in one is told apart.
class StringTracker {
 public:
  // Takes the next byte; true while it belongs to a string's inside.
  bool inside(char c) {
    if (!in_string_) {
      in_string_ = c == '"';
      return false;
    }
    if (escaped_) {
      escaped_ = false;
    } else if (c == '\\') {
      escaped_ = true;
    } else if (c == '"' || c == '\n') {
      // A line's end ends a string that was left open: JSON allows none, and the parser will say so.
      in_string_ = false;
      return false;
    }
    return true;
  }
  [[nodiscard]] bool in_string() const { return in_string_; }

 private:
  bool in_string_ = false;
  bool escaped_ = false;
};

// Length of the comment at the front of rest, 0 if there is none, npos if it is not closed.
std::size_t comment_length(std::string_view rest) {
  if (rest.starts_with("/*")) {
    const std::size_t end = rest.find("*/", 2);
    return end == std::string_view::npos ? end : end + 2;
  }
  if (rest.starts_with('#') || rest.starts_with("//")) return std::min(rest.find('\n'), rest.size());
  return 0;
}

// Blanks commas with nothing but space between them and a closing bracket.
void blank_last_commas(std::string& plain) {
  StringTracker tracker;
  std::size_t comma = std::string::npos;
  for (std::size_t at = 0; at < plain.size(); ++at) {
    const char c = plain[at];
    if (tracker.inside(c)) continue;
    if ((c == ']' || c == '}') && comma != std::string::npos) plain[comma] = ' ';
    if (c == ',')
      comma = at;
    else if (std::string_view(" \t\r\n").find(c) == std::string_view::npos)
      comma = std::string::npos;
  }
}

bool is_name_character(char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

std::string json_escaped(const std::string& value) {
  const std::string quoted =
      nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return quoted.substr(1, quoted.size() - 2);
}

}  // namespace

std::string position_text(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 = 0
  return std::to_string(line) + ":" + std::to_string(before.size() - line_start + 1);
}

std::expected<std::string, TemplateMistake> plain_json(std::string_view text) {
  std::string plain(text);
  StringTracker tracker;
  for (std::size_t at = 0; at < text.size();) {
    if (!tracker.in_string() && text.substr(at).starts_with("<?"))
      return std::unexpected(TemplateMistake{at, "<?include?> is not supported in a template"});
    const std::size_t length = tracker.in_string() ? 0 : comment_length(text.substr(at));
    if (length == std::string_view::npos)
      return std::unexpected(TemplateMistake{at, "this comment is not closed; '*/' closes it"});
    if (length == 0) {
      (void)tracker.inside(text[at]);
      ++at;
      continue;
    }
    for (const std::size_t end = at + length; at < end; ++at) {
      if (plain[at] != '\n') plain[at] = ' ';
    }
  }
  blank_last_commas(plain);
  return plain;
}

std::size_t Filled::origin(std::size_t offset) const {
  const auto after = std::upper_bound(pieces.begin(), pieces.end(), offset,
                                      [](std::size_t o, const Piece& piece) { return o < piece.to; });
  if (after == pieces.begin()) return offset;
  const Piece& piece = *std::prev(after);
  return piece.value ? piece.from : piece.from + (offset - piece.to);
}

std::expected<Filled, std::vector<TemplateMistake>> fill(std::string_view text,
                                                         const PlaceholderValue& value_of) {
  Filled filled;
  std::vector<TemplateMistake> mistakes;
  StringTracker tracker;
  filled.pieces.push_back({});
  std::size_t at = 0;
  while (at < text.size()) {
    if (!text.substr(at).starts_with(kFence)) {
      (void)tracker.inside(text[at]);
      filled.text += text[at];
      ++at;
      continue;
    }
    std::size_t end = at + kFence.size();
    while (end < text.size() && is_name_character(text[end])) ++end;
    const std::string_view name = text.substr(at + kFence.size(), end - at - kFence.size());
    if (name.empty() || !text.substr(end).starts_with(kFence)) {
      mistakes.push_back({at, "'%%' begins a placeholder, %%NAME%% of capital letters, digits and '_'"});
      at += kFence.size();
      continue;
    }
    end += kFence.size();
    if (!tracker.in_string()) {
      mistakes.push_back({at, "%%" + std::string(name) + "%% stands outside a string; write \"%%" +
                                  std::string(name) + "%%\""});
    } else if (const auto value = value_of(name); !value) {
      mistakes.push_back({at, value.error().message});
    } else {
      filled.pieces.push_back({filled.text.size(), at, true});
      filled.text += json_escaped(*value);
      filled.pieces.push_back({filled.text.size(), end, false});
    }
    at = end;
  }
  if (!mistakes.empty()) return std::unexpected(std::move(mistakes));
  return filled;
}

}  // namespace xk::kea
