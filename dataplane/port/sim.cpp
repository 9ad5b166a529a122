#include "dataplane/port/sim.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "dataplane/base/fd.h"
#include "dataplane/port/mbuf.h"
#include "dataplane/port/ring.h"

namespace xk {

struct SimWire::State {
  RingHandle rx;
  RingHandle tx;
  Fd readable;
  rte_mempool* pool = nullptr;
  std::atomic<bool> gone{false};
};

class SimQueue final : public PortQueue {
 public:
  explicit SimQueue(SimWire::State& state) : state_(state) {}

  [[nodiscard]] std::uint16_t rx_burst(std::span<rte_mbuf*> out) override {
    return static_cast<std::uint16_t>(rte_ring_dequeue_burst(
        state_.rx.get(), reinterpret_cast<void**>(out.data()), static_cast<unsigned>(out.size()), nullptr));
  }
  [[nodiscard]] bool pressed() const override {
    return rte_ring_count(state_.rx.get()) > rte_ring_get_capacity(state_.rx.get()) / 2;
  }
  [[nodiscard]] std::uint16_t tx_burst(std::span<rte_mbuf*> packets) override {
    if (gone()) return 0;
    return static_cast<std::uint16_t>(rte_ring_enqueue_burst(state_.tx.get(),
                                                             reinterpret_cast<void**>(packets.data()),
                                                             static_cast<unsigned>(packets.size()), nullptr));
  }
  [[nodiscard]] int wait_fd() const override { return state_.readable.get(); }
  [[nodiscard]] bool arm() override {
    std::uint64_t count = 0;
    (void)!read(state_.readable.get(), &count, sizeof count);
    return rte_ring_empty(state_.rx.get()) != 0;
  }
  [[nodiscard]] std::uint64_t buffer_none() const override { return 0; }
  [[nodiscard]] bool gone() const override { return state_.gone.load(std::memory_order_relaxed); }

 private:
  SimWire::State& state_;
};

SimWire::SimWire(std::unique_ptr<State> state) : state_(std::move(state)) {}

SimWire::~SimWire() {
  void* mbuf = nullptr;
  while (rte_ring_dequeue(state_->rx.get(), &mbuf) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(mbuf));
  while (rte_ring_dequeue(state_->tx.get(), &mbuf) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(mbuf));
}

std::expected<std::unique_ptr<SimWire>, Error> SimWire::make(std::uint32_t rx_depth, std::uint32_t tx_depth,
                                                             rte_mempool* pool) {
  auto state = std::make_unique<State>();
  auto rx = make_ring(rx_depth, RING_F_SP_ENQ | RING_F_SC_DEQ);
  if (!rx) return std::unexpected(std::move(rx.error()));
  auto tx = make_ring(tx_depth, RING_F_SP_ENQ | RING_F_SC_DEQ);
  if (!tx) return std::unexpected(std::move(tx.error()));
  state->rx = std::move(*rx);
  state->tx = std::move(*tx);
  state->readable = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!state->readable) return std::unexpected(errno_error("eventfd"));
  state->pool = pool;
  return std::unique_ptr<SimWire>(new SimWire(std::move(state)));
}

std::unique_ptr<PortQueue> SimWire::queue() { return std::make_unique<SimQueue>(*state_); }

bool SimWire::put(Bytes frame) {
  rte_mbuf* mbuf = mbuf_from(state_->pool, frame);
  if (mbuf == nullptr) return false;
  if (rte_ring_enqueue(state_->rx.get(), mbuf) != 0) {
    rte_pktmbuf_free(mbuf);
    return false;
  }
  const std::uint64_t one = 1;
  (void)!write(state_->readable.get(), &one, sizeof one);
  return true;
}

std::vector<std::uint8_t> SimWire::take() {
  void* taken = nullptr;
  if (rte_ring_dequeue(state_->tx.get(), &taken) != 0) return {};
  auto* mbuf = static_cast<rte_mbuf*>(taken);
  const Bytes frame = frame_of(mbuf);
  std::vector<std::uint8_t> bytes(frame.begin(), frame.end());
  rte_pktmbuf_free(mbuf);
  return bytes;
}

std::size_t SimWire::sent() const { return rte_ring_count(state_->tx.get()); }

void SimWire::unplug() { state_->gone.store(true, std::memory_order_relaxed); }

std::uint16_t ReplayQueue::rx_burst(std::span<rte_mbuf*> out) {
  const auto wanted = static_cast<unsigned>(std::min<std::uint64_t>({left_, out.size(), kBurstMax}));
  if (wanted == 0) return 0;
  left_ -= wanted;
  if (rte_pktmbuf_alloc_bulk(pool_, out.data(), wanted) != 0) {
    buffer_none_ += wanted;
    return 0;
  }
  for (unsigned i = 0; i < wanted; ++i) {
    const std::vector<std::uint8_t>& frame = frames_[next_];
    next_ = next_ + 1 == frames_.size() ? 0 : next_ + 1;
    rte_memcpy(rte_pktmbuf_mtod(out[i], void*), frame.data(), frame.size());
    set_frame_length(out[i], frame.size());
  }
  return static_cast<std::uint16_t>(wanted);
}

std::uint16_t ReplayQueue::tx_burst(std::span<rte_mbuf*> packets) {
  if (packets.empty()) return 0;
  const Bytes last = frame_of(packets.back());
  last_sent_.assign(last.begin(), last.end());
  sent_ += packets.size();
  free_all(packets);
  return static_cast<std::uint16_t>(packets.size());
}

}  // namespace xk
