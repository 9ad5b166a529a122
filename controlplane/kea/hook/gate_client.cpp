#include "controlplane/kea/hook/gate_client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "controlplane/leases/queue_entries.h"

namespace xk::hook {
namespace {

using namespace std::chrono_literals;

// Change sets that may wait at once; Kea has fewer packets parked.
constexpr std::size_t kWaitingMax = 32'768;
constexpr auto kBackoffFirst = 20ms;
constexpr auto kBackoffMax = 1000ms;
constexpr auto kEndWait = 500ms;
// Change sets gathered at once from which on many come, and below which no longer: 1,500 and 750 a second.
constexpr std::size_t kIsBusy = 3;
constexpr std::size_t kStaysBusy = 6;

}  // namespace

GateClient::GateClient(GateOptions options, QueueFile file)
    : options_(std::move(options)), file_(std::move(file)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

std::expected<std::unique_ptr<GateClient>, Error> GateClient::start(GateOptions options) {
  if (options.socket.size() >= sizeof(sockaddr_un::sun_path))
    return std::unexpected(Error{"the path of the gate's socket is too long: " + options.socket});
  std::string trouble;
  auto file = QueueFile::open(options.queue_file, trouble);
  if (!file) return std::unexpected(std::move(file.error()));
  if (!trouble.empty()) options.say(trouble);
  std::unique_ptr<GateClient> client(new GateClient(std::move(options), std::move(*file)));
  if (!client->wake_) return std::unexpected(errno_error("eventfd"));
  client->thread_ = std::thread([raw = client.get()] { raw->run(); });
  return client;
}

GateClient::~GateClient() {
  if (!thread_.joinable()) return;
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  ::eventfd_write(wake_.get(), 1);
  thread_.join();
}

void GateClient::submit(std::vector<leases::LeaseChange> changes, Done done) {
  if (waiting_count_.fetch_add(1) >= kWaitingMax) {
    waiting_count_.fetch_sub(1);
    withheld_.fetch_add(1);
    done(false);
    return;
  }
  const auto wait =
      options_.durability == Durability::strict ? options_.strict_wait : options_.available_wait;
  Waiting waiting{.frame = leases::changes_frame({.number = 0, .leases = std::move(changes)}),
                  .done = std::move(done),
                  .deadline = Clock::now() + wait};
  bool first = false;
  {
    const std::scoped_lock lock(mutex_);
    first = submitted_.empty();
    submitted_.push_back(std::move(waiting));
  }
  if (first) ::eventfd_write(wake_.get(), 1);
}

bool GateClient::may_answer() {
  if (was_welcome_.load()) return true;
  withheld_.fetch_add(1);
  return false;
}

void GateClient::wait_for_turn(std::chrono::milliseconds most) const {
  const Clock::time_point end = Clock::now() + most;
  while (!was_welcome_.load() && Clock::now() < end) std::this_thread::sleep_for(1ms);
}

void GateClient::run() {
  Clock::time_point end = Clock::time_point::max();
  for (;;) {
    if (Clock::now() >= gathers_until()) take_submitted();
    {
      const std::scoped_lock lock(mutex_);
      if (stopping_ && end == Clock::time_point::max()) end = Clock::now() + kEndWait;
    }
    const Clock::time_point now = Clock::now();
    if (end != Clock::time_point::max() && (waiting_.empty() || now >= end)) break;
    connect_if_due(now);
    if (!welcome_ && options_.durability == Durability::available) put_into_file();
    end_overdue(now);
    send_figures();
    flush();
    wait_for_work();
    receive();
  }
  end_all();
}

void GateClient::take_submitted() {
  eventfd_t woken = 0;
  (void)::eventfd_read(wake_.get(), &woken);
  std::vector<Waiting> taken;
  {
    const std::scoped_lock lock(mutex_);
    taken.swap(submitted_);
  }
  if (!taken.empty()) {
    taken_at_ = Clock::now();
    busy_ = taken.size() >= (busy_ ? kStaysBusy : kIsBusy);
  }
  for (Waiting& waiting : taken) {
    number(waiting);
    if (welcome_) out_ += waiting.frame;
    waiting_.push_back(std::move(waiting));
  }
}

GateClient::Clock::time_point GateClient::gathers_until() const {
  return taken_at_ + (busy_ ? options_.gather_busy : options_.gather);
}

// They ascend in the order in which they are sent: the gate answers for all up to one.
void GateClient::number(Waiting& waiting) {
  waiting.number = ++numbers_;
  leases::set_number(waiting.frame, waiting.number);
}

void GateClient::connect_if_due(Clock::time_point now) {
  if (connection_ || now < connect_at_) return;
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, options_.socket.data(), options_.socket.size());
  if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return disconnect(now);
  connection_ = std::move(fd);
  reader_ = {};
  out_ = leases::hello_frame({.pid = static_cast<std::uint32_t>(::getpid())});
  out_at_ = 0;
}

// What was on its way is sent again when the gate is back.
void GateClient::disconnect(Clock::time_point now) {
  connection_ = Fd();
  welcome_ = false;
  out_.clear();
  out_at_ = 0;
  std::erase_if(waiting_, [this](const Waiting& waiting) {
    if (waiting.from_file) waiting_count_.fetch_sub(1);
    return waiting.from_file;
  });
  backoff_ = std::clamp<std::chrono::milliseconds>(backoff_ * 2, kBackoffFirst, kBackoffMax);
  connect_at_ = now + backoff_;
}

GateClient::Clock::duration GateClient::wait_until_due(Clock::time_point now) const {
  Clock::time_point until = now + 1h;
  if (!connection_) until = std::min(until, connect_at_);
  for (const Waiting& waiting : waiting_) {
    if (!waiting.done) continue;
    until = std::min(until, waiting.deadline);
    break;  // those behind it have later ones
  }
  return std::max(until - now, Clock::duration::zero());
}

void GateClient::wait_for_work() {
  const Clock::time_point now = Clock::now();
  Clock::duration wait = wait_until_due(now);
  const bool gathering = now < gathers_until();
  if (gathering) wait = std::min(wait, gathers_until() - now);
  {
    const std::scoped_lock lock(mutex_);
    if (stopping_) wait = std::min<Clock::duration>(wait, 10ms);
  }
  std::array<pollfd, 2> fds{pollfd{.fd = gathering ? -1 : wake_.get(), .events = POLLIN, .revents = 0},
                            pollfd{.fd = connection_.get(), .events = POLLIN, .revents = 0}};
  if (out_at_ < out_.size()) fds[1].events |= POLLOUT;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(wait);
  const timespec timeout{.tv_sec = seconds.count(),
                         .tv_nsec = std::chrono::nanoseconds(wait - seconds).count()};
  ::ppoll(fds.data(), connection_ ? 2 : 1, &timeout, nullptr);
}

void GateClient::receive() {
  if (!connection_) return;
  std::array<std::uint8_t, 16384> buffer;
  for (;;) {
    const ssize_t n = ::recv(connection_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) return disconnect(Clock::now());
    reader_.add(Bytes(buffer).first(static_cast<std::size_t>(n)));
    for (;;) {
      const auto frame = reader_.next();
      if (!frame) return disconnect(Clock::now());
      if (!*frame) break;
      if (!handle(**frame)) return disconnect(Clock::now());
      if (!connection_) return;
    }
  }
}

std::expected<void, Error> GateClient::handle(const leases::Frame& frame) {
  if (frame.kind == leases::FrameKind::welcome) {
    const auto version = leases::parse_welcome(frame.body);
    if (!version) return std::unexpected(version.error());
    if (*version != leases::kWireVersion) return std::unexpected(Error{"another version of the gate"});
    on_welcome();
    return {};
  }
  if (frame.kind == leases::FrameKind::durable && welcome_) {
    const auto number = leases::parse_durable(frame.body);
    if (!number) return std::unexpected(number.error());
    on_durable(*number);
    return {};
  }
  return std::unexpected(Error{"a frame that only the hook sends"});
}

// What the file holds is older than all that waits.
void GateClient::on_welcome() {
  welcome_ = true;
  was_welcome_ = true;
  backoff_ = {};
  told_ = {};
  std::deque<Waiting> newer = std::exchange(waiting_, {});
  std::string trouble;
  if (const auto queued = file_.read(trouble)) {
    for (const leases::Changes& changes : *queued)
      waiting_.push_back(
          {.frame = leases::changes_frame(changes), .done = {}, .deadline = {}, .from_file = true});
  } else {
    trouble = queued.error().message + ": its leases stay there until the gate is connected again";
  }
  if (!trouble.empty()) options_.say(trouble);
  waiting_count_.fetch_add(waiting_.size());
  std::ranges::move(newer, std::back_inserter(waiting_));
  for (Waiting& waiting : waiting_) {
    number(waiting);
    out_ += waiting.frame;
  }
}

void GateClient::on_durable(std::uint64_t number) {
  bool of_file = false;
  while (!waiting_.empty() && waiting_.front().number <= number) {
    Waiting done = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_count_.fetch_sub(1);
    of_file = of_file || done.from_file;
    if (done.done) done.done(true);
  }
  const bool file_waits = !waiting_.empty() && waiting_.front().from_file;
  // If it cannot be emptied its changes are sent once more, which does no harm.
  if (of_file && !file_waits) (void)file_.clear();
}

void GateClient::flush() {
  while (connection_ && out_at_ < out_.size()) {
    const ssize_t n =
        ::send(connection_.get(), out_.data() + out_at_, out_.size() - out_at_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) return disconnect(Clock::now());
    out_at_ += static_cast<std::size_t>(n);
  }
  out_.clear();
  out_at_ = 0;
}

// Packets that have waited long enough. strict: they get no answer, and their change waits on. available:
// the gate is gone, whatever its connection says.
void GateClient::end_overdue(Clock::time_point now) {
  const auto overdue = [now](const Waiting& waiting) { return waiting.done && waiting.deadline <= now; };
  if (options_.durability == Durability::available) {
    if (std::ranges::any_of(waiting_, overdue)) {
      disconnect(now);
      put_into_file();
    }
    return;
  }
  for (Waiting& waiting : waiting_) {
    if (!waiting.done) continue;
    if (!overdue(waiting)) break;
    withheld_.fetch_add(1);
    std::exchange(waiting.done, {})(false);
  }
}

// All that waits, with one sync.
void GateClient::put_into_file() {
  if (waiting_.empty()) return;
  std::string entries;
  for (const Waiting& waiting : waiting_) entries += leases::queue_entry(waiting.frame);
  const bool kept = file_.add(entries).has_value();
  for (Waiting& waiting : std::exchange(waiting_, {})) {
    waiting_count_.fetch_sub(1);
    if (kept) ++queued_;
    if (!kept) withheld_.fetch_add(1);
    if (waiting.done) waiting.done(kept);
  }
}

void GateClient::send_figures() {
  if (!welcome_) return;
  const leases::Figures now{.withheld = withheld_.load(), .queued = queued_, .queue_bytes = file_.bytes()};
  if (now == told_) return;
  told_ = now;
  out_ += leases::figures_frame(now);
}

void GateClient::end_all() {
  take_submitted();
  if (options_.durability == Durability::available) {
    std::erase_if(waiting_, [](const Waiting& waiting) { return waiting.from_file; });
    put_into_file();
  }
  for (Waiting& waiting : waiting_)
    if (waiting.done) waiting.done(false);
  waiting_.clear();
}

}  // namespace xk::hook
