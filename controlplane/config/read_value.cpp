#include "controlplane/config/read_value.h"

#include <charconv>
#include <expected>
#include <optional>

#include "bpf/shared/limits.h"

namespace xk::config {
namespace {

// A parser of a text: the value, or what is wrong with the text and what is allowed.
template <typename T>
using Parsed = std::expected<T, std::string>;

template <typename T>
void refuse(Given<T>& out, const KeyInfo& key, const std::string& what, Mistakes& mistakes) {
  out.bad = true;
  mistakes.add(out.at, std::string(key.name) + ": " + what);
}

template <typename T>
void refuse_kind(Given<T>& out, const toml::node& node, const KeyInfo& key, std::string_view expected,
                 Mistakes& mistakes) {
  refuse(out, key,
         "found " + std::string(kind_text(node)) + "; expected " + std::string(expected) + ", as in " +
             std::string(key.example),
         mistakes);
}

// A value written as a text in quotes.
template <typename T, typename Parse>
void read_text(const toml::node& node, const KeyInfo& key, std::string_view expected, Parse&& parse,
               Given<T>& out, Mistakes& mistakes) {
  out.at = position_of(node.source());
  const auto* text = node.as_string();
  if (text == nullptr) return refuse_kind(out, node, key, expected, mistakes);
  auto value = parse(std::string_view(text->get()));
  if (!value) return refuse(out, key, quoted(text->get()) + " " + value.error(), mistakes);
  out.value = *std::move(value);
}

std::optional<std::uint32_t> decimal(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Parsed<Ip4> unicast_address(std::string_view text) {
  const auto address = parse_ip4(text);
  if (!address) return std::unexpected("is no IPv4 address; it is four numbers 0 to 255, as in \"10.0.0.1\"");
  const std::uint32_t first = address->value >> 24;
  if (first == 0 || first == 127 || first >= 224) {
    return std::unexpected(
        "is no address of a host; allowed: unicast, 1.0.0.0 to 223.255.255.255 without 127.0.0.0/8");
  }
  return *address;
}

Parsed<Prefix4> prefix(std::string_view text) {
  if (const auto whole = parse_prefix4(text)) return *whole;
  const std::size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    const auto address = parse_ip4(text.substr(0, slash));
    const auto length = decimal(text.substr(slash + 1));
    if (address && length && *length <= 32) {
      const auto bits = static_cast<std::uint8_t>(*length);
      const Prefix4 network{Ip4{address->value & Prefix4{{}, bits}.mask()}, bits};
      return std::unexpected("has host bits that are not zero; the network is \"" + to_string(network) +
                             "\"");
    }
  }
  return std::unexpected("is no prefix; it is a network and a length, as in \"10.0.0.0/24\"");
}

Parsed<Range4> range(std::string_view text) {
  if (const auto whole = parse_range4(text)) return *whole;
  if (const auto one = parse_ip4(text)) return Range4{*one, *one};
  const std::size_t dash = text.find('-');
  if (dash != std::string_view::npos) {
    const auto first = parse_ip4(text.substr(0, dash));
    const auto last = parse_ip4(text.substr(dash + 1));
    if (first && last && *last < *first)
      return std::unexpected("ends before it begins; the lower address is first");
  }
  return std::unexpected("is no range; it is two addresses, as in \"10.0.0.100-10.0.0.199\", or one");
}

Parsed<Mac> unicast_mac(std::string_view text) {
  const auto mac = parse_mac(text);
  if (!mac) return std::unexpected("is no MAC address; it is six bytes in hex, as in \"02:00:00:00:00:01\"");
  if (mac->is_zero() || (mac->bytes[0] & 1) != 0) {
    return std::unexpected("is no unicast MAC address; its first byte must be even, and not all may be zero");
  }
  return *mac;
}

// One VLAN identifier; 802.1Q-2018 9.6 and table 9-2.
Parsed<Vid> vid(std::int64_t value) {
  if (value == XK_VID_NONE) {
    return std::unexpected(
        "VLAN 0 marks a priority tag: such a frame is untagged (802.1Q 9.6); leave the key out for that");
  }
  if (value == XK_VID_RESERVED) {
    return std::unexpected("VLAN 4095 is reserved (802.1Q table 9-2); allowed: 1 to 4094");
  }
  if (value < 0 || value > XK_VID_RESERVED) {
    return std::unexpected("VLAN " + std::to_string(value) + " is out of range; allowed: 1 to 4094");
  }
  return Vid{static_cast<std::uint16_t>(value)};
}

Parsed<VlanIds> vlan_ids(std::string_view text) {
  if (text == "none") return VlanIds{};
  const std::size_t dot = text.find('.');
  const std::string_view outer_text = text.substr(0, dot);
  const std::string_view inner_text = dot == std::string_view::npos ? "" : text.substr(dot + 1);
  if (dot != std::string_view::npos && (outer_text.empty() || outer_text == "0" || outer_text == "none") &&
      decimal(inner_text)) {
    return std::unexpected("has an inner tag without an outer one; one tag is written alone, as in \"100\"");
  }
  const auto outer_number = decimal(outer_text);
  const auto inner_number = decimal(inner_text);
  if (!outer_number || (dot != std::string_view::npos && !inner_number)) {
    return std::unexpected("is no VLAN; allowed: \"none\", 100, \"100\" or \"200.300\" (outer.inner)");
  }
  const auto outer = vid(*outer_number);
  if (!outer) return std::unexpected("is refused: " + outer.error());
  if (dot == std::string_view::npos) return VlanIds{*outer, {}};
  const auto inner = vid(*inner_number);
  if (!inner) return std::unexpected("is refused: " + inner.error());
  return VlanIds{*outer, *inner};
}

Parsed<Tpid> tpid(std::string_view text) {
  if (text == "0x8100") return Tpid{0x8100};
  if (text == "0x88a8" || text == "0x88A8") return Tpid{0x88a8};
  return std::unexpected("is no tag protocol of ours; allowed: \"0x8100\" (802.1Q) and \"0x88a8\" (802.1ad)");
}

Parsed<FileMode> mode(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  if (text.size() < 3 || text.size() > 4 || error != std::errc{} || end != text.data() + text.size() ||
      value > 0777) {
    return std::unexpected("is no file mode; allowed: octal, \"0000\" to \"0777\"");
  }
  return FileMode{value};
}

Parsed<Choice> choice(std::string_view text, std::span<const std::string_view> words) {
  std::string allowed;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == text) return Choice{static_cast<std::uint8_t>(i)};
    allowed += (i == 0 ? "\"" : ", \"") + std::string(words[i]) + "\"";
  }
  return std::unexpected("is not known; allowed: " + allowed);
}

template <typename T>
void read_list(const toml::node& node, const KeyInfo& key, Given<List<T>>& out, Mistakes& mistakes) {
  out.at = position_of(node.source());
  const auto* array = node.as_array();
  if (array == nullptr) return refuse_kind(out, node, key, "a list", mistakes);
  if (array->size() < key.min || array->size() > key.max) {
    return refuse(out, key,
                  "has " + std::to_string(array->size()) + " items; allowed: " + std::to_string(key.min) +
                      " to " + std::to_string(key.max),
                  mistakes);
  }
  for (const toml::node& item : *array) {
    Given<T> one;
    read_value(item, key, one, mistakes);
    if (one.bad) {
      out.bad = true;
    } else {
      out.value.push_back(one);
    }
  }
}

}  // namespace

Position position_of(const toml::source_region& region) { return {region.begin.line, region.begin.column}; }

std::string_view kind_text(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a text";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a number with a fraction";
    case toml::node_type::boolean:
      return "true or false";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
      return "a date or time";
    case toml::node_type::none:
      break;
  }
  return "nothing";
}

void read_value(const toml::node& node, const KeyInfo& key, Given<std::string>& out, Mistakes& mistakes) {
  const auto check = [&key](std::string_view text) -> Parsed<std::string> {
    const bool accepted_empty = text.empty() && key.empty_allowed;
    std::string wrong = accepted_empty || key.check == nullptr ? "" : key.check(text);
    if (!wrong.empty()) return std::unexpected(std::move(wrong));
    return std::string(text);
  };
  read_text(node, key, "a text in quotes", check, out, mistakes);
}

void read_value(const toml::node& node, const KeyInfo& key, Given<bool>& out, Mistakes& mistakes) {
  out.at = position_of(node.source());
  const auto* value = node.as_boolean();
  if (value == nullptr) return refuse_kind(out, node, key, "true or false", mistakes);
  out.value = value->get();
}

void read_value(const toml::node& node, const KeyInfo& key, Given<std::uint32_t>& out, Mistakes& mistakes) {
  out.at = position_of(node.source());
  const auto* value = node.as_integer();
  if (value == nullptr) return refuse_kind(out, node, key, "an integer", mistakes);
  const std::int64_t number = value->get();
  if (number < std::int64_t{key.min} || number > std::int64_t{key.max}) {
    return refuse(out, key,
                  std::to_string(number) + " is out of range; allowed: " + std::to_string(key.min) + " to " +
                      std::to_string(key.max),
                  mistakes);
  }
  out.value = static_cast<std::uint32_t>(number);
}

void read_value(const toml::node& node, const KeyInfo& key, Given<Choice>& out, Mistakes& mistakes) {
  read_text(
      node, key, "a text in quotes", [&key](std::string_view text) { return choice(text, key.words); }, out,
      mistakes);
}

void read_value(const toml::node& node, const KeyInfo& key, Given<Ip4>& out, Mistakes& mistakes) {
  read_text(node, key, "an address in quotes", unicast_address, out, mistakes);
}

void read_value(const toml::node& node, const KeyInfo& key, Given<Prefix4>& out, Mistakes& mistakes) {
  read_text(node, key, "a prefix in quotes", prefix, out, mistakes);
}

void read_value(const toml::node& node, const KeyInfo& key, Given<Range4>& out, Mistakes& mistakes) {
  read_text(node, key, "a range in quotes", range, out, mistakes);
}

void read_value(const toml::node& node, const KeyInfo& key, Given<Mac>& out, Mistakes& mistakes) {
  read_text(node, key, "a MAC address in quotes", unicast_mac, out, mistakes);
}

void read_value(const toml::node& node, const KeyInfo& key, Given<VlanIds>& out, Mistakes& mistakes) {
  out.at = position_of(node.source());
  if (const auto* number = node.as_integer()) {
    const auto one = vid(number->get());
    if (!one) return refuse(out, key, one.error(), mistakes);
    out.value = VlanIds{*one, {}};
    return;
  }
  if (node.is_floating_point()) {
    return refuse(
        out, key,
        "found a number with a fraction, where 200.300 is 200.3; two tags are written in quotes, as in "
        "\"200.300\"",
        mistakes);
  }
  read_text(node, key, "a VLAN", vlan_ids, out, mistakes);
}

void read_value(const toml::node& node, const KeyInfo& key, Given<Tpid>& out, Mistakes& mistakes) {
  const auto* number = node.as_integer();
  if (number != nullptr && (number->get() == 0x8100 || number->get() == 0x88a8)) {
    out.at = position_of(node.source());
    out.value = Tpid{static_cast<std::uint16_t>(number->get())};
    return;
  }
  read_text(node, key, "a tag protocol in quotes", tpid, out, mistakes);
}

void read_value(const toml::node& node, const KeyInfo& key, Given<FileMode>& out, Mistakes& mistakes) {
  read_text(node, key, "an octal mode in quotes", mode, out, mistakes);
}

void read_value(const toml::node& node, const KeyInfo& key, Given<List<Ip4>>& out, Mistakes& mistakes) {
  read_list(node, key, out, mistakes);
}

void read_value(const toml::node& node, const KeyInfo& key, Given<List<Range4>>& out, Mistakes& mistakes) {
  read_list(node, key, out, mistakes);
}

void read_value(const toml::node& node, const KeyInfo& key, Given<List<Choice>>& out, Mistakes& mistakes) {
  read_list(node, key, out, mistakes);
}

void read_value(const toml::node& node, const KeyInfo& key, Given<List<std::string>>& out,
                Mistakes& mistakes) {
  read_list(node, key, out, mistakes);
}

}  // namespace xk::config
