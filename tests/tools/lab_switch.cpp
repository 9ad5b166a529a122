// A VLAN switch for the lab, in user space: the test machine's kernel has neither 802.1Q devices nor
// VLAN-aware bridges. Each access port belongs to one (outer, inner) VLAN; the trunk carries them all
// tagged. A frame from an access port leaves tagged by the trunk and untagged by the other access
// ports of its VLAN; a frame from the trunk leaves by the access ports of its VLAN. Floods; learns
// nothing. Not for speed.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace {

constexpr std::size_t kTag = 4;
constexpr std::size_t kMacs = 12;
constexpr std::size_t kFrameMax = 9216;

struct Tag {
  std::uint16_t tpid = 0x8100;
  std::uint16_t vid = 0;
  bool operator==(const Tag& other) const { return vid == other.vid; }
};

struct SwitchPort {
  std::string name;
  int socket = -1;
  std::vector<Tag> tags;  // outermost first; the trunk has none
  bool trunk = false;
};

std::uint16_t number(const std::string& text, int base, unsigned max) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size() || value > max)
    throw std::runtime_error("'" + text + "' is no number up to " + std::to_string(max));
  return static_cast<std::uint16_t>(value);
}

// "IF:VLANS", VLANS = OUTER or OUTER.INNER; a tag may name its TPID: "200@88a8.300".
SwitchPort access_port(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) throw std::runtime_error("'" + text + "': want INTERFACE:VLANS");
  SwitchPort port{text.substr(0, colon), -1, {}, false};
  std::string rest = text.substr(colon + 1);
  while (!rest.empty()) {
    const std::size_t dot = rest.find('.');
    std::string tag = rest.substr(0, dot);
    rest = dot == std::string::npos ? "" : rest.substr(dot + 1);
    const std::size_t at = tag.find('@');
    Tag parsed;
    if (at != std::string::npos) {
      parsed.tpid = number(tag.substr(at + 1), 16, 0xffff);
      tag.resize(at);
    }
    parsed.vid = number(tag, 10, 4094);
    port.tags.push_back(parsed);
  }
  return port;
}

void open_port(SwitchPort& port) {
  const unsigned index = if_nametoindex(port.name.c_str());
  if (index == 0) throw std::runtime_error("no interface " + port.name);
  port.socket = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
  if (port.socket < 0) throw std::runtime_error("AF_PACKET: " + std::string(std::strerror(errno)));
  const int on = 1;
  setsockopt(port.socket, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on);
  setsockopt(port.socket, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
  const int buffer = 8 << 20;
  setsockopt(port.socket, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
  packet_mreq promiscuous{};
  promiscuous.mr_ifindex = static_cast<int>(index);
  promiscuous.mr_type = PACKET_MR_PROMISC;
  setsockopt(port.socket, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(index);
  if (bind(port.socket, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
    throw std::runtime_error("bind to " + port.name + ": " + std::strerror(errno));
}

void insert_tag(std::vector<std::uint8_t>& frame, std::uint16_t tpid, std::uint16_t tci) {
  const std::array<std::uint8_t, kTag> tag = {
      static_cast<std::uint8_t>(tpid >> 8), static_cast<std::uint8_t>(tpid & 0xff),
      static_cast<std::uint8_t>(tci >> 8), static_cast<std::uint8_t>(tci & 0xff)};
  frame.insert(frame.begin() + kMacs, tag.begin(), tag.end());
}

// The next frame with its tags in the data (the kernel takes the outermost one out); false if none.
bool read_frame(int socket, std::vector<std::uint8_t>& frame) {
  frame.resize(kFrameMax);
  iovec part{frame.data(), frame.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(tpacket_auxdata))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t got = recvmsg(socket, &message, MSG_DONTWAIT);
  if (got < static_cast<ssize_t>(ETH_HLEN)) return false;
  frame.resize(static_cast<std::size_t>(got));
  for (cmsghdr* item = CMSG_FIRSTHDR(&message); item != nullptr; item = CMSG_NXTHDR(&message, item)) {
    if (item->cmsg_level != SOL_PACKET || item->cmsg_type != PACKET_AUXDATA) continue;
    tpacket_auxdata aux{};
    std::memcpy(&aux, CMSG_DATA(item), sizeof aux);
    if ((aux.tp_status & TP_STATUS_VLAN_VALID) != 0)
      insert_tag(frame, (aux.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0 ? aux.tp_vlan_tpid : 0x8100,
                 aux.tp_vlan_tci);
  }
  return true;
}

// Takes all tags off a frame and returns them, outermost first.
std::vector<Tag> take_tags(std::vector<std::uint8_t>& frame) {
  std::vector<Tag> tags;
  while (frame.size() >= kMacs + 2 + kTag) {
    const auto tpid = static_cast<std::uint16_t>(frame[kMacs] << 8 | frame[kMacs + 1]);
    if (tpid != 0x8100 && tpid != 0x88a8) break;
    const auto tci = static_cast<std::uint16_t>(frame[kMacs + 2] << 8 | frame[kMacs + 3]);
    tags.push_back({tpid, static_cast<std::uint16_t>(tci & 0x0fff)});
    frame.erase(frame.begin() + kMacs, frame.begin() + kMacs + kTag);
  }
  return tags;
}

void send_frame(const SwitchPort& port, std::span<const std::uint8_t> frame) {
  if (send(port.socket, frame.data(), frame.size(), 0) < 0)
    std::fprintf(stderr, "lab-switch: %s: %s\n", port.name.c_str(), std::strerror(errno));
}

void forward(const std::vector<SwitchPort>& ports, const SwitchPort& from, std::vector<std::uint8_t>& frame) {
  // A switch never sends a frame back to where its destination was learned.
  if (std::equal(frame.begin(), frame.begin() + kMacs / 2, frame.begin() + kMacs / 2)) return;
  std::vector<Tag> tags = from.tags;
  if (from.trunk) tags = take_tags(frame);
  for (const SwitchPort& port : ports)
    if (&port != &from && !port.trunk && port.tags == tags) send_frame(port, frame);
  if (from.trunk) return;
  for (auto tag = tags.rbegin(); tag != tags.rend(); ++tag) insert_tag(frame, tag->tpid, tag->vid);
  for (const SwitchPort& port : ports)
    if (port.trunk) send_frame(port, frame);
}

int run(std::vector<SwitchPort>& ports) {
  std::vector<pollfd> waits;
  for (SwitchPort& port : ports) {
    open_port(port);
    waits.push_back({port.socket, POLLIN, 0});
  }
  std::puts("ready");
  std::fflush(stdout);
  std::vector<std::uint8_t> frame;
  while (poll(waits.data(), waits.size(), -1) >= 0)
    for (std::size_t i = 0; i < ports.size(); ++i)
      while ((waits[i].revents & POLLIN) != 0 && read_frame(ports[i].socket, frame))
        forward(ports, ports[i], frame);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"A VLAN switch of lab interfaces. Prints 'ready' when it forwards; ends with SIGTERM."};
  std::string trunk;
  std::vector<std::string> access;
  app.add_option("--trunk", trunk, "interface that carries all VLANs tagged")->required();
  app.add_option("--access", access, "INTERFACE:VLANS, VLANS like 100, 200.300 or 200@88a8.300")->required();
  CLI11_PARSE(app, argc, argv);
  try {
    std::vector<SwitchPort> ports{{trunk, -1, {}, true}};
    for (const std::string& text : access) ports.push_back(access_port(text));
    return run(ports);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "lab-switch: %s\n", error.what());
    return 1;
  }
}
