// Whatever comes in, one event after the other, into a native engine with everything switched on: what it
// sends is well-formed, no address is in two hands, and its journal makes the same leases again. Input:
// events of a kind, two bytes of length and as many of a frame, of which the checksums are made right as a
// fuzzer cannot.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bpf/shared/walk.h"
#include "dataplane/dhcp/frame.h"
#include "dataplane/dhcp/message4.h"
#include "dataplane/dhcp/options4.h"
#include "tests/serve4/engine_host.h"

namespace {

using namespace xk;
using namespace xk::test;

constexpr const char* kConfiguration = R"(
port 1 name=port1 mac=02:00:00:00:01:01
vrf 1 name=red engine=native
subnet 1 10.0.0.0/24 lease=3600 renew=1800 rebind=3150
attachment 1 name=lan port=1 vrf=1 subnet=10.0.0.0/24 link_address=10.0.0.0 server_identifier=10.0.0.1 circuit_id="lan:0" remote_id="edge" trusted=1
attachment 2 name=vlan port=1 vrf=1 outer=100 subnet=10.0.0.0/24 link_address=10.0.0.0 server_identifier=10.0.0.1 circuit_id="lan:100" remote_id="edge"
native 1 rapid_commit=1 bootp=1 probe=1 requestors=10.0.0.2 circuit_leases=3
pool 10.0.0.0/24 10.0.0.10-10.0.0.13
pool 10.0.0.0/24 10.0.0.20-10.0.0.21 classes=0
class vendor:begins:"pxe" user:contains:"x" lease=600 next_server=10.0.0.3 boot_file="b"
option subnet 10.0.0.0/24 1 255.255.255.0
option subnet 10.0.0.0/24 3 10.0.0.1
option subnet 10.0.0.0/24 15 "lan.example"
option pool 1 43 zeros:600
class option43:contains:"x" circuit:present lease=300
option class 0 66 "boot.lan.example"
static 1 mac=02:00:00:00:0c:77 address=10.0.0.50 options=06040a00003f
)";

void fail(const char* what) {
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

NamedNative configuration() {
  NamedNative named;
  std::string text = kConfiguration;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string line = text.substr(0, end);
    text.erase(0, end == std::string::npos ? end : end + 1);
    if (line.empty() || line.front() == '#') continue;
    if (const auto applied = named.apply(line); !applied) fail(applied.error().message.c_str());
  }
  return named;
}

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

// What is sent is a DHCP message whose options end where they should.
void check_sent(const std::vector<std::uint8_t>& frame) {
  xk_headers headers;
  if (xk_walk(frame.data(), frame.data() + frame.size(), &headers) != XK_WALK_UDP) fail("no UDP is sent");
  const auto datagram = check_datagram4(frame, headers);
  if (!datagram) fail("a checksum or a length of what is sent is wrong");
  const auto message = Message4View::parse(datagram->payload, dhcp4::kBootReply);
  if (!message && message.error() != XK_DHCP_HTYPE_BAD) fail("what is sent is no reply");
  const auto options = scan_options4(datagram->payload);
  if (!options && options.error() != XK_OPTION_MESSAGE_TYPE_BAD) fail("the options of what is sent");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const NamedNative kNamed = configuration();
  EngineHost host(kNamed);
  if (!host.error().empty()) fail(host.error().c_str());
  std::uint64_t now_ms = kClockStartMs;
  std::vector<StoredRecord> journal;
  std::size_t at = 0;
  const auto note = [&](const Reaction& reaction) {
    if (!reaction.frame.empty()) check_sent(reaction.frame);
    journal.insert(journal.end(), reaction.records.begin(), reaction.records.end());
  };
  while (at + 3 <= size) {
    const std::uint8_t kind = data[at];
    const std::size_t length =
        std::min<std::size_t>(std::size_t{data[at + 1]} << 8 | data[at + 2], size - at - 3);
    std::vector<std::uint8_t> bytes(data + at + 3, data + at + 3 + length);
    at += 3 + length;
    switch (kind % 8) {
      case 5:
        now_ms += 1000ull << (length % 20);
        note(host.pass(now_ms));
        break;
      case 6:
        if (length >= 4) note(host.forget(Ip4{0x0a000000u | bytes[3]}, now_ms));
        break;
      case 7:
        if (length >= 1)
          note(host.heard(AttachmentId{1}, Ip4{0x0a000000u | bytes[0]}, Mac{{2, 0, 0, 0, 9, 9}}, now_ms));
        break;
      default:
        if (bytes.empty()) break;  // no port gives that
        mend(bytes);
        note(host.receive(AttachmentId{kind % 8u == 4 ? 2u : 1u}, bytes, now_ms));
        break;
    }
  }
  const std::uint64_t declined = host.declined();
  host.restart(journal, now_ms);
  if (host.declined() != declined) fail("the journal says something else than the table");
  return 0;
}
