// What the tests of the native engine share: a folder, a VRF, a client's messages.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <vector>

#include "dataplane/base/snapshot.h"
#include "dataplane/dhcp/message4.h"
#include "dataplane/dhcp/options4.h"
#include "pipeline_rig.h"

namespace xk::test {

inline constexpr std::size_t kMessageAt = 18 + 28;  // behind Ethernet with one tag, IP and UDP

// A folder that goes with the test.
class NativeFolder {
 public:
  NativeFolder() {
    std::string path = (std::filesystem::temp_directory_path() / "xk-native-XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) std::abort();
    path_ = path;
  }
  NativeFolder(const NativeFolder&) = delete;
  NativeFolder& operator=(const NativeFolder&) = delete;
  ~NativeFolder() {
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
    std::filesystem::remove_all(path_);
  }
  [[nodiscard]] std::string path() const { return path_.string(); }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_))
      names.push_back(entry.path().filename());
    std::ranges::sort(names);
    return names;
  }

 private:
  std::filesystem::path path_;
};

// snapshot_of(count), its VRFs of the native engine: 10.0.0.0/24, we are 10.0.0.1, leases of an hour, the
// pool is 10.0.0.10 to 10.0.0.<last>.
inline Snapshot native_snapshot(const std::string& folder, std::uint32_t last = 99, std::uint32_t count = 1,
                                std::uint64_t generation = 1) {
  Snapshot snapshot = snapshot_of(count, generation);
  for (VrfEntry& vrf : snapshot.vrfs) {
    vrf.engine = Engine::native;
    vrf.servers.clear();
    SubnetEntry subnet;
    subnet.prefix = Prefix4{Ip4{0x0a000000}, 24};
    subnet.server_identifier = Ip4{0x0a000001};
    subnet.lease_time_s = 3600;
    subnet.renew_s = 1800;
    subnet.rebind_s = 3150;
    subnet.options = std::string("\x01\x04\xff\xff\xff\x00", 6);
    vrf.subnets = {subnet};
    NativeVrf native;
    native.vrf = vrf.id;
    native.directory = folder;
    native.subnets.resize(1);
    native.subnets[0].lease_time_max_s = 3600;
    native.pools.resize(1);
    native.pools[0].ranges = {{Ip4{0x0a00000a}, Ip4{0x0a000000 + last}}};
    snapshot.natives.push_back(native);
  }
  return snapshot;
}

struct ClientOption {
  std::uint8_t code = 0;
  std::string value;
};
inline std::string address_bytes(Ip4 address) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(address.value >> shift);
  return bytes;
}

// A message of a client in the VLAN of the VRF, broadcast: 300 bytes of DHCP.
inline std::vector<std::uint8_t> client_message(VrfId vrf, std::uint32_t client, MessageType type,
                                                std::initializer_list<ClientOption> options,
                                                Ip4 ciaddr = {}) {
  const auto frame = discover(vrf, client);
  std::vector<std::uint8_t> message(frame.begin() + kMessageAt, frame.end());
  message.resize(dhcp4::kOptions);
  const std::string address = address_bytes(ciaddr);
  std::copy(address.begin(), address.end(), message.begin() + dhcp4::kCiaddr);
  const auto add = [&](std::uint8_t code, const std::string& value) {
    message.push_back(code);
    message.push_back(static_cast<std::uint8_t>(value.size()));
    message.insert(message.end(), value.begin(), value.end());
  };
  add(option4::kMessageType, std::string(1, static_cast<char>(type)));
  for (const ClientOption& option : options) add(option.code, option.value);
  message.push_back(option4::kEnd);
  if (message.size() < dhcp4::kMessageMin) message.resize(dhcp4::kMessageMin);
  return udp_frame(vrf, Ip4::limited_broadcast(), 67, message);
}

// none: no message, too.
inline MessageType type_of(const std::vector<std::uint8_t>& frame) {
  if (frame.size() < kMessageAt) return MessageType::none;
  const auto options = scan_options4(Bytes(frame).subspan(kMessageAt));
  return options ? options->type : MessageType::none;
}
inline Ip4 yiaddr_of(const std::vector<std::uint8_t>& frame) {
  return ByteReader(Bytes(frame).subspan(kMessageAt + dhcp4::kYiaddr)).ip4();
}

}  // namespace xk::test
