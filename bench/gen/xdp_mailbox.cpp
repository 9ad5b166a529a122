#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>
#include <vector>

#include "bench/gen/mailbox.h"
#include "bench/gen/xdp_mailbox.skel.h"
#include "dataplane/base/fd.h"

namespace xk::gen {
namespace {

constexpr int kNapsMax = 20'000;                          // for the kernel to let go of what it holds
constexpr timespec kNap{.tv_sec = 0, .tv_nsec = 50'000};  // 20,000 of them: a second and more
constexpr int kSendBuffer = 32 << 20;

void nap() { nanosleep(&kNap, nullptr); }

// Memory mapped for as long as this lives.
class Mapped {
 public:
  Mapped() = default;
  // fd -1: memory of its own. Throws std::runtime_error.
  Mapped(int fd, std::uint64_t offset, std::size_t size);
  Mapped& operator=(Mapped&& other) noexcept;
  ~Mapped();
  [[nodiscard]] std::uint8_t* data() const { return at_; }

 private:
  std::uint8_t* at_ = nullptr;
  std::size_t size_ = 0;
};

// One of the socket's rings. Ours are the copies of the indexes, which run freely; the kernel sees what is
// published.
template <typename Entry>
class XdpRing {
 public:
  XdpRing() = default;
  XdpRing(int socket, std::uint64_t page_offset, const xdp_ring_offset& offset, std::uint32_t size)
      : memory_(socket, page_offset, offset.desc + size * sizeof(Entry)),
        producer_(reinterpret_cast<std::uint32_t*>(memory_.data() + offset.producer)),
        consumer_(reinterpret_cast<std::uint32_t*>(memory_.data() + offset.consumer)),
        entries_(reinterpret_cast<Entry*>(memory_.data() + offset.desc)),
        mask_(size - 1) {}

  // We produce, the kernel consumes.
  void put(const Entry& entry) { entries_[ours_++ & mask_] = entry; }
  void publish_puts() { std::atomic_ref(*producer_).store(ours_, std::memory_order_release); }
  [[nodiscard]] std::uint32_t left() const {  // that the kernel has not taken
    return ours_ - std::atomic_ref(*consumer_).load(std::memory_order_acquire);
  }

  // The kernel produces, we consume.
  [[nodiscard]] std::uint32_t ready() const {
    return std::atomic_ref(*producer_).load(std::memory_order_acquire) - ours_;
  }
  [[nodiscard]] Entry take() { return entries_[ours_++ & mask_]; }
  void publish_takes() { std::atomic_ref(*consumer_).store(ours_, std::memory_order_release); }

 private:
  Mapped memory_;
  std::uint32_t* producer_ = nullptr;
  std::uint32_t* consumer_ = nullptr;
  Entry* entries_ = nullptr;
  std::uint32_t mask_ = 0;
  std::uint32_t ours_ = 0;
};

class XdpMailbox final : public Mailbox {
 public:
  explicit XdpMailbox(const std::string& interface);

  void send(Bytes frame) override;
  void flush() override;
  std::span<const Bytes> receive() override;
  void wait(std::uint64_t left_ns) override;
  [[nodiscard]] std::uint64_t refused() const override { return refused_; }
  [[nodiscard]] std::uint64_t missed() const override;

 private:
  static constexpr std::uint32_t kFrameSize = 2048;
  static constexpr std::uint32_t kRxFrames = 2048, kTxFrames = 2048;  // the rings are as long

  void make_socket();
  void bind_queue(unsigned index);
  void attach(unsigned index);
  void reap();
  [[noreturn]] void fail(const std::string& what, int number) const;

  struct Unload {
    void operator()(xdp_mailbox_bpf* program) const;
  };
  std::string interface_;
  std::unique_ptr<xdp_mailbox_bpf, Unload> program_;
  Mapped frames_;
  Fd socket_, link_;
  XdpRing<xdp_desc> rx_, tx_;
  XdpRing<std::uint64_t> fill_, completion_;
  std::vector<std::uint64_t> free_;  // frames to send in
  std::array<Bytes, kMailBatch> received_;
  std::array<std::uint64_t, kMailBatch> lent_{};  // the frames of those, to be filled again
  std::uint32_t lent_count_ = 0;
  std::uint32_t waiting_ = 0;  // that the kernel does not know of yet
  std::uint64_t refused_ = 0;
};

Mapped::Mapped(int fd, std::uint64_t offset, std::size_t size) : size_(size) {
  const int flags = MAP_POPULATE | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
  void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, fd, static_cast<off_t>(offset));
  if (at == MAP_FAILED) throw std::runtime_error(std::string("AF_XDP memory: ") + std::strerror(errno));
  at_ = static_cast<std::uint8_t*>(at);
}

Mapped& Mapped::operator=(Mapped&& other) noexcept {
  std::swap(at_, other.at_);
  std::swap(size_, other.size_);
  return *this;
}

Mapped::~Mapped() {
  if (at_ != nullptr) munmap(at_, size_);
}

void XdpMailbox::Unload::operator()(xdp_mailbox_bpf* program) const { xdp_mailbox_bpf__destroy(program); }

void XdpMailbox::fail(const std::string& what, int number) const {
  throw std::runtime_error(interface_ + ": " + what + ": " + std::strerror(number));
}

XdpMailbox::XdpMailbox(const std::string& interface) : interface_(interface) {
  const unsigned index = if_nametoindex(interface.c_str());
  if (index == 0) throw std::runtime_error("no interface " + interface);
  program_.reset(xdp_mailbox_bpf__open_and_load());
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

void XdpMailbox::make_socket() {
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

void XdpMailbox::bind_queue(unsigned index) {
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

void XdpMailbox::attach(unsigned index) {
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
void XdpMailbox::reap() {
  const std::uint32_t count = completion_.ready();
  for (std::uint32_t i = 0; i < count; ++i) free_.push_back(completion_.take());
  if (count != 0) completion_.publish_takes();
}

void XdpMailbox::send(Bytes frame) {
  if (frame.size() > kFrameSize) throw std::runtime_error(interface_ + ": a frame is too long to be sent");
  if (waiting_ == kMailBatch) flush();
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
void XdpMailbox::flush() {
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

std::span<const Bytes> XdpMailbox::receive() {
  if (lent_count_ != 0) {
    for (std::uint32_t i = 0; i < lent_count_; ++i) fill_.put(lent_[i]);
    fill_.publish_puts();
  }
  lent_count_ = std::min(rx_.ready(), kMailBatch);
  for (std::uint32_t i = 0; i < lent_count_; ++i) {
    const xdp_desc frame = rx_.take();
    received_[i] = Bytes(frames_.data() + frame.addr, frame.len);
    lent_[i] = frame.addr & ~std::uint64_t{kFrameSize - 1};
  }
  if (lent_count_ != 0) rx_.publish_takes();
  return std::span(received_).first(lent_count_);
}

void XdpMailbox::wait(std::uint64_t left_ns) {
  const timespec left{static_cast<time_t>(left_ns / kSecond), static_cast<long>(left_ns % kSecond)};
  pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
  ppoll(&waiting, 1, &left, nullptr);
}

std::uint64_t XdpMailbox::missed() const {
  xdp_statistics statistics{};
  socklen_t length = sizeof statistics;
  if (getsockopt(socket_.get(), SOL_XDP, XDP_STATISTICS, &statistics, &length) != 0) return 0;
  return statistics.rx_dropped + statistics.rx_ring_full;
}

}  // namespace

std::unique_ptr<Mailbox> open_xdp(const std::string& interface) {
  return std::make_unique<XdpMailbox>(interface);
}

}  // namespace xk::gen
