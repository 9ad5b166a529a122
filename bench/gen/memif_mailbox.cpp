#include <time.h>

#include <array>
#include <stdexcept>
#include <vector>

#include "bench/gen/mailbox.h"
#include "bench/gen/packet_socket.h"
#include "dataplane/port/eal.h"
#include "dataplane/port/ethdev.h"
#include "dataplane/port/mbuf.h"

namespace xk::gen {
namespace {

constexpr std::uint32_t kMemoryMib = 128;
constexpr std::uint32_t kMbufs = 16'383;
constexpr const char* kRingSize = "13";  // the logarithm of its slots: more than a window has frames
constexpr timespec kNap{.tv_sec = 0, .tv_nsec = 20'000};  // between two looks at the ring
constexpr std::uint64_t kConnectNs = 10 * kSecond;
constexpr int kFullTries = 1'000'000;  // of a ring that stays full

template <typename T>
T value_of(std::expected<T, Error> made) {
  if (!made) throw std::runtime_error(made.error().message);
  return std::move(*made);
}

class MemifMailbox final : public Mailbox {
 public:
  explicit MemifMailbox(const std::string& socket);
  ~MemifMailbox() override;

  void send(Bytes frame) override;
  void flush() override;
  std::span<const Bytes> receive() override;
  void wait(std::uint64_t left_ns) override;
  [[nodiscard]] std::uint64_t refused() const override { return refused_; }
  [[nodiscard]] std::uint64_t missed() const override { return queue_->buffer_none(); }

 private:
  void give_back();

  Mempool pool_;
  std::unique_ptr<Ethdev> device_;
  std::unique_ptr<PortQueue> queue_;
  std::vector<rte_mbuf*> waiting_;  // to be sent
  std::array<rte_mbuf*, kMailBatch> lent_{};
  std::array<Bytes, kMailBatch> received_;
  std::uint16_t lent_count_ = 0;
  std::uint64_t refused_ = 0;
};

MemifMailbox::MemifMailbox(const std::string& socket) {
  if (auto done = init_eal({.memory_mib = kMemoryMib, .devices = {}}); !done)
    throw std::runtime_error(done.error().message);
  pool_ = value_of(make_mempool("gen", kMbufs, 0));
  device_ = value_of(Ethdev::open(
      "net_memif0,role=client,socket-abstract=no,rsize=" + std::string(kRingSize) + ",socket=" + socket,
      false, pool_.get()));
  queue_ = device_->queue();
  for (const std::uint64_t end = now_ns() + kConnectNs; !device_->link_up(); nanosleep(&kNap, nullptr))
    if (now_ns() > end) throw std::runtime_error(socket + ": no memif server answers there");
  // The server has room for its first answer only once it was told where.
  lent_count_ = queue_->rx_burst(lent_);
  give_back();
}

MemifMailbox::~MemifMailbox() {
  give_back();
  free_all(waiting_);
  queue_.reset();
  device_.reset();
  pool_.reset();
  cleanup_eal();
}

void MemifMailbox::give_back() {
  free_all(std::span(lent_).first(lent_count_));
  lent_count_ = 0;
}

void MemifMailbox::send(Bytes frame) {
  rte_mbuf* mbuf = mbuf_from(pool_.get(), frame);
  if (mbuf == nullptr) {
    ++refused_;
    return;
  }
  waiting_.push_back(mbuf);
  if (waiting_.size() == kMailBatch) flush();
}

void MemifMailbox::flush() {
  std::span<rte_mbuf*> left = waiting_;
  for (int tries = 0; !left.empty() && tries < kFullTries; ++tries)
    left = left.subspan(queue_->tx_burst(left));
  refused_ += left.size();
  free_all(left);
  waiting_.clear();
}

std::span<const Bytes> MemifMailbox::receive() {
  give_back();
  lent_count_ = queue_->rx_burst(lent_);
  for (std::uint16_t i = 0; i < lent_count_; ++i) received_[i] = frame_of(lent_[i]);
  return std::span(received_).first(lent_count_);
}

// The driver has no descriptor to wait for. What is due meanwhile is sent a little later: who looks at the
// ring all the time leaves no CPU to others.
void MemifMailbox::wait(std::uint64_t /*left_ns*/) { nanosleep(&kNap, nullptr); }

}  // namespace

std::unique_ptr<Mailbox> open_memif(const std::string& socket) {
  return std::make_unique<MemifMailbox>(socket);
}

}  // namespace xk::gen
