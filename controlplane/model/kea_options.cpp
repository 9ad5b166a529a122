#include "controlplane/model/kea_options.h"

#include <algorithm>
#include <array>

namespace xk {
namespace {

constexpr auto kOptions = std::to_array<KeaOption>({
    {1, "subnet-mask", OptionType::address},
    {2, "time-offset", OptionType::i32},
    {3, "routers", OptionType::addresses},
    {4, "time-servers", OptionType::addresses},
    {5, "name-servers", OptionType::addresses},
    {6, "domain-name-servers", OptionType::addresses},
    {7, "log-servers", OptionType::addresses},
    {8, "cookie-servers", OptionType::addresses},
    {9, "lpr-servers", OptionType::addresses},
    {10, "impress-servers", OptionType::addresses},
    {11, "resource-location-servers", OptionType::addresses},
    {12, "host-name", OptionType::text},
    {13, "boot-size", OptionType::u16},
    {14, "merit-dump", OptionType::text},
    {15, "domain-name", OptionType::text},
    {16, "swap-server", OptionType::address},
    {17, "root-path", OptionType::text},
    {18, "extensions-path", OptionType::text},
    {19, "ip-forwarding", OptionType::flag},
    {20, "non-local-source-routing", OptionType::flag},
    {21, "policy-filter", OptionType::addresses},
    {22, "max-dgram-reassembly", OptionType::u16},
    {23, "default-ip-ttl", OptionType::u8},
    {24, "path-mtu-aging-timeout", OptionType::u32},
    {25, "path-mtu-plateau-table", OptionType::u16s},
    {26, "interface-mtu", OptionType::u16},
    {27, "all-subnets-local", OptionType::flag},
    {28, "broadcast-address", OptionType::address},
    {29, "perform-mask-discovery", OptionType::flag},
    {30, "mask-supplier", OptionType::flag},
    {31, "router-discovery", OptionType::flag},
    {32, "router-solicitation-address", OptionType::address},
    {33, "static-routes", OptionType::addresses},
    {34, "trailer-encapsulation", OptionType::flag},
    {35, "arp-cache-timeout", OptionType::u32},
    {36, "ieee802-3-encapsulation", OptionType::flag},
    {37, "default-tcp-ttl", OptionType::u8},
    {38, "tcp-keepalive-interval", OptionType::u32},
    {39, "tcp-keepalive-garbage", OptionType::flag},
    {40, "nis-domain", OptionType::text},
    {41, "nis-servers", OptionType::addresses},
    {42, "ntp-servers", OptionType::addresses},
    {43, "vendor-encapsulated-options", OptionType::other},
    {44, "netbios-name-servers", OptionType::addresses},
    {45, "netbios-dd-server", OptionType::addresses},
    {46, "netbios-node-type", OptionType::u8},
    {47, "netbios-scope", OptionType::text},
    {48, "font-servers", OptionType::addresses},
    {49, "x-display-manager", OptionType::addresses},
    {50, "dhcp-requested-address", OptionType::address},
    {51, "dhcp-lease-time", OptionType::u32},
    {52, "dhcp-option-overload", OptionType::u8},
    {53, "dhcp-message-type", OptionType::u8},
    {54, "dhcp-server-identifier", OptionType::address},
    {55, "dhcp-parameter-request-list", OptionType::u8s},
    {56, "dhcp-message", OptionType::text},
    {57, "dhcp-max-message-size", OptionType::u16},
    {58, "dhcp-renewal-time", OptionType::u32},
    {59, "dhcp-rebinding-time", OptionType::u32},
    {60, "vendor-class-identifier", OptionType::text},
    {61, "dhcp-client-identifier", OptionType::bytes},
    {62, "nwip-domain-name", OptionType::text},
    {63, "nwip-suboptions", OptionType::bytes},
    {64, "nisplus-domain-name", OptionType::text},
    {65, "nisplus-servers", OptionType::addresses},
    {66, "tftp-server-name", OptionType::text},
    {67, "boot-file-name", OptionType::text},
    {68, "mobile-ip-home-agent", OptionType::addresses},
    {69, "smtp-server", OptionType::addresses},
    {70, "pop-server", OptionType::addresses},
    {71, "nntp-server", OptionType::addresses},
    {72, "www-server", OptionType::addresses},
    {73, "finger-server", OptionType::addresses},
    {74, "irc-server", OptionType::addresses},
    {75, "streettalk-server", OptionType::addresses},
    {76, "streettalk-directory-assistance-server", OptionType::addresses},
    {77, "user-class", OptionType::bytes},
    {78, "slp-directory-agent", OptionType::other},
    {79, "slp-service-scope", OptionType::other},
    {81, "fqdn", OptionType::other},
    {82, "dhcp-agent-options", OptionType::other},
    {85, "nds-servers", OptionType::addresses},
    {86, "nds-tree-name", OptionType::text},
    {87, "nds-context", OptionType::text},
    {88, "bcms-controller-names", OptionType::domains},
    {89, "bcms-controller-address", OptionType::addresses},
    {90, "authenticate", OptionType::bytes},
    {91, "client-last-transaction-time", OptionType::u32},
    {92, "associated-ip", OptionType::addresses},
    {93, "client-system", OptionType::u16s},
    {94, "client-ndi", OptionType::other},
    {97, "uuid-guid", OptionType::other},
    {98, "uap-servers", OptionType::text},
    {99, "geoconf-civic", OptionType::bytes},
    {100, "pcode", OptionType::text},
    {101, "tcode", OptionType::text},
    {108, "v6-only-preferred", OptionType::u32},
    {112, "netinfo-server-address", OptionType::addresses},
    {113, "netinfo-server-tag", OptionType::text},
    {114, "v4-captive-portal", OptionType::text},
    {116, "auto-config", OptionType::u8},
    {117, "name-service-search", OptionType::u16s},
    {118, "subnet-selection", OptionType::address},
    {119, "domain-search", OptionType::search},
    {124, "vivco-suboptions", OptionType::other},
    {125, "vivso-suboptions", OptionType::other},
    {136, "pana-agent", OptionType::addresses},
    {137, "v4-lost", OptionType::domain},
    {138, "capwap-ac-v4", OptionType::addresses},
    {141, "sip-ua-cs-domains", OptionType::domains},
    {146, "rdnss-selection", OptionType::other},
    {159, "v4-portparams", OptionType::other},
    {212, "option-6rd", OptionType::other},
    {213, "v4-access-domain", OptionType::domain},
});

constexpr auto kFurther = std::to_array<KeaOption>({
    {108, "ipv6-only-preferred", OptionType::u32},
    {114, "captive-portal", OptionType::text},
    {120, "sip-servers", OptionType::other},
    {121, "classless-static-routes", OptionType::routes},
    {150, "tftp-server-addresses", OptionType::addresses},
    {249, "ms-classless-static-routes", OptionType::routes},
    {252, "wpad-url", OptionType::text},
});

const KeaOption* find_in(std::span<const KeaOption> list, auto wanted, auto member) {
  const auto found = std::ranges::find(list, wanted, member);
  return found == list.end() ? nullptr : &*found;
}

}  // namespace

std::span<const KeaOption> kea_options() { return kOptions; }
std::span<const KeaOption> further_options() { return kFurther; }

const KeaOption* kea_option(std::string_view name) { return find_in(kOptions, name, &KeaOption::name); }
const KeaOption* kea_option(std::uint8_t code) { return find_in(kOptions, code, &KeaOption::code); }

const KeaOption* named_option(std::string_view name) {
  const KeaOption* found = kea_option(name);
  return found != nullptr ? found : find_in(kFurther, name, &KeaOption::name);
}
const KeaOption* named_option(std::uint8_t code) {
  const KeaOption* found = kea_option(code);
  return found != nullptr ? found : find_in(kFurther, code, &KeaOption::code);
}

std::string_view reserved_option(std::uint8_t code) {
  switch (code) {
    case 0:
      return "is the pad option, not an option with data (RFC 2132 3.1)";
    case 1:
      return "is made by Kea from the subnet's prefix";
    case 3:
      return "has a key of its own: gateway";
    case 6:
      return "has a key of its own: dns";
    case 15:
      return "has a key of its own: domain";
    case 42:
      return "has a key of its own: ntp";
    case 50:
    case 55:
    case 57:
    case 61:
      return "is sent by clients, not by servers (RFC 2131 table 3)";
    case 51:
      return "has a key of its own: lease_time_s";
    case 52:
    case 53:
      return "belongs to every message and is Kea's own";
    case 54:
      return "has a key of its own: server_identifier";
    case 82:
      return "belongs to relays: see [option82]";
    case 255:
      return "is the end option, not an option with data (RFC 2132 3.2)";
    default:
      return "";
  }
}

bool has_subnet_key(std::uint8_t code) { return code == 3 || code == 6 || code == 15 || code == 42; }

std::string_view native_option(std::uint8_t code) {
  switch (code) {
    case 56:
      return "is the server's word on a refusal (RFC 2131 table 3)";
    case 58:
    case 59:
      return "follows from the lease time";
    case 80:
      return "is the answer to a client that asks for it: see rapid_commit";
    case 81:
      return "is the answer to what a client says of its name (RFC 4702)";
    case 91:
    case 92:
      return "is the answer to a lease query (RFC 4388)";
    case 118:
      return "is sent by clients, and echoed (RFC 3011)";
    default:
      return "";
  }
}

}  // namespace xk
