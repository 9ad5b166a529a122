#include "bench/gen/mailbox.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "bench/gen/mailbox.skel.h"

namespace xk::gen {
namespace {

constexpr int kNapsMax = 20'000;                          // for the kernel to let go of what it holds
constexpr timespec kNap{.tv_sec = 0, .tv_nsec = 50'000};  // 20,000 of them: a second and more
constexpr int kSendBuffer = 32 << 20;

void nap() { nanosleep(&kNap, nullptr); }

}  // namespace

Mapped::Mapped(int fd, std::uint64_t offset, std::size_t size) : size_(size) {
  const int flags = MAP_POPULATE | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
  void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, fd, static_cast<off_t>(offset));
  if (at == MAP_FAILED) throw std::runtime_error(std::string("AF_XDP memory: ") + std::strerror(errno));
  at_ = static_cast<std::uint8_t*>(at);
}

Mapped::Mapped(Mapped&& other) noexcept
    : at_(std::exchange(other.at_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Mapped& Mapped::operator=(Mapped&& other) noexcept {
  std::swap(at_, other.at_);
  std::swap(size_, other.size_);
  return *this;
}

Mapped::~Mapped() {
  if (at_ != nullptr) munmap(at_, size_);
}

void Mailbox::Unload::operator()(mailbox_bpf* program) const { mailbox_bpf__destroy(program); }

void Mailbox::fail(const std::string& what, int number) const {
  throw std::runtime_error(interface_ + ": " + what + ": " + std::strerror(number));
}

Mailbox::Mailbox(const std::string& interface) : interface_(interface) {
  const unsigned index = if_nametoindex(interface.c_str());
  if (index == 0) throw std::runtime_error("no interface " + interface);
  program_.reset(mailbox_bpf__open_and_load());
  if (!program_) fail("cannot load the XDP program", errno);
  make_socket();
  for (std::uint32_t i = 0; i < kRxFrames; ++i) fill_.put(std::uint64_t{i} * kFrameSize);
  fill_.publish_puts();
  free_.reserve(kTxFrames);
  for (std::uint32_t i = kTxFrames; i > 0; --i)
    free_.push_back(std::uint64_t{kRxFrames + i - 1} * kFrameSize);
  attach(index);
  bind_queue(index);
  const std::uint32_t queue = 0;
  const int socket = socket_.get();
  if (bpf_map_update_elem(bpf_map__fd(program_->maps.mailbox_socket), &queue, &socket, 0) != 0)
    fail("cannot give its AF_XDP socket to the XDP program", errno);
}

Mailbox::~Mailbox() = default;

void Mailbox::make_socket() {
  socket_ = Fd{::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0)};
  if (!socket_) fail("AF_XDP socket", errno);
  setsockopt(socket_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &kSendBuffer, sizeof kSendBuffer);
  const std::size_t size = std::size_t{kRxFrames + kTxFrames} * kFrameSize;
  frames_ = Mapped(-1, 0, size);
  xdp_umem_reg memory{};
  memory.addr = reinterpret_cast<std::uint64_t>(frames_.data());
  memory.len = size;
  memory.chunk_size = kFrameSize;
  if (setsockopt(socket_.get(), SOL_XDP, XDP_UMEM_REG, &memory, sizeof memory) != 0)
    fail("cannot register the AF_XDP memory (ENOBUFS: needs CAP_IPC_LOCK or a higher RLIMIT_MEMLOCK)", errno);
  for (const auto& [option, entries] :
       {std::pair{XDP_UMEM_FILL_RING, kRxFrames}, std::pair{XDP_UMEM_COMPLETION_RING, kTxFrames},
        std::pair{XDP_RX_RING, kRxFrames}, std::pair{XDP_TX_RING, kTxFrames}})
    if (setsockopt(socket_.get(), SOL_XDP, option, &entries, sizeof entries) != 0)
      fail("cannot make the AF_XDP rings", errno);
  xdp_mmap_offsets offsets{};
  socklen_t length = sizeof offsets;
  if (getsockopt(socket_.get(), SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &length) != 0)
    fail("cannot find the AF_XDP rings", errno);
  const int fd = socket_.get();
  rx_ = XdpRing<xdp_desc>(fd, XDP_PGOFF_RX_RING, offsets.rx, kRxFrames);
  tx_ = XdpRing<xdp_desc>(fd, XDP_PGOFF_TX_RING, offsets.tx, kTxFrames);
  fill_ = XdpRing<std::uint64_t>(fd, XDP_UMEM_PGOFF_FILL_RING, offsets.fr, kRxFrames);
  completion_ = XdpRing<std::uint64_t>(fd, XDP_UMEM_PGOFF_COMPLETION_RING, offsets.cr, kTxFrames);
}

void Mailbox::bind_queue(unsigned index) {
  sockaddr_xdp address{};
  address.sxdp_family = AF_XDP;
  address.sxdp_flags = XDP_USE_NEED_WAKEUP | XDP_COPY;
  address.sxdp_ifindex = index;
  // The kernel lets go of a former socket in the background.
  for (int naps = 0; bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0;
       ++naps) {
    if (errno != EBUSY || naps == kNapsMax) fail("cannot bind the AF_XDP socket to queue 0", errno);
    nap();
  }
}

void Mailbox::attach(unsigned index) {
  int number = 0;
  for (const std::uint32_t mode : {XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE}) {
    bpf_link_create_opts options{};
    options.sz = sizeof options;
    options.flags = mode;
    link_ = Fd{bpf_link_create(bpf_program__fd(program_->progs.mailbox), static_cast<int>(index), BPF_XDP,
                               &options)};
    if (link_) return;
    number = errno;
    if (number == EBUSY || number == EEXIST)
      fail("another XDP program is there, maybe another generator's", number);
  }
  fail("cannot attach the XDP program", number);
}

// Takes back the frames that are sent.
void Mailbox::reap() {
  const std::uint32_t count = completion_.ready();
  for (std::uint32_t i = 0; i < count; ++i) free_.push_back(completion_.take());
  if (count != 0) completion_.publish_takes();
}

void Mailbox::send(Bytes frame) {
  if (frame.size() > kFrameSize) throw std::runtime_error(interface_ + ": a frame is too long to be sent");
  if (waiting_ == kBatch) flush();
  // Who got the frames before may hold them still: a server's socket that it has not read yet.
  for (int naps = 0; free_.empty(); ++naps) {
    if (naps == kNapsMax) throw std::runtime_error(interface_ + ": no frame that was sent is let go");
    flush();
    reap();
    if (free_.empty()) nap();
  }
  const std::uint64_t at = free_.back();
  free_.pop_back();
  std::ranges::copy(frame, frames_.data() + at);
  tx_.put({.addr = at, .len = static_cast<std::uint32_t>(frame.size()), .options = 0});
  ++waiting_;
}

// One call sends a bounded number of frames, and says EAGAIN if there are more.
void Mailbox::flush() {
  if (waiting_ == 0) return;
  tx_.publish_puts();
  waiting_ = 0;
  int naps = 0;
  for (std::uint32_t left = tx_.left(), before = 0; left != 0; before = left, left = tx_.left()) {
    if (left == before) {
      if (++naps == kNapsMax) throw std::runtime_error(interface_ + ": the kernel takes no more frames");
      reap();
      nap();
    }
    if (sendto(socket_.get(), nullptr, 0, MSG_DONTWAIT, nullptr, 0) >= 0) continue;
    if (errno == EBUSY)
      ++refused_;  // one that it took
    else if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR)
      fail("cannot send", errno);
  }
  reap();
}

void Mailbox::wait(std::uint64_t left_ns) const {
  const timespec left{static_cast<time_t>(left_ns / kSecond), static_cast<long>(left_ns % kSecond)};
  pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
  ppoll(&waiting, 1, &left, nullptr);
}

std::uint64_t Mailbox::missed() const {
  xdp_statistics statistics{};
  socklen_t length = sizeof statistics;
  if (getsockopt(socket_.get(), SOL_XDP, XDP_STATISTICS, &statistics, &length) != 0) return 0;
  return statistics.rx_dropped + statistics.rx_ring_full;
}

}  // namespace xk::gen
