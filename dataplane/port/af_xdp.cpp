#include "dataplane/port/af_xdp.h"

#include <fcntl.h>
#include <linux/if_xdp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "dataplane/port/mbuf.h"

#ifndef SOL_XDP
#define SOL_XDP 283
#endif

namespace xk {
namespace {

// linux/if_xdp.h of kernel 6.17 and later: packets one sendto() may send in copy mode.
constexpr int kXdpMaxTxSkbBudget = 9;
// A copy-mode sendto() sends at most this many packets on older kernels (net/xdp/xsk.c).
constexpr std::uint32_t kKernelTxBatch = 32;

// Owned mapping.
class Mapping {
 public:
  Mapping() = default;
  Mapping(void* at, std::size_t length) : at_(at), length_(length) {}
  Mapping(Mapping&& other) noexcept
      : at_(std::exchange(other.at_, nullptr)), length_(std::exchange(other.length_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(at_, other.at_);
    std::swap(length_, other.length_);
    return *this;
  }
  ~Mapping() {
    if (at_ != nullptr) munmap(at_, length_);
  }
  [[nodiscard]] std::uint8_t* data() const { return static_cast<std::uint8_t*>(at_); }

 private:
  void* at_ = nullptr;
  std::size_t length_ = 0;
};

// One of the four rings, shared with the kernel. Indexes run freely; entries are at index & mask.
template <typename Entry>
struct Ring {
  Mapping mapping;
  std::uint32_t* producer = nullptr;
  std::uint32_t* consumer = nullptr;
  std::uint32_t* flags = nullptr;
  Entry* entries = nullptr;
  std::uint32_t size = 0;
  std::uint32_t produced = 0;  // our own side's copies
  std::uint32_t consumed = 0;

  [[nodiscard]] static std::uint32_t load(std::uint32_t* at) {
    return std::atomic_ref(*at).load(std::memory_order_acquire);
  }
  static void store(std::uint32_t* at, std::uint32_t value) {
    std::atomic_ref(*at).store(value, std::memory_order_release);
  }
  [[nodiscard]] Entry& at(std::uint32_t index) const { return entries[index & (size - 1)]; }
  [[nodiscard]] bool need_wakeup() const {
    return (std::atomic_ref(*flags).load(std::memory_order_relaxed) & XDP_RING_NEED_WAKEUP) != 0;
  }
  // Entries to consume. Never more than the ring holds, whatever the indexes say.
  [[nodiscard]] std::uint32_t available() const { return std::min(load(producer) - consumed, size); }
  // Entries to produce.
  [[nodiscard]] std::uint32_t room() const { return size - std::min(produced - load(consumer), size); }
};

template <typename Entry>
std::expected<Ring<Entry>, Error> map_ring(int fd, std::uint64_t page_offset, const xdp_ring_offset& offset,
                                           std::uint32_t size) {
  const std::size_t length = offset.desc + std::size_t{size} * sizeof(Entry);
  void* at = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
                  static_cast<off_t>(page_offset));
  if (at == MAP_FAILED) return std::unexpected(errno_error("cannot map a ring of the AF_XDP socket"));
  Ring<Entry> ring;
  ring.mapping = Mapping(at, length);
  std::uint8_t* base = ring.mapping.data();
  ring.producer = reinterpret_cast<std::uint32_t*>(base + offset.producer);
  ring.consumer = reinterpret_cast<std::uint32_t*>(base + offset.consumer);
  ring.flags = reinterpret_cast<std::uint32_t*>(base + offset.flags);
  ring.entries = reinterpret_cast<Entry*>(base + offset.desc);
  ring.size = size;
  ring.produced = Ring<Entry>::load(ring.producer);
  ring.consumed = Ring<Entry>::load(ring.consumer);
  return ring;
}

std::expected<void, Error> check_geometry(const AfXdpGeometry& geometry) {
  const auto bad = [](const char* text) { return std::unexpected(Error{text}); };
  for (const std::uint32_t size :
       {geometry.fill_size, geometry.completion_size, geometry.rx_size, geometry.tx_size})
    if (!std::has_single_bit(size)) return bad("a ring's size is no power of two");
  if (geometry.frame_size < kMbufFrameMax || geometry.frame_size > 4096 ||
      !std::has_single_bit(geometry.frame_size))
    return bad("the frame size is neither 2048 nor 4096");
  if (geometry.frame_count == 0 || geometry.frame_count > (1u << 20))
    return bad("the frame count is out of bounds");
  if (geometry.rx_frames == 0 || geometry.rx_frames >= geometry.frame_count)
    return bad("no frames are left for receiving or sending");
  if (geometry.rx_frames > geometry.fill_size)
    return bad("more frames to receive than the fill ring has entries");
  if (geometry.frame_count - geometry.rx_frames > geometry.completion_size)
    return bad("more frames to send than the completion ring has entries");
  return {};
}

// The memory must be as long as the geometry says and stay so: a memfd sealed against shrinking, or
// a peer could make us fault.
std::expected<Mapping, Error> map_frames(int fd, const AfXdpGeometry& geometry) {
  struct stat status{};
  if (fstat(fd, &status) != 0) return std::unexpected(errno_error("cannot look at the frame memory"));
  const std::size_t length = std::size_t{geometry.frame_size} * geometry.frame_count;
  if (!S_ISREG(status.st_mode) || status.st_size < 0 || static_cast<std::size_t>(status.st_size) < length)
    return std::unexpected(Error{"the frame memory is shorter than its geometry"});
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0)
    return std::unexpected(Error{"the frame memory is not sealed against shrinking"});
  void* at = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (at == MAP_FAILED) return std::unexpected(errno_error("cannot map the frame memory"));
  return Mapping(at, length);
}

class AfXdpQueue final : public PortQueue {
 public:
  AfXdpQueue(Fd socket, const AfXdpGeometry& geometry, rte_mempool* pool)
      : socket_(std::move(socket)), geometry_(geometry), pool_(pool) {}

  [[nodiscard]] std::expected<void, Error> map(int memory_fd);
  [[nodiscard]] std::expected<void, Error> ensure_bound(const AfXdpPlace& place) const;

  [[nodiscard]] std::uint16_t rx_burst(std::span<rte_mbuf*> out) override;
  [[nodiscard]] bool pressed() const override { return rx_.available() > rx_.size / 4; }
  [[nodiscard]] std::uint16_t tx_burst(std::span<rte_mbuf*> packets) override;
  [[nodiscard]] bool flush() override;
  [[nodiscard]] int wait_fd() const override { return gone() ? -1 : socket_.get(); }
  [[nodiscard]] bool arm() override;
  [[nodiscard]] std::uint64_t buffer_none() const override { return buffer_none_; }
  [[nodiscard]] bool gone() const override { return gone_.load(std::memory_order_relaxed); }
  [[nodiscard]] int socket() const { return socket_.get(); }

 private:
  void copy_in(rte_mbuf* mbuf, const xdp_desc& descriptor) const;
  void recycle(std::uint32_t count);
  void reclaim();
  void kick();
  void failed(int number) {
    if (number == ENXIO || number == ENODEV || number == EBADF) gone_.store(true, std::memory_order_relaxed);
  }

  Fd socket_;
  AfXdpGeometry geometry_;
  rte_mempool* pool_;
  Mapping frames_;
  std::atomic<bool> gone_{false};

  // Receive side.
  Ring<xdp_desc> rx_;
  Ring<std::uint64_t> fill_;
  std::uint64_t buffer_none_ = 0;
  std::array<std::uint64_t, kBurstMax> taken_{};

  // Transmit side.
  Ring<xdp_desc> tx_;
  Ring<std::uint64_t> completion_;
  std::vector<std::uint64_t> free_frames_;
};

std::expected<void, Error> AfXdpQueue::map(int memory_fd) {
  if (auto checked = check_geometry(geometry_); !checked) return checked;
  int domain = 0;
  socklen_t length = sizeof domain;
  if (getsockopt(socket_.get(), SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0 || domain != AF_XDP)
    return std::unexpected(Error{"the descriptor is no AF_XDP socket"});
  xdp_mmap_offsets offsets{};
  length = sizeof offsets;
  if (getsockopt(socket_.get(), SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &length) != 0)
    return std::unexpected(errno_error("cannot read the ring offsets"));
  if (length != sizeof offsets) return std::unexpected(Error{"the kernel's AF_XDP rings have no flags"});
  auto frames = map_frames(memory_fd, geometry_);
  if (!frames) return std::unexpected(std::move(frames.error()));
  auto rx = map_ring<xdp_desc>(socket_.get(), XDP_PGOFF_RX_RING, offsets.rx, geometry_.rx_size);
  if (!rx) return std::unexpected(std::move(rx.error()));
  auto tx = map_ring<xdp_desc>(socket_.get(), XDP_PGOFF_TX_RING, offsets.tx, geometry_.tx_size);
  if (!tx) return std::unexpected(std::move(tx.error()));
  auto fill =
      map_ring<std::uint64_t>(socket_.get(), XDP_UMEM_PGOFF_FILL_RING, offsets.fr, geometry_.fill_size);
  if (!fill) return std::unexpected(std::move(fill.error()));
  auto completion = map_ring<std::uint64_t>(socket_.get(), XDP_UMEM_PGOFF_COMPLETION_RING, offsets.cr,
                                            geometry_.completion_size);
  if (!completion) return std::unexpected(std::move(completion.error()));
  frames_ = std::move(*frames);
  rx_ = std::move(*rx);
  tx_ = std::move(*tx);
  fill_ = std::move(*fill);
  completion_ = std::move(*completion);

  if (fill_.produced != 0) return std::unexpected(Error{"the socket's fill ring is in use already"});
  for (std::uint32_t i = 0; i < geometry_.rx_frames; ++i)
    fill_.at(fill_.produced++) = std::uint64_t{i} * geometry_.frame_size;
  fill_.store(fill_.producer, fill_.produced);
  free_frames_.reserve(geometry_.frame_count - geometry_.rx_frames);
  for (std::uint32_t i = geometry_.frame_count; i > geometry_.rx_frames; --i)
    free_frames_.push_back(std::uint64_t{i - 1} * geometry_.frame_size);
  // A faster way where the kernel has it; without, kick() asks more often.
  const int budget = static_cast<int>(std::max(geometry_.tx_size / 2, kKernelTxBatch));
  (void)setsockopt(socket_.get(), SOL_XDP, kXdpMaxTxSkbBudget, &budget, sizeof budget);
  return {};
}

std::expected<void, Error> AfXdpQueue::ensure_bound(const AfXdpPlace& place) const {
  if (recvfrom(socket_.get(), nullptr, 0, MSG_DONTWAIT, nullptr, nullptr) >= 0 || errno != ENXIO) return {};
  sockaddr_xdp address{};
  address.sxdp_family = AF_XDP;
  address.sxdp_flags = static_cast<std::uint16_t>(XDP_USE_NEED_WAKEUP | (place.zero_copy ? 0 : XDP_COPY));
  address.sxdp_ifindex = place.ifindex.value;
  address.sxdp_queue_id = place.queue;
  // The kernel lets go of a queue's former socket in the background.
  constexpr int kAttempts = 100;
  constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 5'000'000};
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return {};
    if (errno != EBUSY) break;
    nanosleep(&kPause, nullptr);
  }
  return std::unexpected(
      errno_error("cannot bind the AF_XDP socket to queue " + std::to_string(place.queue)));
}

void AfXdpQueue::copy_in(rte_mbuf* mbuf, const xdp_desc& descriptor) const {
  rte_memcpy(rte_pktmbuf_mtod(mbuf, void*), frames_.data() + descriptor.addr, descriptor.len);
  set_frame_length(mbuf, descriptor.len);
}

// Gives the count frames in taken_ back to the kernel. There is room: all receive frames fit.
void AfXdpQueue::recycle(std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) fill_.at(fill_.produced++) = taken_[i];
  fill_.store(fill_.producer, fill_.produced);
  if (fill_.need_wakeup() && recvfrom(socket_.get(), nullptr, 0, MSG_DONTWAIT, nullptr, nullptr) < 0)
    failed(errno);
}

std::uint16_t AfXdpQueue::rx_burst(std::span<rte_mbuf*> out) {
  const std::uint32_t wanted =
      std::min({rx_.available(), static_cast<std::uint32_t>(out.size()), std::uint32_t{kBurstMax}});
  if (wanted == 0) return 0;
  std::uint32_t mbufs = wanted;
  if (rte_pktmbuf_alloc_bulk(pool_, out.data(), wanted) != 0) {
    for (mbufs = 0; mbufs < wanted; ++mbufs)
      if ((out[mbufs] = rte_pktmbuf_alloc(pool_)) == nullptr) break;
  }
  std::uint32_t used = 0;
  std::uint32_t frames_taken = 0;
  const std::uint64_t memory_size = std::uint64_t{geometry_.frame_size} * geometry_.rx_frames;
  const std::uint64_t frame_mask = geometry_.frame_size - 1;
  for (std::uint32_t i = 0; i < wanted; ++i) {
    const xdp_desc descriptor = rx_.at(rx_.consumed + i);
    // Out of its frame: nothing that could be read or given back.
    if (descriptor.addr >= memory_size ||
        descriptor.len > geometry_.frame_size - (descriptor.addr & frame_mask) ||
        descriptor.len > kMbufFrameMax)
      continue;
    taken_[frames_taken++] = descriptor.addr & ~frame_mask;
    if (used == mbufs) {
      ++buffer_none_;
      continue;
    }
    copy_in(out[used++], descriptor);
  }
  rx_.consumed += wanted;
  rx_.store(rx_.consumer, rx_.consumed);
  recycle(frames_taken);
  free_all(out.subspan(used, mbufs - used));
  return static_cast<std::uint16_t>(used);
}

// Before a sleep the kernel must know that we wait for frames to receive (zero-copy drivers).
bool AfXdpQueue::arm() {
  if (fill_.need_wakeup() && recvfrom(socket_.get(), nullptr, 0, MSG_DONTWAIT, nullptr, nullptr) < 0)
    failed(errno);
  return !gone() && rx_.available() == 0;
}

// Takes back the frames the kernel has sent.
void AfXdpQueue::reclaim() {
  const std::uint32_t count = completion_.available();
  if (count == 0) return;
  const std::uint64_t first = std::uint64_t{geometry_.rx_frames} * geometry_.frame_size;
  const std::uint64_t end = std::uint64_t{geometry_.frame_count} * geometry_.frame_size;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint64_t frame =
        completion_.at(completion_.consumed + i) & ~std::uint64_t{geometry_.frame_size - 1};
    if (frame < first || frame >= end || free_frames_.size() == free_frames_.capacity()) continue;
    free_frames_.push_back(frame);
  }
  completion_.consumed += count;
  completion_.store(completion_.consumer, completion_.consumed);
}

// Has the kernel send what is in the ring. In copy mode one call sends a bounded batch and says
// EAGAIN if more is left: asked again as long as it gets on.
void AfXdpQueue::kick() {
  for (std::uint32_t round = 0; round <= geometry_.tx_size / kKernelTxBatch; ++round) {
    if (!tx_.need_wakeup()) return;
    const std::uint32_t before = tx_.load(tx_.consumer);
    if (sendto(socket_.get(), nullptr, 0, MSG_DONTWAIT, nullptr, 0) >= 0) return;
    const int number = errno;
    if (number != EAGAIN && number != EBUSY && number != ENOBUFS) return failed(number);
    if (tx_.load(tx_.consumer) == before) return;
  }
}

std::uint16_t AfXdpQueue::tx_burst(std::span<rte_mbuf*> packets) {
  if (gone()) return 0;
  const auto wanted = static_cast<std::uint32_t>(packets.size());
  if (free_frames_.size() < wanted) reclaim();
  if (free_frames_.size() < wanted || tx_.room() < wanted) {
    kick();
    reclaim();
  }
  const std::uint32_t count = std::min({wanted, tx_.room(), static_cast<std::uint32_t>(free_frames_.size())});
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint64_t frame = free_frames_.back();
    free_frames_.pop_back();
    const Bytes bytes = frame_of(packets[i]);
    rte_memcpy(frames_.data() + frame, bytes.data(), bytes.size());
    tx_.at(tx_.produced++) = xdp_desc{frame, static_cast<std::uint32_t>(bytes.size()), 0};
  }
  if (count != 0) tx_.store(tx_.producer, tx_.produced);
  kick();
  if (gone()) {
    // The kernel took none of this burst: the caller names their loss.
    return 0;
  }
  free_all(packets.first(count));
  return static_cast<std::uint16_t>(count);
}

bool AfXdpQueue::flush() {
  if (gone() || tx_.load(tx_.consumer) == tx_.produced) return true;
  kick();
  return gone() || tx_.load(tx_.consumer) == tx_.produced;
}

}  // namespace

std::expected<std::unique_ptr<PortQueue>, Error> open_af_xdp(const std::string& name, Fd socket,
                                                             const Fd& memory, const AfXdpGeometry& geometry,
                                                             const AfXdpPlace& place, rte_mempool* pool) {
  auto queue = std::make_unique<AfXdpQueue>(std::move(socket), geometry, pool);
  if (auto mapped = queue->map(memory.get()); !mapped)
    return std::unexpected(std::move(mapped.error()).in("port " + name));
  if (auto bound = queue->ensure_bound(place); !bound)
    return std::unexpected(std::move(bound.error()).in("port " + name));
  return queue;
}

std::uint64_t af_xdp_lost(const PortQueue& queue) {
  const auto* xdp = dynamic_cast<const AfXdpQueue*>(&queue);
  if (xdp == nullptr) return 0;
  xdp_statistics statistics{};
  socklen_t length = sizeof statistics;
  if (getsockopt(xdp->socket(), SOL_XDP, XDP_STATISTICS, &statistics, &length) != 0) return 0;
  return statistics.rx_dropped + statistics.rx_ring_full;
}

}  // namespace xk
