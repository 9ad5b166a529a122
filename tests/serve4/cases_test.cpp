// Runs every folder of tests/serve4/cases as a test of its own: "serve4/TOPIC.CASE".
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <set>

#include "tests/serve4/case_file.h"
#include "tests/serve4/engine_host.h"
#include "tests/serve4/reply_view.h"

namespace xk::test {
namespace {

namespace fs = std::filesystem;

std::string name_of(Outcome outcome) {
  return outcome == XK_OUTCOME_COUNT ? "none" : std::string(kOutcomes[outcome].name);
}

std::string hex_of(const std::vector<std::uint8_t>& bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) text += {kDigits[byte >> 4], kDigits[byte & 15]};
  return text;
}

// What a value of the case must be in a reply or a record, beside what it is there.
struct Compared {
  std::string expected;
  std::string actual;
};

std::string expected_bytes(const std::string& value) {
  const auto bytes = option_value(value);
  return bytes ? hex_of(*bytes) : bytes.error().message;
}

std::string option_text(const ReplyView& reply, std::uint8_t code) {
  const auto value = reply.option(code);
  return value ? hex_of(*value) : "-";
}

std::string field_text(const ReplyView& reply, std::size_t at, std::size_t size) {
  std::string text(reply.message.begin() + static_cast<std::ptrdiff_t>(at),
                   reply.message.begin() + static_cast<std::ptrdiff_t>(at + size));
  return '"' + text.substr(0, text.find('\0')) + '"';
}

std::string codes_text(const ReplyView& reply) {
  std::string text;
  for (const ReplyPart& part : reply.parts)
    if (part.field == 'o') text += (text.empty() ? "" : ",") + std::to_string(part.code);
  return text;
}

using FieldText = std::function<Compared(const ReplyView&, const std::string&)>;

const std::map<std::string_view, FieldText>& reply_fields() {
  const auto address = [](std::size_t at) -> FieldText {
    return [at](const ReplyView& reply, const std::string& value) {
      return Compared{value, to_string(reply.ip4(at))};
    };
  };
  const auto seconds = [](std::uint8_t code) -> FieldText {
    return [code](const ReplyView& reply, const std::string& value) {
      return Compared{value == "-" ? value : expected_bytes("u32:" + value), option_text(reply, code)};
    };
  };
  const auto bytes = [](std::uint8_t code) -> FieldText {
    return [code](const ReplyView& reply, const std::string& value) {
      return Compared{value == "-" ? value : expected_bytes(value), option_text(reply, code)};
    };
  };
  static const std::map<std::string_view, FieldText> kFields = {
      {"yiaddr", address(kYiaddrAt)},
      {"ciaddr", address(kCiaddrAt)},
      {"siaddr", address(kSiaddrAt)},
      {"giaddr", address(kGiaddrAt)},
      {"lease", seconds(51)},
      {"renew", seconds(58)},
      {"rebind", seconds(59)},
      {"server", bytes(54)},
      {"id", bytes(61)},
      {"host", bytes(12)},
      {"to", [](const auto& r, const auto& v) { return Compared{v, to_string(r.destination)}; }},
      {"from", [](const auto& r, const auto& v) { return Compared{v, to_string(r.source)}; }},
      {"mac", [](const auto& r, const auto& v) { return Compared{v, to_string(r.destination_mac)}; }},
      {"port", [](const auto& r, const auto& v) { return Compared{v, std::to_string(r.destination_port)}; }},
      {"size", [](const auto& r, const auto& v) { return Compared{v, std::to_string(r.message.size())}; }},
      {"overload", [](const auto& r, const auto& v) { return Compared{v, std::to_string(r.overload)}; }},
      {"codes", [](const auto& r, const auto& v) { return Compared{v, codes_text(r)}; }},
      {"sname", [](const auto& r, const auto& v) { return Compared{v, field_text(r, kSnameAt, 64)}; }},
      {"file", [](const auto& r, const auto& v) { return Compared{v, field_text(r, kFileAt, 128)}; }},
      {"flags", [](const auto& r, const auto& v) { return Compared{v, std::to_string(r.u16(10))}; }},
  };
  return kFields;
}

Compared compare_field(const ReplyView& reply, const std::string& key, const std::string& value) {
  if (const auto field = reply_fields().find(key); field != reply_fields().end())
    return field->second(reply, value);
  if (key.starts_with("opt"))
    return {value == "-" ? value : expected_bytes(value),
            option_text(reply, static_cast<std::uint8_t>(std::stoi(key.substr(3))))};
  if (key.starts_with("parts")) {
    const auto code = static_cast<std::uint8_t>(std::stoi(key.substr(5)));
    return {value, std::to_string(std::ranges::count(reply.parts, code, &ReplyPart::code))};
  }
  if (key == "max")
    return {"at most " + value, reply.message.size() <= std::stoul(value)
                                    ? "at most " + value
                                    : std::to_string(reply.message.size())};
  return {"a field that a reply has", key};
}

std::string kind_name(RecordKind kind) {
  static const std::map<RecordKind, std::string> kNames = {{RecordKind::leased, "leased"},
                                                           {RecordKind::declined, "declined"},
                                                           {RecordKind::free, "free"},
                                                           {RecordKind::end, "end"}};
  return kNames.at(kind);
}

std::string cause_name(RecordCause cause) {
  constexpr std::array<std::string_view, 8> kNames{"committed", "renewed",   "released",  "declined",
                                                   "conflict",  "forgotten", "reclaimed", "seeded"};
  return std::string(kNames[static_cast<std::size_t>(cause)]);
}

// Times are seconds from the start of the case; a lease may be recorded longer than promised, not shorter.
Compared compare_record(const JournalRecord& record, const std::string& key, const std::string& value) {
  const auto bytes = [](std::string_view text) { return hex_of({text.begin(), text.end()}); };
  if (key == "mac") return {value, to_string(record.mac)};
  if (key == "cause") return {value, cause_name(record.cause)};
  if (key == "lease") return {value, std::to_string(record.lease_s)};
  const auto seconds = [](std::uint64_t ms) {
    return ms == kJournalForEver ? std::string("ever") : std::to_string((ms - kClockStartMs) / 1000);
  };
  if (key == "start") return {value, seconds(record.start_ms)};
  if (key == "until") {
    const bool later = value != "ever" && record.until_ms >= kClockStartMs + std::stoull(value) * 1000;
    return {value, later ? value : seconds(record.until_ms)};
  }
  static const std::map<std::string_view, std::string_view JournalRecord::*> kTexts = {
      {"id", &JournalRecord::client_id},
      {"host", &JournalRecord::hostname},
      {"circuit", &JournalRecord::circuit_id},
      {"remote", &JournalRecord::remote_id},
      {"attachment", &JournalRecord::attachment}};
  if (const auto text = kTexts.find(key); text != kTexts.end())
    return {value == "-" ? "" : expected_bytes(value), bytes(record.*text->second)};
  return {"a field that a record has", key};
}

Outcome note_of(const std::string& reply) {
  if (reply == "offer") return XK_NOTE_SERVE_OFFER;
  if (reply == "ack" || reply == "bootreply") return XK_NOTE_SERVE_ACK;
  return reply == "nak" ? XK_NOTE_SERVE_NAK : XK_NOTE_SERVE_QUERY;
}

// One case, step by step.
class Conversation {
 public:
  Conversation(const NativeCase& told, const fs::path& folder)
      : told_(told), folder_(folder), host_(told.named) {}

  void all() {
    ASSERT_EQ(host_.error(), "");
    for (const NativeStep& step : told_.steps) {
      SCOPED_TRACE((folder_ / "case.txt").string() + ":" + std::to_string(step.line));
      one(step);
      if (testing::Test::HasFatalFailure()) return;
    }
  }

 private:
  void one(const NativeStep& step) {
    const Reaction reaction = react(step);
    journal_.insert(journal_.end(), reaction.records.begin(), reaction.records.end());
    check_outcome(step, reaction);
    if (step.records_said) check_records(step, reaction);
    if (!step.reply.empty() && !reaction.frame.empty()) check_reply(step, reaction);
  }

  Reaction react(const NativeStep& step) {
    switch (step.kind) {
      case StepKind::send:
        asked_ = &step;
        return host_.receive(told_.named.attachments.at(step.at), step.in.frame(), step.now_ms);
      case StepKind::pass:
        return host_.pass(step.now_ms);
      case StepKind::heard:
        return host_.heard(told_.named.attachments.at(step.at), step.address, step.mac, step.now_ms);
      case StepKind::forget:
        return host_.forget(step.address, step.now_ms);
      case StepKind::configure:
        host_.configure(*step.configured, step.now_ms);
        EXPECT_EQ(host_.error(), "");
        return {};
      case StepKind::restart:
        host_.restart(journal_, step.now_ms);
        return {};
    }
    return {};
  }

  static void check_outcome(const NativeStep& step, const Reaction& reaction) {
    if (!step.probe.is_zero()) {
      EXPECT_FALSE(reaction.settled);
      EXPECT_EQ(reaction.probes, std::vector<Ip4>{step.probe});
      return;
    }
    if (step.kind == StepKind::send || !step.reply.empty() || step.drop != XK_OUTCOME_COUNT) {
      EXPECT_TRUE(reaction.settled) << "an ARP answer is waited for";
      EXPECT_EQ(name_of(reaction.verdict.drop_reason), name_of(step.drop));
    }
    EXPECT_EQ(reaction.frame.empty(), step.reply.empty()) << "a reply, or none";
  }

  static void check_records(const NativeStep& step, const Reaction& reaction) {
    ASSERT_EQ(reaction.records.size(), step.records.size()) << "records of the step";
    for (std::size_t i = 0; i < step.records.size(); ++i) {
      const ExpectedRecord& expected = step.records[i];
      const JournalRecord& record = reaction.records[i].record;
      SCOPED_TRACE("line " + std::to_string(expected.line));
      EXPECT_EQ(kind_name(record.kind), expected.kind);
      EXPECT_EQ(to_string(record.address), to_string(expected.address));
      for (const auto& [key, value] : expected.fields) {
        const Compared compared = compare_record(record, key, value);
        EXPECT_EQ(compared.actual, compared.expected) << key;
      }
    }
  }

  void check_reply(const NativeStep& step, const Reaction& reaction) const {
    const auto reply = view_reply(reaction.frame);
    ASSERT_TRUE(reply.has_value()) << reply.error();
    ASSERT_EQ(message_type_name(reply->type()), step.reply);
    EXPECT_EQ(reaction.out, told_.named.attachments.at(asked_->at));
    EXPECT_EQ(reply->tags, asked_->in.tags);
    const bool of_dhcp = step.reply == "offer" || step.reply == "ack" || step.reply == "nak";
    if (of_dhcp) {
      EXPECT_EQ(wrong_with_reply(*reply, asked_->in), "");
    }
    std::set<Outcome> notes{note_of(step.reply)};
    for (const auto& [key, value] : step.fields) {
      if (key == "note") {
        const auto named = std::ranges::find(kOutcomes, value, &OutcomeInfo::name);
        ASSERT_NE(named, kOutcomes.end()) << value;
        // The table of static leases answered, not the engine.
        if (value == "static_" + step.reply || (step.reply == "bootreply" && value == "static_ack"))
          notes.clear();
        notes.insert(static_cast<Outcome>(named - kOutcomes.begin()));
      } else if (key == "durable") {
        EXPECT_EQ(reaction.waits, value == "1");
      } else {
        const Compared compared = compare_field(*reply, key, value);
        EXPECT_EQ(compared.actual, compared.expected) << key;
      }
    }
    const auto& told = reaction.verdict;
    EXPECT_EQ(notes, std::set<Outcome>(told.notes.begin(), told.notes.begin() + told.note_count));
  }

  const NativeCase& told_;
  const fs::path& folder_;
  EngineHost host_;
  std::vector<StoredRecord> journal_;
  const NativeStep* asked_ = nullptr;  // the last message: what comes later answers it
};

class CaseTest : public testing::Test {
 public:
  CaseTest(fs::path folder, fs::path root) : folder_(std::move(folder)), root_(std::move(root)) {}

  void TestBody() override {
    const auto read = read_native_case(folder_, root_);
    ASSERT_TRUE(read.has_value()) << read.error().message;
    Conversation(*read, folder_).all();
  }

 private:
  fs::path folder_, root_;
};

// Every reason that the native rules can give has a case.
TEST(NativeCases, CoverEveryOutcomeOfTheRules) {
  // What the pipeline around the engine says has its tests beside the pipeline.
  const std::set<Outcome> elsewhere{XK_SERVE_RECOVERING, XK_SERVE_NOT_DURABLE, XK_SERVE_JOURNAL_FULL,
                                    XK_SERVE_PROBES_FULL};
  std::set<Outcome> covered;
  for (const auto& entry : fs::recursive_directory_iterator(XK_SERVE4_CASES)) {
    if (entry.path().filename() != "case.txt") continue;
    const auto read = read_native_case(entry.path().parent_path(), XK_SERVE4_CASES);
    ASSERT_TRUE(read.has_value()) << read.error().message;
    for (const NativeStep& step : read->steps) {
      covered.insert(step.drop);
      if (!step.reply.empty()) covered.insert(note_of(step.reply));
    }
  }
  for (std::size_t i = XK_NOTE_SERVE_OFFER; i <= XK_SERVE_PROBES_FULL; ++i) {
    const auto outcome = static_cast<Outcome>(i);
    if (!elsewhere.contains(outcome)) {
      EXPECT_TRUE(covered.contains(outcome)) << name_of(outcome);
    }
  }
}

}  // namespace
}  // namespace xk::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  namespace fs = std::filesystem;
  const fs::path root = XK_SERVE4_CASES;
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
