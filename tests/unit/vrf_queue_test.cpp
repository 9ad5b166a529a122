// A VRF's queue where one loop fills and empties it: the packets in front and those in the ring are one
// queue of the configured depth, first in, first out.
#include "dataplane/pipeline/vrf_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <random>
#include <vector>

#include "pipeline_rig.h"

namespace xk {
namespace {

constexpr VrfId kRed{1};
constexpr std::uint32_t kDepth = 16;

// Packets that tell themselves apart, each one byte longer than the one before.
class VrfQueueTest : public testing::Test {
 protected:
  VrfQueueTest() : pool_(test::pool_of(512)) {
    auto made = queues_.make(kRed, kDepth, 0, false);
    EXPECT_TRUE(made);
    queue_ = std::move(*made);
  }
  rte_mbuf* packet() {
    rte_mbuf* mbuf = rte_pktmbuf_alloc(pool_.get());
    EXPECT_NE(mbuf, nullptr);
    set_frame_length(mbuf, 60 + made_++ % 1000);
    return mbuf;
  }
  // Puts in so many; those that found room are expected to come out in that order.
  unsigned put(unsigned count) {
    std::vector<rte_mbuf*> packets;
    for (unsigned i = 0; i < count; ++i) packets.push_back(packet());
    const unsigned taken = queue_->put_alone(packets);
    expected_.insert(expected_.end(), packets.begin(), packets.begin() + taken);
    free_all(std::span(packets).subspan(taken));
    return taken;
  }
  // Looks at up to max and takes off the first of them.
  void look_and_take(unsigned max, unsigned take) {
    std::array<rte_mbuf*, 64> seen{};
    unsigned left = 0;
    const unsigned count = queue_->peek_alone(seen, max, left);
    ASSERT_EQ(count, std::min<std::size_t>(max, expected_.size()));
    ASSERT_EQ(left, expected_.size() - count);
    for (unsigned i = 0; i < count; ++i) ASSERT_EQ(seen[i], expected_[i]) << i;
    take = std::min(take, count);
    queue_->take_alone(take);
    for (unsigned i = 0; i < take; ++i) {
      rte_pktmbuf_free(expected_.front());
      expected_.pop_front();
    }
    std::uint32_t in_front = 0;
    for (std::size_t i = 0; i < queue_->in_front; ++i) in_front += expected_[i]->pkt_len;
    ASSERT_EQ(queue_->front_bytes, in_front);
  }

  Mempool pool_;
  QueuePool queues_;
  QueuePool::Handle queue_;
  std::deque<rte_mbuf*> expected_;
  unsigned made_ = 0;
};

TEST_F(VrfQueueTest, HoldsExactlyItsDepth) {
  EXPECT_EQ(put(kDepth + 5), kDepth);
  EXPECT_EQ(put(1), 0u);
  look_and_take(64, 1);
  EXPECT_EQ(put(2), 1u);
}

TEST_F(VrfQueueTest, FirstInFirstOutWhateverIsTaken) {
  std::mt19937 engine(7);
  const auto random = [&engine] { return static_cast<unsigned>(engine()); };
  for (int step = 0; step < 20'000; ++step) {
    if (random() % 2 == 0) {
      put(1 + random() % 6);
      continue;
    }
    const unsigned max = 1 + random() % 8;
    ASSERT_NO_FATAL_FAILURE(look_and_take(max, random() % (max + 1))) << "step " << step;
  }
}

TEST_F(VrfQueueTest, GivesItsPacketsBackWhenItGoes) {
  const unsigned before = rte_mempool_avail_count(pool_.get());
  put(10);
  EXPECT_EQ(rte_mempool_avail_count(pool_.get()), before - 10);
  queue_.reset();
  EXPECT_EQ(rte_mempool_avail_count(pool_.get()), before);
}

}  // namespace
}  // namespace xk
