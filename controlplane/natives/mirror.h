// What a native engine's journal says, in the store: the store follows, and never has less than it says it
// has.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "controlplane/leases/gate.h"
#include "controlplane/natives/clock.h"
#include "controlplane/natives/journal_tail.h"
#include "controlplane/natives/position.h"
#include "controlplane/store/store.h"

namespace xk::natives {

class Mirror {
 public:
  // The clock was set when it and what the leases were told by differ by so much: they are told anew then,
  // all of them, from the newest snapshot and the journals behind it.
  static constexpr std::int64_t kStepMs = leases::ClockWatch::kStepMs;

  struct Parts {
    store::Store& store;
    std::string vrf;
    std::string directory;
    std::string machine;  // this one
    std::function<MachineClock()> clock;
    std::function<void(std::string)> tell;  // what an operator should know
  };
  explicit Mirror(Parts parts);

  // Puts what the journal has now into the store; at most a chunk of it (JournalTail::kChunk). True: there is
  // more. An Error: it is tried again with the next step. Blocks while the store works.
  [[nodiscard]] std::expected<bool, Error> step(const leases::VrfFacts& facts);
  // Nobody writes the journal any more, and the last step had no more: says what is torn at its end. An
  // Error: it cannot have been the end.
  [[nodiscard]] std::expected<void, Error> conclude();
  // After that: the store says then that the journal has ended.
  [[nodiscard]] std::expected<void, Error> end();
  // Up to which revision the store has it; nothing: that is not known yet.
  [[nodiscard]] std::optional<std::uint64_t> stored() const { return stored_; }
  // Records of leases that went into the store.
  [[nodiscard]] std::uint64_t records() const { return records_; }
  // Times that everything was taken anew.
  [[nodiscard]] std::uint64_t restarts() const { return restarts_; }

 private:
  [[nodiscard]] std::expected<void, Error> begin();
  [[nodiscard]] bool clock_was_set();
  [[nodiscard]] std::expected<bool, Error> look(const leases::VrfFacts& facts);
  void take(const JournalRecord& record, const leases::VrfFacts& facts);
  [[nodiscard]] std::expected<void, Error> erase_others();
  // All changes of a look, and then the position. all_there_is: what a snapshot had was the rest of it.
  [[nodiscard]] std::expected<void, Error> commit(const std::optional<Position>& next, bool all_there_is);
  [[nodiscard]] std::expected<void, Error> failed(const store::StoreError& error, const char* what);

  Parts parts_;
  JournalTail tail_;
  bool begun_ = false;
  std::optional<Position> position_;  // as the store has it
  std::optional<std::int64_t> ahead_ms_;
  std::unordered_map<std::uint32_t, store::Operation> changes_;  // of a look: the last of each address
  bool in_snapshot_ = false;
  std::vector<std::uint32_t> seen_;  // addresses of the snapshot that is read
  std::optional<std::uint64_t> stored_;
  std::uint64_t records_ = 0;
  std::uint64_t restarts_ = 0;
};

}  // namespace xk::natives
