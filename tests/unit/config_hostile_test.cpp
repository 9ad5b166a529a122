// Files that are no honest attempt, and the limits.
#include <gmock/gmock.h>

#include <random>

#include "tests/unit/config_files.h"

namespace xk {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

TEST(ConfigHostile, TenMegabytesAreRefusedByTheBound) {
  const std::string text(10'000'000, '#');
  EXPECT_THAT(mistakes_in(text),
              ElementsAre("f: the file has more than 8388608 bytes (8 MiB), the most allowed"));
}

TEST(ConfigHostile, EightMebibytesAreRead) {
  EXPECT_THAT(mistakes_in(std::string(8 * 1024 * 1024, '#')), IsEmpty());
}

TEST(ConfigHostile, BinaryJunk) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::string text(1 + random() % 2000, '\0');
    for (char& c : text) c = static_cast<char>(random() & 0xff);
    EXPECT_THAT(mistakes_in(text), Not(IsEmpty()));
  }
  EXPECT_THAT(mistakes_in(std::string("name = \"a\0b\"", 12)), ElementsAre(HasSubstr("not TOML")));
  EXPECT_THAT(mistakes_in("[appliance]\nname = \"\xff\xfe\"\n"), ElementsAre(HasSubstr("not TOML")));
  EXPECT_THAT(mistakes_in("\xef\xbb\xbf[appliance]\n"), IsEmpty());
}

TEST(ConfigHostile, DeepNestingOfLists) {
  const std::string deep = "x = " + std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_THAT(mistakes_in(deep), ElementsAre(HasSubstr("not TOML")));
}

TEST(ConfigHostile, DeepNestingOfInlineTables) {
  std::string deep = "x = ";
  for (int i = 0; i < 50'000; ++i) deep += "{a=";
  EXPECT_THAT(mistakes_in(deep), ElementsAre(HasSubstr("not TOML")));
}

TEST(ConfigHostile, DeepNestingOfDottedKeys) {
  std::string deep = "a";
  for (int i = 0; i < 1'000'000; ++i) deep += ".a";
  const std::string wrong = "f:1:34: more than 16 dots in one line outside quotes; keys have at most 3 parts";
  EXPECT_THAT(mistakes_in(deep + " = 1\n"), ElementsAre(wrong));
  EXPECT_THAT(mistakes_in("[" + deep + "]\n"), ElementsAre(StartsWith("f:1:35: more than 16 dots")));
}

// The deepest that the bounds allow: lists and inline tables in one another, 16 dots on each line.
TEST(ConfigHostile, AsDeepAsTheBoundsAllow) {
  std::string deep = "x = [\n";
  std::string end = "]";
  for (int i = 0; i < 120; ++i) {
    deep += "{a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a = [\n";
    end += "}]";
  }
  EXPECT_THAT(mistakes_in(deep + std::string(end.rbegin(), end.rend()) + "\n"),
              ElementsAre(StartsWith("f:1:1: unknown key \"x\"")));
}

TEST(ConfigHostile, EightHundredThousandUnknownKeys) {
  std::string text = "[dataplane]\n";
  for (int i = 0; i < 800'000; ++i) text += std::to_string(i) + "=0\n";
  const auto texts = mistakes_in(text);
  EXPECT_EQ(texts.size(), 1001u);
}

TEST(ConfigHostile, DotsInTextsAndCommentsAreNoNesting) {
  const std::string dots(1000, '.');
  EXPECT_THAT(mistakes_in("# " + dots + "\n"), IsEmpty());
  EXPECT_THAT(mistakes_in(std::string(kKeaVrf) + "remote_id = \"" + dots.substr(0, 100) + "\"\n"), IsEmpty());
  EXPECT_THAT(mistakes_in(std::string(kKeaVrf) + "remote_id = '" + dots.substr(0, 100) + "'\n"), IsEmpty());
  EXPECT_THAT(mistakes_in(std::string(kKeaVrf) + "remote_id = \"\\\"" + dots.substr(0, 100) + "\"\n"),
              IsEmpty());
  EXPECT_THAT(
      mistakes_in(std::string(kKeaVrf) + "remote_id = \"\"\"a\"\"" + dots.substr(0, 100) + "\"\"\"\n"),
      IsEmpty());
  // Behind a text of several lines the counting goes on.
  EXPECT_THAT(mistakes_in("x = \"\"\"\n\"quoted\"\n\"\"\"\n" + dots + "\n"),
              ElementsAre(StartsWith("f:4:17: more than 16 dots")));
}

TEST(ConfigHostile, HugeNumbers) {
  EXPECT_THAT(mistakes_in("[dataplane]\nbuffers = 9223372036854775807\n"),
              ElementsAre("f:2:11: buffers: 9223372036854775807 is out of range; allowed: 1024 to 1048576"));
  EXPECT_THAT(mistakes_in("[dataplane]\nbuffers = -9223372036854775808\n"),
              ElementsAre("f:2:11: buffers: -9223372036854775808 is out of range; allowed: 1024 to 1048576"));
  EXPECT_THAT(mistakes_in("[dataplane]\nbuffers = 9223372036854775808\n"),
              ElementsAre(HasSubstr("not TOML")));
  EXPECT_THAT(mistakes_in("[dataplane]\nbuffers = " + std::string(10'000, '9') + "\n"),
              ElementsAre(HasSubstr("not TOML")));
  EXPECT_THAT(mistakes_in("[dataplane]\nbuffers = inf\n"),
              ElementsAre(HasSubstr("found a number with a fraction")));
  EXPECT_THAT(mistakes_in(std::string(kKeaVrf) + "vlan = \"99999999999999999999\"\n"),
              ElementsAre(HasSubstr("is no VLAN")));
}

TEST(ConfigHostile, AMessageStaysOneShortLine) {
  const auto texts =
      mistakes_in("[appliance]\nname = \"" + std::string(5000, 'x') + "\"\nhostname = \"a\\u001b[2J\\n\"\n");
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_LT(texts[0].size(), 250u);
  EXPECT_THAT(texts[1], HasSubstr("\"a\\x1b[2J\\x0a\""));
}

// ---- limits --------------------------------------------------------------------------------------

std::string many_vrfs(int count) {
  std::string text;
  for (int i = 1; i <= count; ++i) text += "[[vrf]]\nname = \"v" + std::to_string(i) + "\"\n";
  return text;
}

TEST(ConfigHostile, VrfLimit) {
  EXPECT_THAT(mistakes_in(many_vrfs(4096)), IsEmpty());
  EXPECT_THAT(mistakes_in(many_vrfs(4097)),
              ElementsAre("f:8193:1: vrf number 4097; at most 4096 are allowed"));
}

// count attachments of one VRF, with a Kea, so one more is taken by its handoff.
std::string many_attachments(int count) {
  std::string text =
      "[[vrf]]\nname = \"v\"\n[[vrf.subnet]]\nprefix = \"10.0.0.0/24\"\ngateway = \"10.0.0.1\"\n";
  for (int i = 0; i < count; ++i) {
    text += "[[vrf.attachment]]\ninterface = \"eth1\"\nvlan = \"" + std::to_string(1 + i / 4094) + "." +
            std::to_string(1 + i % 4094) + "\"\n";
  }
  return text;
}

TEST(ConfigHostile, AttachmentLimitCountsHandoffs) {
  EXPECT_THAT(mistakes_in(many_attachments(65535)), IsEmpty());
  EXPECT_THAT(
      mistakes_in(many_attachments(65536)),
      ElementsAre(
          "f:196611:1: [[vrf.attachment]] eth1 vlan 17.32 is one too many; at most 65536 are allowed, "
          "1 of them taken by VRFs with a Kea and by ways to servers"));
}

TEST(ConfigHostile, SocketLimit) {
  std::string text;
  for (int i = 0; i < 256; ++i) text += "[[port]]\nname = \"p" + std::to_string(i) + "\"\nqueues = 64\n";
  text += "[[vrf]]\nname = \"v\"\n[[vrf.subnet]]\nprefix = \"10.0.0.0/24\"\ngateway = \"10.0.0.1\"\n";
  for (int i = 0; i < 256; ++i) text += "[[vrf.attachment]]\ninterface = \"p" + std::to_string(i) + "\"\n";
  EXPECT_THAT(mistakes_in(text), ElementsAre(HasSubstr("p255 needs a socket too many; at most 16384")));
}

TEST(ConfigHostile, HandoffPrefixJustLargeEnough) {
  const std::string vrfs = many_vrfs(7);  // ids 1 to 7: addresses 2 to 15
  EXPECT_THAT(mistakes_in("[appliance]\nhandoff_prefix = \"169.254.0.0/28\"\n" + vrfs), IsEmpty());
  EXPECT_THAT(mistakes_in("[appliance]\nhandoff_prefix = \"169.254.0.0/28\"\n" + many_vrfs(8)),
              ElementsAre("f:2:18: handoff_prefix: \"169.254.0.0/28\" has 16 addresses; 8 VRFs need 18"));
}

}  // namespace
}  // namespace xk
