#include "controlplane/ha/records.h"

#include <array>
#include <utility>

#include <nlohmann/json.hpp>

namespace xk::ha {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kActive = "/xdp-kea/v1/active/";
constexpr std::string_view kAppliance = "/xdp-kea/v1/appliance/";
constexpr std::string_view kEpoch = "/xdp-kea/v1/epoch/";
constexpr std::string_view kHandover = "/xdp-kea/v1/handover/";
constexpr std::string_view kLease = "/xdp-kea/v1/lease/";
constexpr std::array<std::pair<std::string_view, KeyKind>, 5> kPrefixes{{{kActive, KeyKind::active},
                                                                         {kAppliance, KeyKind::appliance},
                                                                         {kEpoch, KeyKind::epoch},
                                                                         {kHandover, KeyKind::handover},
                                                                         {kLease, KeyKind::lease}}};
constexpr std::size_t kValueMax = 4096;

std::expected<Json, Error> object_of(std::string_view value) {
  if (value.size() > kValueMax) return std::unexpected(Error{"the value is too long"});
  Json json = Json::parse(value, nullptr, false);
  if (!json.is_object()) return std::unexpected(Error{"the value is no JSON object"});
  const auto version = json.find("v");
  if (version == json.end() || *version != 1)
    return std::unexpected(Error{"the value is of another version"});
  return json;
}

std::expected<std::string, Error> text_of(const Json& json, const char* member) {
  const auto found = json.find(member);
  if (found == json.end() || !found->is_string() || found->get_ref<const std::string&>().empty())
    return std::unexpected(Error{std::string("the value has no text '") + member + "'"});
  return found->get<std::string>();
}

std::expected<std::uint64_t, Error> number_of(const Json& json, const char* member) {
  const auto found = json.find(member);
  if (found == json.end() || !found->is_number_unsigned())
    return std::unexpected(Error{std::string("the value has no number '") + member + "'"});
  return found->get<std::uint64_t>();
}

}  // namespace

KeyName name_of_key(std::string_view key) {
  for (const auto& [prefix, kind] : kPrefixes) {
    if (key.starts_with(prefix) && key.size() > prefix.size())
      return {kind, std::string(key.substr(prefix.size()))};
  }
  return {};
}

std::string active_key(std::string_view vrf) { return std::string(kActive).append(vrf); }
std::string appliance_key(std::string_view name) { return std::string(kAppliance).append(name); }
std::string epoch_key(std::string_view vrf) { return std::string(kEpoch).append(vrf); }
std::string handover_key(std::string_view vrf) { return std::string(kHandover).append(vrf); }

std::string active_value(const Holder& holder) {
  return Json{
      {"v", 1}, {"appliance", holder.appliance}, {"since", holder.since_unix_ms}, {"epoch", holder.epoch}}
      .dump();
}

std::expected<Holder, Error> parse_active(const store::KeyValue& item) {
  const auto json = object_of(item.value);
  if (!json) return std::unexpected(json.error());
  auto appliance = text_of(*json, "appliance");
  if (!appliance) return std::unexpected(appliance.error());
  const auto since = number_of(*json, "since");
  if (!since) return std::unexpected(since.error());
  const auto epoch = number_of(*json, "epoch");
  if (!epoch) return std::unexpected(epoch.error());
  return Holder{.appliance = std::move(*appliance),
                .since_unix_ms = *since,
                .epoch = *epoch,
                .session = item.session,
                .created = item.created};
}

std::string epoch_value(std::uint64_t epoch) { return Json{{"v", 1}, {"epoch", epoch}}.dump(); }

std::expected<std::uint64_t, Error> parse_epoch(std::string_view value) {
  const auto json = object_of(value);
  if (!json) return std::unexpected(json.error());
  return number_of(*json, "epoch");
}

std::string name_value(std::string_view name) { return Json{{"v", 1}, {"appliance", name}}.dump(); }

std::expected<std::string, Error> parse_name(std::string_view value) {
  const auto json = object_of(value);
  if (!json) return std::unexpected(json.error());
  return text_of(*json, "appliance");
}

}  // namespace xk::ha
