// The counters memory of a dataplane that is a test.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dataplane/base/counters.h"
#include "dataplane/base/fd.h"

namespace xk::test {

// Not sealed until seal() is called.
class FakeCounters {
 public:
  explicit FakeCounters(std::uint32_t lcore_slots = 2, std::uint32_t vrf_slots = 4,
                        std::uint32_t server_slots = 4)
      : layout_{lcore_slots, vrf_slots, server_slots} {
    fd_ = Fd(::memfd_create("xktc-counters", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    size_ = layout_.bytes();
    EXPECT_EQ(::ftruncate(fd_.get(), static_cast<off_t>(size_)), 0);
    base_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
    EXPECT_NE(base_, MAP_FAILED);
    header().magic = kCountersMagic;
    header().outcome_count = XK_OUTCOME_COUNT;
    header().lcore_slots = lcore_slots;
    header().vrf_slots = vrf_slots;
    header().server_slots = server_slots;
  }
  ~FakeCounters() { ::munmap(base_, size_); }
  FakeCounters(const FakeCounters&) = delete;
  FakeCounters& operator=(const FakeCounters&) = delete;

  FakeCounters& seal(int seals = F_SEAL_SHRINK | F_SEAL_GROW) {
    EXPECT_EQ(::fcntl(fd_.get(), F_ADD_SEALS, seals), 0);
    return *this;
  }
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] CountersHeader& header() const { return *static_cast<CountersHeader*>(base_); }
  [[nodiscard]] VrfCounters& slot(std::uint32_t lcore, std::uint32_t vrf) const {
    return layout_.counters(base_, lcore)[vrf];
  }
  [[nodiscard]] VrfOutcomes& outcomes(std::uint32_t lcore, std::uint32_t vrf) const {
    return layout_.outcomes(base_, lcore)[vrf];
  }
  [[nodiscard]] ServerSlot& server(std::uint32_t index) const { return layout_.servers(base_)[index]; }

 private:
  Fd fd_;
  std::size_t size_ = 0;
  CountersLayout layout_;
  void* base_ = nullptr;
};

}  // namespace xk::test
