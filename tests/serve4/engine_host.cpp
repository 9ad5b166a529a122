#include "tests/serve4/engine_host.h"

#include <algorithm>

#include "dataplane/serve/static_rules.h"
#include "dataplane/serve/static_table.h"

namespace xk::test {
namespace {

constexpr HashKey kKey{0x0123456789abcdef, 0xfedcba9876543210};
constexpr std::uint64_t kProbeMs = 2000;  // a host that has the address answers in that time

}  // namespace

StoredRecord::StoredRecord(const JournalRecord& from) : bytes(kRecordSizeMax) {
  bytes.resize(encode_record(from, bytes));
  bytes.shrink_to_fit();
  std::size_t size = 0;
  if (read_record(bytes, record, size) != RecordRead::whole) record = {};
}

StoredRecord& StoredRecord::operator=(const StoredRecord& other) {
  if (this != &other) {
    StoredRecord copy(other.record);
    bytes.swap(copy.bytes);
    std::size_t size = 0;
    static_cast<void>(read_record(bytes, record, size));
  }
  return *this;
}

struct EngineHost::State {
  // A request whose answer waits for one of ARP.
  struct Pending {
    AttachmentId at{};
    std::vector<std::uint8_t> frame;
    Ip4 address{};
    Mac chaddr{};
    std::uint64_t asked_ms = 0;
  };

  std::unique_ptr<const Forwarding> forwarding;
  std::unique_ptr<const NativePlan> plan;
  std::unique_ptr<StaticTable> statics;
  std::unique_ptr<NativeEngine> engine = std::make_unique<NativeEngine>(kKey);
  std::vector<Pending> pending;
  NativeRoom room;
  std::uint64_t durable = 0;  // revision: all of earlier steps

  static EngineTime time(std::uint64_t now_ms) { return EngineTime{kClockStartMs + now_ms}; }

  std::string take(const NamedNative& named) {
    auto made = Forwarding::make(named.finished());
    if (!made) return made.error().message;
    auto leases = std::make_unique<StaticTable>();
    for (const StaticLease& lease : named.static_leases)
      if (const auto put = leases->put(lease); !put) return put.error().message;
    const Snapshot& snapshot = (*made)->snapshot();
    if (snapshot.natives.size() != 1) return "not one VRF of the native engine";
    const NativeVrf& native = snapshot.natives[0];
    auto next = std::make_unique<const NativePlan>(native, *(*made)->vrf(native.vrf));
    engine->adopt(*next);
    plan = std::move(next);
    statics = std::move(leases);
    forwarding = std::move(*made);
    return "";
  }

  void sweep(std::uint64_t now_ms, Reaction& reaction) {
    engine->sweep(time(now_ms), engine->leases().size(), [&](const JournalRecord& record) {
      reaction.records.emplace_back(record);
      return true;
    });
  }

  // The message through walk, the rules of static leases and the engine, as the pipeline does it.
  void ask(AttachmentId at, Bytes frame, std::uint64_t now_ms, Reaction& reaction) {
    const std::vector<std::uint8_t> copy(frame.begin(), frame.end());
    Received received{.frame = copy, .now_ms = now_ms};
    const int walked = xk_walk(copy.data(), copy.data() + copy.size(), &received.headers);
    if (walked != XK_WALK_UDP) {
      reaction.verdict = Verdict::drop(XK_NOT_DHCP);
      return;
    }
    received.attachment = forwarding->attachment(at);
    received.vrf = forwarding->vrf(received.attachment->vrf);
    received.ways = forwarding->ways(*received.vrf);
    ServerRequest request;
    Outcome fault = parse_server_request(received, request);
    if (fault == XK_OUTCOME_COUNT) fault = check_server_request(request, *forwarding);
    if (fault != XK_OUTCOME_COUNT) {
      reaction.verdict = Verdict::drop(fault);
      return;
    }
    std::vector<std::uint8_t> out(kFrameMax);
    Emission emission;
    if (statics->concerns(received.vrf->id))
      if (const auto verdict = answer_static(request, *forwarding, *statics, plan.get(), out, emission))
        return finish(*verdict, out, emission, reaction);
    const NativeAnswer answer = engine->answer(request, engine->expect(request), *forwarding, statics.get(),
                                               time(now_ms), room, XK_SERVE_JOURNAL_FULL, out, emission);
    if (answer.has_record) reaction.records.emplace_back(answer.record);
    reaction.settled = answer.probe.is_zero();
    if (!reaction.settled) {
      reaction.probes.push_back(answer.probe);
      pending.push_back({at, copy, answer.probe, request.chaddr, now_ms});
      return;
    }
    if (plan->native().reply_after != ReplyAfter::nothing) reaction.after_revision = answer.after_revision;
    reaction.waits = reaction.after_revision > durable;
    finish(answer.verdict, out, emission, reaction);
  }

  static void finish(const Verdict& verdict, std::vector<std::uint8_t>& out, const Emission& emission,
                     Reaction& reaction) {
    reaction.verdict = verdict;
    if (verdict.dropped()) return;
    out.resize(emission.length);
    reaction.frame = std::move(out);
    reaction.out = emission.out;
  }

  // The answer of a probe is known: the request is asked again.
  void conclude(std::size_t index, bool conflict, std::uint64_t now_ms, Reaction& reaction) {
    const Pending asked = std::move(pending[index]);
    pending.erase(pending.begin() + static_cast<std::ptrdiff_t>(index));
    JournalRecord record;
    if (engine->probed(asked.address, conflict, time(now_ms), record)) reaction.records.emplace_back(record);
    ask(asked.at, asked.frame, now_ms, reaction);
  }
};

EngineHost::EngineHost(const NamedNative& named) : state_(std::make_unique<State>()) {
  error_ = state_->take(named);
}
EngineHost::~EngineHost() = default;

const Forwarding& EngineHost::forwarding() const { return *state_->forwarding; }

Reaction EngineHost::receive(AttachmentId at, Bytes frame, std::uint64_t now_ms) {
  Reaction reaction;
  state_->durable = state_->engine->revision();
  state_->ask(at, frame, now_ms, reaction);
  return reaction;
}

void EngineHost::set_room(NativeRoom room) { state_->room = room; }

Reaction EngineHost::pass(std::uint64_t now_ms) {
  Reaction reaction;
  state_->sweep(now_ms, reaction);
  for (std::size_t i = 0; i < state_->pending.size(); ++i)
    if (state_->pending[i].asked_ms + kProbeMs <= now_ms) {
      state_->conclude(i, false, now_ms, reaction);
      break;
    }
  return reaction;
}

Reaction EngineHost::heard(AttachmentId at, Ip4 address, const Mac& mac, std::uint64_t now_ms) {
  Reaction reaction;
  for (std::size_t i = 0; i < state_->pending.size(); ++i) {
    const auto& pending = state_->pending[i];
    if (pending.at != at || pending.address != address || pending.chaddr == mac) continue;
    state_->conclude(i, true, now_ms, reaction);
    break;
  }
  return reaction;
}

Reaction EngineHost::forget(Ip4 address, std::uint64_t now_ms) {
  Reaction reaction;
  JournalRecord record;
  if (state_->engine->forget(address, State::time(now_ms), record)) reaction.records.emplace_back(record);
  return reaction;
}

void EngineHost::configure(const NamedNative& named, std::uint64_t) { error_ = state_->take(named); }

void EngineHost::restart(const std::vector<StoredRecord>& journal, std::uint64_t) {
  state_->pending.clear();
  state_->engine = std::make_unique<NativeEngine>(kKey);
  state_->engine->adopt(*state_->plan);
  for (const StoredRecord& stored : journal) state_->engine->restore(stored.record);
}

std::uint64_t EngineHost::leased() const { return state_->engine->leases().leased(); }
std::uint64_t EngineHost::offered() const { return state_->engine->leases().offered(); }
std::uint64_t EngineHost::declined() const { return state_->engine->leases().declined(); }

}  // namespace xk::test
