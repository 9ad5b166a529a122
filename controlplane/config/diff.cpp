// Two models compared line by line, as "config show" writes them: defaults never look like changes.
#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <string_view>

#include "controlplane/config/config.h"

namespace xk {
namespace {

using Lines = std::vector<std::string_view>;

// Cells of the table of common lines; sections that need more are shown as wholly replaced.
constexpr std::size_t kCellsMax = 4'000'000;

Lines lines_of(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// Writes lines, and in front of a change its table: the header and the first key, which names it.
class Writer {
 public:
  void same(std::string_view line) {
    if (line.starts_with('[')) {
      place_ = {line};
    } else if (place_.size() == 1) {
      place_.push_back(line);
    }
  }
  void changed(char mark, std::string_view line) {
    for (const std::string_view& where : place_) out_.push_back("  " + std::string(where));
    place_.clear();
    out_.push_back(std::string(1, mark) + " " + std::string(line));
  }
  [[nodiscard]] std::vector<std::string> take() { return std::move(out_); }

 private:
  Lines place_;  // not written yet
  std::vector<std::string> out_;
};

// Of the longest common subsequence of what two texts hold between their common head and tail.
class CommonLines {
 public:
  CommonLines(std::span<const std::string_view> a, std::span<const std::string_view> b)
      : width_(b.size() + 1), lengths_((a.size() + 1) * width_) {
    for (std::size_t i = a.size(); i-- > 0;) {
      for (std::size_t j = b.size(); j-- > 0;) {
        lengths_[i * width_ + j] =
            a[i] == b[j] ? from(i + 1, j + 1) + 1 : std::max(from(i + 1, j), from(i, j + 1));
      }
    }
  }
  // Lines in common from there on.
  [[nodiscard]] std::uint32_t from(std::size_t i, std::size_t j) const { return lengths_[i * width_ + j]; }

 private:
  std::size_t width_;
  std::vector<std::uint32_t> lengths_;
};

void write_middle(std::span<const std::string_view> a, std::span<const std::string_view> b, Writer& writer) {
  if ((a.size() + 1) * (b.size() + 1) > kCellsMax) {
    for (const std::string_view line : a) writer.changed('-', line);
    for (const std::string_view line : b) writer.changed('+', line);
    return;
  }
  const CommonLines common(a, b);
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && a[i] == b[j]) {
      writer.same(a[i++]);
      ++j;
    } else if (j == b.size() || (i < a.size() && common.from(i + 1, j) >= common.from(i, j + 1))) {
      writer.changed('-', a[i++]);
    } else {
      writer.changed('+', b[j++]);
    }
  }
}

std::vector<std::string> changed_lines(std::string_view before, std::string_view after) {
  const Lines a = lines_of(before);
  const Lines b = lines_of(after);
  Writer writer;
  const auto [head, other] = std::ranges::mismatch(a, b);
  const auto same = static_cast<std::size_t>(head - a.begin());
  std::size_t tail = 0;
  while (tail < std::min(a.size(), b.size()) - same && a[a.size() - 1 - tail] == b[b.size() - 1 - tail])
    ++tail;
  for (const std::string_view line : std::span(a).first(same)) writer.same(line);
  write_middle(std::span(a).subspan(same, a.size() - same - tail),
               std::span(b).subspan(same, b.size() - same - tail), writer);
  return writer.take();
}

}  // namespace

std::vector<ConfigChange> diff_config(const Model& before, const Model& after) {
  const std::vector<ConfigSection> old_sections = config_sections(before);
  const std::vector<ConfigSection> new_sections = config_sections(after);
  std::map<std::string_view, const ConfigSection*> wanted;
  for (const ConfigSection& section : new_sections) wanted[section.name] = &section;

  std::vector<ConfigChange> changes;
  for (const ConfigSection& section : old_sections) {
    const auto now = wanted.find(section.name);
    if (now == wanted.end()) {
      changes.push_back({section.name, "removed", {}});
      continue;
    }
    if (now->second->toml != section.toml)
      changes.push_back({section.name, "changed", changed_lines(section.toml, now->second->toml)});
    wanted.erase(now);
  }
  for (const ConfigSection& section : new_sections) {
    if (wanted.contains(section.name)) changes.push_back({section.name, "added", {}});
  }
  return changes;
}

}  // namespace xk
