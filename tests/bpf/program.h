// The classifier's program in the kernel, run on single frames by BPF_PROG_TEST_RUN.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "bpf/shared/layout.h"
#include "dataplane/base/fd.h"
#include "dataplane/base/outcome.h"
#include "tests/bpf/frames.h"

struct xdp_classify;

namespace xk::test {

inline constexpr std::uint32_t kLoopback = 1;  // ifindex of lo, where frames come in by default

// What became of a frame: XDP's action, and the one outcome that was counted, once.
struct Verdict {
  std::uint32_t action = 0;
  Outcome outcome = XK_OUTCOME_COUNT;
  friend bool operator==(const Verdict&, const Verdict&) = default;
};
void PrintTo(const Verdict& verdict, std::ostream* out);

[[nodiscard]] Verdict passed(Outcome outcome);
[[nodiscard]] Verdict dropped(Outcome outcome);
[[nodiscard]] Verdict redirected(Outcome outcome);

class Program {
 public:
  Program();  // aborts the test program if the kernel refuses it
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  void map(const xk_attachment_key& key, const xk_attachment_value& value);
  void address(const xk_address_key& key, std::uint32_t flags);
  // A real AF_XDP socket at this index of the XSKMAP, held until drop_sockets().
  void socket(std::uint32_t index);
  void drop_sockets() { sockets_.clear(); }

  // At least 14 bytes. Also checks (EXPECT) that not a byte of the frame changed and that exactly
  // one outcome was counted, once.
  [[nodiscard]] Verdict run(const Frame& frame, std::uint32_t ifindex = kLoopback, std::uint32_t queue = 0);
  [[nodiscard]] std::vector<std::uint64_t> counters() const;
  [[nodiscard]] xdp_classify* skeleton() const { return skeleton_; }

 private:
  xdp_classify* skeleton_;
  std::vector<Fd> sockets_;
};

}  // namespace xk::test
