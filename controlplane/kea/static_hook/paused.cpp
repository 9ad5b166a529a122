#include "controlplane/kea/static_hook/paused.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <mutex>

namespace xk::hook {
namespace {

constexpr std::string_view kHead = "xdp-kea-paused 1 ";
constexpr std::size_t kPausedFileMax = 8u << 20;
constexpr std::size_t kPausedIdentityMax = 255;

std::unexpected<Error> no_paused(std::string_view line) {
  return std::unexpected(Error{"no line of what is paused: " + std::string(line.substr(0, 100))});
}

// Two digits a byte.
bool read_bytes(std::string_view digits, std::string& bytes) {
  if (digits.empty() || digits.size() % 2 != 0 || digits.size() > 2 * kPausedIdentityMax) return false;
  const auto value = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    if (value(digits[i]) < 0 || value(digits[i + 1]) < 0) return false;
    bytes.push_back(static_cast<char>(value(digits[i]) << 4 | value(digits[i + 1])));
  }
  return true;
}

bool read_line(std::string_view line, Paused& paused) {
  const std::size_t space = line.find(' ');
  if (space == line.npos) return false;
  const std::string_view kind = line.substr(0, space);
  const std::string_view who = line.substr(space + 1);
  if (kind == "pool") {
    const auto range = parse_range4(who);
    if (range) paused.pools.push_back(*range);
    return range.has_value();
  }
  std::string bytes;
  if ((kind != "mac" && kind != "client-id") || !read_bytes(who, bytes)) return false;
  (kind == "mac" ? paused.macs : paused.client_ids).insert(std::move(bytes));
  return true;
}

}  // namespace

bool Paused::holds(Ip4 address) const {
  return std::ranges::any_of(pools, [&](const Range4& pool) { return pool.contains(address); });
}

bool Paused::holds_all(const Range4& range) const {
  std::uint64_t from = range.first.value;
  for (bool on = true; on && from <= range.last.value;) {
    on = false;
    for (const Range4& pool : pools) {
      if (from < pool.first.value || from > pool.last.value) continue;
      from = std::uint64_t{pool.last.value} + 1;
      on = true;
    }
  }
  return from > range.last.value;
}

std::expected<Paused, Error> parse_paused(std::string_view text) {
  Paused paused;
  bool head = false;
  for (std::size_t end = text.find('\n'); end != text.npos; end = text.find('\n')) {
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (!head) {
      head = line.starts_with(kHead);
      const std::string_view word = head ? line.substr(kHead.size()) : "";
      if (word != "allow" && word != "deny") return no_paused(line);
      paused.renewals = word == "allow";
      continue;
    }
    if (line == "end") {
      if (!text.empty()) return no_paused(text);
      return paused;
    }
    if (!read_line(line, paused)) return no_paused(line);
  }
  return std::unexpected(Error{"the file of what is paused ends too early"});
}

std::expected<std::unique_ptr<PausedFollower>, Error> PausedFollower::start(std::string path) {
  std::unique_ptr<PausedFollower> follower(new PausedFollower(std::move(path)));
  auto watch = FileWatch::start(follower->path_, IN_MOVED_TO, [raw = follower.get()] { raw->read(); });
  if (!watch) return std::unexpected(std::move(watch.error()));
  follower->watch_ = std::move(*watch);
  return follower;
}

// What cannot be read changes nothing.
void PausedFollower::read() {
  Fd file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return;
  std::string text;
  std::array<char, 65536> piece;
  while (text.size() < kPausedFileMax) {
    const ssize_t got = ::read(file.get(), piece.data(), piece.size());
    if (got <= 0) break;
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
  auto paused = parse_paused(text);
  if (!paused) return;
  auto fresh = std::make_shared<const Paused>(std::move(*paused));
  const std::unique_lock lock(mutex_);
  paused_ = std::move(fresh);
}

std::shared_ptr<const Paused> PausedFollower::get() const {
  const std::shared_lock lock(mutex_);
  return paused_;
}

}  // namespace xk::hook
