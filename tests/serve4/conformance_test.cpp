// docs/conformance.md names tests: each of them is there, and each rule has one.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace xk::test {
namespace {

namespace fs = std::filesystem;

std::string content_of(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The cells of a row, without the marks around them; empty: the line is no row.
std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  if (!line.starts_with("| ")) return cells;
  std::stringstream rest(line.substr(1));
  for (std::string cell; std::getline(rest, cell, '|');) cells.push_back(cell);
  return cells;
}

// What stands between the back quotes of a text.
std::vector<std::string> quoted_in(const std::string& text) {
  std::vector<std::string> found;
  for (std::size_t at = text.find('`'); at != std::string::npos;) {
    const std::size_t end = text.find('`', at + 1);
    if (end == std::string::npos) break;
    found.push_back(text.substr(at + 1, end - at - 1));
    at = text.find('`', end + 1);
  }
  return found;
}

// A case's folder, "FILE.py::TEST", or "FILE.cpp::SUITE", of which one without a folder is beside this file.
bool exists(const std::string& name) {
  const fs::path source = XK_SOURCE;
  const std::size_t colons = name.find("::");
  if (colons == std::string::npos) return fs::exists(source / "tests/serve4/cases" / name / "case.txt");
  const std::string file = name.substr(0, colons);
  const std::string test = name.substr(colons + 2);
  if (file.ends_with(".py")) return content_of(source / file).contains("def " + test + "(");
  const fs::path path = file.contains('/') ? source / file : source / "tests/serve4" / file;
  return content_of(path).contains("TEST(" + test + ",");
}

struct Row {
  std::string line;
  std::vector<std::string> tests;
};

std::vector<Row> rows() {
  std::vector<Row> found;
  std::ifstream file(fs::path(XK_SOURCE) / "docs/conformance.md");
  for (std::string line; std::getline(file, line);) {
    const auto cells = cells_of(line);
    if (cells.empty() || cells[0] == " Section " || cells[0] == " RFC ") continue;
    found.push_back({line, quoted_in(cells.back())});
  }
  return found;
}

TEST(Conformance, EveryRuleHasATestThatIsThere) {
  const auto all = rows();
  ASSERT_GT(all.size(), 50u);
  for (const Row& row : all) {
    EXPECT_FALSE(row.tests.empty()) << row.line;
    for (const std::string& name : row.tests) EXPECT_TRUE(exists(name)) << name << " in: " << row.line;
  }
}

TEST(Conformance, AMissingTestIsSeen) {
  EXPECT_FALSE(exists("discover/no_such_case"));
  EXPECT_FALSE(exists("tests/lab/test_native.py::test_of_nothing"));
  EXPECT_EQ(quoted_in("`a/b` and `c`"), (std::vector<std::string>{"a/b", "c"}));
}

}  // namespace
}  // namespace xk::test
