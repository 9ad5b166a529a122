#include "tests/packets/samples.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <iostream>

#include "bpf/shared/walk.h"
#include "dataplane/relay/choose_servers.h"
#include "dataplane/serve/static_rules.h"
#include "tests/packets/frame_check.h"
#include "tests/packets/packet_text.h"
#include "tests/packets/snapshot_text.h"

namespace xk::test {
namespace {

constexpr PortId kLan{1}, kKea{2}, kWan{3};

// Samples are ours: a mistake in them ends the test.
template <typename T>
T must(std::expected<T, Error> value) {
  if (!value) {
    std::cerr << value.error().message << "\n";
    std::abort();
  }
  if constexpr (!std::is_void_v<T>) return std::move(*value);
}

Packet packet(std::string_view name, const std::vector<std::string_view>& statements) {
  Packet made = must(packet_named(name));
  for (const std::string_view statement : statements) must(made.apply(statement));
  return made;
}

// The first of those that the request goes to, with nothing known of them.
std::size_t choose_server(const Received& received) {
  std::vector<ServerSlot> slots(received.vrf->servers.size());
  std::vector<ServerSlot*> pointers;
  for (ServerSlot& slot : slots) pointers.push_back(&slot);
  const std::uint64_t chosen = choose_servers(received, pointers);
  return chosen == 0 ? 0 : static_cast<std::size_t>(std::countr_zero(chosen));
}

}  // namespace

std::unique_ptr<const Forwarding> sample_forwarding() {
  NamedSnapshot named;
  for (const std::string_view line : {
           "port 1 name=lan mac=02:00:00:00:01:01",
           "port 2 name=kea mac=02:00:00:00:01:02",
           "port 3 name=wan mac=02:00:00:00:01:03",
           "vrf 1 name=red engine=kea giaddr=169.254.0.2",
           "vrf 2 name=blue engine=relay server_vrf=3 link_selection=1 server_id_override=1 relay_flags=1 "
           "vss=0:\"blue\" server_mode=hash",
           "vrf 3 name=core engine=relay",
           "attachment 1 port=1 vrf=1 subnet=10.0.0.0/24 link_address=10.0.0.0 server_identifier=10.0.0.1 "
           "circuit_id=\"lan:0.0\" remote_id=\"edge:red\" policy=append trusted=1",
           "attachment 2 port=1 vrf=2 outer=100 subnet=10.0.0.0/24 link_address=10.0.0.0 "
           "server_identifier=10.0.0.1 relay_address=10.0.0.1 circuit_id=\"lan:100.0\" "
           "remote_id=\"edge:blue:{mac}\" policy=keep trusted=1",
           "attachment 3 port=1 vrf=2 outer=200@88a8 inner=300 subnet=10.0.1.0/24 link_address=10.0.1.0 "
           "server_identifier=10.0.1.1 relay_address=10.0.1.1 circuit_id=\"lan:200.300:{mac}\" "
           "policy=replace trusted=1 answer_arp=1",
           "attachment 4 port=1 vrf=1 outer=101 subnet=10.0.2.0/24 link_address=10.0.2.0 "
           "server_identifier=10.0.2.1 remote_id=\"edge\" policy=drop",
           "vrf 4 name=green engine=kea giaddr=169.254.0.4 static_leases=1",
           "subnet 4 10.0.4.0/24 lease=3600 renew=1800 rebind=3150 "
           "options=0104ffffff0003040a00040106040a000409",
           "attachment 5 port=1 vrf=4 outer=104 subnet=10.0.4.0/24 link_address=10.0.4.0 "
           "server_identifier=10.0.4.1 circuit_id=\"lan:104.0:{mac}\" remote_id=\"edge\" trusted=1",
           "attachment 10 role=handoff port=2 vrf=1 local=169.254.0.2",
           "attachment 11 role=server port=3 vrf=3 outer=10 local=192.0.2.1 answer_arp=1",
           "server 1 169.254.0.3 via=10 next_hop=02:00:00:00:0e:01 source=169.254.0.2",
           "server 4 169.254.0.5 via=10 next_hop=02:00:00:00:0e:04 source=169.254.0.4",
           "server 2 198.51.100.1 via=11 next_hop=02:00:00:00:0f:01 source=192.0.2.1",
           "server 2 198.51.100.2 via=11 next_hop=02:00:00:00:0f:02 source=192.0.2.1",
       })
    must(named.apply(line));
  return must(Forwarding::make(named.snapshot));
}

namespace {

// By MAC, by client id, by line, and one that only pins an identity.
const StaticTable& sample_static_leases() {
  static const StaticTable& kTable = *[] {
    static StaticTable table;
    const auto put = [](StaticKind kind, std::string identity, std::uint32_t address, std::string options) {
      must(table.put({VrfId{4}, kind, std::move(identity), Ip4{address}, std::move(options)}));
    };
    put(StaticKind::mac, std::string("\x02\0\0\0\x0c\x01", 6), 0x0a000432,
        "\x0c\x03"
        "abc");
    put(StaticKind::client_id, "\x01other", 0x0a000433, {});
    put(StaticKind::circuit, static_circuit_identity("down", "x"), 0x0a000434, {});
    put(StaticKind::client_id, "\x01pinned", 0, {});
    return &table;
  }();
  return kTable;
}

}  // namespace

std::vector<Sample> sample_packets() {
  std::vector<Sample> samples;
  const auto add = [&](std::string name, PortId port, const Packet& made) {
    samples.push_back({std::move(name), port, made.frame()});
  };
  add("discover", kLan, packet("discover", {}));
  add("discover_tagged", kLan, packet("discover", {"tags 100", "flags 0x8000", "xid 0x0badcafe"}));
  add("discover_qinq", kLan, packet("discover", {"tags 200@88a8 300"}));
  add("discover_priority", kLan, packet("discover", {"tags 0 101"}));
  add("discover_ip_options", kLan, packet("discover", {"ip.options 94040000"}));
  add("request_renewal", kLan,
      packet("request", {"eth 02:00:00:00:0c:01 > 02:00:00:00:01:01", "ip 10.0.0.100 > 10.0.0.1",
                         "ciaddr 10.0.0.100", "option 55 0103060f"}));
  add("inform_312", kLan, packet("inform", {"ciaddr 10.0.0.9", "size 312", "udp.checksum none"}));
  add("decline_1472", kLan, packet("decline", {"raw zeros:1219", "size 0"}));
  add("chained_append", kLan, packet("discover", {"giaddr 10.5.0.1", "hops 3", "agent 1=\"down\" 2=\"x\""}));
  add("chained_keep", kLan,
      packet("discover", {"tags 100", "xid 0xc0ffee", "giaddr 10.5.0.1", "agent 1=\"down\" 2=\"x\""}));
  add("replace_overloaded", kLan,
      packet("discover", {"tags 200@88a8 300", "option 52 03", "raw 5203 0104 61",
                          "file 0c0178 5203 626364 3c0179 ff", "sname 5203 020161 ff"}));
  add("static_discover", kLan, packet("discover", {"tags 104", "option 55 0103060f0c", "option 57 0240"}));
  add("static_request", kLan, packet("request", {"tags 104", "option 50 10.0.4.50", "option 54 10.0.4.1"}));
  add("static_wrong", kLan, packet("request", {"tags 104", "option 50 10.0.4.99"}));
  add("static_inform", kLan, packet("inform", {"tags 104", "ciaddr 10.0.4.50"}));
  add("static_relayed", kLan,
      packet("discover", {"tags 104", "remove 61", "chaddr 02:00:00:00:0c:09", "giaddr 10.0.4.2",
                          "agent 1=\"down\" 2=\"x\" 5=10.0.4.0"}));
  add("static_of_another", kLan,
      packet("request", {"tags 104", "chaddr 02:00:00:00:0c:09", "ciaddr 10.0.4.51"}));
  add("offer_kea", kKea,
      packet("offer", {"ip 169.254.0.3 > 169.254.0.2", "udp 67 > 67", "giaddr 169.254.0.2",
                       "agent 1=\"lan:0.0\" 2=\"edge:red\" 5=10.0.0.0", "option 51 00000e10",
                       "udp.checksum partial"}));
  add("nak_joined", kKea,
      packet("nak", {"ip 169.254.0.3 > 169.254.0.2", "udp 67 > 67", "giaddr 169.254.0.2",
                     "agent 1=\"down\" 1=\"lan:0.0\" 2=\"edge:red\" 5=10.0.0.0", "flags 0x8000"}));
  add("ack_split", kKea,
      packet("ack", {"ip 169.254.0.3 > 10.0.0.55", "udp 67 > 68", "ciaddr 10.0.0.55", "option 52 01",
                     "raw 5204 0107 6c61", "file 0c0178 520f 6e3a302e30 0208 \"edge:red\" 3c0179 ff"}));
  add("ack_server", kWan,
      packet(
          "ack",
          {"tags 10", "ip 198.51.100.1 > 10.0.0.1", "udp 67 > 67", "giaddr 10.0.0.1",
           R"(agent 1="lan:100.0" 2="edge:blue:02:00:00:00:0c:01" 5=10.0.0.0 10=00 11=10.0.0.1 151=00626c7565)"}));
  add("offer_without_82", kWan,
      packet("offer",
             {"tags 10", "ip 198.51.100.1 > 10.0.0.1", "udp 67 > 67", "giaddr 10.0.0.1", "xid 0x0badcafe"}));
  add("offer_chained", kWan,
      packet("offer", {"tags 10", "ip 198.51.100.1 > 10.5.0.1", "udp 67 > 67", "giaddr 10.5.0.1",
                       "xid 0xc0ffee", "agent 1=\"down\" 2=\"x\""}));
  add("arp_client", kLan, packet("arp", {"tags 200@88a8 300", "arp.target 00:00:00:00:00:00 10.0.1.1"}));
  add("arp_server", kWan,
      packet("arp", {"tags 10", "arp.target 00:00:00:00:00:00 192.0.2.1", "frame.pad 14"}));
  return samples;
}

Outcome4 run_frame(const Forwarding& forwarding, PortId port, Bytes frame, RecentRequests& recent) {
  const std::vector<std::uint8_t> exact(frame.begin(), frame.end());
  Outcome4 result;
  if (exact.empty()) {  // has no address to walk from; no port delivers such a frame
    result.verdict = Verdict::drop(XK_FRAME_TRUNCATED);
    return result;
  }
  Received received{.frame = exact, .now_ms = 1};
  const int walked = xk_walk(exact.data(), exact.data() + exact.size(), &received.headers);
  received.attachment = forwarding.attachment(port, received.headers.outer_vid, received.headers.inner_vid);
  if (received.attachment == nullptr) {
    result.verdict = Verdict::drop(XK_UNMAPPED);
    return result;
  }
  received.vrf = forwarding.vrf(received.attachment->vrf);
  received.ways = forwarding.ways(*received.vrf);
  std::vector<std::uint8_t> out(kFrameMax);
  result.arp = walked == XK_WALK_ARP;
  if (result.arp) {
    result.verdict = answer_arp(received, forwarding, out, result.emission);
  } else if (received.attachment->role == AttachmentRole::client) {
    const auto verdict =
        received.vrf->static_leases
            ? answer_static(received, forwarding, sample_static_leases(), out, result.emission)
            : std::nullopt;
    const Outcome fault = verdict ? check_request(received, forwarding) : XK_OUTCOME_COUNT;
    if (fault != XK_OUTCOME_COUNT)
      result.verdict = Verdict::drop(fault);
    else
      result.verdict = verdict ? *verdict
                               : relay_request(received, forwarding, choose_server(received), recent, out,
                                               result.emission);
  } else {
    result.verdict = relay_reply(received, forwarding, recent, out, result.emission);
  }
  if (!result.verdict.dropped()) {
    out.resize(std::min(out.size(), result.emission.length));
    result.frame = std::move(out);
  }
  return result;
}

std::string broken_promise(const Forwarding& forwarding, const Outcome4& result) {
  if (result.verdict.dropped()) return is_drop(result.verdict.drop_reason) ? "" : "the drop's reason is none";
  const AttachmentEntry* way_out = forwarding.attachment(result.emission.out);
  if (way_out == nullptr) return "no way out";
  const AttachmentEntry& out = *way_out;
  if (result.arp) return wrong_with_arp(result.frame);
  if (result.frame.size() != result.emission.length) return "longer than a frame can be";
  const std::size_t tags = (out.outer.vid.value != 0 ? 1u : 0u) + (out.inner.vid.value != 0 ? 1u : 0u);
  if (result.frame.size() - 14 - 4 * tags > forwarding.port(out.port)->mtu) return "over the MTU";
  return wrong_with_frame(result.frame);
}

}  // namespace xk::test
