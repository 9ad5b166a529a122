// The one list of outcomes: names that are unique and fit for a metric, and docs/counters.md, whose
// tables are made from it (XK_GOLDEN_WRITE=1 writes them anew).
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include "dataplane/base/outcome.h"

namespace xk {
namespace {

// Released names keep their meaning and their place: counters of a running dataplane are read by index.
TEST(Outcomes, NamesAreUniqueAndPlain) {
  std::set<std::string_view> names;
  for (const OutcomeInfo& outcome : kOutcomes) {
    EXPECT_TRUE(names.insert(outcome.name).second) << outcome.name << " is there twice";
    EXPECT_FALSE(outcome.name.empty());
    EXPECT_TRUE(std::isalpha(static_cast<unsigned char>(outcome.name.front()))) << outcome.name;
    EXPECT_TRUE(std::ranges::all_of(outcome.name, [](unsigned char c) {
      return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '_';
    })) << outcome.name;
  }
}

TEST(Outcomes, ExplanationsSayMoreThanTheName) {
  std::set<std::string_view> explanations;
  for (const OutcomeInfo& outcome : kOutcomes) {
    EXPECT_GE(outcome.explanation.size(), 10u) << outcome.name;
    EXPECT_FALSE(outcome.explanation.ends_with('.')) << outcome.name;
    EXPECT_EQ(outcome.explanation.find('|'), std::string_view::npos)
        << outcome.name << " would break the table";
    EXPECT_TRUE(explanations.insert(outcome.explanation).second) << outcome.name << " says what another says";
  }
}

TEST(Outcomes, OnlyXdpPassesAndRedirects) {
  for (const OutcomeInfo& outcome : kOutcomes) {
    EXPECT_EQ(outcome.kind == OutcomeKind::pass, outcome.name.starts_with("pass_")) << outcome.name;
    EXPECT_EQ(outcome.kind == OutcomeKind::redirect, outcome.name.starts_with("redirect_")) << outcome.name;
  }
}

TEST(Outcomes, TheEnumAndTheTableAgree) {
  static_assert(kOutcomes.size() == XK_OUTCOME_COUNT);
  EXPECT_EQ(kOutcomes[XK_PASS_NOT_DHCP].name, "pass_not_dhcp");
  EXPECT_EQ(kOutcomes[XK_VRF_QUEUE_FULL].name, "vrf_queue_full");
  EXPECT_TRUE(is_drop(XK_VRF_QUEUE_FULL));
  EXPECT_FALSE(is_drop(XK_NOTE_REPLY_FALLBACK));
  EXPECT_FALSE(is_drop(XK_PASS_NOT_DHCP));
}

std::string table_of(OutcomeKind kind) {
  std::string text = "| name | meaning |\n|---|---|\n";
  for (const OutcomeInfo& outcome : kOutcomes) {
    if (outcome.kind != kind) continue;
    text += "| `" + std::string(outcome.name) + "` | " + std::string(outcome.explanation) + " |\n";
  }
  return text;
}

// The document with what stands between "<!-- NAME: made ... -->" and "<!-- /NAME -->" replaced.
std::string with_table(std::string document, const std::string& name, const std::string& table) {
  const std::size_t open = document.find("<!-- " + name + ":");
  const std::size_t begin = document.find('\n', open) + 1;
  const std::size_t end = document.find("<!-- /" + name + " -->");
  if (open == std::string::npos || end == std::string::npos) return "no place for " + name;
  return document.replace(begin, end - begin, table);
}

TEST(Outcomes, TheDocumentHasThemAll) {
  std::ifstream in(XK_COUNTERS_DOCUMENT);
  ASSERT_TRUE(in);
  std::stringstream text;
  text << in.rdbuf();
  in.close();
  std::string expected = text.str();
  expected = with_table(expected, "PASS", table_of(OutcomeKind::pass));
  expected = with_table(expected, "REDIRECT", table_of(OutcomeKind::redirect));
  expected = with_table(expected, "DROP", table_of(OutcomeKind::drop));
  expected = with_table(expected, "NOTE", table_of(OutcomeKind::note));
  if (std::getenv("XK_GOLDEN_WRITE") != nullptr) {
    std::ofstream(XK_COUNTERS_DOCUMENT) << expected;
    return;
  }
  EXPECT_EQ(text.str(), expected) << "make it anew: XK_GOLDEN_WRITE=1 outcomes_test";
}

}  // namespace
}  // namespace xk
