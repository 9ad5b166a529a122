#include "controlplane/model/template.h"

#include <algorithm>
#include <optional>

namespace xk {
namespace {

std::optional<std::string> value_of(std::string_view placeholder, const TemplateValues& values) {
  if (placeholder == "port") return std::string(values.port);
  if (placeholder == "svlan") return std::to_string(values.outer.value);
  if (placeholder == "cvlan") return std::to_string(values.inner.value);
  if (placeholder == "vrf") return std::string(values.vrf);
  if (placeholder == "mac") return std::string(1, kMacPlaceholder);
  if (placeholder == "hostname") return std::string(values.hostname);
  return std::nullopt;
}

}  // namespace

std::expected<std::string, Error> render_template(std::string_view text, const TemplateValues& values) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c < ' ' || c > '~') {
      return std::unexpected(Error{"a character that is not printable ASCII; templates are ASCII text"});
    }
    if (c != '{' && c != '}') {
      out += c;
      continue;
    }
    if (i + 1 < text.size() && text[i + 1] == c) {
      out += c;
      ++i;
      continue;
    }
    if (c == '}') return std::unexpected(Error{"\"}\" without \"{\"; a plain brace is written \"}}\""});
    const std::size_t end = text.find('}', i);
    if (end == std::string_view::npos) {
      return std::unexpected(Error{"\"{\" without \"}\"; a plain brace is written \"{{\""});
    }
    const std::string_view placeholder = text.substr(i + 1, end - i - 1);
    const auto value = value_of(placeholder, values);
    if (!value) {
      // Shown only if it is a word: an error is one line.
      const bool word =
          std::ranges::all_of(placeholder, [](char letter) { return letter > ' ' && letter < 0x7f; });
      return std::unexpected(Error{(word ? "unknown placeholder {" + std::string(placeholder) + "}"
                                         : std::string("a placeholder that is no word")) +
                                   "; there are {port}, {svlan}, {cvlan}, {vrf}, {mac} and {hostname}"});
    }
    out += *value;
    i = end;
  }
  return out;
}

std::string with_mac(std::string_view rendered, std::string_view mac) {
  std::string text;
  for (const char c : rendered) {
    if (c == kMacPlaceholder)
      text += mac;
    else
      text += c;
  }
  return text;
}

}  // namespace xk
