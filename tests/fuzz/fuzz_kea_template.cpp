// A user's template: whatever the bytes, an Error with a place or a configuration that parses and
// has our control socket in it.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <nlohmann/json.hpp>

#include "controlplane/kea/template.h"

namespace {

xk::Vrf vrf() {
  xk::Subnet subnet;
  subnet.id = 7;
  subnet.prefix = xk::Prefix4{xk::Ip4{0x0a000000}, 24};
  subnet.pools = {xk::Range4{xk::Ip4{0x0a000064}, xk::Ip4{0x0a0000c7}}};
  subnet.gateway = subnet.server_identifier = xk::Ip4{0x0a000001};
  subnet.dns = {xk::Ip4{0x08080808}, xk::Ip4{0x09090909}};
  xk::Vrf vrf;
  vrf.name = "a\"b\\c\n";
  vrf.subnets = {subnet, subnet};
  return vrf;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const xk::Vrf kVrf = vrf();
  xk::kea::Place place;
  place.interface = "kea0";
  place.directory = "/run/k";
  place.lease_cmds = "/hooks/libdhcp_lease_cmds.so";
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = xk::kea::render_kea_template(text, "t.conf", kVrf, place);
  if (!config) {
    if (!config.error().message.starts_with("t.conf:")) std::abort();
    return 0;
  }
  const auto dhcp4 = nlohmann::json::parse(*config).at("Dhcp4");
  if (dhcp4.at("control-socket").at("socket-name") != "/run/k/kea-dhcp4.sock") std::abort();
  if (dhcp4.at("interfaces-config").at("dhcp-socket-type") != "udp") std::abort();
  return 0;
}
