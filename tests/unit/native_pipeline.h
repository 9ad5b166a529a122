// A pipeline with native engines in this thread, and what a client has of it.
#pragma once

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <vector>

#include "native_rig.h"

namespace xk::test {

inline constexpr VrfId kRed{1};
inline constexpr Ip4 kUs{0x0a000001};
inline constexpr Ip4 kFirst{0x0a00000a};

class NativePipeline : public testing::Test {
 protected:
  static bool serves(Rig& rig) {
    return Rig::await([&] {
      rig.settle();
      const auto all = rig.pipeline->native_statuses();
      return !all.empty() && std::ranges::all_of(all, [](const NativeStatus& status) {
        return status.state == NativeState::serving;
      });
    });
  }
  void publish(Snapshot snapshot) {
    rig->publish(std::move(snapshot));
    ASSERT_TRUE(serves(*rig));
  }
  void begin(std::uint32_t last = 99) { publish(native_snapshot(folder.path(), last)); }
  // A new process: what the old one had in memory is gone.
  void restart(std::uint32_t last = 99) {
    rig = std::make_unique<Rig>();
    begin(last);
  }
  // The answer, or nothing once it is known that there is none.
  std::vector<std::uint8_t> ask(const std::vector<std::uint8_t>& frame) {
    EXPECT_TRUE(rig->clients->put(frame));
    std::vector<std::uint8_t> answer;
    const std::uint64_t before = drops();
    static_cast<void>(Rig::await([&] {
      rig->settle();
      answer = rig->clients->take();
      return !answer.empty() || drops() != before;
    }));
    return answer;
  }
  std::uint64_t drops() {
    std::uint64_t sum = 0;
    for (int i = 0; i < XK_OUTCOME_COUNT; ++i)
      if (is_drop(static_cast<Outcome>(i))) sum += rig->count(kRed, static_cast<Outcome>(i));
    return sum;
  }
  std::vector<std::uint8_t> discover_of(std::uint32_t client) {
    return ask(client_message(kRed, client, MessageType::discover, {}));
  }
  std::vector<std::uint8_t> select(std::uint32_t client, Ip4 address) {
    return ask(client_message(kRed, client, MessageType::request,
                              {{54, address_bytes(kUs)}, {50, address_bytes(address)}}));
  }
  // So many clients, each for an address of its own, at once; their answers are not waited for.
  void select_all(std::uint32_t clients) {
    for (std::uint32_t client = 0; client < clients; ++client)
      ASSERT_TRUE(rig->clients->put(
          client_message(kRed, client, MessageType::request,
                         {{54, address_bytes(kUs)}, {50, address_bytes(Ip4{kFirst.value + client})}})));
    rig->settle();
  }
  std::vector<std::uint8_t> renew(std::uint32_t client, Ip4 address) {
    return ask(client_message(kRed, client, MessageType::request, {}, address));
  }
  Ip4 acquire(std::uint32_t client) {
    const auto offer = discover_of(client);
    if (type_of(offer) != MessageType::offer) return {};
    const auto ack = select(client, yiaddr_of(offer));
    return type_of(ack) == MessageType::ack ? yiaddr_of(ack) : Ip4{};
  }
  NativeStatus status() {
    const auto all = rig->pipeline->native_statuses();
    return all.empty() ? NativeStatus{} : all[0];
  }

  NativeFolder folder;
  std::unique_ptr<Rig> rig = std::make_unique<Rig>();
};

// A file system of 64 KiB that fills up.
class NativeOnASmallDisk : public NativePipeline {
 protected:
  void SetUp() override {
    if (mount("none", folder.path().c_str(), "tmpfs", 0, "size=64k") != 0)
      GTEST_FAIL() << "mount: not allowed";
    mounted = true;
  }
  void TearDown() override {
    rig.reset();
    if (mounted) umount2(folder.path().c_str(), MNT_DETACH);
  }
  void fill() { std::ofstream(folder.path() + "/ballast") << std::string(1 << 20, 'x'); }
  void empty() { std::filesystem::remove(folder.path() + "/ballast"); }
  void serve(bool available) {
    Snapshot snapshot = native_snapshot(folder.path(), 250);
    snapshot.natives[0].available = available;
    publish(snapshot);
    ASSERT_EQ(acquire(1), kFirst);
    fill();
    // The journal's own page has room for some more.
    for (std::uint32_t client = 2; client < 200 && status().state == NativeState::serving; ++client)
      last = acquire(client).is_zero() ? last : client;
    ASSERT_EQ(status().state, NativeState::failing);
    EXPECT_NE(status().error.find("No space left"), std::string::npos) << status().error;
  }
  void heal() {
    empty();
    ASSERT_TRUE(Rig::await([&] {
      rig->settle();
      return status().state == NativeState::serving;
    }));
  }
  bool mounted = false;
  std::uint32_t last = 1;
};

}  // namespace xk::test
