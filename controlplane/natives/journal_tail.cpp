#include "controlplane/natives/journal_tail.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

namespace xk::natives {
namespace {

constexpr std::size_t kFilesMax = 65536;  // of a folder

std::uint32_t sum_of(Bytes record) {
  std::uint32_t sum = 0;
  std::memcpy(&sum, record.data(), sizeof sum);
  return sum;
}

// What is written ahead of the records that will stand there.
bool all_zero(Bytes bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace

void JournalTail::start(std::optional<TailPosition> from) {
  from_ = from;
  started_ = false;
  file_.reset();
  waits_for_ = 0;
  given_up_ = false;
  taken_ = {};
}

std::optional<TailPosition> JournalTail::position() const {
  if (!started_ || (file_ && header_.kind == JournalFileKind::snapshot)) return std::nullopt;
  return taken_;
}

std::string JournalTail::name_of(JournalFileKind kind, std::uint64_t number) const {
  return directory_ + "/" + journal_file_name(kind, number);
}

std::expected<JournalTail::Files, Error> JournalTail::list() const {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(directory_.c_str()), ::closedir);
  if (!directory) return std::unexpected(errno_error("cannot open " + directory_));
  Files files;
  while (const dirent* entry = ::readdir(directory.get())) {
    const auto name = parse_journal_file_name(entry->d_name);
    if (!name) continue;
    (name->kind == JournalFileKind::journal ? files.journals : files.snapshots).push_back(name->number);
    if (files.journals.size() + files.snapshots.size() > kFilesMax)
      return std::unexpected(Error{directory_ + " has more than 65536 files of leases"});
  }
  std::ranges::sort(files.journals);
  std::ranges::sort(files.snapshots);
  return files;
}

// Something else of that name, a link or a pipe, is none.
Fd JournalTail::open_file(JournalFileKind kind, std::uint64_t number) const {
  Fd file(::open(name_of(kind, number).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat info{};
  if (file && (::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode))) file.reset();
  return file;
}

std::expected<Bytes, Error> JournalTail::read_at(const Fd& file, std::uint64_t offset) {
  chunk_.resize(kChunk);
  std::size_t have = 0;
  while (have < kChunk) {
    const ssize_t n =
        ::pread(file.get(), chunk_.data() + have, kChunk - have, static_cast<off_t>(offset + have));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(errno_error("cannot read a file of leases in " + directory_));
    if (n == 0) break;
    have += static_cast<std::size_t>(n);
  }
  return Bytes(chunk_).first(have);
}

std::expected<JournalHeader, Error> JournalTail::header_of(const Fd& file, JournalFileKind kind,
                                                           std::uint64_t number) const {
  std::array<std::uint8_t, kJournalHeaderSize> bytes{};
  const ssize_t n = ::pread(file.get(), bytes.data(), bytes.size(), 0);
  if (n < 0) return std::unexpected(errno_error("cannot read " + name_of(kind, number)));
  auto header = decode_journal_header(Bytes(bytes).first(static_cast<std::size_t>(n)));
  if (!header) return std::unexpected(std::move(header.error()).in(name_of(kind, number)));
  if (header->kind != kind || header->number != number)
    return std::unexpected(Error{name_of(kind, number) + ": its header is of another file"});
  return header;
}

// ---- where to begin ----------------------------------------------------------------------------------

std::expected<void, Error> JournalTail::open_start() {
  const auto files = list();
  if (!files) return std::unexpected(files.error());
  if (from_) {
    if (open_position(*files, *from_)) {
      started_ = true;
      return {};
    }
    tell_(directory_ + ": the store has leases up to revision " + std::to_string(from_->revision) +
          ", behind which the journal does not go on: everything is taken from the newest snapshot");
    from_.reset();
  }
  auto opened = open_newest_snapshot(*files);
  started_ = opened.has_value();
  return opened;
}

bool JournalTail::open_position(const Files& files, const TailPosition& from) {
  const auto goes_on = [&](std::uint64_t number, std::uint64_t offset) {
    taken_ = from;
    if (number != from.journal)
      taken_ = {.revision = from.revision, .journal = number, .at = 0, .sum = 0, .missed = from.missed};
    offset_ = offset;
  };
  const auto begun = [this](std::uint64_t number) {
    const Fd file = open_file(JournalFileKind::journal, number);
    struct stat info{};
    return file && ::fstat(file.get(), &info) == 0 && info.st_size >= static_cast<off_t>(kJournalHeaderSize);
  };
  if (std::ranges::binary_search(files.journals, from.journal)) {
    if (from.at == 0 && !begun(from.journal)) {
      goes_on(from.journal, 0);
      waits_for_ = from.journal;
      return true;
    }
    std::uint64_t behind = 0;
    Fd file = open_file(JournalFileKind::journal, from.journal);
    if (!file || !holds_position(file, from, behind) || !open_journal(from.journal)) return false;
    goes_on(from.journal, behind);
    return true;
  }
  const auto next = std::ranges::upper_bound(files.journals, from.journal);
  if (next != files.journals.end() && begun(*next)) {
    if (!open_journal(*next) || header_.revision != from.revision) return false;
    goes_on(*next, kJournalHeaderSize);
    return true;
  }
  // The engine has not begun to write behind the snapshot.
  const auto snapshot = open_file(JournalFileKind::snapshot, from.journal);
  const auto header = snapshot ? header_of(snapshot, JournalFileKind::snapshot, from.journal)
                               : std::unexpected(Error{"there is none"});
  if (!header || header->revision != from.revision || from.at != 0) return false;
  goes_on(from.journal, 0);
  waits_for_ = from.journal;
  return true;
}

bool JournalTail::holds_position(const Fd& file, const TailPosition& from, std::uint64_t& behind) {
  const auto header = header_of(file, JournalFileKind::journal, from.journal);
  if (!header) return false;
  if (from.at == 0) {
    behind = kJournalHeaderSize;
    return header->revision <= from.revision;
  }
  if (from.at < kJournalHeaderSize) return false;
  const auto bytes = read_at(file, from.at);
  JournalRecord record;
  std::size_t size = 0;
  if (!bytes || read_record(*bytes, record, size, header->salt) != RecordRead::whole) return false;
  behind = from.at + size;
  return record.revision == from.revision && sum_of(*bytes) == from.sum;
}

std::expected<void, Error> JournalTail::open_newest_snapshot(const Files& files) {
  for (auto number = files.snapshots.rbegin(); number != files.snapshots.rend(); ++number) {
    if (!is_whole(*number)) continue;
    Fd file = open_file(JournalFileKind::snapshot, *number);
    const auto header = file ? header_of(file, JournalFileKind::snapshot, *number)
                             : std::unexpected(errno_error(name_of(JournalFileKind::snapshot, *number)));
    if (!header) return std::unexpected(header.error());
    header_ = *header;
    file_ = std::move(file);
    offset_ = kJournalHeaderSize;
    taken_ = {};
    return {};
  }
  return std::unexpected(Error{directory_ + " has no whole snapshot of leases"});
}

bool JournalTail::is_whole(std::uint64_t snapshot) {
  if (bad_snapshots_.contains(snapshot)) return false;
  const Fd file = open_file(JournalFileKind::snapshot, snapshot);
  if (!file) return false;
  const auto header = header_of(file, JournalFileKind::snapshot, snapshot);
  if (header && whole_records(file, header->salt)) return true;
  if (bad_snapshots_.size() == kFilesMax) bad_snapshots_.clear();
  bad_snapshots_.insert(snapshot);
  tell_(name_of(JournalFileKind::snapshot, snapshot) +
        " is not whole: an older one counts, and the journals behind it");
  return false;
}

bool JournalTail::whole_above(const Files& files, std::uint64_t number) {
  const auto above = std::ranges::upper_bound(files.snapshots, number);
  return std::any_of(above, files.snapshots.end(), [this](std::uint64_t each) { return is_whole(each); });
}

bool JournalTail::whole_records(const Fd& file, std::uint32_t salt) {
  std::uint64_t offset = kJournalHeaderSize;
  std::uint64_t count = 0;
  for (;;) {
    const auto bytes = read_at(file, offset);
    if (!bytes) return false;
    std::size_t at = 0;
    JournalRecord record;
    std::size_t size = 0;
    while (read_record(bytes->subspan(at), record, size, salt) == RecordRead::whole) {
      if (record.kind == RecordKind::end) return record.address.value == static_cast<std::uint32_t>(count);
      at += size;
      ++count;
    }
    if (at == 0) return false;
    offset += at;
  }
}

bool JournalTail::open_journal(std::uint64_t number) {
  Fd file = open_file(JournalFileKind::journal, number);
  if (!file) return false;
  const auto header = header_of(file, JournalFileKind::journal, number);
  if (!header) return false;
  header_ = *header;
  file_ = std::move(file);
  waits_for_ = 0;
  given_up_ = false;
  return true;
}

// ---- reading -----------------------------------------------------------------------------------------

std::expected<JournalTail::Look, Error> JournalTail::look(const Take& take) {
  if (!started_) {
    if (auto opened = open_start(); !opened) return std::unexpected(std::move(opened.error()));
  }
  if (!file_ && !follow_next()) return Look{};
  if (!started_) return Look{.more = true};
  return header_.kind == JournalFileKind::snapshot ? look_at_snapshot(take) : look_at_journal(take);
}

std::expected<JournalTail::Look, Error> JournalTail::look_at_snapshot(const Take& take) {
  Look look{.snapshot = true, .begins = offset_ == kJournalHeaderSize, .complete = false, .more = true};
  const auto bytes = read_at(file_, offset_);
  if (!bytes) return std::unexpected(bytes.error());
  std::size_t at = 0;
  JournalRecord record;
  std::size_t size = 0;
  while (read_record(bytes->subspan(at), record, size, header_.salt) == RecordRead::whole) {
    at += size;
    if (record.kind != RecordKind::end) {
      take(record);
      continue;
    }
    look.complete = true;
    taken_ = {.revision = header_.revision, .journal = header_.number, .at = 0, .sum = 0, .missed = 0};
    waits_for_ = header_.number;
    file_.reset();
    return look;
  }
  offset_ += at;
  if (at != 0) return look;
  // It was whole a moment ago.
  start(std::nullopt);
  return std::unexpected(Error{name_of(JournalFileKind::snapshot, header_.number) + " has changed"});
}

std::expected<JournalTail::Look, Error> JournalTail::look_at_journal(const Take& take) {
  // Before the look: what comes into this file afterwards comes before anything in the next one.
  const bool last = !next_journal();
  if (given_up_) return Look{.more = (!last || snapshot_after_missed()) && follow_next()};
  struct stat info{};
  if (::fstat(file_.get(), &info) != 0)
    return std::unexpected(errno_error("cannot look at " + name_of(header_.kind, header_.number)));
  if (static_cast<std::uint64_t>(info.st_size) < offset_) {
    tell_(name_of(header_.kind, header_.number) +
          " is shorter than it was: everything is taken from the newest snapshot");
    start(std::nullopt);
    return Look{.more = true};
  }
  const auto bytes = read_at(file_, offset_);
  if (!bytes) return std::unexpected(bytes.error());
  RecordRead why = RecordRead::whole;
  const std::size_t read = take_records(*bytes, take, why);
  offset_ += read;
  const Bytes rest = bytes->subspan(read);
  const bool to_the_end = bytes->size() < kChunk;
  if (!to_the_end && why == RecordRead::short_of) return Look{.more = true};
  // Room that was made for records to come is the end too.
  if (!all_zero(rest)) return Look{.more = pass_over(rest, why, last)};
  return Look{.more = (!last || info.st_nlink == 0 || snapshot_after_missed()) && follow_next()};
}

std::size_t JournalTail::take_records(Bytes bytes, const Take& take, RecordRead& rest) {
  std::size_t at = 0;
  JournalRecord record;
  std::size_t size = 0;
  for (;;) {
    rest = read_record(bytes.subspan(at), record, size, header_.salt);
    if (rest != RecordRead::whole) return at;
    if (record.kind != RecordKind::end) take(record);
    if (record.revision >= taken_.revision) {
      taken_.revision = record.revision;
      taken_.journal = header_.number;
      taken_.at = offset_ + at;
      taken_.sum = sum_of(bytes.subspan(at));
    }
    at += size;
  }
}

// The header of the next journal that was begun. Where none could be, on a full disk, its number is left out.
std::optional<JournalHeader> JournalTail::next_journal() const {
  const auto read = [this](std::uint64_t number) -> std::optional<JournalHeader> {
    const Fd file = open_file(JournalFileKind::journal, number);
    if (!file) return std::nullopt;
    const auto header = header_of(file, JournalFileKind::journal, number);
    return header ? std::optional(*header) : std::nullopt;
  };
  if (auto next = read(header_.number + 1)) return next;
  const auto files = list();
  if (!files) return std::nullopt;
  for (auto later = std::ranges::upper_bound(files->journals, header_.number); later != files->journals.end();
       ++later)
    if (auto next = read(*later)) return next;
  return std::nullopt;
}

// A damaged record whose length is right is passed over. Nothing is looked for in what follows else: the next
// snapshot has it.
bool JournalTail::pass_over(Bytes rest, RecordRead why, bool last) {
  const std::size_t length =
      why == RecordRead::damaged && rest.size() >= 6 ? std::size_t{rest[4]} | std::size_t{rest[5]} << 8 : 0;
  if (length >= kRecordFixedSize && length < rest.size()) {
    JournalRecord record;
    std::size_t size = 0;
    if (read_record(rest.subspan(length), record, size, header_.salt) == RecordRead::whole &&
        record.revision > taken_.revision) {
      lose(length, "a record is damaged");
      return true;
    }
  }
  // What is being written is whole soon.
  if (last && (why == RecordRead::short_of || rest.size() <= kRecordSizeMax)) return false;
  given_up_ = true;
  const char* what = why == RecordRead::short_of ? "a record is not whole" : "records are damaged";
  if (!last && nothing_between()) {
    tell_(name_of(header_.kind, header_.number) + ": " + what + ", from byte " + std::to_string(offset_) +
          " on: the engine has written them again, or nobody was answered");
  } else {
    lose(rest.size(), what);
  }
  return !last && follow_next();
}

// Whether the next journal begins behind what was taken of this one.
bool JournalTail::nothing_between() const {
  const auto next = next_journal();
  return next && next->revision <= taken_.revision;
}

void JournalTail::lose(std::uint64_t bytes, const std::string& what) {
  tell_(name_of(header_.kind, header_.number) + ": " + what + ", from byte " + std::to_string(offset_) +
        " to " + std::to_string(offset_ + bytes - 1) + ": changes of leases behind revision " +
        std::to_string(taken_.revision) +
        " that are there come into the store with the engine's next snapshot");
  taken_.missed = header_.number;
  offset_ += bytes;
}

// What was missed is in a snapshot that was made later.
bool JournalTail::snapshot_after_missed() {
  if (taken_.missed == 0) return false;
  const auto files = list();
  return files && whole_above(*files, taken_.missed);
}

void JournalTail::begin_journal() {
  if (header_.revision > taken_.revision) {
    tell_(name_of(header_.kind, header_.number) + " begins behind revision " +
          std::to_string(header_.revision) + ", the one before it ended with " +
          std::to_string(taken_.revision) +
          ": what is between them comes into the store with the engine's next snapshot");
    taken_.missed = header_.number;
  }
  offset_ = kJournalHeaderSize;
  taken_.journal = header_.number;
  taken_.at = 0;
  taken_.sum = 0;
}

bool JournalTail::follow_next() {
  const std::uint64_t number = file_ ? header_.number + 1 : waits_for_;
  const bool renewed = snapshot_after_missed();
  if (!renewed && open_journal(number)) {
    begin_journal();
    return true;
  }
  // One that is being begun has no header yet. Where one is left out there is a snapshot behind it, or it
  // cannot be read.
  const auto files = list();
  if (!files) return false;
  if (renewed || whole_above(*files, number)) {
    start(std::nullopt);
    return true;
  }
  for (auto later = std::ranges::upper_bound(files->journals, number); later != files->journals.end();
       ++later) {
    if (!open_journal(*later)) continue;
    begin_journal();
    return true;
  }
  return false;
}

void JournalTail::conclude() {
  if (!file_ || header_.kind != JournalFileKind::journal || given_up_) return;
  const auto rest = read_at(file_, offset_);
  if (rest && !all_zero(*rest)) lose(rest->size(), "the last record is not whole");
}

}  // namespace xk::natives
