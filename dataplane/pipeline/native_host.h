// One VRF's native engine and all that is between it and its journal. The loop that owns the VRF serves by
// it; the keeper (native_keeper.h) writes what it recorded; the control thread makes and ends it.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "dataplane/base/forwarding.h"
#include "dataplane/pipeline/packet.h"
#include "dataplane/pipeline/record_ring.h"
#include "dataplane/serve/native_engine.h"

namespace xk {

// What is known of an answer whose lease is not on stable storage yet: in the private area of its mbuf.
struct WaitingReply {
  rte_mbuf* next = nullptr;
  std::uint64_t revision = 0;
  std::uint64_t until_ms = 0;  // CLOCK_BOOTTIME: then nobody waits for it any more
  PortId port{};
  VrfId counted{};
};
static_assert(sizeof(WaitingReply) <= kPacketPrivateBytes);
[[nodiscard]] inline WaitingReply& waiting_of(rte_mbuf* mbuf) {
  return *static_cast<WaitingReply*>(rte_mbuf_to_priv(mbuf));
}

// Such answers in their order.
class WaitingReplies {
 public:
  [[nodiscard]] bool empty() const { return first_ == nullptr; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] rte_mbuf* front() const { return first_; }
  void push(rte_mbuf* mbuf, const WaitingReply& reply) {
    waiting_of(mbuf) = reply;
    (first_ == nullptr ? first_ : waiting_of(last_).next) = mbuf;
    last_ = mbuf;
    ++size_;
  }
  [[nodiscard]] rte_mbuf* pop() {
    rte_mbuf* const mbuf = first_;
    first_ = waiting_of(mbuf).next;
    --size_;
    return mbuf;
  }
  // The first count of them are somebody else's now; next is the one behind them, or null.
  void skip(std::size_t count, rte_mbuf* next) {
    first_ = next;
    size_ -= count;
  }

 private:
  rte_mbuf* first_ = nullptr;
  rte_mbuf* last_ = nullptr;
  std::size_t size_ = 0;
};

// A request that is answered once it is known whether other hosts have the address.
struct Probe {
  rte_mbuf* request = nullptr;
  Ip4 address{};
  std::uint64_t next_ms = 0;  // engine clock: when the next question, or the answer, is due
  std::uint8_t sent = 0;
  bool heard = false;
};

// A plan with the snapshot it is of.
struct NativePlanInForce {
  std::shared_ptr<const Forwarding> forwarding;
  NativePlan plan;
  std::uint64_t serial = 0;  // no two plans have the same
};

struct NativeHost {
  // The buffers in which answers wait and probes are under way are everybody's: of these, half and an eighth
  // at most, shared by all engines.
  [[nodiscard]] static std::size_t waiting_share(std::size_t buffers, std::size_t hosts) {
    return std::max<std::size_t>(1, buffers / 2 / hosts);
  }
  static constexpr std::size_t kProbesMax = 256;
  [[nodiscard]] static std::size_t probes_share(std::size_t buffers, std::size_t hosts) {
    return std::clamp<std::size_t>(buffers / 8 / hosts, 1, kProbesMax);
  }

  // addresses: of its pools. salt: of its journals. number: of the only loop that serves by it.
  NativeHost(VrfId id, std::string folder, HashKey key, std::uint64_t addresses, std::uint32_t salt,
             std::uint32_t number)
      : vrf(id), directory(std::move(folder)), loop(number), engine(key), records(addresses, salt) {}

  const VrfId vrf;
  const std::string directory;
  const std::uint32_t loop;
  // Answers and probes that may wait; the control thread's.
  std::atomic<std::size_t> waiting_max{1};
  std::atomic<std::size_t> probes_max{1};

  // recovering until the keeper says otherwise; serving and failing are the keeper's to say as well.
  std::atomic<NativeState> state{NativeState::recovering};
  std::atomic<std::uint64_t> durable{0};   // revision up to which the journal is on stable storage
  std::atomic<std::uint64_t> stored{0};    // and up to which the store has it
  std::atomic<std::uint64_t> clock_ms{0};  // the engine's clock less CLOCK_BOOTTIME; fixed once it serves

  // ---- the loop's, once it serves; the keeper's before ----
  NativeEngine engine;
  std::uint64_t plan_serial = 0;
  WaitingReplies waiting;
  std::uint64_t held_until_ms =
      0;  // CLOCK_BOOTTIME: then the first one's port, which was full, is asked again
  std::vector<Probe> probes;
  bool listed = false;          // something waits: it is in the loop's list
  EngineSeconds looked_s = 0;   // in which a full pool looked for leases that are over
  std::uint32_t looked_at = 0;  // and at so many

  // ---- from the loop to the keeper ----
  RecordRing records;

  // ---- from the control thread to the loop ----
  std::mutex forget_mutex;
  std::vector<Ip4> to_forget;
  std::atomic<bool> has_to_forget{false};

  // ---- what the loop has seen, for reports ----
  std::atomic<std::uint64_t> leased{0}, declined{0}, bytes{0};
};

// What a loop finds of a VRF of the native engine.
struct NativeLane {
  NativeHost* host = nullptr;  // null: none
  const NativePlanInForce* plan = nullptr;
};

}  // namespace xk
