#include "tests/bpf/rings.h"

#include <linux/if_xdp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "tests/bpf/wire.h"

namespace xk::test {
namespace {

std::uint32_t load(const std::uint32_t* at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
void store(std::uint32_t* at, std::uint32_t value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }

void* map_at(int fd, std::size_t size, off_t offset) {
  void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);
  return address == MAP_FAILED ? nullptr : address;
}

}  // namespace

std::optional<Rings> Rings::map(int socket, int memory, const ipc::UmemGeometry& geometry) {
  xdp_mmap_offsets offsets{};
  socklen_t size = sizeof offsets;
  if (::getsockopt(socket, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &size) != 0) return std::nullopt;
  Rings rings;
  rings.socket_ = socket;
  rings.geometry_ = geometry;
  rings.memory_ =
      static_cast<std::uint8_t*>(map_at(memory, std::size_t{geometry.frame_count} * geometry.frame_size, 0));
  const auto ring = [&](const xdp_ring_offset& at, std::uint32_t entries, std::size_t entry, off_t where) {
    auto* base = static_cast<std::uint8_t*>(map_at(socket, at.desc + entries * entry, where));
    if (base == nullptr) return Ring{};
    return Ring{reinterpret_cast<std::uint32_t*>(base + at.producer),
                reinterpret_cast<std::uint32_t*>(base + at.consumer), base + at.desc, entries - 1};
  };
  rings.fill_ = ring(offsets.fr, geometry.fill_size, sizeof(std::uint64_t), XDP_UMEM_PGOFF_FILL_RING);
  rings.completion_ = ring(offsets.cr, geometry.completion_size, sizeof(std::uint64_t),
                           static_cast<off_t>(XDP_UMEM_PGOFF_COMPLETION_RING));
  rings.rx_ = ring(offsets.rx, geometry.rx_size, sizeof(xdp_desc), XDP_PGOFF_RX_RING);
  rings.tx_ = ring(offsets.tx, geometry.tx_size, sizeof(xdp_desc), XDP_PGOFF_TX_RING);
  for (const Ring& one : {rings.fill_, rings.completion_, rings.rx_, rings.tx_})
    if (one.entries == nullptr || rings.memory_ == nullptr) return std::nullopt;
  return rings;
}

void Rings::fill() {
  std::uint32_t at = load(fill_.producer);
  for (std::uint32_t i = 0; i < geometry_.rx_frames; ++i, ++at)
    static_cast<std::uint64_t*>(fill_.entries)[at & fill_.mask] = std::uint64_t{i} * geometry_.frame_size;
  store(fill_.producer, at);
}

bool ensure_bound(int socket, std::uint32_t ifindex, std::uint16_t queue) {
  if (::recvfrom(socket, nullptr, 0, MSG_DONTWAIT, nullptr, nullptr) >= 0 || errno != ENXIO) return true;
  sockaddr_xdp address{};
  address.sxdp_family = AF_XDP;
  address.sxdp_flags = XDP_USE_NEED_WAKEUP | XDP_COPY;
  address.sxdp_ifindex = ifindex;
  address.sxdp_queue_id = queue;
  return eventually(
      [&] { return ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0; });
}

std::optional<Frame> Rings::receive(int timeout_ms) {
  const std::uint32_t at = load(rx_.consumer);
  while (load(rx_.producer) == at) {
    pollfd waiting{socket_, POLLIN, 0};
    if (::poll(&waiting, 1, timeout_ms) <= 0) return std::nullopt;
  }
  const xdp_desc& entry = static_cast<const xdp_desc*>(rx_.entries)[at & rx_.mask];
  const Frame frame(memory_ + entry.addr, memory_ + entry.addr + entry.len);
  store(rx_.consumer, at + 1);
  return frame;
}

bool Rings::send(const Frame& frame) {
  const std::uint64_t address = std::uint64_t{geometry_.rx_frames} * geometry_.frame_size;
  std::memcpy(memory_ + address, frame.data(), frame.size());
  const std::uint32_t at = load(tx_.producer);
  static_cast<xdp_desc*>(tx_.entries)[at & tx_.mask] = {address, static_cast<__u32>(frame.size()), 0};
  store(tx_.producer, at + 1);
  const std::uint32_t completed = load(completion_.consumer);
  for (int tries = 0; tries < 100'000 && load(completion_.producer) == completed; ++tries)
    (void)::sendto(socket_, nullptr, 0, MSG_DONTWAIT, nullptr, 0);
  return load(completion_.producer) != completed;
}

}  // namespace xk::test
