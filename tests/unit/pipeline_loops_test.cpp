// The pipeline with its loops running in threads of their own: several topologies, changes under
// load, sleeping and waking.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <iostream>
#include <thread>

#include "dataplane/pipeline/pipeline.h"
#include "pipeline_rig.h"

namespace xk {
namespace {

using test::discover;
using test::Rig;
using test::snapshot_of;

constexpr std::uint32_t kVrfs = 8;

struct Topology {
  const char* name;
  std::vector<std::uint8_t> loops;
};

std::vector<LoopPlacement> placements(const Topology& topology) {
  std::vector<LoopPlacement> loops;
  for (const std::uint8_t stages : topology.loops) loops.push_back({.cpu = -1, .stages = stages});
  return loops;
}

class Loops : public testing::TestWithParam<Topology> {};

std::uint64_t total(Rig& rig, Counter VrfCounters::* counter) {
  std::uint64_t sum = 0;
  for (std::uint32_t id = 0; id <= kVrfs; ++id) sum += rig.count(VrfId{id}, counter);
  return sum;
}

// What the pipeline sent, taken off the wires as it comes.
struct Traffic {
  Rig& rig;
  std::uint64_t put = 0;
  std::uint64_t taken = 0;

  void take() {
    while (!rig.servers->take().empty()) ++taken;
  }
  // window: packets on their way at a time.
  void send(std::uint32_t count, std::uint64_t window) {
    for (std::uint32_t i = 0; i < count; ++i, ++put) {
      const auto frame = discover(VrfId{1 + i % kVrfs}, i);
      ASSERT_TRUE(Rig::await([&] {
        take();
        return put - taken < window && rig.clients->put(frame);
      }));
    }
  }
  // At rest: everything that was put in is out or named.
  [[nodiscard]] bool at_rest() {
    return Rig::await([&] {
      take();
      return total(rig, &VrfCounters::rx) == put && rig.imbalance(kVrfs).empty();
    });
  }
};

constexpr std::uint64_t kUnlimited = ~std::uint64_t{0};

TEST_P(Loops, KeepTheLawUnderAFlood) {
  Rig rig(placements(GetParam()));
  rig.publish(snapshot_of(kVrfs));
  ASSERT_TRUE(rig.pipeline->start());
  Traffic traffic{rig};
  traffic.send(50'000, kUnlimited);
  EXPECT_TRUE(traffic.at_rest()) << rig.imbalance(kVrfs);
  EXPECT_GT(total(rig, &VrfCounters::tx), 0u);
  EXPECT_EQ(rig.count(VrfId{}, &VrfCounters::rx), 0u);
}

// Snapshots change, queues are resized and a port comes and goes while packets flow. Nothing of it
// loses a packet: only a queue that is really full does.
TEST_P(Loops, ChangesUnderLoadLoseNothing) {
  Rig rig(placements(GetParam()));
  Snapshot first = snapshot_of(kVrfs);
  for (VrfEntry& vrf : first.vrfs) vrf.queue_depth = 8192;
  rig.publish(first);
  ASSERT_TRUE(rig.pipeline->start());
  std::atomic<bool> done{false};
  Traffic traffic{rig};
  std::thread sender([&] {
    traffic.send(40'000, 4000);
    done = true;
  });
  std::uint64_t generation = 2;
  for (; !done; ++generation) {
    Snapshot next = first;
    next.generation = generation;
    for (VrfEntry& vrf : next.vrfs) vrf.queue_depth = generation % 2 == 0 ? 16384 : 8192;
    if (generation % 3 == 0) next.vrfs[0].quantum_bytes = 512;
    rig.publish(std::move(next));
    auto extra = SimWire::make(64, 64, rig.wire_pool.get());
    PortQueues queues;
    queues.queues.push_back((*extra)->queue());
    EXPECT_TRUE(rig.pipeline->add_port(test::sim_key("extra"), std::move(queues)));
    rig.pipeline->remove_port(test::sim_key("extra"));
  }
  sender.join();
  EXPECT_TRUE(traffic.at_rest()) << rig.imbalance(kVrfs);
  EXPECT_GT(generation, 3u);
  EXPECT_EQ(total(rig, &VrfCounters::tx), 40'000u);
  for (const Outcome reason : {XK_VRF_QUEUE_FULL, XK_UNMAPPED, XK_TX_PORT_GONE, XK_VRF_NOT_SERVED})
    for (std::uint32_t id = 0; id <= kVrfs; ++id) EXPECT_EQ(rig.count(VrfId{id}, reason), 0u);
}

// A VRF that gets its servers in another one moves to that one's loop.
TEST_P(Loops, VrfsChangeTheirLoop) {
  Rig rig(placements(GetParam()));
  rig.publish(snapshot_of(kVrfs));
  ASSERT_TRUE(rig.pipeline->start());
  Traffic traffic{rig};
  for (std::uint64_t generation = 2; generation < 20; ++generation) {
    traffic.send(200, 400);
    Snapshot next = snapshot_of(kVrfs, generation);
    if (generation % 2 == 0)
      for (VrfEntry& vrf : next.vrfs) {
        vrf.server_vrf = VrfId{1};
        vrf.servers[0].via = AttachmentId{2};
      }
    rig.publish(std::move(next));
  }
  EXPECT_TRUE(traffic.at_rest()) << rig.imbalance(kVrfs);
  EXPECT_EQ(total(rig, &VrfCounters::tx), 18u * 200);
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

TEST_P(Loops, SayThatTheyMoveOnlyIfTheyDo) {
  Rig rig(placements(GetParam()));
  rig.publish(snapshot_of(kVrfs));
  EXPECT_FALSE(rig.pipeline->moves(std::chrono::milliseconds(20))) << "no loop runs yet";
  ASSERT_TRUE(rig.pipeline->start());
  EXPECT_TRUE(rig.pipeline->moves(std::chrono::seconds(10)));
  ASSERT_TRUE(Rig::await([&] { return rig.pipeline->asleep(); }));
  EXPECT_TRUE(rig.pipeline->moves(std::chrono::seconds(10))) << "idle ones are woken for it";
}

TEST_P(Loops, SleepWhenIdleAndWakeForAPacket) {
  Rig rig(placements(GetParam()));
  rig.publish(snapshot_of(kVrfs));
  ASSERT_TRUE(rig.pipeline->start());
  // A futex that nobody wakes is the shortest way to let time go by without any work here.
  std::atomic<int> never{0};
  const auto let_pass = [&](long milliseconds) {
    const timespec window{0, milliseconds * 1'000'000};
    syscall(SYS_futex, &never, FUTEX_WAIT_PRIVATE, 0, &window, nullptr, 0);
  };
  // The wake-ups of start and publication come first: asleep once nothing has woken for 20 ms.
  std::uint64_t sleeps = 0;
  ASSERT_TRUE(Rig::await([&] {
    sleeps = rig.pipeline->sleeps();
    let_pass(20);
    return rig.pipeline->asleep() && rig.pipeline->sleeps() == sleeps;
  }));
  const double before = cpu_seconds();
  let_pass(300);
  EXPECT_LT(cpu_seconds() - before, 0.015) << "idle loops use the processor";
  EXPECT_EQ(rig.pipeline->sleeps(), sleeps);

  std::vector<double> microseconds;
  for (std::uint32_t i = 0; i < 200; ++i) {
    const auto frame = discover(VrfId{1 + i % kVrfs}, i);
    const auto start = std::chrono::steady_clock::now();
    ASSERT_TRUE(rig.clients->put(frame));
    while (rig.servers->take().empty()) std::this_thread::yield();
    microseconds.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
    ASSERT_TRUE(Rig::await([&] { return rig.pipeline->asleep(); })) << "asleep again before the next";
  }
  std::ranges::sort(microseconds);
  std::cout << "from put to sent: median " << microseconds[100] << " us, 99 % " << microseconds[197]
            << " us\n";
  EXPECT_EQ(rig.imbalance(kVrfs), "");
}

INSTANTIATE_TEST_SUITE_P(
    Topologies, Loops,
    testing::Values(Topology{"OneCore", {kStagesAll}}, Topology{"RxVrfTx", {kStageRx, kStageVrf, kStageTx}},
                    Topology{"RxAndVrfTx", {kStageRx, kStageVrf | kStageTx}},
                    Topology{"TwoOfAll", {kStagesAll, kStagesAll}},
                    Topology{"TwoRxTwoVrf", {kStageRx, kStageRx | kStageTx, kStageVrf, kStageVrf}}),
    [](const testing::TestParamInfo<Topology>& topology) { return topology.param.name; });

}  // namespace
}  // namespace xk
