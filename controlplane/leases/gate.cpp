#include "controlplane/leases/gate.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "dataplane/base/fd.h"

namespace xk::leases {
namespace {

constexpr std::chrono::milliseconds kProbeInterval(500);
constexpr int kBacklog = 16;
// Bytes that a Kea may leave unread before it is disconnected: answers are 13 bytes for many changes.
constexpr std::size_t kUnreadMax = 1 << 20;

std::expected<Fd, Error> listen_at(const std::string& path, uid_t uid, gid_t gid) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return std::unexpected(Error{"the path of the gate's socket is too long: " + path});
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return std::unexpected(errno_error("cannot make the gate's socket"));
  ::unlink(path.c_str());
  // Nobody may connect before the owner and the mode are right.
  if (::fchmod(fd.get(), 0) != 0 ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::lchown(path.c_str(), uid, gid) != 0 || ::chmod(path.c_str(), 0600) != 0 ||
      ::listen(fd.get(), kBacklog) != 0)
    return std::unexpected(errno_error("cannot listen at " + path));
  return fd;
}

// One Kea. The gate's thread owns it; a thread of the store writes the last two members only.
struct Connection {
  Fd fd;
  VrfId vrf{};
  FrameReader reader;
  std::string out;
  bool hello = false;
  bool welcomed = false;
  std::uint32_t pid = 0;
  Figures figures;
  std::uint64_t answered_up_to = 0;
  std::atomic<std::uint64_t> durable_up_to{0};
  std::atomic<bool> failed{false};   // a change was not taken: nothing after it counts as durable here
  std::atomic<bool> refused{false};  // the condition of let() does not hold any more
};

struct Place {
  std::string path;
  uid_t uid = 0;
  Fd listener;
  std::shared_ptr<const VrfFacts> facts;
  std::uint64_t changes = 0;
  std::string trouble;
};

}  // namespace

class Gate::Impl {
 public:
  Impl(store::Store& store, std::string probe_key, OnStore on_store)
      : store_(store),
        probe_key_(std::move(probe_key)),
        on_store_(std::move(on_store)),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    add(wake_.get());
    thread_ = std::thread([this] { run(); });
  }
  ~Impl() {
    stop_ = true;
    wake();
    thread_.join();
    // Calls of the store that are still to come find this here.
    while (in_store_.load() != 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    for (const auto& [vrf, place] : places_) ::unlink(place.path.c_str());
  }

  std::expected<void, Error> open(VrfId vrf, VrfFacts facts, const std::string& path, uid_t uid, gid_t gid) {
    const std::scoped_lock lock(mutex_);
    Place& place = places_[vrf];
    place.facts = std::make_shared<const VrfFacts>(std::move(facts));
    if (place.listener && place.path == path && place.uid == uid) return {};
    auto listener = listen_at(path, uid, gid);
    if (!listener) {
      places_.erase(vrf);
      return std::unexpected(std::move(listener.error()));
    }
    place.path = path;
    place.uid = uid;
    place.listener = std::move(*listener);
    add(place.listener.get());
    return {};
  }

  void let(VrfId vrf, std::optional<store::Compare> condition) {
    const std::scoped_lock lock(mutex_);
    if (condition) {
      conditions_.insert_or_assign(vrf, std::move(*condition));
    } else {
      conditions_.erase(vrf);
    }
    for (auto next = connections_.begin(); next != connections_.end();) {
      const std::shared_ptr<Connection> connection = (next++)->second;
      if (connection->vrf != vrf) continue;
      // What it has sent under another condition, or none, it sends again.
      if (connection->welcomed)
        disconnect(*connection, "");
      else if (connection->hello && may_welcome(*connection))
        welcome(*connection);
    }
  }

  void close(VrfId vrf) {
    const std::scoped_lock lock(mutex_);
    conditions_.erase(vrf);
    const auto found = places_.find(vrf);
    if (found == places_.end()) return;
    ::unlink(found->second.path.c_str());
    places_.erase(found);
    std::erase_if(connections_, [&](const auto& one) {
      if (one.second->vrf != vrf) return false;
      forget(*one.second);
      return true;
    });
  }

  std::vector<GateStatus> status() const {
    const std::scoped_lock lock(mutex_);
    std::vector<GateStatus> all;
    for (const auto& [vrf, place] : places_) {
      GateStatus status{.vrf = vrf,
                        .name = place.facts->name,
                        .changes = place.changes,
                        .figures = {},
                        .trouble = place.trouble};
      for (const auto& [fd, connection] : connections_) {
        if (connection->vrf != vrf || !connection->welcomed) continue;
        status.connected = true;
        status.pid = connection->pid;
        status.figures = connection->figures;
      }
      all.push_back(std::move(status));
    }
    return all;
  }

 private:
  using Clock = std::chrono::steady_clock;

  void add(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
  }
  void wake() { ::eventfd_write(wake_.get(), 1); }

  void run() {
    while (!stop_) {
      std::array<epoll_event, 64> events;
      const int wait = takes_ ? -1 : static_cast<int>(kProbeInterval.count());
      const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), wait);
      const std::scoped_lock lock(mutex_);
      for (int i = 0; i < count; ++i) on_event(events[static_cast<std::size_t>(i)]);
      on_store_state();
      answer();
    }
  }

  void on_event(const epoll_event& event) {
    if (event.data.fd == wake_.get()) {
      eventfd_t woken = 0;
      (void)::eventfd_read(wake_.get(), &woken);
      return;
    }
    for (auto& [vrf, place] : places_)
      if (place.listener.get() == event.data.fd) return accept(vrf, place);
    if (const auto found = connections_.find(event.data.fd); found != connections_.end()) {
      const std::shared_ptr<Connection> connection = found->second;
      if ((event.events & EPOLLOUT) != 0) flush(*connection);
      if ((event.events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) receive(connection);
    }
  }

  void accept(VrfId vrf, Place& place) {
    Fd fd(::accept4(place.listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) return;
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != place.uid) {
      place.trouble = "a process of user id " + std::to_string(peer.uid) + " was refused";
      return;
    }
    auto connection = std::make_shared<Connection>();
    connection->vrf = vrf;
    const int number = fd.get();
    connection->fd = std::move(fd);
    connections_[number] = std::move(connection);
    add(number);
  }

  void disconnect(const Connection& connection, const std::string& why) {
    if (!why.empty()) places_[connection.vrf].trouble = why;
    forget(connection);
    connections_.erase(connection.fd.get());
  }
  // Changes that are still with the store keep it open: nothing is to be read from it any more, and its Kea
  // is to notice.
  void forget(const Connection& connection) {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, connection.fd.get(), nullptr);
    ::shutdown(connection.fd.get(), SHUT_RDWR);
  }

  void receive(const std::shared_ptr<Connection>& connection) {
    std::array<std::uint8_t, 65536> buffer;
    const ssize_t n = ::recv(connection->fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) return disconnect(*connection, "");
    connection->reader.add(Bytes(buffer).first(static_cast<std::size_t>(n)));
    for (;;) {
      const auto frame = connection->reader.next();
      if (!frame) return disconnect(*connection, frame.error().message);
      if (!*frame) return;
      if (const auto handled = handle(connection, **frame); !handled)
        return disconnect(*connection, handled.error().message);
    }
  }

  std::expected<void, Error> handle(const std::shared_ptr<Connection>& connection, const Frame& frame) {
    switch (frame.kind) {
      case FrameKind::hello: {
        const auto hello = parse_hello(frame.body);
        if (!hello) return std::unexpected(hello.error());
        if (hello->version != kWireVersion)
          return std::unexpected(Error{"the hook in Kea is of another version: restart Kea"});
        connection->hello = true;
        connection->pid = hello->pid;
        if (may_welcome(*connection)) welcome(*connection);
        return {};
      }
      case FrameKind::changes: {
        if (!connection->welcomed) return std::unexpected(Error{"changes before the welcome"});
        auto changes = parse_changes(frame.body);
        if (!changes) return std::unexpected(std::move(changes.error()));
        commit(connection, *changes);
        return {};
      }
      case FrameKind::figures: {
        const auto figures = parse_figures(frame.body);
        if (!figures) return std::unexpected(figures.error());
        connection->figures = *figures;
        return {};
      }
      default:
        return std::unexpected(Error{"a frame that only the gate sends"});
    }
  }

  bool may_welcome(const Connection& connection) {
    return takes_ && (!places_[connection.vrf].facts->shared || conditions_.contains(connection.vrf));
  }
  void welcome(Connection& connection) {
    connection.welcomed = true;
    connection.out += welcome_frame();
    flush(connection);
  }

  void commit(const std::shared_ptr<Connection>& connection, const Changes& changes) {
    Place& place = places_[connection->vrf];
    store::Transaction transaction;
    for (const LeaseChange& change : changes.leases) {
      // The last change of an address counts: a transaction may have one of a key.
      std::erase_if(transaction.then, [key = lease_key(place.facts->name, change.address)](
                                          const store::Operation& earlier) { return earlier.key == key; });
      transaction.then.push_back(operation_of(change, *place.facts));
    }
    if (place.facts->shared) transaction.when.push_back(conditions_.at(connection->vrf));
    ++place.changes;
    in_store_.fetch_add(1);
    store_.commit(std::move(transaction),
                  [this, connection, number = changes.number](store::StoreResult<store::Committed> done) {
                    if (!done) {
                      connection->failed = true;
                      fail(done.error());
                    } else if (!done->held) {
                      connection->failed = true;
                      connection->refused = true;
                    } else if (!connection->failed) {
                      connection->durable_up_to = number;
                    }
                    // One wake-up for all that became durable together.
                    if (!woken_.exchange(true)) wake();
                    in_store_.fetch_sub(1);
                  });
  }

  void fail(const store::StoreError& error) {
    const std::scoped_lock lock(failure_mutex_);
    failure_ = error.error.message;
  }

  void answer() {
    woken_ = false;
    for (auto next = connections_.begin(); next != connections_.end();) {
      const std::shared_ptr<Connection> connection = (next++)->second;
      if (connection->refused) {
        disconnect(*connection, "another appliance is active in the VRF");
        continue;
      }
      const std::uint64_t durable = connection->durable_up_to.load();
      if (durable > connection->answered_up_to) {
        connection->answered_up_to = durable;
        connection->out += durable_frame(durable);
        flush(*connection);
      }
    }
  }

  void flush(Connection& connection) {
    std::size_t sent = 0;
    while (sent < connection.out.size()) {
      const ssize_t n = ::send(connection.fd.get(), connection.out.data() + sent,
                               connection.out.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) break;
      if (n < 0) return disconnect(connection, "");
      sent += static_cast<std::size_t>(n);
    }
    connection.out.erase(0, sent);
    if (connection.out.size() > kUnreadMax) return disconnect(connection, "Kea does not read its answers");
    epoll_event event{};
    event.events = EPOLLIN | (connection.out.empty() ? 0u : static_cast<std::uint32_t>(EPOLLOUT));
    event.data.fd = connection.fd.get();
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection.fd.get(), &event);
  }

  // A failure closes all connections: what was not answered is sent again once the store takes it.
  void on_store_state() {
    std::optional<std::string> failure;
    bool back = false;
    {
      const std::scoped_lock lock(failure_mutex_);
      failure.swap(failure_);
      back = std::exchange(probe_done_, false);
    }
    const Clock::time_point now = Clock::now();
    if (failure) {
      for (const auto& [fd, connection] : connections_) forget(*connection);
      connections_.clear();
      if (std::exchange(takes_, false)) on_store_(false, *failure);
      probe_at_ = now + kProbeInterval;
      probing_ = false;
    } else if (back && !takes_) {
      takes_ = true;
      probing_ = false;
      on_store_(true, {});
      for (auto next = connections_.begin(); next != connections_.end();) {
        const std::shared_ptr<Connection> connection = (next++)->second;
        if (connection->hello && !connection->welcomed && may_welcome(*connection)) welcome(*connection);
      }
    }
    if (!takes_ && !probing_ && now >= probe_at_) probe();
  }

  void probe() {
    probing_ = true;
    in_store_.fetch_add(1);
    store::Operation put;
    put.key = probe_key_;
    put.value = R"({"v":1})";
    store_.commit({.when = {}, .then = {std::move(put)}, .otherwise = {}},
                  [this](const store::StoreResult<store::Committed>& done) {
                    {
                      const std::scoped_lock lock(failure_mutex_);
                      if (done)
                        probe_done_ = true;
                      else
                        failure_ = done.error().error.message;
                    }
                    wake();
                    in_store_.fetch_sub(1);
                  });
  }

  store::Store& store_;
  std::string probe_key_;
  OnStore on_store_;
  Fd epoll_;
  Fd wake_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> woken_{false};
  std::atomic<std::uint32_t> in_store_{0};  // commits that are not answered yet

  mutable std::mutex mutex_;  // of what follows, down to the thread
  std::map<VrfId, Place> places_;
  std::map<int, std::shared_ptr<Connection>> connections_;
  std::map<VrfId, store::Compare> conditions_;  // of let()
  bool takes_ = true;
  bool probing_ = false;
  Clock::time_point probe_at_{};

  std::mutex failure_mutex_;
  std::optional<std::string> failure_;
  bool probe_done_ = false;

  std::thread thread_;
};

Gate::Gate(store::Store& store, std::string probe_key, OnStore on_store)
    : impl_(std::make_unique<Impl>(store, std::move(probe_key), std::move(on_store))) {}
Gate::~Gate() = default;

std::expected<void, Error> Gate::open(VrfId vrf, VrfFacts facts, const std::string& path, uid_t uid,
                                      gid_t gid) {
  return impl_->open(vrf, std::move(facts), path, uid, gid);
}
void Gate::let(VrfId vrf, std::optional<store::Compare> condition) { impl_->let(vrf, std::move(condition)); }
void Gate::close(VrfId vrf) { impl_->close(vrf); }
std::vector<GateStatus> Gate::status() const { return impl_->status(); }

}  // namespace xk::leases
