// The native engine of one VRF: takes a request, does what the rules say to its leases, writes the reply and
// says what belongs into the journal. No I/O, no clock of its own, no allocation but in adopt(); one thread
// at a time.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "dataplane/base/lease_journal.h"
#include "dataplane/serve/native_rules.h"

namespace xk {

// Its clock in milliseconds; the leases count whole seconds of it.
struct EngineTime {
  std::uint64_t ms = 0;
  [[nodiscard]] EngineSeconds s() const { return static_cast<EngineSeconds>(ms / 1000); }
};

// What becomes of a request. The record, if there is one, is to be journaled before anything else is asked of
// the engine; its texts are borrowed from the request and the engine. A reply is in out unless the verdict is
// a drop.
struct NativeAnswer {
  Verdict verdict;
  bool has_record = false;
  JournalRecord record;
  // The revision that has to be on stable storage before the reply leaves; 0: it may leave at once.
  std::uint64_t after_revision = 0;
  // Not 0: nothing is said yet. Hosts on the attachment are asked for the address (RFC 5227 2.1.1); when that
  // is known, probed() and the same request again.
  Ip4 probe{};
};

// What there is room for. A request that needs what there is none for is dropped, and nothing is done.
struct NativeRoom {
  bool record = true;
  bool probe = true;
};

class NativeEngine {
 public:
  explicit NativeEngine(HashKey key) : key_(key) {}

  // The plan that holds from now on: the table has records for all its addresses.
  void adopt(const NativePlan& plan);

  // ---- what the journal said, before the first answer ----

  // Nothing is known any more.
  void reset();
  // Takes a record over; a later one of the address takes its place. Those of addresses that are not in the
  // table are put aside until adopt().
  void restore(const JournalRecord& record);
  [[nodiscard]] std::uint64_t revision() const { return revision_; }
  void set_revision(std::uint64_t revision) { revision_ = revision; }

  // ---- serving ----

  // Whose request it is. What of the leases its answer needs is fetched meanwhile, in steps of which each
  // needs the one before: expect(), fetch(), fetch_more(). Who has several requests takes them some ahead.
  [[nodiscard]] ClientKey expect(const ServerRequest& request) const;
  void fetch(const ClientKey& client) const { leases_.prefetch_first(client); }
  void fetch_more(const ClientKey& client) const { leases_.prefetch_second(client); }

  // client: as expect() said. no_record: why there is no room for a record, SERVE_NOT_DURABLE or
  // SERVE_JOURNAL_FULL. out holds kFrameMax bytes at least.
  [[nodiscard]] NativeAnswer answer(const ServerRequest& request, const ClientKey& client,
                                    const Forwarding& forwarding, const StaticTable* statics, EngineTime now,
                                    NativeRoom room, Outcome no_record, MutableBytes out, Emission& emission);
  // Nobody answered for the address, or somebody did: then the record is to be journaled.
  [[nodiscard]] bool probed(Ip4 address, bool conflict, EngineTime now, JournalRecord& record);
  // The operator deletes the lease of an address. False: there is none.
  [[nodiscard]] bool forget(Ip4 address, EngineTime now, JournalRecord& record);
  // Looks at some leases; those that are given up are told to journal(record), which says whether it had
  // room.
  template <typename Journal>
  void sweep(EngineTime now, std::uint32_t leases, Journal&& journal);

  [[nodiscard]] const LeaseTable& leases() const { return leases_; }
  [[nodiscard]] LeaseTable& leases() { return leases_; }

 private:
  void put_back(const JournalRecord& record);
  void ask(NativeQuestion& question) const;
  void commit(const NativeQuestion& question, const Decision& decision, EngineTime now, NativeAnswer& answer);
  void offer(const NativeQuestion& question, const Decision& decision, NativeAnswer& answer);
  void give_back(const NativeQuestion& question, const Decision& decision, EngineTime now,
                 NativeAnswer& answer);
  [[nodiscard]] bool needs_record(const NativeQuestion& question, const Decision& decision) const;
  [[nodiscard]] std::uint64_t revision_of(const Lease& lease) const {
    return revision_ - (static_cast<std::uint32_t>(revision_) - lease.revision);
  }
  void describe(const Lease& lease, RecordKind kind, RecordCause cause, EngineTime now,
                JournalRecord& record);
  void describe_client(const NativeQuestion& question, JournalRecord& record);

  HashKey key_;
  const NativePlan* plan_ = nullptr;
  LeaseTable leases_;
  std::uint64_t revision_ = 0;
  // Records, as in a journal, of addresses that are none of the table's yet.
  std::map<std::uint32_t, std::vector<std::uint8_t>> strays_;
  // What a record's texts are in.
  Line line_;
  std::array<char, 64> attachment_;
  std::array<char, 255> host_name_;
};

// Writes the reply that the decision is: an offer, an ACK or a NAK, or that to a BOOTP request.
[[nodiscard]] Verdict write_native_reply(const NativeQuestion& question, const Decision& decision,
                                         MutableBytes out, Emission& emission);
// RFC 4388: the answer to a DHCPLEASEQUERY.
[[nodiscard]] Verdict answer_lease_query(const NativeQuestion& question, MutableBytes out,
                                         Emission& emission);
// The client's host name: of option 81, else option 12; empty: it said none. The text is in scratch.
[[nodiscard]] std::string_view host_name_of(const ServerRequest& request, std::span<char, 255> scratch);
// As xdp-kead names an attachment, "eth1 200.300", in scratch.
[[nodiscard]] std::string_view attachment_name(const AttachmentEntry& attachment,
                                               const Forwarding& forwarding, std::span<char, 64> scratch);

template <typename Journal>
void NativeEngine::sweep(EngineTime now, std::uint32_t leases, Journal&& journal) {
  const std::uint32_t grace_s = plan_->native().grace_s;
  leases_.sweep(now.s(), grace_s, leases, [&](Lease& lease) {
    if (lease.recorded_s != 0) {
      JournalRecord record;
      describe(lease, RecordKind::free, RecordCause::reclaimed, now, record);
      if (!journal(record)) return;
      revision_ = record.revision;
    }
    leases_.clear(lease);
  });
}

}  // namespace xk
