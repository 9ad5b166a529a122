#include "controlplane/config/pool_rule.h"

#include <array>
#include <charconv>
#include <optional>

namespace xk::config {
namespace {

using Kind = PoolRule::Kind;

constexpr std::uint32_t kHostNumberMax = 0x00fffffe;  // of a /8

constexpr auto kWords = std::to_array<std::pair<std::string_view, Kind>>({{"none", Kind::none},
                                                                          {"all", Kind::all},
                                                                          {"upper-half", Kind::upper_half},
                                                                          {"lower-half", Kind::lower_half}});

std::optional<std::uint32_t> host_number(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (number == 0 || number > kHostNumberMax) return std::nullopt;
  return number;
}

}  // namespace

std::expected<PoolRule, Error> parse_pool_rule(std::string_view text) {
  for (const auto& [word, kind] : kWords) {
    if (word == text) return PoolRule{.kind = kind, .first = 0, .last = 0};
  }
  if (const std::size_t dash = text.find('-'); dash != std::string_view::npos) {
    const auto first = host_number(text.substr(0, dash));
    const auto last = host_number(text.substr(dash + 1));
    if (first && last && *first <= *last)
      return PoolRule{.kind = Kind::range, .first = *first, .last = *last};
  }
  return std::unexpected(Error{
      "is no pool rule; allowed: \"all\", \"none\", \"upper-half\", \"lower-half\", or the numbers of the "
      "first and the last host as in \"10-200\""});
}

std::string pool_rule_text(const PoolRule& rule) {
  for (const auto& [word, kind] : kWords) {
    if (kind == rule.kind) return std::string(word);
  }
  return std::to_string(rule.first) + "-" + std::to_string(rule.last);
}

}  // namespace xk::config
