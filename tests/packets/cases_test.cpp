// Runs every folder of tests/packets/cases as a test of its own: "packets/TOPIC.CASE".
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "dataplane/base/forwarding.h"
#include "dataplane/relay/relay.h"
#include "dataplane/serve/static_rules.h"
#include "tests/packets/case_file.h"

namespace xk::test {
namespace {

namespace fs = std::filesystem;

std::string name_of(Outcome outcome) {
  return outcome == XK_OUTCOME_COUNT ? "none" : std::string(kOutcomes[outcome].name);
}

// Two frames beside each other, 16 bytes a line, with the lines that differ marked.
std::string diff(Bytes expected, Bytes actual) {
  std::string text =
      "expected " + std::to_string(expected.size()) + " bytes, got " + std::to_string(actual.size()) + "\n";
  const auto row = [](Bytes bytes, std::size_t at) {
    std::string hex;
    for (std::size_t i = at; i < at + 16; ++i) {
      constexpr std::string_view kDigits = "0123456789abcdef";
      hex += i < bytes.size() ? std::string{kDigits[bytes[i] >> 4], kDigits[bytes[i] & 15]} : "  ";
      hex += ' ';
    }
    return hex;
  };
  for (std::size_t at = 0; at < std::max(expected.size(), actual.size()); at += 16) {
    const std::string left = row(expected, at);
    const std::string right = row(actual, at);
    if (left != right) text += std::to_string(at) + ":\n  - " + left + "\n  + " + right + "\n";
  }
  return text;
}

class CaseTest : public testing::Test {
 public:
  CaseTest(fs::path folder, fs::path root) : folder_(std::move(folder)), root_(std::move(root)) {}

  void TestBody() override {
    const auto read = read_case(folder_, root_);
    ASSERT_TRUE(read.has_value()) << read.error().message;
    const auto forwarding = Forwarding::make(read->named.snapshot);
    ASSERT_TRUE(forwarding.has_value()) << forwarding.error().message;
    RecentRequests recent(1024);
    StaticTable leases;
    for (const StaticLease& lease : read->named.static_leases) {
      const auto put = leases.put(lease);
      ASSERT_TRUE(put.has_value()) << put.error().message;
    }
    for (const Step& step : read->steps) {
      SCOPED_TRACE((folder_ / "case.txt").string() + ":" + std::to_string(step.line));
      run(step, read->named, **forwarding, leases, recent);
    }
  }

 private:
  static Verdict call(const Received& received, int walked, const Step& step, const Forwarding& forwarding,
                      const StaticTable& leases, RecentRequests& recent, MutableBytes out,
                      Emission& emission) {
    if (walked == XK_WALK_ARP) return answer_arp(received, forwarding, out, emission);
    if (received.attachment->role == AttachmentRole::client && received.vrf->static_leases) {
      if (const auto verdict = answer_static(received, forwarding, leases, out, emission)) {
        const Outcome fault = check_request(received, forwarding);
        return fault == XK_OUTCOME_COUNT ? *verdict : Verdict::drop(fault);
      }
    }
    if (received.attachment->role == AttachmentRole::client)
      return relay_request(received, forwarding, step.server, recent, out, emission);
    return relay_reply(received, forwarding, recent, out, emission);
  }

  static void run(const Step& step, const NamedSnapshot& named, const Forwarding& forwarding,
                  const StaticTable& leases, RecentRequests& recent) {
    const std::vector<std::uint8_t> frame = step.in.frame();
    Received received{.frame = frame, .now_ms = step.now_ms};
    const int walked = xk_walk(frame.data(), frame.data() + frame.size(), &received.headers);
    received.attachment = forwarding.attachment(named.attachments.at(step.at));
    received.vrf = forwarding.vrf(received.attachment->vrf);
    received.ways = forwarding.ways(*received.vrf);
    const auto place = [](const AttachmentEntry& a) {
      return std::tuple(a.outer.vid.value, a.inner.vid.value);
    };
    EXPECT_EQ(place(*received.attachment),
              std::tuple(received.headers.outer_vid, received.headers.inner_vid));

    std::vector<std::uint8_t> out(kFrameMax);
    Emission emission;
    const Verdict verdict = call(received, walked, step, forwarding, leases, recent, out, emission);
    EXPECT_EQ(name_of(verdict.drop_reason), name_of(step.drop));
    const std::vector<Outcome> notes(verdict.notes.begin(), verdict.notes.begin() + verdict.note_count);
    EXPECT_EQ(notes, step.notes);
    ASSERT_EQ(step.out.empty(), step.drop != XK_OUTCOME_COUNT) << "a step is a drop or a send";
    if (verdict.dropped() || step.out.empty()) return;
    EXPECT_EQ(emission.out, named.attachments.at(step.out));
    const std::vector<std::uint8_t> expected = step.expected.frame();
    out.resize(emission.length);
    EXPECT_TRUE(expected == out) << diff(expected, out);
  }

  fs::path folder_, root_;
};

// Every reason that the rules can give has a case.
TEST(Cases, CoverEveryOutcomeOfTheRules) {
  std::set<Outcome> covered;
  for (const auto& entry : fs::recursive_directory_iterator(XK_CASES)) {
    if (entry.path().filename() != "case.txt") continue;
    const auto read = read_case(entry.path().parent_path(), XK_CASES);
    ASSERT_TRUE(read.has_value()) << read.error().message;
    for (const Step& step : read->steps) {
      covered.insert(step.drop);
      covered.insert(step.notes.begin(), step.notes.end());
    }
  }
  for (std::size_t i = 0; i < kOutcomes.size(); ++i) {
    const auto outcome = static_cast<Outcome>(i);
    const bool of_rules = (i >= XK_IP_HEADER_BAD && i <= XK_VRF_NOT_SERVED && i != XK_DHCP6_NOT_SERVED) ||
                          i == XK_FIRST_FRAGMENT || i == XK_NOT_DHCP || i == XK_NOTE_OPTION82_NO_ROOM ||
                          i == XK_NOTE_REPLY_FALLBACK || i == XK_NOTE_UDP_CHECKSUM_PARTIAL ||
                          (i >= XK_STATIC_RELEASED && i <= XK_NOTE_STATIC_OPTIONS_NO_ROOM);
    if (of_rules) {
      EXPECT_TRUE(covered.contains(outcome)) << name_of(outcome);
    }
  }
}

}  // namespace
}  // namespace xk::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  namespace fs = std::filesystem;
  const fs::path root = XK_CASES;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.path().filename() != "case.txt") continue;
    const fs::path folder = entry.path().parent_path();
    const fs::path name = folder.lexically_relative(root);
    testing::RegisterTest(name.parent_path().string().c_str(), name.filename().string().c_str(), nullptr,
                          nullptr, __FILE__, __LINE__,
                          [=]() -> testing::Test* { return new xk::test::CaseTest(folder, root); });
  }
  return RUN_ALL_TESTS();
}
