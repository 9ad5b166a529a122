// The walk over DHCPv4 options and option 82, with both sides of every bound.
#include <gtest/gtest.h>

#include <string>

#include "dataplane/base/snapshot.h"
#include "dataplane/dhcp/message4.h"
#include "dataplane/dhcp/options4.h"
#include "dataplane/dhcp/relay_agent_information.h"
#include "tests/packets/packet_text.h"

namespace xk {
namespace {

using Buffer = std::vector<std::uint8_t>;

// A DISCOVER's message, changed by statements; "size 0" leaves the padding out.
Buffer message(std::initializer_list<std::string_view> statements) {
  auto made = test::packet_named("discover");
  EXPECT_TRUE(made->apply("remove 61").has_value());
  for (const std::string_view statement : statements)
    EXPECT_TRUE(made->apply(statement).has_value()) << statement;
  return made->message();
}

Outcome fault(std::initializer_list<std::string_view> statements) {
  const Buffer bytes = message(statements);
  const auto options = scan_options4(bytes);
  return options ? XK_OUTCOME_COUNT : options.error();
}

TEST(Message4, FixedPart) {
  const Buffer bytes = message({"hops 3", "xid 0x01020304", "flags 0x8000", "ciaddr 10.0.0.1",
                                "yiaddr 10.0.0.2", "giaddr 10.0.0.3", "chaddr 02:00:00:00:00:09"});
  const auto view = Message4View::parse(bytes, dhcp4::kBootRequest);
  ASSERT_TRUE(view.has_value());
  EXPECT_EQ(view->hops(), 3);
  EXPECT_EQ(view->xid(), 0x01020304u);
  EXPECT_TRUE(view->broadcast());
  EXPECT_EQ(view->ciaddr(), Ip4{0x0a000001});
  EXPECT_EQ(view->yiaddr(), Ip4{0x0a000002});
  EXPECT_EQ(view->giaddr(), Ip4{0x0a000003});
  EXPECT_EQ(to_string(view->chaddr()), "02:00:00:00:00:09");
  EXPECT_EQ(Message4View::parse(bytes, dhcp4::kBootReply).error(), XK_DHCP_OP_BAD);
  EXPECT_EQ(Message4View::parse(Bytes(bytes).first(239), dhcp4::kBootRequest).error(), XK_DHCP_TRUNCATED);
  EXPECT_TRUE(Message4View::parse(Bytes(bytes).first(240), dhcp4::kBootRequest).has_value());
}

TEST(Options4, FindsWhatTheRelayWants) {
  const Buffer bytes = message(
      {"raw 00 00", "option 52 03", "agent 1=\"a\"", "file 520301 0162 ff", "sname 0c0161 520301 0163 ff"});
  const auto options = scan_options4(bytes);
  ASSERT_TRUE(options.has_value());
  EXPECT_EQ(options->type, MessageType::discover);
  EXPECT_EQ(options->overload, 3);
  ASSERT_EQ(options->agent_count, 3);
  EXPECT_EQ(options->agent[0].field, OptionField::options);
  EXPECT_EQ(options->agent[1].offset, dhcp4::kFile);
  EXPECT_EQ(options->agent[2].offset, dhcp4::kSname + 3);
  EXPECT_EQ(bytes[options->end], option4::kEnd);
  std::array<std::uint8_t, kOptionJoinedMax> scratch;
  const Bytes joined = join_option4(bytes, options->agent_parts(), std::span(scratch));
  EXPECT_EQ(Buffer(joined.begin(), joined.end()), (Buffer{1, 1, 'a', 1, 1, 'b', 1, 1, 'c'}));
}

TEST(Options4, OnePartIsJoinedInPlace) {
  const Buffer bytes = message({"agent 1=\"a\""});
  const auto options = scan_options4(bytes);
  ASSERT_TRUE(options.has_value());
  std::array<std::uint8_t, kOptionJoinedMax> scratch;
  EXPECT_EQ(join_option4(bytes, options->agent_parts(), std::span(scratch)).data(),
            bytes.data() + options->agent[0].value());
  EXPECT_TRUE(join_option4(bytes, {}, std::span(scratch)).empty());
}

TEST(Options4, Bounds) {
  EXPECT_EQ(fault({}), XK_OUTCOME_COUNT);
  EXPECT_EQ(fault({"end no", "size 0"}), XK_OPTION_END_MISSING);
  EXPECT_EQ(fault({"raw 0c", "end no", "size 0"}), XK_OPTION_TRUNCATED);
  EXPECT_EQ(fault({"raw 0c01", "end no", "size 0"}), XK_OPTION_TRUNCATED);
  EXPECT_EQ(fault({"raw 0c00", "end no", "size 0"}), XK_OPTION_END_MISSING);
  EXPECT_EQ(fault({"raw 0c00", "size 0"}), XK_OUTCOME_COUNT);
  EXPECT_EQ(fault({"raw 0c01", "size 0"}), XK_OPTION_END_MISSING) << "END is the value";
  EXPECT_EQ(fault({"raw 0cff zeros:255", "size 0"}), XK_OUTCOME_COUNT);
  EXPECT_EQ(fault({"raw 0cff zeros:253", "size 0"}), XK_OPTION_TRUNCATED);
  EXPECT_EQ(fault({"raw 0cff zeros:254", "size 0"}), XK_OPTION_END_MISSING);
}

TEST(Options4, OverloadFieldsEndWhereTheyEnd) {
  EXPECT_EQ(fault({"option 52 01", "file zeros:127 ff"}), XK_OUTCOME_COUNT);
  EXPECT_EQ(fault({"option 52 01", "file zeros:128"}), XK_OPTION_END_MISSING);
  EXPECT_EQ(fault({"option 52 01", "file zeros:125 0c00 ff"}), XK_OUTCOME_COUNT);
  EXPECT_EQ(fault({"option 52 01", "file zeros:125 0c01 ff"}), XK_OPTION_END_MISSING);
  EXPECT_EQ(fault({"option 52 01", "file zeros:125 0c02 ff"}), XK_OPTION_TRUNCATED) << "not into the cookie";
  EXPECT_EQ(fault({"option 52 01", "file zeros:127 0c"}), XK_OPTION_TRUNCATED);
  EXPECT_EQ(fault({"option 52 02", "sname zeros:61 0c02 ff", "file zeros:1 ff"}), XK_OPTION_TRUNCATED)
      << "not into file";
  EXPECT_EQ(fault({"option 52 01", "sname 0cff", "file ff"}), XK_OUTCOME_COUNT) << "sname is not overloaded";
}

TEST(Options4, PartsOfOption82) {
  auto made = test::packet_named("discover");
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(made->apply("option 82 010161").has_value());
  EXPECT_TRUE(scan_options4(made->message()).has_value());
  ASSERT_TRUE(made->apply("option 82 010161").has_value());
  EXPECT_EQ(scan_options4(made->message()).error(), XK_OPTION82_BAD);
}

TEST(Agent, WellFormed) {
  const auto well = [](Buffer content) { return agent_well_formed(content); };
  EXPECT_FALSE(well({}));
  EXPECT_FALSE(well({1}));
  EXPECT_TRUE(well({1, 0}));
  EXPECT_FALSE(well({1, 1}));
  EXPECT_TRUE(well({1, 1, 'a'}));
  EXPECT_FALSE(well({1, 1, 'a', 2}));
  EXPECT_FALSE(well({1, 1, 'a', 2, 2, 'b'}));
  EXPECT_TRUE(well({1, 1, 'a', 0, 0, 255, 1, 'b'})) << "0 and 255 are codes like others";
}

TEST(Agent, FindsFromABoundaryOn) {
  const Buffer content{1, 1, 'a', 2, 1, 'x', 1, 2, 'b', 'c'};
  EXPECT_EQ(find_agent_sub_option(content, AgentSubOption::circuit_id)->size(), 1u);
  EXPECT_EQ(find_agent_sub_option(content, AgentSubOption::circuit_id, 3)->size(), 2u);
  EXPECT_FALSE(find_agent_sub_option(content, AgentSubOption::remote_id, 6).has_value());
  EXPECT_FALSE(find_agent_sub_option(content, AgentSubOption::vss).has_value());
  EXPECT_FALSE(find_agent_sub_option({}, AgentSubOption::vss).has_value());
}

TEST(Agent, WriterFillsTo255AndNoFurther) {
  std::array<std::uint8_t, 257> buffer{};
  for (const std::size_t value : {252u, 253u, 254u}) {
    AgentWriter writer(buffer);
    writer.add(AgentSubOption::circuit_id, Buffer(value, 'c'));
    const auto size = writer.finish();
    if (value == 254) {
      EXPECT_FALSE(size.has_value());
    } else {
      EXPECT_EQ(size, value + 4);
      EXPECT_EQ(buffer[1], value + 2);
    }
  }
  EXPECT_EQ(AgentWriter(buffer).finish(), 0u);
}

TEST(Agent, WriterRefusesAShortBuffer) {
  std::array<std::uint8_t, 6> buffer{};
  AgentWriter fits(buffer);
  fits.add(AgentSubOption::remote_id, Buffer{1, 2});
  EXPECT_EQ(fits.finish(), 6u);
  AgentWriter past(buffer);
  past.add(AgentSubOption::remote_id, Buffer{1, 2, 3});
  EXPECT_FALSE(past.finish().has_value());
}

TEST(Agent, RenderedWithTheMac) {
  const Mac mac{{2, 0, 0, 0, 0, 0x0a}};
  const std::string text = std::string("p-") + kMacPlaceholder + "-" + kMacPlaceholder;
  std::array<std::uint8_t, 257> buffer{};
  AgentWriter writer(buffer);
  writer.add_rendered(AgentSubOption::circuit_id, text, mac);
  const auto size = writer.finish();
  ASSERT_TRUE(size.has_value());
  const std::string expected = "p-02:00:00:00:00:0a-02:00:00:00:00:0a";
  EXPECT_EQ(std::string(buffer.begin() + 4, buffer.begin() + static_cast<std::ptrdiff_t>(*size)), expected);
  const Bytes written = Bytes(buffer).subspan(4, expected.size());
  EXPECT_TRUE(is_rendered(written, text, mac));
  EXPECT_FALSE(is_rendered(written, text, Mac{{2, 0, 0, 0, 0, 0x0b}}));
  EXPECT_FALSE(is_rendered(written.first(expected.size() - 1), text, mac));
  EXPECT_FALSE(is_rendered(written, text + "x", mac));
  EXPECT_TRUE(is_rendered({}, "", mac));
}

TEST(Agent, RenderedTextIsBounded) {
  std::array<std::uint8_t, 600> buffer{};
  AgentWriter writer(buffer);
  writer.add_rendered(AgentSubOption::circuit_id, std::string(240, 'c') + kMacPlaceholder, Mac{});
  EXPECT_FALSE(writer.finish().has_value());
  AgentWriter vss(buffer);
  vss.add_vss(0, std::string(252, 'v'));
  EXPECT_EQ(vss.finish(), 257u);
  AgentWriter longer(buffer);
  longer.add_vss(0, std::string(253, 'v'));
  EXPECT_FALSE(longer.finish().has_value());
}

// What is left when the content from an offset on goes.
Buffer without(const Buffer& from, std::size_t content_from) {
  const auto options = scan_options4(from);
  EXPECT_TRUE(options.has_value());
  Buffer out(from.size(), 0xee);
  out.resize(copy_without_agent(from, options->agent_parts(), content_from, out));
  return out;
}

TEST(Agent, CutsWholeAndPart) {
  const Buffer both = message({"agent 1=\"a\" 1=\"bc\"", "option 12 \"h\"", "size 0"});
  EXPECT_EQ(without(both, 0), message({"option 12 \"h\"", "size 0"}));
  EXPECT_EQ(without(both, 3), message({"agent 1=\"a\"", "option 12 \"h\"", "size 0"}));
  EXPECT_EQ(without(both, 7), both);
}

TEST(Agent, CutsAcrossParts) {
  const Buffer parts = message({"agent 1=\"a\"", "option 12 \"h\"", "agent 1=\"b\" 2=\"c\"", "size 0"});
  EXPECT_EQ(without(parts, 0), message({"option 12 \"h\"", "size 0"}));
  EXPECT_EQ(without(parts, 3), message({"agent 1=\"a\"", "option 12 \"h\"", "size 0"}));
  EXPECT_EQ(without(parts, 6), message({"agent 1=\"a\"", "option 12 \"h\"", "agent 1=\"b\"", "size 0"}));
}

TEST(Agent, CutsInFileAndSname) {
  const Buffer from =
      message({"option 52 03", "agent 1=\"a\"", "file 0c0178 5203 010162 3c0179 5203 010163 3d00 ff",
               "sname 5203 010164 0c017a ff"});
  EXPECT_EQ(without(from, 0),
            message({"option 52 03", "file 0c0178 3c0179 3d00 ff", "sname 0c017a ff", "size 295"}));
  EXPECT_EQ(without(from, 3),
            message({"option 52 03", "agent 1=\"a\"", "file 0c0178 3c0179 3d00 ff", "sname 0c017a ff"}));
  EXPECT_EQ(without(from, 6), message({"option 52 03", "agent 1=\"a\"",
                                       "file 0c0178 5203 010162 3c0179 3d00 ff", "sname 0c017a ff"}));
  EXPECT_EQ(without(from, 9),
            message({"option 52 03", "agent 1=\"a\"", "file 0c0178 5203 010162 3c0179 5203 010163 3d00 ff",
                     "sname 0c017a ff"}));
}

TEST(Agent, CutsEmptyParts) {
  const Buffer from = message({"option 82", "agent 1=\"a\"", "option 82", "size 0"});
  EXPECT_EQ(without(from, 0), message({"size 0"}));
}

}  // namespace
}  // namespace xk
