#include "controlplane/kea/template.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <set>

#include "controlplane/kea/json.h"
#include "controlplane/kea/paths.h"
#include "controlplane/kea/render_parts.h"
#include "controlplane/kea/template_text.h"

namespace xk::kea {

namespace {

constexpr const char* kKnown =
    "known are VRF_NAME, VETH_NS_INTERFACE, VETH_NS_IP, and SUBNET4_PREFIX, SUBNET4_POOL_START, "
    "SUBNET4_POOL_END, SUBNET4_GATEWAY, SUBNET4_SERVER_IDENTIFIER, DNS_SERVERS, each of which takes "
    "_2, _3, ... for the VRF's further subnets";

// "DNS_SERVERS_2" -> ("DNS_SERVERS", 2); without a number: 1.
struct IndexedName {
  std::string_view name;
  std::size_t index = 1;
};

IndexedName split_index(std::string_view name) {
  const std::size_t bar = name.rfind('_');
  if (bar == std::string_view::npos) return {name, 1};
  std::size_t index = 0;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + bar + 1, end, index);
  if (error != std::errc{} || stop != end || index == 0) return {name, 1};
  return {name.substr(0, bar), index};
}

// The value of a subnet's placeholder; nothing if there is no such placeholder, empty if the subnet
// has no such value.
std::optional<std::string> subnet_value(std::string_view name, const Subnet& subnet) {
  const auto address = [](Ip4 ip) { return ip.is_zero() ? std::string() : to_string(ip); };
  if (name == "SUBNET4_PREFIX") return to_string(subnet.prefix);
  if (name == "SUBNET4_GATEWAY") return address(subnet.gateway);
  if (name == "SUBNET4_SERVER_IDENTIFIER") return address(subnet.server_identifier);
  if (name == "SUBNET4_POOL_START") return subnet.pools.empty() ? "" : to_string(subnet.pools.front().first);
  if (name == "SUBNET4_POOL_END") return subnet.pools.empty() ? "" : to_string(subnet.pools.front().last);
  if (name == "DNS_SERVERS") {
    std::string list;
    for (const Ip4 server : subnet.dns) list += (list.empty() ? "" : ", ") + to_string(server);
    return list;
  }
  return std::nullopt;
}

Result<std::string> value_of(std::string_view placeholder, const Vrf& vrf, const Place& place) {
  if (placeholder == "VRF_NAME") return vrf.name;
  if (placeholder == "VETH_NS_INTERFACE") return place.interface;
  if (placeholder == "VETH_NS_IP") return to_string(place.interface_ip);

  const std::string shown = "%%" + std::string(placeholder) + "%%";
  const auto [name, index] = split_index(placeholder);
  if (!subnet_value(name, Subnet{}))
    return std::unexpected(Error{"unknown placeholder " + shown + "; " + kKnown});
  if (index > vrf.subnets.size())
    return std::unexpected(Error{shown + ": vrf " + vrf.name + " has " + std::to_string(vrf.subnets.size()) +
                                 " subnets, and this wants number " + std::to_string(index)});
  const Subnet& subnet = vrf.subnets[index - 1];
  const std::string value = subnet_value(name, subnet).value_or("");
  if (value.empty())
    return std::unexpected(Error{shown + ": subnet " + to_string(subnet.prefix) + " of vrf " + vrf.name +
                                 " has no such value in the configuration"});
  return value;
}

// ---- what is imposed ------------------------------------------------------------------------------

// The member as an object, made if it is missing; nullptr if it is something else.
Json* object_member(Json& parent, const char* name) {
  if (!parent.contains(name)) parent[name] = Json::object();
  return parent[name].is_object() ? &parent[name] : nullptr;
}

Result<> impose_interfaces(Json& dhcp4, const Place& place) {
  Json* interfaces = object_member(dhcp4, "interfaces-config");
  if (interfaces == nullptr) return std::unexpected(Error{"Dhcp4.interfaces-config is not an object"});
  if (interfaces->value("dhcp-socket-type", Json("udp")) != Json("udp"))
    return std::unexpected(
        Error{"Dhcp4.interfaces-config.dhcp-socket-type must be \"udp\": Kea runs without CAP_NET_RAW, and "
              "all packets come relayed"});
  const Json ours = interfaces_part(place);
  for (const auto& [key, value] : ours.items()) {
    if (!interfaces->contains(key)) (*interfaces)[key] = value;
  }
  return {};
}

Result<> impose_lease_file(Json& dhcp4, const Place& place) {
  if (!dhcp4.contains("lease-database")) dhcp4["lease-database"] = lease_database_part(place);
  Json& database = dhcp4["lease-database"];
  if (!database.is_object()) return std::unexpected(Error{"Dhcp4.lease-database is not an object"});
  if (database.value("type", Json("memfile")) != Json("memfile")) return {};
  database["type"] = "memfile";
  database["name"] = path_in(place.directory, kLeasesName);
  return {};
}

// Ours in place of one that the template names by the same file name.
Result<> impose_hooks(Json& dhcp4, const Vrf& vrf, const Place& place) {
  const Json period = dhcp4.value("decline-probation-period", Json(kDeclinePeriodS));
  if (!period.is_number_integer())
    return std::unexpected(Error{"Dhcp4.decline-probation-period is no number"});
  const Json ours = hooks_part(place, vrf.kea, period.get<std::int64_t>());
  if (ours.empty()) return {};
  if (!dhcp4.contains("parked-packet-limit")) dhcp4["parked-packet-limit"] = kParkedPacketsMax;
  if (!dhcp4.contains("hooks-libraries")) dhcp4["hooks-libraries"] = Json::array();
  Json& hooks = dhcp4["hooks-libraries"];
  if (!hooks.is_array()) return std::unexpected(Error{"Dhcp4.hooks-libraries is not a list"});
  const auto file_name = [](const Json& hook) -> std::string {
    const auto library = hook.is_object() ? hook.find("library") : hook.end();
    if (!hook.is_object() || library == hook.end() || !library->is_string()) return {};
    return std::filesystem::path(library->get<std::string>()).filename().string();
  };
  for (const Json& hook : ours) {
    const auto there = std::find_if(hooks.begin(), hooks.end(),
                                    [&](const Json& other) { return file_name(other) == file_name(hook); });
    if (there == hooks.end()) {
      hooks.push_back(hook);
    } else if (hook.contains("parameters")) {
      *there = hook;
    }
  }
  return {};
}

// Static leases count before reservations of the template's own.
Result<> impose_static_leases(Json& dhcp4, const Place& place) {
  if (place.static_hook.library.empty()) return {};
  dhcp4["reservations-in-subnet"] = true;
  Json identifiers = static_identifiers_part();
  if (const auto own = dhcp4.find("host-reservation-identifiers"); own != dhcp4.end() && own->is_array()) {
    for (const Json& identifier : *own)
      if (std::find(identifiers.begin(), identifiers.end(), identifier) == identifiers.end())
        identifiers.push_back(identifier);
  }
  dhcp4["host-reservation-identifiers"] = std::move(identifiers);
  return {};
}

bool sets_server_identifier(const Json& scope) {
  const auto options = scope.find("option-data");
  if (options == scope.end() || !options->is_array()) return false;
  return std::any_of(options->begin(), options->end(), [](const Json& option) {
    if (!option.is_object()) return false;
    return option.value("name", Json()) == Json("dhcp-server-identifier") ||
           option.value("code", Json()) == Json(54);
  });
}

// Without these, renewals would go to an address that clients cannot reach, and leases would lose
// their subnet when an entry is put in front.
Result<> impose_subnets(Json& list, const Vrf& vrf, bool identifier_above) {
  if (!list.is_array()) return std::unexpected(Error{"subnet4 is not a list"});
  for (Json& entry : list) {
    if (!entry.is_object() || !entry.contains("subnet") || !entry["subnet"].is_string()) continue;
    const auto prefix = parse_prefix4(entry["subnet"].get<std::string>());
    const auto subnet = std::find_if(vrf.subnets.begin(), vrf.subnets.end(),
                                     [&](const Subnet& s) { return prefix && s.prefix == *prefix; });
    if (subnet == vrf.subnets.end()) continue;
    if (!entry.contains("id")) entry["id"] = subnet->id;
    set_excludes(entry, *subnet);
    if (identifier_above || sets_server_identifier(entry) || subnet->server_identifier.is_zero()) continue;
    if (!entry.contains("option-data")) entry["option-data"] = Json::array();
    if (entry["option-data"].is_array())
      entry["option-data"].push_back(server_identifier_option(subnet->server_identifier));
  }
  return {};
}

Result<> impose_all_subnets(Json& dhcp4, const Vrf& vrf) {
  const bool global = sets_server_identifier(dhcp4);
  if (dhcp4.contains("subnet4")) {
    if (const auto done = impose_subnets(dhcp4["subnet4"], vrf, global); !done) return done;
  }
  if (!dhcp4.contains("shared-networks") || !dhcp4["shared-networks"].is_array()) return {};
  for (Json& network : dhcp4["shared-networks"]) {
    if (!network.is_object() || !network.contains("subnet4")) continue;
    const auto done = impose_subnets(network["subnet4"], vrf, global || sets_server_identifier(network));
    if (!done) return done;
  }
  return {};
}

Result<> impose(Json& document, const Vrf& vrf, const Place& place) {
  if (!document.is_object() || !document.contains("Dhcp4") || !document["Dhcp4"].is_object())
    return std::unexpected(Error{"a template is an object with one member, \"Dhcp4\", an object"});
  Json& dhcp4 = document["Dhcp4"];
  set_control_socket(dhcp4, place);
  if (!dhcp4.contains("loggers")) dhcp4["loggers"] = loggers_part(place);
  if (!dhcp4.contains("store-extended-info")) dhcp4["store-extended-info"] = true;
  set_expiry(dhcp4, place);
  if (const auto done = impose_interfaces(dhcp4, place); !done) return done;
  if (const auto done = impose_lease_file(dhcp4, place); !done) return done;
  if (const auto done = impose_hooks(dhcp4, vrf, place); !done) return done;
  if (const auto done = impose_static_leases(dhcp4, place); !done) return done;
  return impose_all_subnets(dhcp4, vrf);
}

// Told of every event of the parser: remembers the first key that an object has twice. JSON allows
// it and the last one would win; Kea refuses it.
class DuplicateFinder {
 public:
  explicit DuplicateFinder(std::string& found) : found_(found) {}
  bool operator()(int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) keys_.emplace_back();
    if (event == Json::parse_event_t::object_end) keys_.pop_back();
    if (event == Json::parse_event_t::key && !keys_.back().insert(parsed.get<std::string>()).second &&
        found_.empty())
      found_ = parsed.get<std::string>();
    return true;
  }

 private:
  std::string& found_;
  std::vector<std::set<std::string>> keys_;
};

}  // namespace

Result<std::string> render_kea_template(std::string_view text, const std::string& file, const Vrf& vrf,
                                        const Place& place) {
  const auto located = [&](std::size_t offset, const std::string& message) {
    return file + ":" + position_text(text, offset) + ": " + message;
  };
  const auto plain = plain_json(text);
  if (!plain) return std::unexpected(Error{located(plain.error().offset, plain.error().message)});
  const auto filled = fill(*plain, [&](std::string_view name) { return value_of(name, vrf, place); });
  if (!filled) {
    std::string all;
    for (const TemplateMistake& mistake : filled.error())
      all += (all.empty() ? "" : "\n") + located(mistake.offset, mistake.message);
    return std::unexpected(Error{std::move(all)});
  }
  std::string twice;
  auto document = parse_json<Json>(filled->text, DuplicateFinder(twice));
  if (!document)
    return std::unexpected(
        Error{located(filled->origin(document.error().offset), document.error().error.message)});
  if (!twice.empty()) return std::unexpected(Error{file + ": '" + twice + "' is twice in one object"});
  if (const auto imposed = impose(*document, vrf, place); !imposed)
    return std::unexpected(Error(imposed.error()).in(file));
  return file_text(*document);
}

}  // namespace xk::kea
