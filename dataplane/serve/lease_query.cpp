// DHCPLEASEQUERY (RFC 4388).
#include <algorithm>
#include <array>
#include <optional>

#include "dataplane/base/text_bytes.h"
#include "dataplane/dhcp/emit.h"
#include "dataplane/serve/native_engine.h"
#include "dataplane/serve/reply_message.h"
#include "dataplane/serve/reply_parts.h"

namespace xk {
namespace {

constexpr std::uint8_t kLastTransaction = 91;  // RFC 4388 6.1
constexpr std::uint8_t kAssociatedIp = 92;
constexpr std::size_t kAssociatedMax = 32;  // addresses that are told of

bool is_active(const Lease& lease, EngineSeconds now_s) {
  return lease.state == LeaseState::leased && (lease.until_s == kEngineForEver || lease.until_s > now_s);
}

// The leases a query is about: the one that was heard of last, and all.
struct Holding {
  const Lease* latest = nullptr;
  std::array<Ip4, kAssociatedMax> addresses{};
  std::size_t count = 0;
  void add(const Lease& lease, EngineSeconds now_s) {
    if (!is_active(lease, now_s)) return;
    if (latest == nullptr || lease.start_s > latest->start_s) latest = &lease;
    if (count < addresses.size()) addresses[count++] = lease.address;
  }
};

// By address, client id or MAC, in this order (RFC 4388 6.4.1). False: it asks for nothing.
bool find(const NativeQuestion& question, Holding& found) {
  const ServerRequest& request = question.request;
  LeaseTable& leases = question.leases;
  if (!request.ciaddr.is_zero()) {
    if (const Lease* lease = leases.find(request.ciaddr); lease != nullptr) found.add(*lease, question.now_s);
    return true;
  }
  if (!request.client_id.empty()) {
    for (const Lease* lease = leases.first_of(question.client); lease != nullptr;
         lease = leases.next_of(*lease))
      found.add(*lease, question.now_s);
    return true;
  }
  if (!request.chaddr.is_unicast()) return false;
  for (const Lease* lease = std::as_const(leases).first_of(request.chaddr); lease != nullptr;
       lease = leases.next_of_mac(*lease))
    found.add(*lease, question.now_s);
  return true;
}

void put_number(ByteWriter& writer, std::uint8_t code, std::uint32_t number) {
  writer.u8(code);
  writer.u8(4);
  writer.u32(number);
}

// What is known of a lease (RFC 4388 6.4.2).
void write_lease(const NativeQuestion& question, const Holding& found, Bytes client_id, ByteWriter& more) {
  const Lease& lease = *found.latest;
  const EngineSeconds now_s = question.now_s;
  if (lease.until_s == kEngineForEver) {
    put_number(more, option4::kLeaseTime, kEngineForEver);
  } else {
    // What is left of the lease, and of the times that the client was told.
    const std::uint32_t left = lease.until_s - now_s;
    const std::uint32_t passed = now_s - std::min(now_s, lease.start_s);
    const std::uint64_t whole = std::uint64_t{left} + passed;
    put_number(more, option4::kLeaseTime, left);
    const auto rest = [&](std::uint64_t at) {
      return static_cast<std::uint32_t>(at > passed ? at - passed : 0);
    };
    put_number(more, option4::kRenewTime, rest(whole / 2));
    put_number(more, option4::kRebindTime, rest(whole * 7 / 8));
  }
  put_number(more, kLastTransaction, now_s - std::min(now_s, lease.start_s));
  if (!client_id.empty()) {
    more.u8(option4::kClientIdentifier);
    more.u8(static_cast<std::uint8_t>(client_id.size()));
    more.bytes(client_id);
  }
  if (found.count > 1) {
    more.u8(kAssociatedIp);
    more.u8(static_cast<std::uint8_t>(4 * found.count));
    for (std::size_t i = 0; i < found.count; ++i) more.ip4(found.addresses[i]);
  }
}

}  // namespace

Verdict answer_lease_query(const NativeQuestion& question, MutableBytes out, Emission& emission) {
  const ServerRequest& request = question.request;
  // RFC 4388 6.3: giaddr says who asks, and where the answer goes.
  if (request.giaddr.is_zero() || !question.plan.may_query(request.giaddr) ||
      question.server_identifier.is_zero())
    return Verdict::drop(XK_SERVE_QUERY_REFUSED);
  Holding found;
  if (!find(question, found)) return Verdict::drop(XK_SERVE_QUERY_REFUSED);
  const bool ours = !request.ciaddr.is_zero() && subnet_of(question.plan.vrf(), request.ciaddr) != nullptr;
  const MessageType type = found.latest != nullptr ? MessageType::lease_active
                           : ours                  ? MessageType::lease_unassigned
                                                   : MessageType::lease_unknown;
  std::array<std::uint8_t, 512> more_bytes;
  ByteWriter more(more_bytes);
  std::array<std::uint8_t, LeaseTexts::kMax> text_bytes;
  LeaseTexts texts;
  if (found.latest != nullptr) {
    texts = question.leases.texts(*found.latest, text_bytes);
    write_lease(question, found, texts.client_id, more);
  }
  const AttachmentEntry& attachment = *request.received->attachment;
  Destination to;
  if (const Outcome fault = destination_of(request, type, {}, question.server_identifier, to);
      fault != XK_OUTCOME_COUNT)
    return Verdict::drop(fault);
  std::optional<ReplyLayers> layers;
  if (found.latest != nullptr)
    if (const SubnetEntry* subnet = subnet_of(question.plan.vrf(), found.latest->address); subnet != nullptr)
      layers.emplace(question.plan, *subnet, question.plan.pool_of(found.latest->address), 0);
  // RFC 4388 6.4.2: who asks for option 82 means the client's.
  const Bytes wanted = request.wanted();
  const bool wants_agent = std::ranges::find(wanted, option4::kRelayAgentInformation) != wanted.end();
  const ReplyContent content{.type = type,
                             .request = request.message,
                             .address = {},
                             .server_identifier = question.server_identifier,
                             .next_server = {},
                             .boot_file = {},
                             .times = {},
                             .layers = layers ? layers->all() : std::span<const Bytes>{},
                             .more = more.written(),
                             .wanted = request.wanted(),
                             .client_id = {},
                             .agent = wants_agent ? texts.agent : request.agent,
                             .only_wanted = true};
  const PortEntry& port = *question.forwarding.port(attachment.port);
  const MutableBytes message = out.subspan(headers_size(attachment.outer, attachment.inner));
  const ReplySize size{.client_max = client_message_max(request.message_size),
                       .frame_max = message_max(attachment.outer, attachment.inner, port, out)};
  const WrittenReply written = write_reply(content, size, message);
  if (written.length == 0) return Verdict::drop(XK_PACKET_TOO_BIG);
  // Whom it is about, in the place of whom it is for.
  const Ip4 about = found.latest != nullptr ? found.latest->address : request.ciaddr;
  ByteWriter(message.subspan(dhcp4::kCiaddr, 4)).ip4(about);
  if (found.latest != nullptr) {
    message[dhcp4::kHtype] = dhcp4::kEthernet;
    message[dhcp4::kHlen] = 6;
    ByteWriter(message.subspan(dhcp4::kChaddr, 6)).mac(found.latest->mac);
  }
  emission.length =
      write_frame(attachment.outer, attachment.inner, port, to, request.xid, written.length, out);
  emission.out = attachment.id;
  emission.port = attachment.port;
  Verdict verdict;
  verdict.note(XK_NOTE_SERVE_QUERY);
  return verdict;
}

}  // namespace xk
