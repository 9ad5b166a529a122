// The generator's end of a wire: an AF_XDP socket on queue 0 of an interface. Frames go in and out through
// memory shared with the kernel, many with one system call.
#pragma once

#include <linux/if_xdp.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/base/bytes.h"
#include "dataplane/base/fd.h"

struct mailbox_bpf;

namespace xk::gen {

inline constexpr std::uint64_t kSecond = 1'000'000'000u;

// Memory mapped for as long as this lives.
class Mapped {
 public:
  Mapped() = default;
  // fd -1: memory of its own. Throws std::runtime_error.
  Mapped(int fd, std::uint64_t offset, std::size_t size);
  Mapped(Mapped&& other) noexcept;
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

// Takes the interface's DHCPv4 frames to clients (UDP port 68, up to two tags); the kernel sees the others
// as if it were not there, and these too as soon as it is gone. Its XDP program runs in the driver or, where
// that does not go, in generic mode. What fails is a std::runtime_error.
class Mailbox {
 public:
  explicit Mailbox(const std::string& interface);
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;
  ~Mailbox();

  // Copies the frame; flush() sends it, or a later send() if there are many.
  void send(Bytes frame);
  void flush();
  // Calls for some of the frames that have arrived; false: none had.
  bool receive(auto&& call) {
    const std::uint32_t count = std::min(rx_.ready(), kBatch);
    if (count == 0) return false;
    std::array<std::uint64_t, kBatch> done{};
    for (std::uint32_t i = 0; i < count; ++i) {
      const xdp_desc frame = rx_.take();
      call(Bytes(frames_.data() + frame.addr, frame.len));
      done[i] = frame.addr & ~std::uint64_t{kFrameSize - 1};
    }
    rx_.publish_takes();
    for (std::uint32_t i = 0; i < count; ++i) fill_.put(done[i]);
    fill_.publish_puts();
    return true;
  }
  // Until a frame is there or the time is over.
  void wait(std::uint64_t left_ns) const;

  // Frames that the interface did not take.
  [[nodiscard]] std::uint64_t refused() const { return refused_; }
  // Frames that arrived when there was no room for them.
  [[nodiscard]] std::uint64_t missed() const;

 private:
  static constexpr std::uint32_t kBatch = 64;  // frames at a time
  static constexpr std::uint32_t kFrameSize = 2048;
  static constexpr std::uint32_t kRxFrames = 2048, kTxFrames = 2048;  // the rings are as long

  void make_socket();
  void bind_queue(unsigned index);
  void attach(unsigned index);
  void reap();
  [[noreturn]] void fail(const std::string& what, int number) const;

  struct Unload {
    void operator()(mailbox_bpf* program) const;
  };
  std::string interface_;
  std::unique_ptr<mailbox_bpf, Unload> program_;
  Mapped frames_;
  Fd socket_, link_;
  XdpRing<xdp_desc> rx_, tx_;
  XdpRing<std::uint64_t> fill_, completion_;
  std::vector<std::uint64_t> free_;  // frames to send in
  std::uint32_t waiting_ = 0;        // that the kernel does not know of yet
  std::uint64_t refused_ = 0;
};

}  // namespace xk::gen
