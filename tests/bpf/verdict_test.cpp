// Every verdict of the classifier with its reason, both sides of each boundary.
#include <gtest/gtest.h>

#include "tests/bpf/program.h"
#include "tests/bpf/sandbox.h"

namespace xk::test {
namespace {

using U8 = std::initializer_list<std::uint8_t>;
using U16 = std::initializer_list<std::uint16_t>;

constexpr Address4 kOurs4 = {10, 0, 0, 1};
constexpr Address4 kDirected4 = {10, 0, 0, 255};
constexpr Address4 kArpOnly4 = {10, 0, 0, 2};
constexpr Address4 kServerSide4 = {192, 0, 2, 1};
constexpr Address4 kNobody4 = {0, 0, 0, 0};
constexpr Address4 kForeign4 = {198, 51, 100, 9};
constexpr Address6 kOurs6 = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
constexpr Address6 kForeign6 = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2};

xk_address_key key4(std::uint32_t attachment, const Address4& address) {
  xk_address_key key{attachment, 4, {}};
  std::copy(address.begin(), address.end(), key.address);
  return key;
}

xk_address_key key6(std::uint32_t attachment, const Address6& address) {
  xk_address_key key{attachment, 6, {}};
  std::copy(address.begin(), address.end(), key.address);
  return key;
}

xk_attachment_value client(std::uint32_t id) { return {id, 1, 10, 1, XK_ROLE_CLIENT, 0}; }

// Attachments on lo: 1 untagged, 2 VLAN 100, 3 QinQ 200.300, 4 towards servers (VLAN 400), 5 a
// handoff (VLAN 500), 6 VLAN 600 without sockets.
class VerdictTest : public testing::Test {
 protected:
  VerdictTest() {
    enter_sandbox();
    program.map({kLoopback, 0, 0}, client(1));
    program.map({kLoopback, 100, 0}, client(2));
    program.map({kLoopback, 200, 300}, client(3));
    program.map({kLoopback, 400, 0}, {4, 1, 10, 1, XK_ROLE_SERVER, 0});
    program.map({kLoopback, 500, 0}, {5, 1, 10, 1, XK_ROLE_HANDOFF, 0});
    program.map({kLoopback, 600, 0}, {6, 1, 10, 0, XK_ROLE_CLIENT, 0});
    program.socket(10);
    for (const std::uint32_t attachment : {1u, 2u, 3u, 6u}) {
      program.address(key4(attachment, kOurs4), XK_ADDRESS_LOCAL | XK_ADDRESS_ARP);
      program.address(key4(attachment, kDirected4), XK_ADDRESS_BROADCAST);
      program.address(key4(attachment, kArpOnly4), XK_ADDRESS_ARP);
      program.address(key6(attachment, kOurs6), XK_ADDRESS_LOCAL);
    }
    program.address(key4(2, kNobody4), XK_ADDRESS_PROBE);
    program.address(key4(4, kServerSide4), XK_ADDRESS_LOCAL);
    program.address(key4(4, kDirected4), XK_ADDRESS_BROADCAST);
    program.address(key4(5, kServerSide4), XK_ADDRESS_LOCAL);
  }

  [[nodiscard]] Verdict run(const auto& description) { return program.run(frame_of(description)); }

  Program program;
};

const Verdict kDhcp4 = redirected(XK_REDIRECT_DHCP4);
const Verdict kDhcp6 = redirected(XK_REDIRECT_DHCP6);
const Verdict kNotDhcp = passed(XK_PASS_NOT_DHCP);
const Verdict kNotOurs = passed(XK_PASS_NOT_OURS);
const Verdict kUnmapped = passed(XK_PASS_UNMAPPED);
const Verdict kMalformed = passed(XK_PASS_MALFORMED);

// ---- what is DHCP ------------------------------------------------------------------------------

TEST_F(VerdictTest, BroadcastDiscoverIsOurs) {
  EXPECT_EQ(run(Udp4{}), kDhcp4);
  EXPECT_EQ(run(Udp4{.tags = {{0x8100, 100}}}), kDhcp4);
  EXPECT_EQ(run(Udp4{.tags = {{0x88a8, 200}, {0x8100, 300}}}), kDhcp4);
}

TEST_F(VerdictTest, DhcpIsUdpToTheServerPort) {
  EXPECT_EQ(run(Udp4{.destination_port = 66}), kNotDhcp);
  EXPECT_EQ(run(Udp4{.destination_port = 68}), kNotDhcp);
  EXPECT_EQ(run(Udp4{.destination_port = 547}), kNotDhcp);
  EXPECT_EQ(run(Udp4{.source_port = 67, .destination_port = 68}), kNotDhcp);
  EXPECT_EQ(run(Udp4{.source_port = 1}), kDhcp4);
  EXPECT_EQ(run(Udp4{.protocol = 6}), kNotDhcp);
  EXPECT_EQ(run(Udp4{.protocol = 18}), kNotDhcp);
  EXPECT_EQ(run(Udp6{.destination_port = 546}), kNotDhcp);
  EXPECT_EQ(run(Udp6{.destination_port = 548}), kNotDhcp);
  EXPECT_EQ(run(Udp6{.destination_port = 67}), kNotDhcp);
  EXPECT_EQ(run(Udp6{.source_port = 547, .destination_port = 546}), kNotDhcp);
  EXPECT_EQ(run(Udp6{.protocol = 6}), kNotDhcp);
}

TEST_F(VerdictTest, OtherProtocolsPass) {
  for (const std::uint16_t type :
       U16{0x0000, 0x05dc, 0x0801, 0x0805, 0x0807, 0x86dc, 0x8863, 0x8864, 0x88cc, 0x9100, 0x9200, 0xffff})
    EXPECT_EQ(program.run(frame_of_type(type)), kNotDhcp) << type;
}

TEST_F(VerdictTest, SizesOfDhcpDoNotMatter) {
  for (const std::size_t payload : {0u, 1u, 240u, 312u, 1472u, 8972u})
    EXPECT_EQ(run(Udp4{.payload = payload}), kDhcp4) << payload;
}

// ---- whose it is -------------------------------------------------------------------------------

TEST_F(VerdictTest, UnicastToOurAddressIsOurs) {
  EXPECT_EQ(run(Udp4{.destination = kOurs4}), kDhcp4);
  EXPECT_EQ(run(Udp4{.tags = {{0x8100, 100}}, .destination = kOurs4}), kDhcp4);
  EXPECT_EQ(run(Udp6{.destination = kOurs6}), kDhcp6);
}

TEST_F(VerdictTest, DirectedBroadcastIsOurs) { EXPECT_EQ(run(Udp4{.destination = kDirected4}), kDhcp4); }

TEST_F(VerdictTest, OtherPeoplesDhcpPasses) {
  EXPECT_EQ(run(Udp4{.destination = kForeign4}), kNotOurs);
  EXPECT_EQ(run(Udp4{.destination = kForeign4, .source_port = 67}), kNotOurs);
  EXPECT_EQ(run(Udp4{.destination = kArpOnly4}), kNotOurs);
  EXPECT_EQ(run(Udp4{.destination = kServerSide4}), kNotOurs) << "ours, but on another attachment";
  EXPECT_EQ(run(Udp6{.destination = kForeign6}), kNotOurs);
  for (std::size_t i = 0; i < 4; ++i) {
    Address4 almost = kBroadcast4;
    almost[i] = 254;
    EXPECT_EQ(run(Udp4{.destination = almost}), kNotOurs) << i;
  }
}

TEST_F(VerdictTest, Dhcp6MulticastGroups) {
  EXPECT_EQ(run(Udp6{.destination = kRelaysAndServers6}), kDhcp6);
  EXPECT_EQ(run(Udp6{.destination = kServers6}), kDhcp6);
  for (std::size_t i = 0; i < 16; ++i) {
    for (const Address6& group : {kRelaysAndServers6, kServers6}) {
      Address6 other = group;
      other[i] ^= 0x04;
      EXPECT_EQ(run(Udp6{.destination = other}), kNotOurs) << i;
    }
  }
  Address6 mixed = kRelaysAndServers6;
  mixed[15] = 3;
  EXPECT_EQ(run(Udp6{.destination = mixed}), kNotOurs) << "ff02::1:3 is link-local name resolution";
}

TEST_F(VerdictTest, UnmappedPasses) {
  EXPECT_EQ(run(Udp4{.tags = {{0x8100, 101}}}), kUnmapped);
  EXPECT_EQ(run(Udp4{.tags = {{0x8100, 200}}}), kUnmapped);
  EXPECT_EQ(run(Udp4{.tags = {{0x8100, 100}, {0x8100, 300}}}), kUnmapped);
  EXPECT_EQ(run(Udp4{.tags = {{0x8100, 300}, {0x8100, 200}}}), kUnmapped);
  EXPECT_EQ(run(Udp6{.tags = {{0x8100, 101}}}), kUnmapped);
}

TEST_F(VerdictTest, TowardsServersOnlyOurAddressCounts) {
  const std::vector<Tag> tags = {{0x8100, 400}};
  EXPECT_EQ(run(Udp4{.tags = tags, .destination = kServerSide4, .source_port = 67}), kDhcp4);
  EXPECT_EQ(run(Udp4{.tags = tags}), kNotOurs);
  EXPECT_EQ(run(Udp4{.tags = tags, .destination = kDirected4}), kNotOurs);
  EXPECT_EQ(run(Udp4{.tags = tags, .destination = kForeign4, .source_port = 67}), kNotOurs);
  EXPECT_EQ(run(Udp6{.tags = tags}), kNotOurs);
}

TEST_F(VerdictTest, WhateverKeaSendsIsTaken) {
  const std::vector<Tag> tags = {{0x8100, 500}};
  const Verdict handoff = redirected(XK_REDIRECT_HANDOFF);
  for (const std::uint16_t port : U16{66, 67, 68, 547, 40000}) {
    EXPECT_EQ(run(Udp4{.tags = tags, .destination = kForeign4, .source_port = 67, .destination_port = port}),
              handoff);
    EXPECT_EQ(run(Udp6{.tags = tags, .destination = kForeign6, .source_port = 547, .destination_port = port}),
              handoff);
  }
  EXPECT_EQ(run(Udp4{.tags = tags, .source_port = 66, .destination_port = 68}), kNotDhcp);
  EXPECT_EQ(run(Udp4{.tags = tags, .source_port = 68, .destination_port = 68}), kNotDhcp);
  EXPECT_EQ(run(Udp4{.tags = tags, .source_port = 547, .destination_port = 546}), kNotDhcp);
  EXPECT_EQ(run(Udp6{.tags = tags, .source_port = 67, .destination_port = 68}), kNotDhcp);
  EXPECT_EQ(run(Udp4{.tags = tags, .source_port = 68}), kNotOurs);
  EXPECT_EQ(run(Udp4{.tags = tags, .destination = kServerSide4, .source_port = 68}), kDhcp4);
  EXPECT_EQ(run(Udp4{.tags = tags, .source_port = 67, .protocol = 6}), kNotDhcp);
}

// ---- tags --------------------------------------------------------------------------------------

TEST_F(VerdictTest, AnyMixOfTpids) {
  for (const std::uint16_t outer : U16{0x8100, 0x88a8}) {
    EXPECT_EQ(run(Udp4{.tags = {{outer, 100}}}), kDhcp4);
    EXPECT_EQ(run(Udp6{.tags = {{outer, 100}}}), kDhcp6);
    for (const std::uint16_t inner : U16{0x8100, 0x88a8}) {
      EXPECT_EQ(run(Udp4{.tags = {{outer, 200}, {inner, 300}}}), kDhcp4);
      EXPECT_EQ(run(Udp6{.tags = {{outer, 200}, {inner, 300}}}), kDhcp6);
    }
  }
  EXPECT_EQ(run(Udp4{.tags = {{0x9100, 100}}}), kNotDhcp);
}

TEST_F(VerdictTest, ThreeTagsAreTooMany) {
  for (const std::uint16_t third : U16{0x8100, 0x88a8}) {
    EXPECT_EQ(run(Udp4{.tags = {{0x88a8, 200}, {0x8100, 300}, {third, 1}}}), kMalformed);
    EXPECT_EQ(run(Udp4{.tags = {{0x8100, 0}, {0x8100, 0}, {third, 100}}}), kMalformed);
  }
}

TEST_F(VerdictTest, PriorityTagsCountAsUntagged) {
  EXPECT_EQ(run(Udp4{.tags = {{0x8100, 0}}}), kDhcp4);
  EXPECT_EQ(run(Udp4{.tags = {{0x8100, 0xe000}}}), kDhcp4);
  EXPECT_EQ(run(Udp4{.tags = {{0x88a8, 0}, {0x8100, 0}}}), kDhcp4);
  EXPECT_EQ(run(Udp4{.tags = {{0x8100, 0}, {0x8100, 100}}}), kDhcp4);
  EXPECT_EQ(run(Udp4{.tags = {{0x8100, 100}, {0x8100, 0}}}), kDhcp4);
  EXPECT_EQ(run(Udp4{.tags = {{0x8100, 0}, {0x8100, 101}}}), kUnmapped);
}

TEST_F(VerdictTest, PriorityBitsAreNoPartOfTheVid) {
  for (const int priority : {0x1000, 0x8000, 0xf000})
    EXPECT_EQ(run(Udp4{.tags = {{0x8100, static_cast<std::uint16_t>(priority | 100)}}}), kDhcp4);
}

TEST_F(VerdictTest, Vid4095NeverMatches) {
  program.map({kLoopback, 4095, 0}, client(1));
  program.map({kLoopback, 100, 4095}, client(1));
  program.map({kLoopback, 4094, 0}, client(1));
  EXPECT_EQ(run(Udp4{.tags = {{0x8100, 4095}}}), kUnmapped);
  EXPECT_EQ(run(Udp4{.tags = {{0x8100, 100}, {0x8100, 4095}}}), kUnmapped);
  EXPECT_EQ(run(Arp{.tags = {{0x8100, 4095}}, .target = kOurs4}), kUnmapped);
  EXPECT_EQ(run(Udp4{.tags = {{0x8100, 4094}}}), kDhcp4);
}

// ---- IPv4 --------------------------------------------------------------------------------------

TEST_F(VerdictTest, HeaderLengths4) {
  for (std::uint8_t words = 5; words <= 15; ++words)
    EXPECT_EQ(run(Udp4{.header_words = words}), kDhcp4) << int{words};
  Frame frame = frame_of(Udp4{});
  for (const std::uint8_t words : U8{0, 1, 4}) {
    frame[14] = static_cast<std::uint8_t>(0x40 | words);
    EXPECT_EQ(program.run(frame), kMalformed) << int{words};
  }
}

TEST_F(VerdictTest, Versions) {
  for (const std::uint8_t version : U8{0, 3, 5, 6, 15}) EXPECT_EQ(run(Udp4{.version = version}), kMalformed);
  for (const std::uint8_t version : U8{0, 4, 5, 7, 15}) EXPECT_EQ(run(Udp6{.version = version}), kMalformed);
}

TEST_F(VerdictTest, Fragments4) {
  constexpr std::uint16_t kMore = 0x2000;
  constexpr std::uint16_t kDont = 0x4000;
  EXPECT_EQ(run(Udp4{.fragment = kMore}), dropped(XK_FIRST_FRAGMENT));
  EXPECT_EQ(run(Udp4{.destination = kOurs4, .fragment = kMore}), dropped(XK_FIRST_FRAGMENT));
  EXPECT_EQ(run(Udp4{.fragment = kDont}), kDhcp4);
  for (const std::uint16_t offset : U16{0x0001, 0x0010, 0x1fff}) {
    EXPECT_EQ(run(Udp4{.fragment = offset}), passed(XK_PASS_LATER_FRAGMENT));
    EXPECT_EQ(run(Udp4{.fragment = static_cast<std::uint16_t>(kMore | offset)}),
              passed(XK_PASS_LATER_FRAGMENT));
  }
}

TEST_F(VerdictTest, FragmentsThatAreNotOursPass) {
  EXPECT_EQ(run(Udp4{.destination = kForeign4, .fragment = 0x2000}), kNotOurs);
  EXPECT_EQ(run(Udp4{.tags = {{0x8100, 101}}, .fragment = 0x2000}), kUnmapped);
  EXPECT_EQ(run(Udp4{.destination_port = 53, .fragment = 0x2000}), kNotDhcp);
  EXPECT_EQ(run(Udp4{.protocol = 6, .fragment = 0x2000}), kNotDhcp);
  EXPECT_EQ(run(Udp4{.protocol = 6, .fragment = 0x0001}), kNotDhcp);
}

TEST_F(VerdictTest, FragmentsOfKeaAreDropped) {
  const std::vector<Tag> tags = {{0x8100, 500}};
  EXPECT_EQ(run(Udp4{.tags = tags, .source_port = 67, .destination_port = 68, .fragment = 0x2000}),
            dropped(XK_FIRST_FRAGMENT));
}

// ---- IPv6 --------------------------------------------------------------------------------------

TEST_F(VerdictTest, ExtensionsUpToTheBound) {
  for (const std::uint8_t type : U8{0, 43, 60}) {
    for (std::size_t n = 1; n <= XK_IP6_EXTENSIONS_MAX; ++n)
      EXPECT_EQ(run(Udp6{.extensions = std::vector<Extension>(n, Extension{type, 0, 0})}), kDhcp6)
          << int{type} << " x " << n;
    EXPECT_EQ(
        run(Udp6{.extensions = std::vector<Extension>(XK_IP6_EXTENSIONS_MAX + 1, Extension{type, 0, 0})}),
        kMalformed)
        << int{type};
  }
  EXPECT_EQ(run(Udp6{.extensions = {{0, 0, 0}, {60, 0, 0}, {43, 0, 0}, {60, 0, 0}}}), kDhcp6);
  EXPECT_EQ(run(Udp6{.extensions = {{0, 0, 0}}, .protocol = 58}), kNotDhcp);
  EXPECT_EQ(run(Udp6{.protocol = 51}), kNotDhcp) << "authentication header";
  EXPECT_EQ(run(Udp6{.protocol = 59}), kNotDhcp) << "no next header";
}

TEST_F(VerdictTest, LongExtensions) {
  for (const std::uint8_t extra : U8{1, 7, 31, 255})
    EXPECT_EQ(run(Udp6{.extensions = {{60, extra, 0}}}), kDhcp6) << int{extra};
  Frame frame = frame_of(Udp6{.extensions = {{60, 0, 0}}});
  frame[14 + 40 + 1] = 255;  // its length runs past the frame
  EXPECT_EQ(program.run(frame), kMalformed);
}

TEST_F(VerdictTest, Fragments6) {
  EXPECT_EQ(run(Udp6{.extensions = {{44, 0, 0x0001}}}), dropped(XK_FIRST_FRAGMENT));
  EXPECT_EQ(run(Udp6{.extensions = {{0, 0, 0}, {44, 0, 0x0001}}}), dropped(XK_FIRST_FRAGMENT));
  EXPECT_EQ(run(Udp6{.extensions = {{44, 0, 0x0000}}}), kDhcp6) << "atomic fragment, RFC 6946";
  EXPECT_EQ(run(Udp6{.extensions = {{44, 0, 0x0006}}}), kDhcp6) << "reserved bits";
  for (const std::uint16_t field : U16{0x0008, 0x0009, 0xfff8, 0xffff})
    EXPECT_EQ(run(Udp6{.extensions = {{44, 0, field}}}), passed(XK_PASS_LATER_FRAGMENT)) << field;
  EXPECT_EQ(run(Udp6{.destination = kForeign6, .extensions = {{44, 0, 0x0001}}}), kNotOurs);
}

// ---- ARP ---------------------------------------------------------------------------------------

TEST_F(VerdictTest, ArpForWhatNoKernelInterfaceHolds) {
  const Verdict ours = redirected(XK_REDIRECT_ARP);
  EXPECT_EQ(run(Arp{.target = kOurs4}), ours);
  EXPECT_EQ(run(Arp{.target = kArpOnly4}), ours);
  EXPECT_EQ(run(Arp{.tags = {{0x8100, 100}}, .target = kOurs4}), ours);
  EXPECT_EQ(run(Arp{.tags = {{0x88a8, 200}, {0x8100, 300}}, .target = kOurs4}), ours);
  EXPECT_EQ(run(Arp{.target = kDirected4}), kNotOurs);
  EXPECT_EQ(run(Arp{.target = kForeign4}), kNotOurs);
  EXPECT_EQ(run(Arp{.target = kBroadcast4}), kNotOurs);
  EXPECT_EQ(run(Arp{.tags = {{0x8100, 400}}, .target = kServerSide4}), kNotOurs) << "local, not ARP";
  EXPECT_EQ(run(Arp{.tags = {{0x8100, 101}}, .target = kOurs4}), kUnmapped);
}

TEST_F(VerdictTest, OnlyEthernetIp4Requests) {
  EXPECT_EQ(run(Arp{.hardware = 6, .target = kOurs4}), kNotOurs);
  EXPECT_EQ(run(Arp{.protocol = 0x86dd, .target = kOurs4}), kNotOurs);
  EXPECT_EQ(run(Arp{.hardware_length = 8, .target = kOurs4}), kNotOurs);
  EXPECT_EQ(run(Arp{.protocol_length = 16, .target = kOurs4}), kNotOurs);
  for (const std::uint16_t operation : U16{0, 2, 3, 0x0101})
    EXPECT_EQ(run(Arp{.operation = operation, .target = kOurs4}), kNotOurs) << operation;
}

// RFC 5227 2.1.1: a probe is sent from 0.0.0.0, and so answered to it.
TEST_F(VerdictTest, AnswersToArpProbesWhereTheyAreAsked) {
  const Verdict ours = redirected(XK_REDIRECT_ARP);
  const auto answer = [this](U16 tags, std::uint16_t operation, const Address4& target) {
    Arp arp{.operation = operation, .target = target};
    for (const std::uint16_t tag : tags) arp.tags.push_back({0x8100, tag});
    return run(arp);
  };
  EXPECT_EQ(answer({100}, 2, kNobody4), ours);
  EXPECT_EQ(answer({100}, 1, kNobody4), kNotOurs) << "a request";
  EXPECT_EQ(answer({100}, 3, kNobody4), kNotOurs);
  EXPECT_EQ(answer({100}, 2, kOurs4), kNotOurs) << "an answer to the kernel";
  EXPECT_EQ(answer({100}, 2, kForeign4), kNotOurs);
  EXPECT_EQ(answer({}, 2, kNobody4), kNotOurs) << "no probes there";
  EXPECT_EQ(answer({101}, 2, kNobody4), kUnmapped);
  EXPECT_EQ(run(Arp{.tags = {{0x8100, 100}}, .hardware = 6, .operation = 2, .target = kNobody4}), kNotOurs);
}

// ---- sockets -----------------------------------------------------------------------------------

TEST_F(VerdictTest, WithoutSocketThePacketIsTheKernels) {
  const Verdict none = passed(XK_PASS_NO_SOCKET);
  EXPECT_EQ(run(Udp4{.tags = {{0x8100, 600}}}), none) << "no queue has a socket";
  EXPECT_EQ(run(Udp4{}), kDhcp4);
  program.drop_sockets();  // as when the dataplane dies
  EXPECT_EQ(run(Udp4{}), none);
  EXPECT_EQ(run(Udp6{}), none);
  EXPECT_EQ(run(Arp{.target = kOurs4}), none);
  EXPECT_EQ(run(Udp4{.tags = {{0x8100, 500}}, .source_port = 67, .destination_port = 68}), none);
  EXPECT_EQ(run(Udp4{.fragment = 0x2000}), dropped(XK_FIRST_FRAGMENT));
  program.socket(10);
  EXPECT_EQ(run(Udp4{}), kDhcp4);
}

TEST_F(VerdictTest, EachQueueHasItsSocket) {
  make_veth("xkta0", "xkta1", 4);
  const std::uint32_t port = ifindex_of("xkta0");
  program.map({port, 0, 0}, {7, 1, 20, 3, XK_ROLE_CLIENT, 0});
  program.socket(20);
  program.socket(22);
  program.socket(23);
  const Frame frame = frame_of(Udp4{});
  const Verdict none = passed(XK_PASS_NO_SOCKET);
  EXPECT_EQ(program.run(frame, port, 0), kDhcp4);
  EXPECT_EQ(program.run(frame, port, 1), none) << "index 21 is empty";
  EXPECT_EQ(program.run(frame, port, 2), kDhcp4);
  EXPECT_EQ(program.run(frame, port, 3), none) << "index 23 is another port's";
  EXPECT_EQ(program.run(frame, ifindex_of("xkta1"), 0), kUnmapped);
  shell("ip link del dev xkta0");
}

TEST_F(VerdictTest, SocketIndexPastTheMapPasses) {
  program.map({kLoopback, 700, 0}, {8, 1, XK_XSKS_MAX, 1, XK_ROLE_CLIENT, 0});
  EXPECT_EQ(run(Udp4{.tags = {{0x8100, 700}}}), passed(XK_PASS_NO_SOCKET));
  program.map({kLoopback, 701, 0}, {8, 1, XK_XSKS_MAX - 1, 1, XK_ROLE_CLIENT, 0});
  program.socket(XK_XSKS_MAX - 1);
  EXPECT_EQ(run(Udp4{.tags = {{0x8100, 701}}}), kDhcp4);
}

}  // namespace
}  // namespace xk::test
