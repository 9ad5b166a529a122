#include "controlplane/leases/record.h"

#include <simdjson.h>

#include <array>
#include <charconv>
#include <limits>

namespace xk::leases {
namespace {

constexpr std::string_view kPrefix = "/xdp-kea/v1/lease/";
constexpr std::size_t kVrfNameMax = 64;
constexpr std::array<const char*, 3> kStates{"active", "declined", "expired"};
constexpr std::array<const char*, kCauses> kCauseNames{"committed", "released", "declined", "expired",
                                                       "recovered"};

// Text members are bytes: those that are no printable ASCII are written as the code points of their
// numbers (as in ISO 8859-1), so that every sequence of bytes comes back as it was.
void append_text(std::string& out, std::string_view bytes) {
  out += '"';
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
      out += c;
    } else {
      out += "\\u00";
      append_hex(out, bytes.substr(i, 1));
    }
  }
  out += '"';
}

void append_number(std::string& out, std::int64_t number) {
  std::array<char, 24> digits;
  out.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr);
}

void name(std::string& out, std::string_view member) {
  out += ",\"";
  out += member;
  out += "\":";
}

void text(std::string& out, std::string_view member, std::string_view bytes) {
  if (bytes.empty()) return;
  name(out, member);
  append_text(out, bytes);
}

void hex_member(std::string& out, std::string_view member, std::string_view bytes, bool colons) {
  if (bytes.empty()) return;
  name(out, member);
  out += '"';
  append_hex(out, bytes, colons);
  out += '"';
}

void number(std::string& out, std::string_view member, std::int64_t value) {
  name(out, member);
  append_number(out, value);
}

// UTF-8 of code points up to 255 as bytes; nothing if there is another one.
std::optional<std::string> bytes_of_text(std::string_view utf8) {
  std::string bytes;
  bytes.reserve(utf8.size());
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto lead = static_cast<std::uint8_t>(utf8[i]);
    if (lead < 0x80) {
      bytes += utf8[i];
    } else if ((lead == 0xc2 || lead == 0xc3) && i + 1 < utf8.size()) {
      bytes += static_cast<char>((lead & 3) << 6 | (static_cast<std::uint8_t>(utf8[++i]) & 0x3f));
    } else {
      return std::nullopt;
    }
  }
  return bytes;
}

}  // namespace

std::optional<std::int64_t> Record::expires_unix_s() const {
  if (valid_lifetime_s == kForEver) return std::nullopt;
  return start_unix_s + valid_lifetime_s;
}

const char* to_string(State state) { return kStates[static_cast<std::size_t>(state)]; }
const char* to_string(Cause cause) { return kCauseNames[static_cast<std::size_t>(cause)]; }

std::string lease_prefix(std::string_view vrf) {
  std::string prefix(kPrefix);
  if (vrf.empty()) return prefix;
  prefix += vrf;
  prefix += '/';
  return prefix;
}

std::string lease_key(std::string_view vrf, Ip4 address) {
  std::string key = lease_prefix(vrf);
  for (int shift = 28; shift >= 0; shift -= 4) key += kHexDigits[address.value >> shift & 15];
  return key;
}

std::expected<LeaseName, Error> parse_lease_key(std::string_view key) {
  const auto refuse = [&] {
    return std::unexpected(Error{"'" + std::string(key.substr(0, 200)) + "' is no key of a lease"});
  };
  if (!key.starts_with(kPrefix)) return refuse();
  const std::string_view rest = key.substr(kPrefix.size());
  const std::size_t slash = rest.find('/');
  if (slash == 0 || slash == rest.npos || slash > kVrfNameMax || rest.size() != slash + 9) return refuse();
  LeaseName found{.vrf = std::string(rest.substr(0, slash)), .address = {}};
  for (const char c : rest.substr(slash + 1)) {
    const int digit = hex_digit(c);
    if (digit < 0 || (c >= 'A' && c <= 'F')) return refuse();
    found.address.value = found.address.value << 4 | static_cast<std::uint32_t>(digit);
  }
  return found;
}

std::string to_json(const Record& record) {
  std::string out;
  out.reserve(320 + record.user_context.size() * 2);
  out += R"({"v":1,"address":")";
  out += to_string(record.address);
  out += '"';
  text(out, "vrf", record.vrf);
  if (record.subnet.length != 0) text(out, "subnet", to_string(record.subnet));
  number(out, "subnet_id", record.subnet_id);
  text(out, "state", to_string(record.state));
  hex_member(out, "mac", record.hardware_address, true);
  if (record.hardware_type != 1) number(out, "hardware_type", record.hardware_type);
  hex_member(out, "client_id", record.client_id, false);
  text(out, "hostname", record.hostname);
  number(out, "start", record.start_unix_s);
  number(out, "lifetime", record.valid_lifetime_s);
  if (const auto expires = record.expires_unix_s()) number(out, "expires", *expires);
  text(out, "engine", record.engine);
  text(out, "attachment", record.attachment);
  text(out, "circuit_id", record.circuit_id);
  text(out, "remote_id", record.remote_id);
  text(out, "set_by", record.set_by);
  if (record.fqdn_forward) out += R"(,"fqdn_forward":true)";
  if (record.fqdn_reverse) out += R"(,"fqdn_reverse":true)";
  text(out, "user_context", record.user_context);
  out += '}';
  return out;
}

std::string hex(std::string_view bytes) {
  std::string out;
  append_hex(out, bytes);
  return out;
}

std::optional<std::string> bytes_of_hex(std::string_view text) { return read_hex(text); }

struct RecordReader::Parser {
  simdjson::dom::parser parser;
  Error error;

  bool refuse(std::string_view member) {
    error = Error{"a lease has no good '" + std::string(member) + "'"};
    return false;
  }
  bool text(std::string_view member, const simdjson::dom::element& value, std::string& out) {
    std::string_view utf8;
    if (value.get(utf8) != simdjson::SUCCESS) return refuse(member);
    auto bytes = bytes_of_text(utf8);
    if (!bytes) return refuse(member);
    out = std::move(*bytes);
    return true;
  }
  bool hex(std::string_view member, const simdjson::dom::element& value, std::string& out) {
    std::string_view digits;
    if (value.get(digits) != simdjson::SUCCESS) return refuse(member);
    auto bytes = bytes_of_hex(digits);
    if (!bytes) return refuse(member);
    out = std::move(*bytes);
    return true;
  }
  template <typename Number>
  bool number(std::string_view member, const simdjson::dom::element& value, Number& out, std::int64_t max) {
    std::int64_t read = 0;
    if (value.get(read) != simdjson::SUCCESS || read < 0 || read > max) return refuse(member);
    out = static_cast<Number>(read);
    return true;
  }
  bool boolean(std::string_view member, const simdjson::dom::element& value, bool& out) {
    return value.get(out) == simdjson::SUCCESS || refuse(member);
  }
  bool member(std::string_view name, const simdjson::dom::element& value, Record& record);
};

// Members it does not know count as read.
bool RecordReader::Parser::member(std::string_view name, const simdjson::dom::element& value,
                                  Record& record) {
  constexpr std::int64_t kTimeMax = std::int64_t{1} << 40;
  constexpr std::int64_t kU32Max = std::numeric_limits<std::uint32_t>::max();
  std::string read;
  if (name == "v") {
    std::int64_t version = 0;
    return (value.get(version) == simdjson::SUCCESS && version == 1) || refuse(name);
  }
  if (name == "address") {
    if (!text(name, value, read)) return false;
    const auto address = parse_ip4(read);
    if (!address) return refuse(name);
    record.address = *address;
    return true;
  }
  if (name == "subnet") {
    if (!text(name, value, read)) return false;
    const auto subnet = parse_prefix4(read);
    if (!subnet) return refuse(name);
    record.subnet = *subnet;
    return true;
  }
  if (name == "state") {
    if (!text(name, value, read)) return false;
    for (std::size_t i = 0; i < kStates.size(); ++i) {
      if (read != kStates[i]) continue;
      record.state = static_cast<State>(i);
      return true;
    }
    return refuse(name);
  }
  if (name == "vrf") return text(name, value, record.vrf);
  if (name == "subnet_id") return number(name, value, record.subnet_id, kU32Max);
  if (name == "mac") return hex(name, value, record.hardware_address);
  if (name == "hardware_type") return number(name, value, record.hardware_type, 255);
  if (name == "client_id") return hex(name, value, record.client_id);
  if (name == "hostname") return text(name, value, record.hostname);
  if (name == "start") return number(name, value, record.start_unix_s, kTimeMax);
  if (name == "lifetime") return number(name, value, record.valid_lifetime_s, kU32Max);
  if (name == "engine") return text(name, value, record.engine);
  if (name == "attachment") return text(name, value, record.attachment);
  if (name == "circuit_id") return text(name, value, record.circuit_id);
  if (name == "remote_id") return text(name, value, record.remote_id);
  if (name == "set_by") return text(name, value, record.set_by);
  if (name == "fqdn_forward") return boolean(name, value, record.fqdn_forward);
  if (name == "fqdn_reverse") return boolean(name, value, record.fqdn_reverse);
  if (name == "user_context") return text(name, value, record.user_context);
  return true;
}

RecordReader::RecordReader() : parser_(std::make_unique<Parser>()) {}
RecordReader::~RecordReader() = default;

std::expected<Record, Error> RecordReader::read(std::string_view json) {
  simdjson::dom::object object;
  if (const auto failed = parser_->parser.parse(json.data(), json.size()).get(object);
      failed != simdjson::SUCCESS)
    return std::unexpected(
        Error{std::string("a lease is no JSON object: ") + simdjson::error_message(failed)});
  Record record;
  bool versioned = false;
  for (const auto& field : object) {
    if (!parser_->member(field.key, field.value, record)) return std::unexpected(parser_->error);
    versioned = versioned || field.key == "v";
  }
  if (!versioned) return std::unexpected(Error{"a lease has no 'v', its version"});
  if (record.vrf.empty() || record.address.is_zero())
    return std::unexpected(Error{"a lease has no 'vrf' or no 'address'"});
  return record;
}

}  // namespace xk::leases
