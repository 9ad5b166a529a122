#include "controlplane/kea/static_hook/table.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <mutex>
#include <vector>

namespace xk::hook {
namespace {

constexpr std::size_t kPiece = 1 << 18;
constexpr std::size_t kLineMax = 8192;
constexpr std::uint32_t kEvents = IN_MODIFY | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_MOVED_FROM;

std::unexpected<Error> wrong(std::string_view line) {
  return std::unexpected(Error{"no line of static leases: " + std::string(line.substr(0, 100))});
}

// Two digits a byte; "-" is nothing.
bool read_hex(std::string_view digits, std::string& bytes) {
  bytes.clear();
  if (digits == "-") return true;
  if (digits.size() % 2 != 0) return false;
  const auto value = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const int high = value(digits[i]);
    const int low = value(digits[i + 1]);
    if (high < 0 || low < 0) return false;
    bytes.push_back(static_cast<char>(high << 4 | low));
  }
  return true;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const std::size_t space = line.find(' ');
    words.push_back(line.substr(0, space));
    line = space == std::string_view::npos ? std::string_view{} : line.substr(space + 1);
  }
  return words;
}

bool read_kind(std::string_view word, StaticKind& kind) {
  if (word == "mac") kind = StaticKind::mac;
  if (word == "client-id") kind = StaticKind::client_id;
  if (word == "circuit") kind = StaticKind::circuit;
  return word == "mac" || word == "client-id" || word == "circuit";
}

}  // namespace

// ---- the table ---------------------------------------------------------------------------------------

std::expected<void, Error> StaticLeases::apply(std::string_view line) {
  if (line == kStaticFileHead) return {};
  const std::vector<std::string_view> words = words_of(line);
  const bool put = words.size() == 5 && words[0] == "+";
  const bool gone = words.size() == 3 && words[0] == "-";
  StaticLease lease;
  if ((!put && !gone) || !read_kind(words[1], lease.kind) || !read_hex(words[2], lease.identity))
    return wrong(line);
  if (gone) {
    erase({lease.kind, lease.identity});
    return {};
  }
  std::string address;
  if (!read_hex(words[3], address) || !read_hex(words[4], lease.options) ||
      (!address.empty() && address.size() != 4))
    return wrong(line);
  for (const char c : address) lease.address.value = lease.address.value << 8 | static_cast<std::uint8_t>(c);
  lease.vrf = VrfId{1};
  if (!wrong_with_static_lease(lease).empty()) return wrong(line);
  const std::pair who{lease.kind, lease.identity};
  erase(who);
  const auto [at, added] = leases_.emplace(who, std::move(lease));
  if (!at->second.address.is_zero()) holders_[at->second.address.value] = at;
  return {};
}

void StaticLeases::erase(const std::pair<StaticKind, std::string>& who) {
  const auto at = leases_.find(who);
  if (at == leases_.end()) return;
  const auto holder = holders_.find(at->second.address.value);
  if (holder != holders_.end() && holder->second == at) holders_.erase(holder);
  leases_.erase(at);
}

std::optional<StaticLease> StaticLeases::find(StaticKind kind, const std::string& identity) const {
  const auto at = leases_.find({kind, identity});
  return at == leases_.end() ? std::nullopt : std::optional(at->second);
}

std::optional<StaticLease> StaticLeases::find(Ip4 address) const {
  const auto holder = holders_.find(address.value);
  return holder == holders_.end() ? std::nullopt : std::optional(holder->second->second);
}

// ---- the file ----------------------------------------------------------------------------------------

std::expected<std::unique_ptr<StaticFollower>, Error> StaticFollower::start(std::string path) {
  std::unique_ptr<StaticFollower> follower(new StaticFollower(std::move(path)));
  auto watch = FileWatch::start(follower->path_, kEvents, [raw = follower.get()] { raw->read(); });
  if (!watch) return std::unexpected(std::move(watch.error()));
  follower->watch_ = std::move(*watch);
  return follower;
}

// All that is new in the file. Another file than before is read whole before it counts.
void StaticFollower::read() {
  struct stat there{};
  if (::stat(path_.c_str(), &there) != 0) {
    const std::unique_lock lock(mutex_);
    leases_ = std::make_unique<StaticLeases>();
    file_ = Fd();
    inode_ = 0;
    partial_.clear();
    return;
  }
  if (!file_ || inode_ != there.st_ino) {
    Fd file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file || ::fstat(file.get(), &there) != 0) return;
    file_ = std::move(file);
    inode_ = there.st_ino;
    partial_.clear();
    loading_ = std::make_unique<StaticLeases>();
  }
  while (read_some()) {
  }
  if (loading_ == nullptr) return;
  const std::unique_lock lock(mutex_);
  leases_ = std::move(loading_);
}

bool StaticFollower::read_some() {
  std::vector<char> piece(kPiece);
  const ssize_t got = ::read(file_.get(), piece.data(), piece.size());
  if (got <= 0) return false;
  partial_.append(piece.data(), static_cast<std::size_t>(got));
  std::unique_lock<std::shared_mutex> lock;
  if (loading_ == nullptr) lock = std::unique_lock(mutex_);
  StaticLeases& table = loading_ == nullptr ? *leases_ : *loading_;
  std::size_t begin = 0;
  for (std::size_t end = partial_.find('\n'); end != std::string::npos; end = partial_.find('\n', begin)) {
    if (!table.apply(std::string_view(partial_).substr(begin, end - begin))) bad_lines_.fetch_add(1);
    begin = end + 1;
  }
  partial_.erase(0, begin);
  if (partial_.size() > kLineMax) partial_.clear();
  return true;
}

std::optional<StaticLease> StaticFollower::find(StaticKind kind, const std::string& identity) const {
  const std::shared_lock lock(mutex_);
  return leases_->find(kind, identity);
}

std::optional<StaticLease> StaticFollower::find(Ip4 address) const {
  const std::shared_lock lock(mutex_);
  return leases_->find(address);
}

}  // namespace xk::hook
