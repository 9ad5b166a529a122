#include "bench/engine_rig.h"

#include <cstdio>
#include <cstdlib>

namespace xk::bench {
namespace {

constexpr Mac kPortMac{{0x02, 0, 0, 0, 0x01, 0x01}};

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(EXIT_FAILURE);
}

Snapshot snapshot_of(std::uint32_t addresses) {
  Snapshot snapshot;
  PortEntry port;
  port.id = PortId{1};
  port.kind = PortKind::sim;
  port.name = "eth1";
  port.mac = kPortMac;
  snapshot.ports.push_back(port);
  VrfEntry vrf;
  vrf.id = vrf.server_vrf = VrfId{1};
  vrf.name = "red";
  vrf.engine = Engine::native;
  SubnetEntry subnet;
  subnet.prefix = Prefix4{Ip4{0x0a000000}, 8};
  subnet.lease_time_s = kLeaseS;
  subnet.renew_s = kLeaseS / 2;
  subnet.rebind_s = kLeaseS / 8 * 7;
  subnet.options = std::string("\x01\x04\xff\0\0\0\x03\x04\x0a\0\0\x01\x06\x04\x0a\0\0\x02", 18);
  vrf.subnets.push_back(subnet);
  snapshot.vrfs.push_back(vrf);
  AttachmentEntry attachment;
  attachment.id = AttachmentId{1};
  attachment.port = PortId{1};
  attachment.vrf = VrfId{1};
  attachment.subnet = subnet.prefix;
  attachment.server_identifier = kServer;
  attachment.circuit_id = "eth1:0";
  snapshot.attachments.push_back(attachment);
  NativeVrf native;
  native.vrf = VrfId{1};
  native.directory = "/native";
  native.subnets.resize(1);
  native.subnets[0].lease_time_max_s = kLeaseS;
  native.pools.resize(1);
  native.pools[0].ranges.push_back({Ip4{kFirstAddress}, Ip4{kFirstAddress + addresses - 1}});
  snapshot.natives.push_back(native);
  return snapshot;
}

}  // namespace

JournalRecord lease_record(std::uint32_t client, std::uint64_t revision) {
  JournalRecord record;
  record.revision = revision;
  record.address = Ip4{kFirstAddress + client};
  record.start_ms = kNowMs;
  record.until_ms = kNowMs + std::uint64_t{kLeaseS} * 3 / 2 * 1000;
  record.lease_s = kLeaseS;
  record.mac = gen::client_mac(client);
  record.circuit_id = "eth1:0";
  record.attachment = "eth1";
  return record;
}

EngineRig::EngineRig(std::uint32_t addresses) : out_(kFrameMax) {
  auto made = Forwarding::make(snapshot_of(addresses));
  if (!made) fail(made.error().message);
  forwarding_ = std::move(*made);
  plan_ = std::make_unique<const NativePlan>(forwarding_->snapshot().natives[0], *forwarding_->vrf(VrfId{1}));
  engine_.adopt(*plan_);
}

void EngineRig::fill(std::uint32_t leases) {
  for (std::uint32_t client = 0; client < leases; ++client) engine_.restore(lease_record(client, client + 1));
}

void EngineRig::read(Bytes frame, Ahead& ahead) const {
  Received& received = ahead.received;
  received = Received{.frame = frame, .now_ms = kNowMs};
  if (xk_walk(frame.data(), frame.data() + frame.size(), &received.headers) != XK_WALK_UDP)
    fail("a frame that is no UDP");
  received.attachment = forwarding_->attachment(AttachmentId{1});
  received.vrf = forwarding_->vrf(VrfId{1});
  ServerRequest& request = ahead.request.emplace();
  if (parse_server_request(received, request) != XK_OUTCOME_COUNT) fail("a frame that is no request");
  if (check_server_request(request, *forwarding_) != XK_OUTCOME_COUNT) fail("a request that is not heard");
  ahead.client = engine_.expect(request);
}

NativeAnswer EngineRig::answer(const Ahead& ahead) {
  Emission emission;
  NativeAnswer answer =
      engine_.answer(*ahead.request, ahead.client, *forwarding_, nullptr, EngineTime{kNowMs}, NativeRoom{},
                     XK_SERVE_JOURNAL_FULL, out_, emission);
  if (answer.verdict.dropped())
    fail("the engine drops: " + std::string(kOutcomes[answer.verdict.drop_reason].name));
  return answer;
}

std::vector<std::uint8_t> frame_of(std::uint32_t client, Asked asked) {
  const Ip4 address{kFirstAddress + client};
  gen::ClientMessage message{.type = MessageType::discover, .number = client};
  if (asked != Asked::discover) message.type = MessageType::request;
  if (asked == Asked::request) {
    message.requested = address;
    message.server_identifier = kServer;
  } else if (asked == Asked::renew) {
    message.ciaddr = address;
    message.server = kServer;
    message.server_mac = kPortMac;
  }
  return gen::client_frame(message, {}, 300);
}

}  // namespace xk::bench
