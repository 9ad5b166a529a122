#include "controlplane/config/mistakes.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <numeric>
#include <tuple>
#include <utility>

namespace xk::config {
namespace {

constexpr std::size_t kQuotedMax = 80;  // bytes of a value that a message repeats

// Edits (insert, delete, replace, swap of neighbours) between two short words.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before.swap(last);
    last.swap(row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

}  // namespace

void Mistakes::add(Position at, std::string what) {
  if (full()) {
    ++more_;
    return;
  }
  errors_.emplace_back(errors_.size(), ConfigError{origin(at), std::move(what)});
}

std::vector<ConfigError> Mistakes::take() {
  std::ranges::sort(errors_, {}, [](const auto& numbered) {
    const auto& [number, error] = numbered;
    return std::tuple(error.at.line, error.at.column, number);
  });
  std::vector<ConfigError> taken;
  for (auto& [number, error] : errors_) taken.push_back(std::move(error));
  if (more_ != 0) {
    const Origin last = taken.back().at;
    taken.push_back(ConfigError{last, "and " + std::to_string(more_) + " more mistakes"});
  }
  errors_.clear();
  more_ = 0;
  return taken;
}

std::string one_line(std::string_view text, std::size_t max) {
  std::string out;
  for (const char c : text.substr(0, max)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte > 0x7e) {
      std::array<char, 8> escape{};
      const int length = std::snprintf(escape.data(), escape.size(), "\\x%02x", byte);
      out.append(escape.data(), static_cast<std::size_t>(length));
    } else {
      out += c;
    }
  }
  return text.size() > max ? out + "..." : out;
}

std::string quoted(std::string_view text) { return "\"" + one_line(text, kQuotedMax) + "\""; }

std::string line_text(Position at) { return "line " + std::to_string(at.line); }

std::string did_you_mean(std::string_view text, const std::vector<std::string_view>& candidates) {
  constexpr std::size_t kWordMax = 40;  // longer ones are no typing mistakes of ours
  if (text.empty() || text.size() > kWordMax) return "";
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(text.size() / 3, 1) + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t longer = std::max(text.size(), candidate.size());
    if (longer - std::min(text.size(), candidate.size()) >= best_distance) continue;
    const std::size_t edits = distance(text, candidate);
    if (edits < best_distance) {
      best = candidate;
      best_distance = edits;
    }
  }
  return best.empty() ? "" : " (did you mean \"" + std::string(best) + "\"?)";
}

}  // namespace xk::config
