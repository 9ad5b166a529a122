// The native engine of one VRF without a pipeline around it: frames in, frames and journal records out, on a
// clock that the test sets. What the engine asks of the threads beside it (durability, ARP) is the test's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/base/forwarding.h"
#include "dataplane/base/lease_journal.h"
#include "dataplane/dhcp/received.h"
#include "dataplane/serve/native_engine.h"
#include "tests/serve4/native_text.h"

namespace xk::test {

// The engine's clock when a case begins: no small number, or a time of 0 would go unnoticed.
inline constexpr std::uint64_t kClockStartMs = 1'000'000'000;

// A journal record that owns its texts: as it stands in the journal.
struct StoredRecord {
  std::vector<std::uint8_t> bytes;
  JournalRecord record;  // its texts are in bytes
  explicit StoredRecord(const JournalRecord& from);
  StoredRecord(const StoredRecord& other) : StoredRecord(other.record) {}
  StoredRecord& operator=(const StoredRecord& other);
};

struct Reaction {
  Verdict verdict;
  std::vector<std::uint8_t> frame;  // what is sent; empty: nothing
  AttachmentId out{};
  bool waits = false;                // for the records of this step
  std::uint64_t after_revision = 0;  // that has to be durable before the frame leaves; 0: none
  std::vector<StoredRecord> records;
  std::vector<Ip4> probes;  // addresses that ARP asks for
  bool settled = true;      // the verdict is final: not while an ARP answer is waited for
};

class EngineHost {
 public:
  // error() says what makes the configuration none that xdp-kead could publish; then nothing else is to be
  // asked.
  explicit EngineHost(const NamedNative& named);
  ~EngineHost();
  EngineHost(const EngineHost&) = delete;
  EngineHost& operator=(const EngineHost&) = delete;

  [[nodiscard]] const std::string& error() const { return error_; }
  [[nodiscard]] const Forwarding& forwarding() const;

  Reaction receive(AttachmentId at, Bytes frame, std::uint64_t now_ms);
  // What there is room for from now on, but for what passes by itself.
  void set_room(NativeRoom room);
  // Time passes: answers of probes that nobody answered, leases that are reclaimed.
  Reaction pass(std::uint64_t now_ms);
  Reaction heard(AttachmentId at, Ip4 address, const Mac& mac, std::uint64_t now_ms);
  Reaction forget(Ip4 address, std::uint64_t now_ms);
  void configure(const NamedNative& named, std::uint64_t now_ms);
  // A new engine that has read these records, in their order.
  void restart(const std::vector<StoredRecord>& journal, std::uint64_t now_ms);

  // Addresses that are neither free nor offered, for invariants.
  [[nodiscard]] std::uint64_t leased() const;
  [[nodiscard]] std::uint64_t offered() const;
  [[nodiscard]] std::uint64_t declined() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::string error_;
};

}  // namespace xk::test
