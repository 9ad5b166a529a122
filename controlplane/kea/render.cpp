#include "controlplane/kea/render.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <thread>

#include "controlplane/kea/directory.h"
#include "controlplane/kea/paths.h"
#include "controlplane/kea/process.h"
#include "controlplane/kea/render_parts.h"
#include "controlplane/kea/template.h"
#include "controlplane/model/kea_options.h"
#include "controlplane/model/names.h"
#include "controlplane/model/option_bytes.h"
#include "controlplane/model/pools.h"

namespace xk::kea {

namespace {

constexpr std::size_t kTemplateBytesMax = 1 << 20;
constexpr std::uint32_t kThreadsMax = 4;
constexpr std::uint32_t kHeldMinS = 3600;  // 0 would have Kea forget leases at their end

std::string join(const std::vector<Ip4>& addresses) {
  std::string text;
  for (const Ip4 address : addresses) {
    if (!text.empty()) text += ", ";
    text += to_string(address);
  }
  return text;
}

// Commas and backslashes separate and escape in Kea's csv-format.
std::string csv_escaped(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == ',' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

struct StandardOption {
  const char* name;
  std::uint8_t code;
};
constexpr StandardOption kRouters{"routers", 3};
constexpr StandardOption kDnsServers{"domain-name-servers", 6};
constexpr StandardOption kDomainName{"domain-name", 15};
constexpr StandardOption kNtpServers{"ntp-servers", 42};
constexpr StandardOption kServerIdentifier{"dhcp-server-identifier", 54};

// What Kea has no text for is told in bytes, as the native engine would say it.
Json option_part(const OptionData& option) {
  Json part = Json::object();
  const bool known =
      option.code != 0 ? kea_option(option.code) != nullptr : kea_option(option.name) != nullptr;
  if (!option.hex && (!known || option.type != OptionType::defined)) {
    const auto value = option_value(option);
    part["code"] = option_code(option);
    part["data"] = value ? hex_of_bytes(*value) : option.data;
    part["csv-format"] = !value;
    return part;
  }
  if (option.code != 0) part["code"] = option.code;
  if (option.code == 0) part["name"] = option.name;
  part["data"] = option.data;
  if (option.hex) part["csv-format"] = false;
  return part;
}

Json options_part(const Vrf& vrf, const Subnet& subnet) {
  Json options = Json::array();
  const auto add = [&](const StandardOption& standard, const std::string& data) {
    const bool replaced = std::any_of(subnet.options.begin(), subnet.options.end(), [&](const OptionData& o) {
      return o.code == standard.code || o.name == standard.name;
    });
    if (!replaced && !data.empty()) options.push_back({{"name", standard.name}, {"data", data}});
  };
  if (!subnet.gateway.is_zero()) add(kRouters, to_string(subnet.gateway));
  if (!subnet.server_identifier.is_zero()) add(kServerIdentifier, to_string(subnet.server_identifier));
  add(kDnsServers, join(subnet.dns));
  add(kDomainName, csv_escaped(subnet.domain));
  add(kNtpServers, join(subnet.ntp));
  for (const OptionData& option : subnet.options) options.push_back(option_part(option));
  for (const OptionData& option : inherited_options(vrf, subnet)) options.push_back(option_part(option));
  return options;
}

Json subnet_part(const Vrf& vrf, const Subnet& subnet) {
  Json pools = Json::array();
  for (const PoolParts& pool : pool_parts(vrf, subnet))
    for (const Range4& piece : pool.pieces)
      pools.push_back({{"pool", to_string(piece.first) + " - " + to_string(piece.last)}});
  const std::uint32_t lease_s = subnet.lease_time_s;
  Json part{
      {"id", subnet.id},
      {"subnet", to_string(subnet.prefix)},
      {"pools", std::move(pools)},
      {"valid-lifetime", lease_s},
      {"renew-timer", lease_s / 2},
      {"rebind-timer", static_cast<std::uint32_t>(std::uint64_t{lease_s} * 7 / 8)},
      {"option-data", options_part(vrf, subnet)},
  };
  set_excludes(part, subnet);
  return part;
}

Json multi_threading_part(const Place& place) {
  if (place.threads == 0) return Json{{"enable-multi-threading", false}};
  return Json{{"enable-multi-threading", true},
              {"thread-pool-size", place.threads},
              {"packet-queue-size", place.queue}};
}

}  // namespace

Json interfaces_part(const Place& place) {
  // A plain UDP socket: relayed packets are unicast to the interface's address, and it needs no
  // CAP_NET_RAW. Clients behind relays are never answered below IP. The kernel calls a new veth
  // running up to a second after it is up: Kea tries again for 5 s, then ends and is started again.
  return Json{{"interfaces", Json::array({place.interface})},
              {"dhcp-socket-type", "udp"},
              {"service-sockets-require-all", true},
              {"service-sockets-max-retries", 50},
              {"service-sockets-retry-wait-time", 100}};
}

Json control_socket_part(const Place& place) {
  return Json{{"socket-type", "unix"}, {"socket-name", path_in(place.directory, kSocketName)}};
}

Json lease_database_part(const Place& place) {
  return Json{{"type", "memfile"},
              {"persist", true},
              {"name", path_in(place.directory, kLeasesName)},
              {"lfc-interval", 3600}};
}

Json loggers_part(const Place& place) {
  // Kea rotates its own file: at WARN it writes a line for a packet now and then, and a flood must
  // not fill the disk.
  const Json file{{"output", path_in(place.directory, kLogName)},
                  {"maxsize", 4 * 1024 * 1024},
                  {"maxver", 2},
                  {"flush", true}};
  return Json::array({Json{
      {"name", "kea-dhcp4"}, {"severity", "WARN"}, {place.dialect.output_options, Json::array({file})}}});
}

Json static_hook_part(const Place& place) {
  return Json{{"library", place.static_hook.library},
              {"parameters",
               {{"file", place.static_hook.file},
                {"paused-file", place.static_hook.paused_file},
                {"lease-grace", place.lease_grace_s}}}};
}

// For our hook: a client that has leased such an address keeps it to the end of its lease.
void set_excludes(Json& entry, const Subnet& subnet) {
  if (subnet.exclude.empty()) return;
  Json exclude = Json::array();
  for (const Range4& range : subnet.exclude) exclude.push_back(to_string(range));
  if (!entry.contains("user-context") || !entry["user-context"].is_object())
    entry["user-context"] = Json::object();
  entry["user-context"]["xdp-kea"] = Json{{"exclude", std::move(exclude)}};
}

// Kea forgets no lease that is over, of which there are no more than addresses: that is xdp-kead's to decide,
// who knows when the clock was set. What Kea starts with is made from the store.
void set_expiry(Json& dhcp4, const Place& place) {
  Json& expiry = dhcp4["expired-leases-processing"];
  if (!expiry.is_object()) expiry = Json::object();
  if (place.gate.library.empty()) {
    if (!expiry.contains("hold-reclaimed-time")) expiry["hold-reclaimed-time"] = place.lease_grace_s;
    return;
  }
  expiry["flush-reclaimed-timer-wait-time"] = 0;
  expiry["hold-reclaimed-time"] = std::max(place.lease_grace_s, kHeldMinS);
}

// In the order in which the dataplane looks for a client; flex-id is the line.
Json static_identifiers_part() { return Json::array({"client-id", "hw-address", "flex-id"}); }

Json hooks_part(const Place& place, const KeaSettings& settings, std::int64_t decline_period_s) {
  Json hooks = Json::array();
  if (!place.lease_cmds.empty()) hooks.push_back({{"library", place.lease_cmds}});
  if (!place.gate.library.empty()) {
    Json parameters{{"socket", place.gate.socket},
                    {"queue-file", place.gate.queue_file},
                    {"durability", std::string(name_of(settings.durability))},
                    {"decline-period", decline_period_s}};
    if (settings.shared) parameters["shared"] = true;
    hooks.push_back({{"library", place.gate.library}, {"parameters", std::move(parameters)}});
  }
  if (!place.static_hook.library.empty()) hooks.push_back(static_hook_part(place));
  return hooks;
}

Json server_identifier_option(Ip4 address) {
  return Json{{"name", kServerIdentifier.name}, {"data", to_string(address)}};
}

void set_control_socket(Json& dhcp4, const Place& place) {
  dhcp4.erase("control-socket");
  dhcp4.erase("control-sockets");
  if (place.dialect.control_sockets)
    dhcp4["control-sockets"] = Json::array({control_socket_part(place)});
  else
    dhcp4["control-socket"] = control_socket_part(place);
}

std::string file_text(const Json& document) {
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string render_kea_config(const Vrf& vrf, const Place& place) {
  Json subnets = Json::array();
  for (const Subnet& subnet : vrf.subnets) subnets.push_back(subnet_part(vrf, subnet));

  Json dhcp4 = Json::object();
  dhcp4["interfaces-config"] = interfaces_part(place);
  set_control_socket(dhcp4, place);
  dhcp4["lease-database"] = lease_database_part(place);
  if (Json hooks = hooks_part(place, vrf.kea, kDeclinePeriodS); !hooks.empty())
    dhcp4["hooks-libraries"] = std::move(hooks);
  dhcp4["decline-probation-period"] = kDeclinePeriodS;
  set_expiry(dhcp4, place);
  dhcp4["parked-packet-limit"] = kParkedPacketsMax;
  dhcp4["multi-threading"] = multi_threading_part(place);
  // NAKs a client that asks for an address of another network (RFC 2131 4.3.2): we are the only
  // server of these subnets.
  dhcp4["authoritative"] = true;
  // Keeps option 82 with the lease: a lease list can say on which attachment a client is.
  dhcp4["store-extended-info"] = true;
  // By static leases, if at all: no other look-ups for each packet. The order is always this one with
  // threads.
  dhcp4["reservations-global"] = false;
  dhcp4["reservations-in-subnet"] = !place.static_hook.library.empty();
  dhcp4["reservations-out-of-pool"] = false;
  dhcp4["reservations-lookup-first"] = true;
  if (!place.static_hook.library.empty()) dhcp4["host-reservation-identifiers"] = static_identifiers_part();
  dhcp4["loggers"] = loggers_part(place);
  dhcp4["subnet4"] = std::move(subnets);
  return file_text(Json{{"Dhcp4", std::move(dhcp4)}});
}

Result<std::string> make_kea_config(const Vrf& vrf, const Place& place) {
  if (const auto good = check_directory(place.directory); !good) return std::unexpected(good.error());
  if (vrf.kea.template_file.empty()) return render_kea_config(vrf, place);
  const auto text = read_file_at(AT_FDCWD, vrf.kea.template_file, kTemplateBytesMax, FollowLinks::yes);
  if (!text) return std::unexpected(Error(text.error()).in("cannot read the Kea template"));
  return render_kea_template(*text, vrf.kea.template_file, vrf, place);
}

// Installed: sbin/xdp-kead and lib/xdp-kea; built: controlplane/app or tests/unit, and the folder.
Result<std::string> find_library(const char* name, const std::string& folder) {
  std::error_code failed;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (failed) return std::unexpected(errno_error("cannot find the running program", failed.value()));
  std::string looked;
  for (const std::string& place :
       {std::string("../lib/xdp-kea"), "../kea/" + folder, "../../controlplane/kea/" + folder}) {
    const auto path = (program.parent_path() / place / name).lexically_normal();
    if (std::filesystem::exists(path, failed)) return path.string();
    looked += (looked.empty() ? "" : ", ") + path.string();
  }
  return std::unexpected(Error{std::string(name) + " is not there: looked for " + looked});
}

Result<std::string> find_static_library() { return find_library(kStaticLibrary, "static_hook"); }
Result<std::string> find_gate_library() { return find_library(kGateLibrary, "hook"); }

unsigned group_of_user(const std::string& user) {
  const auto found = find_user(user);
  return found ? found->gid : static_cast<unsigned>(::getegid());
}

Place make_place(const KeaSettings& settings, std::string interface, Ip4 interface_ip, std::string directory,
                 std::string_view kea_version) {
  Place place;
  place.interface = std::move(interface);
  place.interface_ip = interface_ip;
  place.directory = std::move(directory);
  place.dialect = dialect_of(kea_version);
  place.lease_cmds = find_hook(settings.binary, "libdhcp_lease_cmds.so");
  place.threads = std::clamp(std::thread::hardware_concurrency(), 1u, kThreadsMax);
  return place;
}

}  // namespace xk::kea
