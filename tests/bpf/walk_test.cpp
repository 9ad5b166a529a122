// One walk, two compilers: the header walk in user space and the classifier in the kernel must see
// the same in every frame, whole, cut short or damaged.
#include "bpf/shared/walk.h"

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <random>

#include "tests/bpf/program.h"
#include "tests/bpf/sandbox.h"

namespace xk::test {
namespace {

constexpr Address4 kOurs4 = {10, 0, 0, 1};
constexpr Address4 kForeign4 = {198, 51, 100, 9};
constexpr Address6 kOurs6 = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

// What the classifier must do, told from the user-space walk and from plain tables.
class Model {
 public:
  explicit Model(Program& program) : program_(program) {
    add({kLoopback, 0, 0}, 1, XK_ROLE_CLIENT);
    add({kLoopback, 100, 0}, 2, XK_ROLE_CLIENT);
    add({kLoopback, 200, 300}, 3, XK_ROLE_CLIENT);
    add({kLoopback, 400, 0}, 4, XK_ROLE_SERVER);
    add({kLoopback, 500, 0}, 5, XK_ROLE_HANDOFF);
    for (std::uint32_t id = 1; id <= 5; ++id) {
      own(id, 4, kOurs4.data(), kOurs4.size(), XK_ADDRESS_LOCAL | XK_ADDRESS_ARP);
      own(id, 6, kOurs6.data(), kOurs6.size(), XK_ADDRESS_LOCAL);
    }
    program_.socket(0);
  }

  [[nodiscard]] Verdict expect(const Frame& frame) const {
    // A copy of exactly this size, so that a sanitizer sees every step past the end.
    const std::unique_ptr<std::uint8_t[]> exact(new std::uint8_t[frame.size()]);
    std::memcpy(exact.get(), frame.data(), frame.size());
    xk_headers headers;
    switch (xk_walk(exact.get(), exact.get() + frame.size(), &headers)) {
      case XK_WALK_OTHER:
        return passed(XK_PASS_NOT_DHCP);
      case XK_WALK_MALFORMED:
        return passed(XK_PASS_MALFORMED);
      case XK_WALK_LATER_FRAGMENT:
        return passed(XK_PASS_LATER_FRAGMENT);
      case XK_WALK_ARP:
        return arp(frame, headers);
      case XK_WALK_UDP:
        return udp(frame, headers, false);
      case XK_WALK_FIRST_FRAGMENT:
        return udp(frame, headers, true);
    }
    return {};
  }

 private:
  using Place = std::pair<int, int>;
  struct Attachment {
    std::uint32_t id;
    int role;
  };

  void add(const xk_attachment_key& key, std::uint32_t id, std::uint8_t role) {
    attachments_[{key.outer_vid, key.inner_vid}] = {id, role};
    program_.map(key, {id, 1, 0, 1, role, 0});
  }
  void own(std::uint32_t id, std::uint32_t family, const std::uint8_t* address, std::size_t size,
           std::uint32_t flags) {
    xk_address_key key{id, family, {}};
    std::memcpy(key.address, address, size);
    program_.address(key, flags);
  }
  [[nodiscard]] const Attachment* find(const xk_headers& headers) const {
    const auto at = attachments_.find({headers.outer_vid, headers.inner_vid});
    return at == attachments_.end() ? nullptr : &at->second;
  }
  [[nodiscard]] Verdict arp(const Frame& frame, const xk_headers& headers) const {
    if (frame.size() < headers.l3_offset + 28u) return passed(XK_PASS_MALFORMED);
    if (find(headers) == nullptr) return passed(XK_PASS_UNMAPPED);
    const std::uint8_t* at = frame.data() + headers.l3_offset;
    constexpr std::array<std::uint8_t, 8> kRequest = {0, 1, 8, 0, 6, 4, 0, 1};
    const bool ours =
        std::equal(kRequest.begin(), kRequest.end(), at) && std::equal(kOurs4.begin(), kOurs4.end(), at + 24);
    return ours ? redirected(XK_REDIRECT_ARP) : passed(XK_PASS_NOT_OURS);
  }
  [[nodiscard]] Verdict udp(const Frame& frame, const xk_headers& headers, bool fragment) const {
    const bool v4 = headers.ip_version == 4;
    const int server_port = v4 ? 67 : 547;
    const Attachment* attachment = find(headers);
    Verdict taken = redirected(v4 ? XK_REDIRECT_DHCP4 : XK_REDIRECT_DHCP6);
    if (attachment != nullptr && attachment->role == XK_ROLE_HANDOFF && headers.source_port == server_port) {
      taken = redirected(XK_REDIRECT_HANDOFF);
    } else if (headers.destination_port != server_port) {
      return passed(XK_PASS_NOT_DHCP);
    } else if (attachment == nullptr) {
      return passed(XK_PASS_UNMAPPED);
    } else if (!is_ours(frame, headers, attachment->role == XK_ROLE_CLIENT)) {
      return passed(XK_PASS_NOT_OURS);
    }
    return fragment ? dropped(XK_FIRST_FRAGMENT) : taken;
  }
  [[nodiscard]] static bool is_ours(const Frame& frame, const xk_headers& headers, bool is_client) {
    const auto destination_is = [&](const auto& address) {
      const std::size_t offset = headers.l3_offset + (headers.ip_version == 4 ? 16u : 24u);
      return std::equal(address.begin(), address.end(), frame.data() + offset);
    };
    if (headers.ip_version == 4) return destination_is(kOurs4) || (is_client && destination_is(kBroadcast4));
    return destination_is(kOurs6) ||
           (is_client && (destination_is(kRelaysAndServers6) || destination_is(kServers6)));
  }

  Program& program_;
  std::map<Place, Attachment> attachments_;
};

// Every kind of packet the walk tells apart.
std::vector<Frame> kinds() {
  std::vector<Frame> frames;
  const std::vector<std::vector<Tag>> tag_lists = {
      {},
      {{0x8100, 100}},
      {{0x88a8, 200}, {0x8100, 300}},
      {{0x8100, 200}, {0x88a8, 300}},
      {{0x8100, 0}},
      {{0x8100, 0xe000}, {0x8100, 100}},
      {{0x8100, 4095}},
      {{0x8100, 400}},
      {{0x8100, 500}},
      {{0x88a8, 200}, {0x8100, 300}, {0x8100, 5}},
  };
  for (const auto& tags : tag_lists) {
    frames.push_back(frame_of(Udp4{.tags = tags, .payload = 40}));
    frames.push_back(frame_of(Udp4{.tags = tags, .destination = kOurs4, .header_words = 15, .payload = 40}));
    frames.push_back(frame_of(Udp4{.tags = tags, .destination = kForeign4, .payload = 40}));
    frames.push_back(frame_of(Udp4{.tags = tags, .source_port = 67, .destination_port = 68, .payload = 40}));
    frames.push_back(frame_of(Udp4{.tags = tags, .fragment = 0x2000, .payload = 40}));
    frames.push_back(frame_of(Udp4{.tags = tags, .fragment = 0x0005, .payload = 40}));
    frames.push_back(frame_of(Udp4{.tags = tags, .protocol = 6, .payload = 40}));
    frames.push_back(frame_of(Udp6{.tags = tags, .payload = 40}));
    frames.push_back(frame_of(Udp6{.tags = tags, .destination = kOurs6, .payload = 40}));
    frames.push_back(
        frame_of(Udp6{.tags = tags, .extensions = {{0, 0, 0}, {43, 1, 0}, {60, 2, 0}}, .payload = 40}));
    frames.push_back(frame_of(Udp6{.tags = tags, .extensions = {{60, 0, 0}, {44, 0, 1}}, .payload = 40}));
    frames.push_back(frame_of(Udp6{.tags = tags, .extensions = {{44, 0, 0x40}}, .payload = 40}));
    frames.push_back(frame_of(Arp{.tags = tags, .target = kOurs4}));
    frames.push_back(frame_of(Arp{.tags = tags, .target = kForeign4}));
    frames.push_back(frame_of_type(0x88cc, tags));
  }
  frames.push_back(
      frame_of(Udp6{.extensions = std::vector<Extension>(6, Extension{60, 0, 0}), .payload = 40}));
  frames.push_back(
      frame_of(Udp6{.extensions = std::vector<Extension>(7, Extension{60, 0, 0}), .payload = 40}));
  return frames;
}

// Where the UDP header (or the ARP packet) of a whole frame ends: cut before, nothing may be taken.
std::size_t least_size(const Frame& frame) {
  xk_headers headers;
  const int walked = xk_walk(frame.data(), frame.data() + frame.size(), &headers);
  if (walked == XK_WALK_UDP || walked == XK_WALK_FIRST_FRAGMENT) return headers.udp_offset + 8u;
  return headers.l3_offset + 28u;
}

class WalkTest : public testing::Test {
 protected:
  WalkTest() { enter_sandbox(); }
  Program program;
  Model model{program};
};

TEST_F(WalkTest, EveryKindWholeAndCutAtEachByte) {
  std::map<Outcome, int> seen;
  for (const Frame& whole : kinds()) {
    const std::size_t least = least_size(whole);
    for (std::size_t size = 14; size <= whole.size(); ++size) {
      const Frame frame(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      const Verdict verdict = program.run(frame);
      ASSERT_EQ(verdict, model.expect(frame)) << "cut to " << size << " of " << whole.size();
      ASSERT_TRUE(size >= least || verdict.action == XDP_PASS) << "cut to " << size;
      ++seen[verdict.outcome];
    }
  }
  // All the program's outcomes came up but PASS_NO_SOCKET, which needs a port without sockets.
  for (int i = XK_PASS_NOT_DHCP; i <= XK_FIRST_FRAGMENT; ++i) {
    const auto outcome = static_cast<Outcome>(i);
    EXPECT_TRUE(seen[outcome] > 0 || outcome == XK_PASS_NO_SOCKET) << i;
  }
}

// BPF_PROG_TEST_RUN takes no frame below an Ethernet header: those in user space only.
TEST_F(WalkTest, FramesBelowAnEthernetHeader) {
  const Frame whole = frame_of(Udp4{});
  for (std::size_t size = 0; size < 14; ++size) {
    const std::unique_ptr<std::uint8_t[]> exact(new std::uint8_t[size]);
    std::memcpy(exact.get(), whole.data(), size);
    xk_headers headers;
    EXPECT_EQ(xk_walk(exact.get(), exact.get() + size, &headers), XK_WALK_MALFORMED) << size;
  }
}

TEST_F(WalkTest, FieldsOfTheHeaders) {
  const Frame frame =
      frame_of(Udp4{.tags = {{0x88a8, 0x20c8}, {0x8100, 300}}, .source_port = 1068, .header_words = 7});
  xk_headers headers;
  ASSERT_EQ(xk_walk(frame.data(), frame.data() + frame.size(), &headers), XK_WALK_UDP);
  EXPECT_EQ(headers.outer_vid, 200);
  EXPECT_EQ(headers.outer_tpid, 0x88a8);
  EXPECT_EQ(headers.inner_vid, 300);
  EXPECT_EQ(headers.inner_tpid, 0x8100);
  EXPECT_EQ(headers.tags, 2);
  EXPECT_EQ(headers.ether_type, 0x0800);
  EXPECT_EQ(headers.l3_offset, 22);
  EXPECT_EQ(headers.ip_version, 4);
  EXPECT_EQ(headers.udp_offset, 22 + 28);
  EXPECT_EQ(headers.source_port, 1068);
  EXPECT_EQ(headers.destination_port, 67);

  const Frame tagged = frame_of(Udp6{.tags = {{0x8100, 0xe000}, {0x88a8, 100}}, .extensions = {{60, 2, 0}}});
  ASSERT_EQ(xk_walk(tagged.data(), tagged.data() + tagged.size(), &headers), XK_WALK_UDP);
  EXPECT_EQ(headers.outer_vid, 100);
  EXPECT_EQ(headers.outer_tpid, 0x88a8);
  EXPECT_EQ(headers.inner_vid, XK_VID_NONE);
  EXPECT_EQ(headers.inner_tpid, 0);
  EXPECT_EQ(headers.tags, 2);
  EXPECT_EQ(headers.l3_offset, 22);
  EXPECT_EQ(headers.ip_version, 6);
  EXPECT_EQ(headers.udp_offset, 22 + 40 + 24);
  EXPECT_EQ(headers.destination_port, 547);
}

// A fixed seed, so that a failure comes back; XK_SEED and XK_FRAMES try others and more.
std::uint32_t number_from(const char* variable, std::uint32_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10)) : otherwise;
}

TEST_F(WalkTest, DamagedFrames) {
  const std::uint32_t seed = number_from("XK_SEED", 20240601);
  const std::uint32_t frames = number_from("XK_FRAMES", 20'000);
  std::mt19937 random(seed);
  const auto below = [&](std::size_t bound) { return random() % bound; };
  const std::vector<Frame> whole = kinds();
  // Bytes that mean something somewhere: damage with these goes deeper than with random ones.
  constexpr std::array<std::uint8_t, 24> kTelling = {0,    1,    2,    4,    5,    6,    7,    8,
                                                     17,   43,   44,   60,   67,   68,   0x10, 0x20,
                                                     0x45, 0x46, 0x60, 0x81, 0x86, 0x88, 0xa8, 0xff};
  for (std::uint32_t n = 0; n < frames; ++n) {
    Frame frame = whole[below(whole.size())];
    for (std::size_t damage = below(5); damage > 0; --damage)
      frame[12 + below(std::min<std::size_t>(frame.size() - 12, 100))] =
          below(2) == 0 ? kTelling[below(kTelling.size())] : static_cast<std::uint8_t>(random());
    if (below(4) == 0) frame.resize(14 + below(frame.size() - 13));
    ASSERT_EQ(program.run(frame), model.expect(frame)) << "seed " << seed << ", frame " << n;
  }
}

TEST_F(WalkTest, NoiseWithPlausibleBeginnings) {
  std::mt19937 random(number_from("XK_SEED", 7));
  for (std::uint32_t n = 0; n < number_from("XK_FRAMES", 20'000) / 4; ++n) {
    Frame frame(14 + random() % 200);
    for (std::uint8_t& byte : frame) byte = static_cast<std::uint8_t>(random());
    constexpr std::array<std::array<std::uint8_t, 2>, 5> kTypes = {
        {{0x08, 0x00}, {0x86, 0xdd}, {0x81, 0x00}, {0x88, 0xa8}, {0x08, 0x06}}};
    const auto& type = kTypes[random() % kTypes.size()];
    std::copy(type.begin(), type.end(), frame.begin() + 12);
    ASSERT_EQ(program.run(frame), model.expect(frame)) << "frame " << n;
  }
}

}  // namespace
}  // namespace xk::test
