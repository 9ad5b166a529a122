// A frame from any port through walk, checks and relay. What goes out must be valid. The first byte
// chooses the port (bits 0-1) and whether checksums are made right first (bit 7), as a fuzzer cannot.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "bpf/shared/walk.h"
#include "tests/packets/samples.h"

namespace {

// The IPv4 header's checksum as it should be; none for UDP.
void mend(std::vector<std::uint8_t>& frame) {
  xk_headers headers;
  if (xk_walk(frame.data(), frame.data() + frame.size(), &headers) != XK_WALK_UDP || headers.ip_version != 4)
    return;
  std::uint8_t* ip = frame.data() + headers.l3_offset;
  ip[10] = ip[11] = 0;
  std::uint32_t sum = 0;
  for (std::size_t at = 0; at < headers.udp_offset - std::size_t{headers.l3_offset}; at += 2)
    sum += xk_load_be16(ip + at);
  while (sum >> 16 != 0) sum = (sum & 0xffffu) + (sum >> 16);
  ip[10] = static_cast<std::uint8_t>(~sum >> 8);
  ip[11] = static_cast<std::uint8_t>(~sum);
  frame[headers.udp_offset + std::size_t{6}] = frame[headers.udp_offset + std::size_t{7}] = 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto kForwarding = xk::test::sample_forwarding();
  static const auto kSamples = xk::test::sample_packets();
  if (size < 2) return 0;
  std::vector<std::uint8_t> frame(data + 1, data + size);
  if ((data[0] & 0x80) != 0) mend(frame);
  const xk::PortId port{static_cast<std::uint16_t>(1 + (data[0] & 3))};
  xk::RecentRequests recent(16, 30'000, 16);
  // Two requests are remembered: one of ours, one of a downstream relay.
  for (const auto& sample : kSamples)
    if (sample.name == "discover_tagged" || sample.name == "chained_keep")
      (void)xk::test::run_frame(*kForwarding, sample.port, sample.frame, recent);
  const auto result = xk::test::run_frame(*kForwarding, port, frame, recent);
  const std::string broken = xk::test::broken_promise(*kForwarding, result);
  if (!broken.empty()) {
    std::fprintf(stderr, "broken promise: %s\n", broken.c_str());
    std::abort();
  }
  return 0;
}
