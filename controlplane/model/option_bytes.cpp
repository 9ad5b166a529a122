#include "controlplane/model/option_bytes.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <map>
#include <sstream>

#include "controlplane/model/kea_options.h"
#include "dataplane/base/hex.h"

namespace xk {
namespace {

constexpr std::size_t kPartMax = 255;
constexpr std::size_t kLabelMax = 63;        // RFC 1035 2.3.4
constexpr std::size_t kPointedMax = 0x3fff;  // RFC 1035 4.1.4

std::unexpected<Error> wrong(std::string message) { return std::unexpected(Error{std::move(message)}); }

std::string name_of(const OptionData& option) {
  return option.code != 0 ? "option " + std::to_string(option.code) : "option \"" + option.name + "\"";
}

void append_be(std::string& to, std::uint64_t number, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) to.push_back(static_cast<char>(number >> (8 * i) & 0xff));
}

std::string trimmed(std::string text) {
  const auto space = [](char c) { return c == ' ' || c == '\t'; };
  text.erase(text.begin(), std::ranges::find_if_not(text, space));
  while (!text.empty() && space(text.back())) text.pop_back();
  return text;
}

// Fields between commas; a backslash takes the meaning of the character behind it, as in Kea.
std::vector<std::string> fields_of(std::string_view data) {
  std::vector<std::string> fields(1);
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (data[i] == '\\' && i + 1 < data.size() && (data[i + 1] == ',' || data[i + 1] == '\\'))
      fields.back() += data[++i];
    else if (data[i] == ',')
      fields.emplace_back();
    else
      fields.back() += data[i];
  }
  for (std::string& field : fields) field = trimmed(std::move(field));
  return fields;
}

std::expected<std::int64_t, Error> number_of(const std::string& text, std::int64_t min, std::int64_t max) {
  const bool hex = text.starts_with("0x");
  const char* begin = text.data() + (hex ? 2 : 0);
  const char* end = text.data() + text.size();
  std::int64_t number = 0;
  const auto [stopped, error] = std::from_chars(begin, end, number, hex ? 16 : 10);
  if (error != std::errc{} || stopped != end || number < min || number > max)
    return wrong("\"" + text + "\" is no number from " + std::to_string(min) + " to " + std::to_string(max));
  return number;
}

std::expected<void, Error> append_number(std::string& to, const std::string& text, int bytes,
                                         bool is_signed) {
  const std::int64_t max = (std::int64_t{1} << (8 * bytes - (is_signed ? 1 : 0))) - 1;
  const auto number = number_of(text, is_signed ? -max - 1 : 0, max);
  if (!number) return std::unexpected(number.error());
  append_be(to, static_cast<std::uint64_t>(*number), bytes);
  return {};
}

// Where names end that stand in a value already, by their text.
using Suffixes = std::map<std::string, std::size_t, std::less<>>;

// With suffixes, a name that ends as one before it points there (RFC 1035 4.1.4).
std::expected<void, Error> append_domain(std::string& to, std::string_view name, Suffixes* suffixes) {
  if (name.ends_with('.')) name.remove_suffix(1);
  const std::string whole(name);
  while (!name.empty()) {
    if (suffixes != nullptr) {
      const auto [known, fresh] = suffixes->try_emplace(std::string(name), to.size());
      if (!fresh && known->second <= kPointedMax) {
        append_be(to, 0xc000u | known->second, 2);
        return {};
      }
    }
    const std::size_t dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    if (label.empty() || label.size() > kLabelMax) return wrong("\"" + whole + "\" is no domain name");
    to.push_back(static_cast<char>(label.size()));
    to.append(label);
    name = dot == std::string_view::npos ? std::string_view{} : name.substr(dot + 1);
  }
  to.push_back('\0');
  return {};
}

// RFC 3442: the prefix's length, as many of its bytes as count, the router.
std::expected<void, Error> append_route(std::string& to, const std::string& field) {
  std::istringstream words(field);
  std::string destination, router;
  words >> destination >> router;
  if (router == "via" || router == "-") words >> router;
  const auto prefix = parse_prefix4(destination);
  const auto address = parse_ip4(router);
  std::string rest;
  if (!prefix || !address || words >> rest)
    return wrong("\"" + field + "\" is no route: a prefix and a router, as in 10.8.0.0/16 10.0.0.254");
  to.push_back(static_cast<char>(prefix->length));
  for (int i = 0; i < (prefix->length + 7) / 8; ++i)
    to.push_back(static_cast<char>(prefix->network.value >> (24 - 8 * i) & 0xff));
  append_be(to, address->value, 4);
  return {};
}

std::expected<void, Error> append_field(std::string& to, OptionType type, const std::string& field) {
  switch (type) {
    case OptionType::address:
    case OptionType::addresses: {
      const auto address = parse_ip4(field);
      if (!address) return std::unexpected(address.error());
      append_be(to, address->value, 4);
      return {};
    }
    case OptionType::u8:
    case OptionType::u8s:
      return append_number(to, field, 1, false);
    case OptionType::u16:
    case OptionType::u16s:
      return append_number(to, field, 2, false);
    case OptionType::u32:
      return append_number(to, field, 4, false);
    case OptionType::i32:
      return append_number(to, field, 4, true);
    case OptionType::flag:
      if (field != "true" && field != "false" && field != "0" && field != "1")
        return wrong("\"" + field + "\" is neither true nor false");
      to.push_back(field == "true" || field == "1" ? '\x01' : '\x00');
      return {};
    case OptionType::text:
      to += field;
      return {};
    case OptionType::domain:
    case OptionType::domains:
      return append_domain(to, field, nullptr);
    case OptionType::routes:
      return append_route(to, field);
    case OptionType::bytes: {
      const auto bytes = bytes_of_hex(field);
      if (!bytes) return std::unexpected(bytes.error());
      to += *bytes;
      return {};
    }
    case OptionType::search:
    case OptionType::defined:
    case OptionType::other:
      break;
  }
  return wrong("it has no text");
}

bool is_list(OptionType type) {
  return type == OptionType::addresses || type == OptionType::u8s || type == OptionType::u16s ||
         type == OptionType::domains || type == OptionType::search || type == OptionType::routes;
}

std::expected<std::string, Error> search_list_of(const std::vector<std::string>& names) {
  std::string value;
  Suffixes suffixes;
  for (const std::string& name : names) {
    if (auto appended = append_domain(value, name, &suffixes); !appended)
      return std::unexpected(std::move(appended.error()));
  }
  return value;
}

// Policy filters and static routes are pairs of addresses (RFC 2132 4.3, 5.8).
bool is_of_pairs(const KeaOption* known) {
  return known != nullptr && (known->code == 21 || known->code == 33);
}

std::expected<std::string, Error> value_of(const OptionData& option, const KeaOption* known) {
  if (option.hex) return bytes_of_hex(option.data);
  OptionType type = option.type;
  if (type == OptionType::defined) type = known == nullptr ? OptionType::other : known->type;
  if (type == OptionType::other) return wrong("what its data means is not known here: give the bytes as hex");
  const std::vector<std::string> fields = fields_of(option.data);
  if (fields.size() > 1 && !is_list(type)) return wrong("it takes one value, not several");
  if (is_of_pairs(known) && fields.size() % 2 != 0) return wrong("it takes pairs of addresses");
  if (type == OptionType::search) return search_list_of(fields);
  std::string value;
  for (const std::string& field : fields) {
    if (auto appended = append_field(value, type, field); !appended)
      return std::unexpected(std::move(appended.error()));
  }
  return value;
}

const KeaOption* known_as(const OptionData& option) {
  return option.code != 0 ? named_option(option.code) : named_option(option.name);
}

std::string addresses_of(const std::vector<Ip4>& addresses) {
  std::string value;
  for (const Ip4 address : addresses) append_be(value, address.value, 4);
  return value;
}

}  // namespace

std::expected<std::string, Error> bytes_of_hex(std::string_view text) {
  if (auto bytes = read_hex(text.starts_with("0x") ? text.substr(2) : text)) return std::move(*bytes);
  return wrong("\"" + std::string(text) + "\" is no row of bytes in hex: two digits each");
}

std::string hex_of_bytes(std::string_view bytes) {
  std::string hex;
  append_hex(hex, bytes);
  return hex;
}

std::string option_of(std::uint8_t code, std::string_view value) {
  std::string bytes;
  do {
    const std::string_view part = value.substr(0, kPartMax);
    bytes.push_back(static_cast<char>(code));
    bytes.push_back(static_cast<char>(part.size()));
    bytes.append(part);
    value.remove_prefix(part.size());
  } while (!value.empty());
  return bytes;
}

std::uint8_t option_code(const OptionData& option) {
  const KeaOption* known = known_as(option);
  return known != nullptr ? known->code : option.code;
}

std::expected<std::string, Error> option_value(const OptionData& option) {
  auto value = value_of(option, known_as(option));
  if (!value) return std::unexpected(std::move(value.error()).in(name_of(option)));
  return value;
}

std::expected<std::string, Error> option_bytes(const OptionData& option) {
  const std::uint8_t code = option_code(option);
  if (code == 0) return wrong(name_of(option) + ": no option is called that: give its code");
  if (const std::string_view reserved = reserved_option(code);
      code != 1 && !has_subnet_key(code) && !reserved.empty())
    return wrong(name_of(option) + " " + std::string(reserved));
  const auto value = option_value(option);
  if (!value) return value;
  return option_of(code, *value);
}

std::expected<std::string, Error> options_bytes(const std::vector<OptionData>& options) {
  std::string all;
  for (const OptionData& option : options) {
    const auto bytes = option_bytes(option);
    if (!bytes) return bytes;
    all += *bytes;
  }
  return all;
}

std::vector<OptionData> unsaid_options(const std::vector<OptionData>& said,
                                       const std::vector<OptionData>& further) {
  std::vector<OptionData> unsaid;
  for (const OptionData& option : further) {
    const auto same = [&](const OptionData& other) { return option_code(other) == option_code(option); };
    if (std::ranges::none_of(said, same)) unsaid.push_back(option);
  }
  return unsaid;
}

std::vector<OptionData> inherited_options(const Vrf& vrf, const Subnet& subnet) {
  std::vector<OptionData> inherited = unsaid_options(subnet.options, vrf.options);
  std::erase_if(inherited, [&](const OptionData& option) {
    const std::uint8_t code = option_code(option);
    return (code == 3 && !subnet.gateway.is_zero()) || (code == 6 && !subnet.dns.empty()) ||
           (code == 15 && !subnet.domain.empty()) || (code == 42 && !subnet.ntp.empty());
  });
  return inherited;
}

std::expected<std::string, Error> subnet_options_bytes(const Vrf& vrf, const Subnet& subnet) {
  std::string bytes;
  std::string mask;
  append_be(mask, subnet.prefix.mask(), 4);
  const auto add = [&](std::uint8_t code, const std::string& value) {
    const bool replaced = std::ranges::any_of(
        subnet.options, [&](const OptionData& option) { return option_code(option) == code; });
    if (!replaced && !value.empty()) bytes += option_of(code, value);
  };
  add(1, mask);
  if (!subnet.gateway.is_zero()) add(3, addresses_of({subnet.gateway}));
  add(6, addresses_of(subnet.dns));
  add(15, subnet.domain);
  add(42, addresses_of(subnet.ntp));
  for (const auto& options : {subnet.options, inherited_options(vrf, subnet)}) {
    const auto further = options_bytes(options);
    if (!further) return further;
    bytes += *further;
  }
  return bytes;
}

}  // namespace xk
