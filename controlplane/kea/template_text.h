// The text side of a template: comments, placeholders, positions. Inside kea/ only.
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/reconcile/ports.h"

namespace xk::kea {

// A mistake at a byte of the template.
struct TemplateMistake {
  std::size_t offset = 0;
  std::string message;
};

// "line:col" of a byte, both from 1.
[[nodiscard]] std::string position_text(std::string_view text, std::size_t offset);

// The text with what Kea takes and JSON does not blanked out: comments (#, //, /* */) and commas
// behind the last element. Every byte keeps its place, and line ends stay.
[[nodiscard]] std::expected<std::string, TemplateMistake> plain_json(std::string_view text);

// A text made of pieces of another, and the way back.
struct Filled {
  std::string text;
  // Where, in the template, the byte of text at offset came from; for a value: its placeholder.
  [[nodiscard]] std::size_t origin(std::size_t offset) const;

  struct Piece {
    std::size_t to = 0;    // first byte in text
    std::size_t from = 0;  // first byte in the template
    bool value = false;    // a placeholder's value
  };
  std::vector<Piece> pieces;  // ascending
};

using PlaceholderValue = std::function<Result<std::string>(std::string_view name)>;

// Puts a value for each %%NAME%% (A-Z, 0-9 and _), escaped for the JSON string it stands in. A
// placeholder outside a string is a mistake.
[[nodiscard]] std::expected<Filled, std::vector<TemplateMistake>> fill(std::string_view text,
                                                                       const PlaceholderValue& value_of);

}  // namespace xk::kea
