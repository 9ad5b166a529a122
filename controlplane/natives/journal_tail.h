// Follows the journal of a native engine (dataplane/base/lease_journal.h) while the dataplane writes it: from
// where it was last time, or from the newest snapshot. What is in the files is untrusted. Nothing that cannot
// be read is passed over silently.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "dataplane/base/error.h"
#include "dataplane/base/fd.h"
#include "dataplane/base/lease_journal.h"

namespace xk::natives {

// The place behind a record of a journal, and which one that was: what a power cut has taken from a journal,
// and the engine has written anew since, is told from what was read.
struct TailPosition {
  std::uint64_t revision = 0;  // of the last record taken, or of the snapshot that all began with
  std::uint64_t journal = 0;   // number of the file
  std::uint64_t at = 0;        // where the record begins; 0: none of this file was taken yet
  std::uint32_t sum = 0;       // its check sum
  std::uint64_t missed = 0;    // number of a journal of which something could not be read; 0: all was
  friend bool operator==(const TailPosition&, const TailPosition&) = default;
};

class JournalTail {
 public:
  // Bytes of one look, and so the memory that it takes.
  static constexpr std::size_t kChunk = std::size_t{1} << 20;

  // tell: what could not be read, once each.
  JournalTail(std::string directory, std::function<void(std::string)> tell)
      : directory_(std::move(directory)), tell_(std::move(tell)) {}

  // The next look goes on behind the position, if the files still have it; else, and with nothing, it begins
  // with the newest whole snapshot.
  void start(std::optional<TailPosition> from);

  struct Look {
    // The records of this look and the next ones are those of a snapshot, up to complete: that is all there
    // is.
    bool snapshot = false;
    bool begins = false;    // the snapshot's first look
    bool complete = false;  // its last look
    bool more = false;      // there is more to be read at once
  };
  // Calls take for each record that came, in order; end records are not among them. What a record borrows
  // ends with the call. An Error: the files cannot be followed; it is tried again with the next look.
  using Take = std::function<void(const JournalRecord&)>;
  [[nodiscard]] std::expected<Look, Error> look(const Take& take);
  // Nobody writes the files any more: the end of the last journal is the end. Says what is torn there.
  void conclude();

  // Behind all that was taken; nothing while a snapshot is read.
  [[nodiscard]] std::optional<TailPosition> position() const;
  // Of the file that is read; nullptr: none is yet.
  [[nodiscard]] const EngineClock* clock() const { return file_ ? &header_.clock : nullptr; }

 private:
  struct Files {
    std::vector<std::uint64_t> journals, snapshots;  // their numbers, in order
  };
  [[nodiscard]] std::expected<Files, Error> list() const;
  [[nodiscard]] Fd open_file(JournalFileKind kind, std::uint64_t number) const;
  [[nodiscard]] std::expected<JournalHeader, Error> header_of(const Fd& file, JournalFileKind kind,
                                                              std::uint64_t number) const;
  // Whether all of it can be read; what cannot is told once.
  [[nodiscard]] bool is_whole(std::uint64_t snapshot);
  [[nodiscard]] bool whole_records(const Fd& file, std::uint32_t salt);
  // Whether there is a whole snapshot with a higher number.
  [[nodiscard]] bool whole_above(const Files& files, std::uint64_t number);
  [[nodiscard]] std::expected<void, Error> open_start();
  [[nodiscard]] bool open_position(const Files& files, const TailPosition& from);
  [[nodiscard]] bool holds_position(const Fd& file, const TailPosition& from, std::uint64_t& behind);
  [[nodiscard]] std::expected<void, Error> open_newest_snapshot(const Files& files);
  [[nodiscard]] bool open_journal(std::uint64_t number);
  // Bytes at the offset into chunk_; at most kChunk.
  [[nodiscard]] std::expected<Bytes, Error> read_at(const Fd& file, std::uint64_t offset);
  [[nodiscard]] std::expected<Look, Error> look_at_snapshot(const Take& take);
  [[nodiscard]] std::expected<Look, Error> look_at_journal(const Take& take);
  // Takes what is whole at the beginning of the bytes; how many bytes that were, and what the rest is.
  [[nodiscard]] std::size_t take_records(Bytes bytes, const Take& take, RecordRead& rest);
  // The rest of a look, at the offset; whether to go on at once.
  [[nodiscard]] bool pass_over(Bytes rest, RecordRead why, bool last);
  [[nodiscard]] bool nothing_between() const;
  [[nodiscard]] std::optional<JournalHeader> next_journal() const;
  void lose(std::uint64_t bytes, const std::string& what);
  [[nodiscard]] bool snapshot_after_missed();
  // Goes to the file behind this one, if it is there.
  [[nodiscard]] bool follow_next();
  void begin_journal();
  [[nodiscard]] std::string name_of(JournalFileKind kind, std::uint64_t number) const;

  std::string directory_;
  std::function<void(std::string)> tell_;
  std::optional<TailPosition> from_;  // of start()
  bool started_ = false;
  Fd file_;  // that is read
  JournalHeader header_;
  std::uint64_t waits_for_ = 0;  // journal that is not there yet
  std::uint64_t offset_ = 0;     // of the file, up to where it was read
  bool given_up_ = false;        // the rest of the file cannot be read
  TailPosition taken_;
  std::set<std::uint64_t> bad_snapshots_;
  std::vector<std::uint8_t> chunk_;
};

}  // namespace xk::natives
