// What the classifier costs a packet: nanoseconds by BPF_PROG_TEST_RUN for an empty program, TCP that
// passes, and DHCP (untagged, QinQ) that is redirected to a real AF_XDP socket. Needs root.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/if_xdp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "bpf/shared/layout.h"
#include "dataplane/base/fd.h"
#include "xdp_classify.skel.h"
#include "xdp_pass.skel.h"

namespace {

constexpr int kRounds = 25;             // the best of them counts: the others were disturbed
constexpr __u32 kRepeats = 200'000;     // packets a round
constexpr std::uint32_t kLoopback = 1;  // BPF_PROG_TEST_RUN's packets come in on lo

using Frame = std::vector<std::uint8_t>;

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "bench_classify: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

void append(Frame& frame, std::initializer_list<int> bytes) {
  for (const int byte : bytes) frame.push_back(static_cast<std::uint8_t>(byte));
}

// Ethernet broadcast, tags, IPv4 to 255.255.255.255, then 280 bytes that begin with the two ports.
Frame frame_of(std::initializer_list<std::uint16_t> vids, int protocol, int source_port,
               int destination_port) {
  Frame frame(6, 0xff);
  append(frame, {0x02, 0, 0, 0, 0, 1});
  for (const std::uint16_t vid : vids) append(frame, {0x81, 0x00, vid >> 8, vid & 0xff});
  append(frame, {0x08, 0x00, 0x45, 0, 0x01, 0x2c, 0, 0, 0, 0, 64, protocol, 0, 0, 0, 0, 0, 0});
  append(frame, {0xff, 0xff, 0xff, 0xff});
  append(frame, {source_port >> 8, source_port & 0xff, destination_port >> 8, destination_port & 0xff, 0x01,
                 0x18, 0, 0});
  frame.resize(frame.size() + 272);
  return frame;
}

struct Timing {
  double best_ns = 1e9;
  double median_ns = 0;
};

// One round of kRepeats packets; exits unless the program's verdict is the expected one.
double round_ns(int program, const Frame& frame, std::uint32_t expected) {
  bpf_test_run_opts options{};
  options.sz = sizeof options;
  options.data_in = frame.data();
  options.data_size_in = static_cast<__u32>(frame.size());
  options.repeat = kRepeats;
  if (bpf_prog_test_run_opts(program, &options) != 0) fail("BPF_PROG_TEST_RUN");
  if (options.retval != expected) {
    std::fprintf(stderr, "bench_classify: verdict %u, expected %u\n", options.retval, expected);
    std::exit(1);
  }
  return options.duration;
}

struct Case {
  const char* name;
  const char* key;
  int program;
  Frame frame;
  std::uint32_t verdict;
  std::vector<double> rounds;
  Timing timing;
};

// Rounds of all cases take turns, so that a slow spell of the machine meets them all alike.
void measure(std::vector<Case>& cases) {
  for (int round = 0; round < kRounds; ++round)
    for (Case& one : cases) one.rounds.push_back(round_ns(one.program, one.frame, one.verdict));
  for (Case& one : cases) {
    std::ranges::sort(one.rounds);
    one.timing = {one.rounds.front(), one.rounds[one.rounds.size() / 2]};
  }
}

void map_attachment(const xdp_classify* skeleton, std::uint16_t outer_vid, std::uint16_t inner_vid) {
  const xk_attachment_key key{kLoopback, outer_vid, inner_vid};
  const xk_attachment_value value{1, 1, 0, 1, XK_ROLE_CLIENT, 0};
  if (bpf_map__update_elem(skeleton->maps.xk_attachments, &key, sizeof key, &value, sizeof value, BPF_ANY) !=
      0)
    fail(XK_MAP_ATTACHMENTS);
}

// A socket the XSKMAP takes: it needs a receive ring, not more.
xk::Fd packet_socket(const xdp_classify* skeleton) {
  xk::Fd socket{::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0)};
  const int entries = 64;
  if (!socket || setsockopt(socket.get(), SOL_XDP, XDP_RX_RING, &entries, sizeof entries) != 0)
    fail("AF_XDP socket");
  const __u32 index = 0;
  const int fd = socket.get();
  if (bpf_map__update_elem(skeleton->maps.xk_xsks, &index, sizeof index, &fd, sizeof fd, BPF_ANY) != 0)
    fail(XK_MAP_XSKS);
  return socket;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) {
    const bool help = std::string_view(argv[1]) == "--help";
    std::fprintf(help ? stdout : stderr,
                 "usage: bench_classify\nNanoseconds a packet of the XDP classifier; the last line is JSON. "
                 "Needs root.\n");
    return help ? 0 : 2;
  }
  libbpf_set_print(nullptr);
  xdp_classify* classify = xdp_classify__open_and_load();
  if (classify == nullptr) fail("loading xdp_classify (root?)");
  xdp_pass* empty = xdp_pass__open_and_load();
  if (empty == nullptr) fail("loading xdp_pass");
  map_attachment(classify, 0, 0);
  map_attachment(classify, 200, 300);
  const xk::Fd socket = packet_socket(classify);

  const int program = bpf_program__fd(classify->progs.xk_classify);
  std::vector<Case> cases;
  cases.push_back({"empty program",
                   "empty_ns",
                   bpf_program__fd(empty->progs.xk_pass_all),
                   frame_of({}, 6, 40000, 443),
                   XDP_PASS,
                   {},
                   {}});
  cases.push_back({"TCP, passes", "tcp_pass_ns", program, frame_of({}, 6, 40000, 443), XDP_PASS, {}, {}});
  cases.push_back({"DHCP, redirected", "dhcp_ns", program, frame_of({}, 17, 68, 67), XDP_REDIRECT, {}, {}});
  cases.push_back({"DHCP in QinQ, redirected",
                   "dhcp_qinq_ns",
                   program,
                   frame_of({200, 300}, 17, 68, 67),
                   XDP_REDIRECT,
                   {},
                   {}});
  measure(cases);

  const double base = cases.front().timing.best_ns;
  std::printf("%-26s %9s %9s %12s\n", "packet", "best ns", "median ns", "over empty");
  for (const Case& one : cases)
    std::printf("%-26s %9.0f %9.0f %12.0f\n", one.name, one.timing.best_ns, one.timing.median_ns,
                one.timing.best_ns - base);
  const char* separator = "{";
  for (const Case& one : cases) {
    std::printf("%s\"%s\": %.0f", separator, one.key, one.timing.best_ns);
    separator = ", ";
  }
  std::printf("}\n");
  xdp_classify__destroy(classify);
  xdp_pass__destroy(empty);
  return 0;
}
