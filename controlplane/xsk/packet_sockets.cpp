#include "controlplane/xsk/packet_sockets.h"

#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bit>
#include <string>

namespace xk {
namespace {

constexpr std::uint32_t kRingSizeMax = 1u << 16;
constexpr std::uint32_t kFrameSizeMin = 2048;  // the kernel's least (XDP_UMEM_MIN_CHUNK_SIZE)
constexpr std::uint64_t kMemoryMax = std::uint64_t{1} << 30;
constexpr int kBusyTries = 100;
constexpr timespec kBusyPause{0, 5'000'000};  // 100 times 5 ms: 500 ms in all

std::string text(std::uint64_t number) { return std::to_string(number); }

bool is_ring_size(std::uint32_t entries) { return std::has_single_bit(entries) && entries <= kRingSizeMax; }

// The frame memory while this process sees it: unmapped as soon as it is registered, since the
// kernel pins the pages and the dataplane maps the memfd itself.
class Mapping {
 public:
  explicit Mapping(int fd, std::size_t size)
      : address_(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)), size_(size) {}
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (address_ != MAP_FAILED) ::munmap(address_, size_);
  }
  [[nodiscard]] bool ok() const { return address_ != MAP_FAILED; }
  [[nodiscard]] std::uint64_t address() const { return reinterpret_cast<std::uint64_t>(address_); }

 private:
  void* address_;
  std::size_t size_;
};

Result<> check(const ipc::UmemGeometry& geometry) {
  const auto page = static_cast<std::uint32_t>(::sysconf(_SC_PAGESIZE));
  if (!std::has_single_bit(geometry.frame_size) || geometry.frame_size < kFrameSizeMin ||
      geometry.frame_size > page)
    return std::unexpected(Error{"frame size " + text(geometry.frame_size) + " is no power of two in " +
                                 text(kFrameSizeMin) + ".." + text(page)});
  if (geometry.frame_count == 0 || geometry.rx_frames > geometry.frame_count ||
      std::uint64_t{geometry.frame_count} * geometry.frame_size > kMemoryMax)
    return std::unexpected(Error{text(geometry.frame_count) + " frames, " + text(geometry.rx_frames) +
                                 " of them to receive: out of bounds"});
  for (const std::uint32_t entries :
       {geometry.fill_size, geometry.completion_size, geometry.rx_size, geometry.tx_size})
    if (!is_ring_size(entries))
      return std::unexpected(
          Error{"ring size " + text(entries) + " is no power of two up to " + text(kRingSizeMax)});
  return {};
}

// A memfd that keeps its size: neither end can pull it from under the other.
Result<Fd> frame_memory(std::size_t size) {
  Fd memory{::memfd_create("xdp-kea-frames", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (!memory) return std::unexpected(errno_error("memfd_create"));
  if (::ftruncate(memory.get(), static_cast<off_t>(size)) != 0)
    return std::unexpected(errno_error(text(size) + " bytes of frame memory"));
  if (::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return std::unexpected(errno_error("sealing the frame memory's size"));
  return memory;
}

Result<> register_memory(int socket, int memory, const ipc::UmemGeometry& geometry) {
  const std::size_t size = std::size_t{geometry.frame_count} * geometry.frame_size;
  const Mapping mapping(memory, size);
  if (!mapping.ok()) return std::unexpected(errno_error("mapping the frame memory"));
  xdp_umem_reg registration{};
  registration.addr = mapping.address();
  registration.len = size;
  registration.chunk_size = geometry.frame_size;
  if (::setsockopt(socket, SOL_XDP, XDP_UMEM_REG, &registration, sizeof registration) == 0) return {};
  const int number = errno;
  std::string what = "registering " + text(size) + " bytes of frame memory";
  if (number == ENOBUFS)
    what += " (locked memory is used up: CAP_IPC_LOCK or a higher RLIMIT_MEMLOCK is needed)";
  return std::unexpected(errno_error(what, number));
}

Result<> size_rings(int socket, const ipc::UmemGeometry& geometry) {
  struct Ring {
    int option;
    const char* name;
    std::uint32_t entries;
  };
  for (const Ring& ring :
       {Ring{XDP_UMEM_FILL_RING, "fill", geometry.fill_size},
        Ring{XDP_UMEM_COMPLETION_RING, "completion", geometry.completion_size},
        Ring{XDP_RX_RING, "rx", geometry.rx_size}, Ring{XDP_TX_RING, "tx", geometry.tx_size}})
    if (::setsockopt(socket, SOL_XDP, ring.option, &ring.entries, sizeof ring.entries) != 0)
      return std::unexpected(
          errno_error(std::string(ring.name) + " ring of " + text(ring.entries) + " entries"));
  return {};
}

// Whether the port's XDP program runs in generic mode, where zero copy would take the driver's
// buffers away from under the kernel's own stack.
bool runs_generic(IfIndex ifindex) {
  bpf_xdp_query_opts query{};
  query.sz = sizeof query;
  return bpf_xdp_query(static_cast<int>(ifindex.value), 0, &query) == 0 && query.skb_prog_id != 0;
}

// With neither XDP_COPY nor XDP_ZEROCOPY the kernel itself falls back to copying.
Result<> bind_queue(int socket, IfIndex ifindex, std::uint16_t queue) {
  sockaddr_xdp address{};
  address.sxdp_family = AF_XDP;
  address.sxdp_flags = XDP_USE_NEED_WAKEUP;
  if (runs_generic(ifindex)) address.sxdp_flags |= XDP_COPY;
  address.sxdp_ifindex = ifindex.value;
  address.sxdp_queue_id = queue;
  for (int tries = 0;; ++tries) {
    if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return {};
    if (errno != EBUSY || tries == kBusyTries) break;
    ::nanosleep(&kBusyPause, nullptr);
  }
  if (errno == EBUSY) return std::unexpected(errno_error("another AF_XDP socket holds this queue", EBUSY));
  return std::unexpected(errno_error("bind"));
}

bool is_zero_copy(int socket) {
  xdp_options options{};
  socklen_t size = sizeof options;
  return ::getsockopt(socket, SOL_XDP, XDP_OPTIONS, &options, &size) == 0 &&
         (options.flags & XDP_OPTIONS_ZEROCOPY) != 0;
}

// Older kernels, Debian 12's 6.1 among them, map no ring of a bound socket: EBUSY.
bool maps_when_bound(int socket) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* ring = ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, socket, XDP_PGOFF_RX_RING);
  if (ring == MAP_FAILED) return errno != EBUSY;
  ::munmap(ring, page);
  return true;
}

// Registered and with its rings, not bound.
Result<PacketSocket> unbound_socket(const ipc::UmemGeometry& geometry) {
  PacketSocket made;
  made.socket = Fd{::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0)};
  if (!made.socket) return std::unexpected(errno_error("socket"));
  auto memory = frame_memory(std::size_t{geometry.frame_count} * geometry.frame_size);
  if (!memory) return std::unexpected(std::move(memory.error()));
  made.memory = std::move(*memory);
  if (auto done = register_memory(made.socket.get(), made.memory.get(), geometry); !done)
    return std::unexpected(std::move(done.error()));
  if (auto done = size_rings(made.socket.get(), geometry); !done)
    return std::unexpected(std::move(done.error()));
  return made;
}

Result<PacketSocket> make_socket(IfIndex ifindex, std::uint16_t queue, const ipc::UmemGeometry& geometry) {
  if (auto checked = check(geometry); !checked) return std::unexpected(std::move(checked.error()));
  auto made = unbound_socket(geometry);
  if (!made) return made;
  if (auto done = bind_queue(made->socket.get(), ifindex, queue); !done)
    return std::unexpected(std::move(done.error()));
  const bool zero_copy = is_zero_copy(made->socket.get());
  if (!maps_when_bound(made->socket.get())) {
    made = unbound_socket(geometry);  // the bound one has shown that the queue can be had, and how
    if (!made) return made;
  }
  made->zero_copy = zero_copy;
  return made;
}

class KernelPacketSockets final : public PacketSockets {
 public:
  Result<PacketSocket> make(IfIndex ifindex, std::uint16_t queue,
                            const ipc::UmemGeometry& geometry) override {
    auto made = make_socket(ifindex, queue, geometry);
    if (made) return made;
    return std::unexpected(
        std::move(made.error())
            .in("AF_XDP socket of interface " + text(ifindex.value) + ", queue " + text(queue)));
  }
};

}  // namespace

std::unique_ptr<PacketSockets> make_packet_sockets() { return std::make_unique<KernelPacketSockets>(); }

}  // namespace xk
