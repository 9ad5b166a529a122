#include "controlplane/config/kea_options.h"

#include <algorithm>
#include <array>

namespace xk::config {
namespace {

constexpr auto kOptions = std::to_array<KeaOption>({
    {1, "subnet-mask"},
    {2, "time-offset"},
    {3, "routers"},
    {4, "time-servers"},
    {5, "name-servers"},
    {6, "domain-name-servers"},
    {7, "log-servers"},
    {8, "cookie-servers"},
    {9, "lpr-servers"},
    {10, "impress-servers"},
    {11, "resource-location-servers"},
    {12, "host-name"},
    {13, "boot-size"},
    {14, "merit-dump"},
    {15, "domain-name"},
    {16, "swap-server"},
    {17, "root-path"},
    {18, "extensions-path"},
    {19, "ip-forwarding"},
    {20, "non-local-source-routing"},
    {21, "policy-filter"},
    {22, "max-dgram-reassembly"},
    {23, "default-ip-ttl"},
    {24, "path-mtu-aging-timeout"},
    {25, "path-mtu-plateau-table"},
    {26, "interface-mtu"},
    {27, "all-subnets-local"},
    {28, "broadcast-address"},
    {29, "perform-mask-discovery"},
    {30, "mask-supplier"},
    {31, "router-discovery"},
    {32, "router-solicitation-address"},
    {33, "static-routes"},
    {34, "trailer-encapsulation"},
    {35, "arp-cache-timeout"},
    {36, "ieee802-3-encapsulation"},
    {37, "default-tcp-ttl"},
    {38, "tcp-keepalive-interval"},
    {39, "tcp-keepalive-garbage"},
    {40, "nis-domain"},
    {41, "nis-servers"},
    {42, "ntp-servers"},
    {43, "vendor-encapsulated-options"},
    {44, "netbios-name-servers"},
    {45, "netbios-dd-server"},
    {46, "netbios-node-type"},
    {47, "netbios-scope"},
    {48, "font-servers"},
    {49, "x-display-manager"},
    {50, "dhcp-requested-address"},
    {51, "dhcp-lease-time"},
    {52, "dhcp-option-overload"},
    {53, "dhcp-message-type"},
    {54, "dhcp-server-identifier"},
    {55, "dhcp-parameter-request-list"},
    {56, "dhcp-message"},
    {57, "dhcp-max-message-size"},
    {58, "dhcp-renewal-time"},
    {59, "dhcp-rebinding-time"},
    {60, "vendor-class-identifier"},
    {61, "dhcp-client-identifier"},
    {62, "nwip-domain-name"},
    {63, "nwip-suboptions"},
    {64, "nisplus-domain-name"},
    {65, "nisplus-servers"},
    {66, "tftp-server-name"},
    {67, "boot-file-name"},
    {68, "mobile-ip-home-agent"},
    {69, "smtp-server"},
    {70, "pop-server"},
    {71, "nntp-server"},
    {72, "www-server"},
    {73, "finger-server"},
    {74, "irc-server"},
    {75, "streettalk-server"},
    {76, "streettalk-directory-assistance-server"},
    {77, "user-class"},
    {78, "slp-directory-agent"},
    {79, "slp-service-scope"},
    {81, "fqdn"},
    {82, "dhcp-agent-options"},
    {85, "nds-servers"},
    {86, "nds-tree-name"},
    {87, "nds-context"},
    {88, "bcms-controller-names"},
    {89, "bcms-controller-address"},
    {90, "authenticate"},
    {91, "client-last-transaction-time"},
    {92, "associated-ip"},
    {93, "client-system"},
    {94, "client-ndi"},
    {97, "uuid-guid"},
    {98, "uap-servers"},
    {99, "geoconf-civic"},
    {100, "pcode"},
    {101, "tcode"},
    {108, "v6-only-preferred"},
    {112, "netinfo-server-address"},
    {113, "netinfo-server-tag"},
    {114, "v4-captive-portal"},
    {116, "auto-config"},
    {117, "name-service-search"},
    {118, "subnet-selection"},
    {119, "domain-search"},
    {124, "vivco-suboptions"},
    {125, "vivso-suboptions"},
    {136, "pana-agent"},
    {137, "v4-lost"},
    {138, "capwap-ac-v4"},
    {141, "sip-ua-cs-domains"},
    {146, "rdnss-selection"},
    {159, "v4-portparams"},
    {212, "option-6rd"},
    {213, "v4-access-domain"},
});

}  // namespace

std::span<const KeaOption> kea_options() { return kOptions; }

const KeaOption* kea_option(std::string_view name) {
  const auto* found = std::ranges::find(kOptions, name, &KeaOption::name);
  return found == kOptions.end() ? nullptr : &*found;
}

const KeaOption* kea_option(std::uint8_t code) {
  const auto* found = std::ranges::find(kOptions, code, &KeaOption::code);
  return found == kOptions.end() ? nullptr : &*found;
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

}  // namespace xk::config
