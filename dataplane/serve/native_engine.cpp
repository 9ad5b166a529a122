#include "dataplane/serve/native_engine.h"

#include <algorithm>
#include <utility>

#include "dataplane/base/text_bytes.h"

namespace xk {
namespace {

// Never before the millisecond.
EngineSeconds seconds_of(std::uint64_t ms) {
  if (ms == kJournalForEver) return kEngineForEver;
  return static_cast<EngineSeconds>(std::min<std::uint64_t>((ms + 999) / 1000, kEngineForEver));
}

std::uint64_t milliseconds_of(EngineSeconds s) {
  return s == kEngineForEver ? kJournalForEver : std::uint64_t{s} * 1000;
}

EngineSeconds later(std::uint64_t from_s, std::uint32_t by_s) {
  return by_s == kEngineForEver
             ? kEngineForEver
             : static_cast<EngineSeconds>(std::min<std::uint64_t>(from_s + by_s, kEngineForEver));
}

// RFC 2131 4.4.5 lets clients renew after half of the lease: a record that is ahead by as much makes that
// every second renewal needs none.
EngineSeconds ahead(EngineSeconds until_s, std::uint32_t lease_s) { return later(until_s, lease_s / 2); }

}  // namespace

void NativeEngine::reset() {
  leases_ = LeaseTable{};
  strays_.clear();
  revision_ = 0;
}

void NativeEngine::adopt(const NativePlan& plan) {
  plan_ = &plan;
  std::vector<Range4> ranges = plan.ranges();
  for (const auto& [address, bytes] : strays_) ranges.push_back({Ip4{address}, Ip4{address}});
  leases_.extend(ranges);
  leases_.count_groups(plan.native().circuit_leases_max != 0, plan.native().attachment_leases_max != 0);
  for (const auto& [address, bytes] : std::exchange(strays_, {})) {
    JournalRecord record;
    std::size_t size = 0;
    if (read_record(bytes, record, size) == RecordRead::whole) put_back(record);
  }
}

void NativeEngine::restore(const JournalRecord& record) {
  revision_ = std::max(revision_, record.revision);
  if (leases_.find(record.address) != nullptr) return put_back(record);
  if (record.kind == RecordKind::free) {
    strays_.erase(record.address.value);
    return;
  }
  std::vector<std::uint8_t>& bytes = strays_[record.address.value];
  bytes.resize(record_size(record));
  static_cast<void>(encode_record(record, bytes));
}

void NativeEngine::put_back(const JournalRecord& record) {
  Lease& lease = *leases_.find(record.address);
  if (record.kind == RecordKind::free) return leases_.clear(lease);
  LeaseContent content;
  content.state = record.kind == RecordKind::declined ? LeaseState::declined : LeaseState::leased;
  content.client =
      record.client_id.empty() ? client_key(key_, record.mac) : client_key(key_, bytes_of(record.client_id));
  content.mac = record.mac;
  content.client_id = bytes_of(record.client_id);
  content.start_s = static_cast<EngineSeconds>(record.start_ms / 1000);
  content.until_s = seconds_of(record.until_ms);
  content.recorded_s = content.until_s;
  content.revision = static_cast<std::uint32_t>(record.revision);
  if (!record.circuit_id.empty()) {
    std::array<std::uint8_t, 256> circuit;
    ByteWriter writer(circuit);
    writer.u8(static_cast<std::uint8_t>(record.circuit_id.size()));
    writer.bytes(bytes_of(record.circuit_id));
    content.circuit = group_key(key_, writer.written());
  }
  if (!record.attachment.empty()) content.attachment = group_key(key_, bytes_of(record.attachment));
  leases_.put(lease, content);
}

ClientKey NativeEngine::expect(const ServerRequest& request) const {
  const ClientKey client =
      request.client_id.empty() ? client_key(key_, request.chaddr) : client_key(key_, request.client_id);
  leases_.prefetch(client, request.chaddr);
  return client;
}

// What of the request the rules want to know beside its fields.
void NativeEngine::ask(NativeQuestion& question) const {
  const ServerRequest& request = question.request;
  question.subnet = subnet_of(plan_->vrf(), link_of(request));
  question.server_identifier = server_identifier_of(request, question.subnet);
  if (!plan_->native().classes.empty()) question.classes = classes_of(request, *plan_);
}

void NativeEngine::describe(const Lease& lease, RecordKind kind, RecordCause cause, EngineTime now,
                            JournalRecord& record) {
  record = JournalRecord{};
  record.kind = kind;
  record.cause = cause;
  record.revision = revision_ + 1;
  record.address = lease.address;
  record.start_ms = now.ms;
  record.until_ms = now.ms;
  record.mac = lease.mac;
}

void NativeEngine::describe_client(const NativeQuestion& question, JournalRecord& record) {
  const ServerRequest& request = question.request;
  record.mac = request.chaddr;
  record.client_id = text_of(request.client_id);
  record.hostname = host_name_of(request, host_name_);
  record.circuit_id = text_of(line_.circuit_id());
  record.remote_id = text_of(line_.remote_id());
  record.attachment = attachment_name(*request.received->attachment, question.forwarding, attachment_);
}

// Whether the journal must know of it: not if it knows of the same client, at least as long, and not for
// longer than it would be told now.
bool NativeEngine::needs_record(const NativeQuestion& question, const Decision& decision) const {
  const Lease& lease = *decision.lease;
  if (decision.act == Act::release) return lease.recorded_s != 0;
  if (decision.act == Act::decline) return true;
  if (decision.act != Act::commit) return false;
  if (lease.state != LeaseState::leased || lease.client != question.client) return true;
  if (lease.mac != question.request.chaddr || lease.attachment != question.attachment ||
      lease.circuit != question.circuit)
    return true;
  if (decision.only_the_rest) return lease.until_s > lease.recorded_s;
  const EngineSeconds until_s = later(question.now_s + 1u, decision.lease_s);
  return until_s > lease.recorded_s || ahead(until_s, decision.lease_s) < lease.recorded_s;
}

void NativeEngine::commit(const NativeQuestion& question, const Decision& decision, EngineTime now,
                          NativeAnswer& answer) {
  Lease& lease = *decision.lease;
  const EngineSeconds until_s =
      decision.only_the_rest ? lease.until_s : later((now.ms + 999) / 1000, decision.lease_s);
  if (!answer.has_record) {
    leases_.prolong(lease, now.s(), until_s);
    answer.after_revision = revision_of(lease);
    return;
  }
  const bool same = lease.state == LeaseState::leased && lease.client == question.client;
  std::array<std::uint8_t, LeaseTexts::kMax> text_bytes;
  Bytes agent = question.request.agent;
  // A renewal by unicast passes no relay: what the last one said still holds.
  if (agent.empty() && same && lease.texts.agent != 0) agent = leases_.texts(lease, text_bytes).agent;
  describe(lease, RecordKind::leased, same ? RecordCause::renewed : RecordCause::committed, now,
           answer.record);
  describe_client(question, answer.record);
  const EngineSeconds recorded_s = decision.only_the_rest ? until_s : ahead(until_s, decision.lease_s);
  answer.record.until_ms = milliseconds_of(recorded_s);
  answer.record.lease_s = decision.lease_s;
  revision_ = answer.record.revision;
  answer.after_revision = revision_;
  leases_.put(lease, LeaseContent{.state = LeaseState::leased,
                                  .flags = 0,
                                  .client = question.client,
                                  .mac = question.request.chaddr,
                                  .client_id = question.request.client_id,
                                  .agent = agent,
                                  .start_s = now.s(),
                                  .until_s = until_s,
                                  .recorded_s = recorded_s,
                                  .circuit = question.circuit,
                                  .attachment = question.attachment,
                                  .revision = static_cast<std::uint32_t>(revision_)});
}

// Held for the client: in memory only (RFC 2131 3.1 (2)).
void NativeEngine::offer(const NativeQuestion& question, const Decision& decision, NativeAnswer& answer) {
  Lease& lease = *decision.lease;
  const EngineSeconds until_s = later(question.now_s + 1u, plan_->native().offer_hold_s);
  const bool own = lease.client == question.client &&
                   (lease.state == LeaseState::offered || lease.state == LeaseState::leased);
  if (own) {
    if (lease.until_s < until_s) leases_.prolong(lease, lease.start_s, until_s);
    return;
  }
  const bool probe = plan_->native().probe && decision.first_offer;
  leases_.put(lease, LeaseContent{.state = LeaseState::offered,
                                  .flags = probe ? kLeaseProbing : std::uint8_t{0},
                                  .client = question.client,
                                  .mac = question.request.chaddr,
                                  .client_id = question.request.client_id,
                                  .agent = {},
                                  .start_s = question.now_s,
                                  .until_s = until_s,
                                  .recorded_s = lease.recorded_s,
                                  .circuit = question.circuit,
                                  .attachment = question.attachment,
                                  .revision = lease.revision});
  if (probe) answer.probe = lease.address;
}

// RFC 2131 4.3.3 and 4.3.4.
void NativeEngine::give_back(const NativeQuestion& question, const Decision& decision, EngineTime now,
                             NativeAnswer& answer) {
  Lease& lease = *decision.lease;
  if (decision.act == Act::release) {
    if (answer.has_record) {
      describe(lease, RecordKind::free, RecordCause::released, now, answer.record);
      revision_ = answer.record.revision;
      leases_.note_recorded(lease, 0, static_cast<std::uint32_t>(revision_));
    }
    // Nobody else gets it while another is free: the client may come back.
    if (lease.state == LeaseState::leased)
      leases_.end(lease, question.now_s);
    else
      leases_.clear(lease);
    return;
  }
  const EngineSeconds until_s = later((now.ms + 999) / 1000, plan_->native().decline_s);
  describe(lease, RecordKind::declined, RecordCause::declined, now, answer.record);
  describe_client(question, answer.record);
  answer.record.until_ms = milliseconds_of(until_s);
  revision_ = answer.record.revision;
  leases_.put(lease, LeaseContent{.state = LeaseState::declined,
                                  .flags = 0,
                                  .client = question.client,
                                  .mac = question.request.chaddr,
                                  .client_id = question.request.client_id,
                                  .agent = {},
                                  .start_s = now.s(),
                                  .until_s = until_s,
                                  .recorded_s = until_s,
                                  .circuit = question.circuit,
                                  .attachment = question.attachment,
                                  .revision = static_cast<std::uint32_t>(revision_)});
}

NativeAnswer NativeEngine::answer(const ServerRequest& request, const ClientKey& client,
                                  const Forwarding& forwarding, const StaticTable* statics, EngineTime now,
                                  NativeRoom room, Outcome no_record, MutableBytes out, Emission& emission) {
  NativeAnswer answer;
  NativeQuestion question{.request = request,
                          .forwarding = forwarding,
                          .plan = *plan_,
                          .statics = statics,
                          .leases = leases_,
                          .now_s = now.s(),
                          .client = client};
  ask(question);
  const auto drop = [&](Outcome reason) {
    answer.verdict = Verdict::drop(reason);
    return answer;
  };
  if (request.type == MessageType::lease_query) {
    answer.verdict = answer_lease_query(question, out, emission);
    return answer;
  }
  const bool gives_back = request.type == MessageType::release || request.type == MessageType::decline;
  if (!gives_back && (question.subnet == nullptr || question.server_identifier.is_zero()) &&
      request.type != MessageType::inform)
    return drop(XK_SERVE_NO_SUBNET);
  if (question.server_identifier.is_zero()) return drop(XK_SERVE_NO_SUBNET);
  find_line(request, line_);
  if (line_.circuit_size > 1) question.circuit = group_key(key_, line_.circuit());
  const std::string_view attachment = attachment_name(*request.received->attachment, forwarding, attachment_);
  question.attachment = group_key(key_, bytes_of(attachment));

  const Decision decision = decide(question);
  if (decision.act == Act::drop) {
    if (decision.withdraw) leases_.end(*decision.lease, question.now_s);
    return drop(decision.reason);
  }
  if (decision.act == Act::nak || decision.act == Act::inform) {
    answer.verdict = write_native_reply(question, decision, out, emission);
    return answer;
  }
  const bool probes = plan_->native().probe && decision.first_offer;
  const bool records = !probes && needs_record(question, decision);
  if (records && !room.record) return drop(no_record);
  if (probes && !room.probe) return drop(XK_SERVE_PROBES_FULL);
  if (decision.act == Act::release || decision.act == Act::decline) {
    answer.has_record = records;
    give_back(question, decision, now, answer);
    return drop(decision.reason);
  }
  if ((decision.lease->flags & kLeaseProbing) != 0 && decision.lease->client == question.client)
    return drop(XK_SERVE_PROBING);
  if (!probes) {
    // What cannot be said must not be done.
    answer.verdict = write_native_reply(question, decision, out, emission);
    if (answer.verdict.dropped()) return answer;
  }
  answer.has_record = records;
  if (probes || decision.act == Act::offer)
    offer(question, decision, answer);
  else
    commit(question, decision, now, answer);
  return answer;
}

bool NativeEngine::probed(Ip4 address, bool conflict, EngineTime now, JournalRecord& record) {
  Lease* lease = leases_.find(address);
  if (lease == nullptr || (lease->flags & kLeaseProbing) == 0) return false;
  leases_.clear_flags(*lease);
  if (!conflict) return false;
  const EngineSeconds until_s = later((now.ms + 999) / 1000, plan_->native().decline_s);
  leases_.put(*lease, LeaseContent{.state = LeaseState::declined,
                                   .flags = 0,
                                   .client = {},
                                   .mac = {},
                                   .client_id = {},
                                   .agent = {},
                                   .start_s = now.s(),
                                   .until_s = until_s,
                                   .recorded_s = until_s,
                                   .circuit = 0,
                                   .attachment = 0,
                                   .revision = static_cast<std::uint32_t>(revision_ + 1)});
  describe(*lease, RecordKind::declined, RecordCause::conflict, now, record);
  record.until_ms = milliseconds_of(until_s);
  revision_ = record.revision;
  return true;
}

bool NativeEngine::forget(Ip4 address, EngineTime now, JournalRecord& record) {
  Lease* lease = leases_.find(address);
  if (lease == nullptr || lease->state == LeaseState::free) return false;
  describe(*lease, RecordKind::free, RecordCause::forgotten, now, record);
  revision_ = record.revision;
  leases_.clear(*lease);
  return true;
}

}  // namespace xk
