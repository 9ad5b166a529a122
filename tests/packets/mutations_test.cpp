// What becomes of valid packets that are damaged: truncated at each byte, bytes flipped, parts
// exchanged. Nothing is read or written out of bounds (the sanitizer build says so), every drop has
// a reason, and whatever goes out is valid.
#include <gtest/gtest.h>

#include <random>

#include "dataplane/base/forwarding.h"
#include "dataplane/relay/relay.h"
#include "tests/packets/packet_text.h"
#include "tests/packets/samples.h"

namespace xk::test {
namespace {

class Mutations : public testing::Test {
 protected:
  // A memory in which the requests among the samples are remembered.
  [[nodiscard]] RecentRequests warm() const {
    RecentRequests recent(64);
    for (const Sample& sample : samples_) (void)run_frame(*forwarding_, sample.port, sample.frame, recent);
    return recent;
  }
  void expect_promises(const Sample& sample, Bytes frame, RecentRequests& recent) const {
    const Outcome4 result = run_frame(*forwarding_, sample.port, frame, recent);
    EXPECT_EQ(broken_promise(*forwarding_, result), "") << sample.name;
  }

  std::unique_ptr<const Forwarding> forwarding_ = sample_forwarding();
  std::vector<Sample> samples_ = sample_packets();
};

TEST_F(Mutations, EverySampleGoesOn) {
  RecentRequests recent = warm();
  for (const Sample& sample : samples_) {
    const Outcome4 result = run_frame(*forwarding_, sample.port, sample.frame, recent);
    EXPECT_FALSE(result.verdict.dropped())
        << sample.name << " " << kOutcomes[result.verdict.drop_reason].name;
    EXPECT_EQ(broken_promise(*forwarding_, result), "") << sample.name;
  }
}

// Cut anywhere, an Ethernet frame of a DHCP message is dropped: its lengths say more than is there.
TEST_F(Mutations, TruncatedAtEachByte) {
  RecentRequests recent = warm();
  for (const Sample& sample : samples_) {
    const std::size_t whole = sample.name == "arp_server" ? sample.frame.size() - 14 : sample.frame.size();
    for (std::size_t size = 0; size < whole; ++size) {
      const Outcome4 result = run_frame(*forwarding_, sample.port, Bytes(sample.frame).first(size), recent);
      EXPECT_TRUE(result.verdict.dropped()) << sample.name << " cut to " << size;
      EXPECT_TRUE(is_drop(result.verdict.drop_reason)) << sample.name << " cut to " << size;
    }
  }
}

// Cut inside the message with lengths and checksums that fit, it is dropped up to its END.
TEST(MessageTruncation, AtEachByte) {
  const auto forwarding = sample_forwarding();
  RecentRequests recent(64);
  const auto made = packet_named("discover");
  ASSERT_TRUE(made.has_value());
  Packet packet = *made;
  ASSERT_TRUE(packet.apply("raw 0c04 686f7374").has_value());
  constexpr std::size_t kEnd = 240 + 3 + 9 + 6;
  for (std::size_t size = 0; size <= packet.message().size(); ++size) {
    packet.message_cut = size;
    const Outcome4 result = run_frame(*forwarding, PortId{1}, packet.frame(), recent);
    EXPECT_EQ(result.verdict.dropped(), size <= kEnd) << size;
    EXPECT_EQ(broken_promise(*forwarding, result), "") << size;
  }
}

TEST_F(Mutations, EachByteSetToEdgeValues) {
  RecentRequests recent = warm();
  for (const Sample& sample : samples_) {
    std::vector<std::uint8_t> frame = sample.frame;
    for (std::size_t at = 0; at < frame.size(); ++at) {
      for (const int value : {0, 1, 0x7f, 0x80, 0xff, frame[at] ^ 1}) {
        frame[at] = static_cast<std::uint8_t>(value);
        expect_promises(sample, frame, recent);
      }
      frame[at] = sample.frame[at];
    }
  }
}

// Without a UDP checksum in the way, damage reaches the message itself.
TEST_F(Mutations, RandomDamageToTheMessage) {
  std::mt19937 random(20240607);  // NOLINT: a failure must replay
  const auto below = [&](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
  };
  RecentRequests recent = warm();
  std::size_t sent = 0;
  constexpr int kRounds = 4000;
  for (const Sample& sample : samples_) {
    xk_headers headers;
    if (xk_walk(sample.frame.data(), sample.frame.data() + sample.frame.size(), &headers) != XK_WALK_UDP)
      continue;
    for (int round = 0; round < kRounds; ++round) {
      std::vector<std::uint8_t> frame = sample.frame;
      frame[headers.udp_offset + 6u] = frame[headers.udp_offset + 7u] = 0;
      const std::size_t payload = headers.udp_offset + 8u;
      const std::size_t faults = 1 + below(6);
      for (std::size_t fault = 0; fault < faults; ++fault) {
        // Options are where the parsing is: most faults go there.
        const std::size_t from = below(4) == 0 ? payload : payload + 240;
        const std::size_t span = std::min<std::size_t>(frame.size() - from, 96);
        frame[from + below(span)] = static_cast<std::uint8_t>(below(3) == 0 ? below(256) : below(90));
      }
      const Outcome4 result = run_frame(*forwarding_, sample.port, frame, recent);
      ASSERT_EQ(broken_promise(*forwarding_, result), "") << sample.name << " round " << round;
      sent += result.verdict.dropped() ? 0u : 1u;
    }
  }
  EXPECT_GT(sent, 1000u) << "damage that always drops tests little";
}

// Option lengths past the end, one option at a time, for every length.
TEST(OptionLengths, EveryLengthOfTheLastOption) {
  const auto forwarding = sample_forwarding();
  RecentRequests recent(64);
  for (unsigned length = 0; length <= 255; ++length) {
    auto packet = packet_named("discover");
    ASSERT_TRUE(packet.has_value());
    packet->options.push_back({std::nullopt, {12, static_cast<std::uint8_t>(length), 'a', 'b', 'c'}});
    packet->end = true;
    packet->size = 300;
    const Outcome4 result = run_frame(*forwarding, PortId{1}, packet->frame(), recent);
    // Length 3 ends at END; below it what is left of "abc" is an option past the end, or none.
    if (length == 3) {
      EXPECT_FALSE(result.verdict.dropped());
    }
    if (length > 3) {
      EXPECT_TRUE(result.verdict.drop_reason == XK_OPTION_TRUNCATED ||
                  result.verdict.drop_reason == XK_OPTION_END_MISSING)
          << length;
    }
    EXPECT_EQ(broken_promise(*forwarding, result), "") << length;
  }
}

}  // namespace
}  // namespace xk::test
