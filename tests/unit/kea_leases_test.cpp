// A client's lease from the real Kea as the handoff sees it: giaddr is the handoff, option 82 tells
// subnet and attachment, and the lease list gives them back.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "controlplane/kea/leases.h"
#include "controlplane/kea/supervisor.h"
#include "dataplane/base/bytes.h"
#include "tests/unit/kea_lab.h"

namespace xk::kea {
namespace {

using kea_lab::Lab;
using kea_lab::tick_until;
using kea_lab::vrf_red;

constexpr Ip4 kGiaddr{0xa9fe0002};
constexpr Ip4 kKea{0xa9fe0003};
constexpr std::uint8_t kDiscover = 1;
constexpr std::uint8_t kRequest = 3;
constexpr const char* kCircuit = "eth1:200.300";

struct Offer {
  std::uint8_t type = 0;
  Ip4 yiaddr{};
  Ip4 server_identifier{};
  std::uint32_t t1 = 0;
  std::string option82;
};

// A relayed request of client n (RFC 2131, RFC 3046, RFC 3527).
std::vector<std::uint8_t> relayed(std::uint8_t type, std::uint8_t n, Ip4 wanted, Ip4 server) {
  std::vector<std::uint8_t> packet(512);
  ByteWriter out(packet);
  out.u8(1);
  out.u8(1);
  out.u8(6);
  out.u8(1);
  out.u32(0x1000u + n);
  out.zeros(16);
  out.ip4(kGiaddr);
  out.mac(Mac{{2, 0, 0, 0, 0, n}});
  out.zeros(10 + 64 + 128);
  out.u32(0x63825363);
  out.u8(53), out.u8(1), out.u8(type);
  const std::string host = "pc-" + std::to_string(n) + "\xff";
  out.u8(12), out.u8(static_cast<std::uint8_t>(host.size()));
  out.bytes(Bytes(reinterpret_cast<const std::uint8_t*>(host.data()), host.size()));
  if (!wanted.is_zero()) out.u8(50), out.u8(4), out.ip4(wanted);
  if (!server.is_zero()) out.u8(54), out.u8(4), out.ip4(server);
  const std::string circuit = kCircuit;
  out.u8(82), out.u8(static_cast<std::uint8_t>(2 + circuit.size() + 6));
  out.u8(1), out.u8(static_cast<std::uint8_t>(circuit.size()));
  out.bytes(Bytes(reinterpret_cast<const std::uint8_t*>(circuit.data()), circuit.size()));
  out.u8(5), out.u8(4), out.ip4(Ip4{0x0a000000});
  out.u8(255);
  packet.resize(out.size());
  return packet;
}

Offer parse(Bytes packet) {
  Offer offer;
  ByteReader in(packet);
  (void)in.take(16);
  offer.yiaddr = in.ip4();
  (void)in.take(220);
  while (in.ok() && in.left() >= 2) {
    const std::uint8_t code = in.u8();
    if (code == 255) break;
    ByteReader value(in.take(in.u8()));
    if (code == 53) offer.type = value.u8();
    if (code == 54) offer.server_identifier = value.ip4();
    if (code == 58) offer.t1 = value.u32();
    if (code == 82) {
      const Bytes bytes = value.take(value.left());
      offer.option82.assign(bytes.begin(), bytes.end());
    }
  }
  return offer;
}

// Sends from giaddr:67 to Kea and waits for what comes back.
Offer ask(const Lab& lab, const std::vector<std::uint8_t>& packet) {
  Offer offer;
  lab.in_host_netns([&] {
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const auto address = [](Ip4 ip) {
      sockaddr_in in{};
      in.sin_family = AF_INET;
      in.sin_port = htons(67);
      in.sin_addr.s_addr = htonl(ip.value);
      return in;
    };
    const sockaddr_in here = address(kGiaddr);
    const sockaddr_in there = address(kKea);
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here), 0);
    ASSERT_GT(::sendto(socket.get(), packet.data(), packet.size(), 0,
                       reinterpret_cast<const sockaddr*>(&there), sizeof there),
              0);
    std::array<std::uint8_t, 1500> answer;
    const ssize_t n = ::recv(socket.get(), answer.data(), answer.size(), 0);
    ASSERT_GT(n, 240) << "Kea did not answer";
    offer = parse(Bytes(answer).first(static_cast<std::size_t>(n)));
  });
  return offer;
}

TEST(KeaLeasesReal, ALeaseThroughTheHandoffIsListedWithItsAttachment) {
  const Lab lab;
  const auto supervisor = Supervisor::make().value();
  ASSERT_TRUE(supervisor->apply(lab.spec(vrf_red())));
  const VrfId red{1};
  ASSERT_TRUE(tick_until(*supervisor, [&] { return supervisor->status()[0].state == KeaState::running; }));
  EXPECT_TRUE(list_leases(*supervisor, red).value().empty());

  for (std::uint8_t n = 1; n <= 3; ++n) {
    const Offer offer = ask(lab, relayed(kDiscover, n, {}, {}));
    EXPECT_EQ(offer.type, 2);
    EXPECT_TRUE(vrf_red().subnets[0].pools[0].contains(offer.yiaddr)) << to_string(offer.yiaddr);
    EXPECT_EQ(offer.server_identifier, (Ip4{0x0a000001}));
    const Offer ack = ask(lab, relayed(kRequest, n, offer.yiaddr, offer.server_identifier));
    EXPECT_EQ(ack.type, 5);
    EXPECT_EQ(ack.t1, 600u);
    EXPECT_EQ(ack.option82.substr(0, 14), std::string("\x01\x0c") + kCircuit);
  }
  // An address of another network is refused at once (RFC 2131 4.3.2).
  EXPECT_EQ(ask(lab, relayed(kRequest, 9, Ip4{0x0a010005}, {})).type, 6);

  const auto leases = list_leases(*supervisor, red);
  ASSERT_TRUE(leases) << leases.error().message;
  ASSERT_EQ(leases->size(), 3u);
  const Lease& lease = leases->front();
  EXPECT_EQ(lease.mac, "02:00:00:00:00:01");
  EXPECT_THAT(lease.hostname, testing::StartsWith("pc-1"));
  EXPECT_EQ(lease.subnet_id, 7u);
  EXPECT_EQ(lease.valid_lifetime_s, 1200u);
  EXPECT_EQ(lease.circuit_id, kCircuit);
  EXPECT_EQ(lease.state, LeaseState::active);
  EXPECT_EQ(parse_lease_page(supervisor->command(red, lease_page_request({}, 2)).value(), 2)->last, false);

  // They outlive a Kea that is killed, and one that is stopped.
  ASSERT_EQ(::kill(static_cast<pid_t>(supervisor->status()[0].pid), SIGKILL), 0);
  ASSERT_TRUE(tick_until(*supervisor, [&] { return supervisor->status()[0].restarts == 1; }));
  ASSERT_TRUE(tick_until(*supervisor, [&] { return supervisor->status()[0].state == KeaState::running; }));
  EXPECT_EQ(list_leases(*supervisor, red).value(), *leases);
  ASSERT_TRUE(supervisor->stop(red));
  ASSERT_TRUE(tick_until(*supervisor, [&] { return supervisor->status().empty(); }));
}

}  // namespace
}  // namespace xk::kea
