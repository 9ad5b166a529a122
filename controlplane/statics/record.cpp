#include "controlplane/statics/record.h"

#include <array>

#include <nlohmann/json.hpp>

#include "controlplane/model/option_bytes.h"

namespace xk::statics {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;
constexpr std::size_t kValueMax = 64 * 1024;  // bytes; what we write is far below

std::unexpected<Error> wrong(std::string_view key, std::string message) {
  return std::unexpected(Error{std::move(message)}.in("static lease " + std::string(key)));
}

// The text under a name, empty if there is none. False: there is something else.
bool take_text(const Json& value, const char* name, std::string& to) {
  const auto found = value.find(name);
  if (found == value.end()) return true;
  if (!found->is_string()) return false;
  to = found->get<std::string>();
  return true;
}

}  // namespace

std::string key_of(const StaticEntry& entry) {
  return std::string(kPrefix) + entry.vrf + "/" + std::string(kind_word(entry.kind)) + "/" +
         hex_of_bytes(entry.identity);
}

std::string value_of(const StaticEntry& entry) {
  const StaticTexts texts = texts_of(entry);
  Json value{{"v", kVersion}};
  const auto put = [&value](const char* name, const std::string& text) {
    if (!text.empty()) value[name] = text;
  };
  put("mac", texts.mac);
  put("client_id", texts.client_id);
  put("circuit_id", texts.circuit_id);
  put("remote_id", texts.remote_id);
  put("address", texts.address);
  put("hostname", texts.hostname);
  if (!texts.options.empty()) value["options"] = texts.options;
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::expected<StaticEntry, Error> parse_key(std::string_view key) {
  std::string_view rest = key;
  if (!rest.starts_with(kPrefix)) return wrong(key, "no such key");
  rest.remove_prefix(kPrefix.size());
  const std::size_t first = rest.find('/');
  const std::size_t second = first == std::string_view::npos ? first : rest.find('/', first + 1);
  if (second == std::string_view::npos) return wrong(key, "it does not end in VRF, kind and identity");
  StaticEntry entry;
  entry.vrf = rest.substr(0, first);
  const std::string_view word = rest.substr(first + 1, second - first - 1);
  bool known = false;
  for (const StaticKind kind : {StaticKind::client_id, StaticKind::mac, StaticKind::circuit}) {
    if (kind_word(kind) != word) continue;
    entry.kind = kind;
    known = true;
  }
  auto identity = bytes_of_hex(rest.substr(second + 1));
  if (!known || !identity || entry.vrf.empty()) return wrong(key, "its VRF, kind or identity is none");
  entry.identity = std::move(*identity);
  const StaticLease trial{VrfId{1}, entry.kind, entry.identity, {}, {}};
  if (const std::string_view why = wrong_with_static_lease(trial); !why.empty())
    return wrong(key, std::string(why));
  return entry;
}

std::expected<StaticEntry, Error> parse_record(std::string_view key, std::string_view value) {
  auto who = parse_key(key);
  if (!who) return who;
  if (value.size() > kValueMax) return wrong(key, "its value is over 64 KiB");
  const Json json = Json::parse(value, nullptr, false);
  if (!json.is_object()) return wrong(key, "its value is no JSON object");
  const auto version = json.find("v");
  if (version == json.end() || *version != kVersion)
    return wrong(key, "its value is of another version than 1: a newer xdp-kead wrote it");
  StaticTexts texts = texts_of(*who);
  bool good = take_text(json, "address", texts.address) && take_text(json, "hostname", texts.hostname);
  if (const auto options = json.find("options"); options != json.end()) {
    good = good && options->is_array();
    for (const Json& option : *options) {
      good = good && option.is_string();
      if (good) texts.options.push_back(option.get<std::string>());
    }
  }
  if (!good) return wrong(key, "a field of its value is of another type than it should be");
  auto entry = parse_static(texts);
  if (!entry) return std::unexpected(std::move(entry.error()).in("static lease " + std::string(key)));
  return entry;
}

}  // namespace xk::statics
