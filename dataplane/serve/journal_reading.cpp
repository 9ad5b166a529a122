// Reading of journals and snapshots: recovery, and the making of the next snapshot.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "dataplane/serve/journal_files.h"

namespace xk {
namespace {

constexpr std::size_t kWriteBlock = std::size_t{1} << 20;
constexpr std::size_t kRemarksMax = 2000;  // bytes

// A file seen as memory. Nobody else shortens the files of a folder.
class Mapped {
 public:
  static std::expected<Mapped, Error> open_file(const std::string& path) {
    const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    struct stat status{};
    if (!fd || fstat(fd.get(), &status) != 0)
      return std::unexpected(Error{path + ": " + std::strerror(errno)});
    if (!S_ISREG(status.st_mode)) return std::unexpected(Error{path + ": is no regular file"});
    Mapped mapped;
    mapped.size_ = static_cast<std::size_t>(status.st_size);
    if (mapped.size_ == 0) return mapped;
    void* at = mmap(nullptr, mapped.size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (at == MAP_FAILED) return std::unexpected(Error{path + ": mmap: " + std::strerror(errno)});
    (void)madvise(at, mapped.size_, MADV_SEQUENTIAL);
    mapped.at_ = static_cast<const std::uint8_t*>(at);
    return mapped;
  }
  Mapped(Mapped&& other) noexcept
      : at_(std::exchange(other.at_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Mapped& operator=(Mapped&&) = delete;
  ~Mapped() {
    if (at_ != nullptr) munmap(const_cast<std::uint8_t*>(at_), size_);
  }
  [[nodiscard]] Bytes bytes() const { return {at_, size_}; }

 private:
  Mapped() = default;
  const std::uint8_t* at_ = nullptr;
  std::size_t size_ = 0;
};

// What is wrong with files, for a person.
class Remarks {
 public:
  void add(const std::string& remark) {
    if (text_.size() + remark.size() > kRemarksMax) {
      ++more_;
      return;
    }
    if (!text_.empty()) text_ += "; ";
    text_ += remark;
  }
  [[nodiscard]] std::string text() const {
    return more_ == 0 ? text_ : text_ + "; and " + std::to_string(more_) + " more";
  }

 private:
  std::string text_;
  std::size_t more_ = 0;
};

struct FileRead {
  std::optional<JournalHeader> header;  // nullopt: a journal that ends inside its header
  bool ended = false;                   // a snapshot's end record was found
};

// Hands the records of one file to take(record, offset).
template <typename Take>
std::expected<FileRead, Error> read_file(const std::string& name, JournalFileName expected, Bytes bytes,
                                         Remarks& remarks, Take&& take) {
  FileRead read;
  // The file was made, and its writer ended before it had written anything.
  if (expected.kind == JournalFileKind::journal && bytes.size() < kJournalHeaderSize) return read;
  auto header = decode_journal_header(bytes);
  if (!header) return std::unexpected(std::move(header.error()).in(name));
  if (header->kind != expected.kind || header->number != expected.number)
    return std::unexpected(Error{name + ": its header says that it is another file"});
  read.header = *header;
  std::uint64_t count = 0;
  std::size_t at = kJournalHeaderSize;
  while (at < bytes.size()) {
    JournalRecord record;
    std::size_t size = 0;
    if (read_record(bytes.subspan(at), record, size, header->salt) == RecordRead::whole) {
      at += size;
      if (record.kind == RecordKind::end) {
        read.ended = record.address.value == (count & 0xffffffffu);
        break;
      }
      ++count;
      take(record, at - size);
      continue;
    }
    const std::size_t from = at++;
    while (at < bytes.size() &&
           read_record(bytes.subspan(at), record, size, header->salt) != RecordRead::whole)
      ++at;
    if (at < bytes.size())
      remarks.add(name + ": bytes " + std::to_string(from) + " to " + std::to_string(at - 1) +
                  " are damaged and were left out");
    else if (expected.kind == JournalFileKind::snapshot)
      remarks.add(name + ": damaged from byte " + std::to_string(from) + " on");
  }
  if (expected.kind == JournalFileKind::snapshot && !read.ended)
    remarks.add(name + ": is not whole; leases may be missing");
  return read;
}

// The files that count: the newest snapshot and the journals from its number on.
std::vector<JournalFileName> files_of(const JournalFolder& folder, std::uint64_t below) {
  std::vector<JournalFileName> files;
  std::uint64_t from = 0;
  for (const std::uint64_t number : folder.snapshots)
    if (number < below) from = number;
  if (from != 0) files.push_back({JournalFileKind::snapshot, from});
  for (const std::uint64_t number : folder.journals)
    if (number >= from && number < below) files.push_back({JournalFileKind::journal, number});
  return files;
}

// The engine's clock goes on as the machine's does, over a boot too, but never back.
std::uint64_t clock_of(const EngineClock& last, std::uint64_t last_ms, const MachineTime& now) {
  if (last.boot_id == now.boot_id) return last.engine_ms - last.boot_ms;
  const std::uint64_t passed = now.wall_ms > last.wall_ms ? now.wall_ms - last.wall_ms : 0;
  return std::max(last.engine_ms + passed, last_ms) - now.boot_ms;
}

}  // namespace

std::expected<Recovered, Error> recover_journals(const std::string& directory, const MachineTime& now,
                                                 const std::function<void(const JournalRecord&)>& take) {
  const auto folder = list_journal_folder(directory);
  if (!folder) return std::unexpected(folder.error());
  Recovered recovered;
  for (const auto* numbers : {&folder->snapshots, &folder->journals})
    if (!numbers->empty()) recovered.next_number = std::max(recovered.next_number, numbers->back() + 1);
  recovered.clock_ms = now.wall_ms - now.boot_ms;
  std::optional<EngineClock> clock;
  std::uint64_t last_ms = 0;
  Remarks remarks;
  for (const JournalFileName& file : files_of(*folder, std::numeric_limits<std::uint64_t>::max())) {
    const std::string name = journal_file_name(file.kind, file.number);
    auto mapped = Mapped::open_file(directory + "/" + name);
    if (!mapped) return std::unexpected(std::move(mapped.error()));
    auto read =
        read_file(name, file, mapped->bytes(), remarks, [&](const JournalRecord& record, std::size_t) {
          take(record);
          ++recovered.records;
          recovered.revision = std::max(recovered.revision, record.revision);
          last_ms = std::max(last_ms, record.start_ms);
        });
    if (!read) return std::unexpected(std::move(read.error()).in(directory));
    recovered.bytes += mapped->bytes().size();
    if (!read->header) continue;
    clock = read->header->clock;
    recovered.revision = std::max(recovered.revision, read->header->revision);
  }
  if (clock) recovered.clock_ms = clock_of(*clock, last_ms, now);
  recovered.remarks = remarks.text();
  return recovered;
}

// ---- snapshots -----------------------------------------------------------------------------------------

namespace {

// A file that is read, and the salt of its records.
struct Source {
  Mapped mapped;
  std::uint32_t salt = 0;
};

// Where the last record of an address is.
struct Found {
  std::uint32_t address = 0;
  std::uint32_t file = 0;
  std::uint64_t offset = 0;
  friend auto operator<=>(const Found&, const Found&) = default;
};

// A file that has its name only once it is whole and on stable storage.
class SnapshotFile {
 public:
  SnapshotFile(SnapshotFile&&) = default;
  SnapshotFile& operator=(SnapshotFile&&) = delete;
  // One that could not be finished takes no room from the journal.
  ~SnapshotFile() {
    if (fd_) (void)unlink(temporary_.c_str());
  }
  static std::expected<SnapshotFile, Error> create(const std::string& directory, std::uint64_t number) {
    SnapshotFile file;
    file.directory_ = directory;
    file.path_ = directory + "/" + journal_file_name(JournalFileKind::snapshot, number);
    file.temporary_ = file.path_ + std::string(kUnfinished);
    file.fd_ = Fd(open(file.temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
    if (!file.fd_) return std::unexpected(file.failed("open"));
    file.block_.reserve(kWriteBlock + kRecordSizeMax);
    return file;
  }
  [[nodiscard]] std::expected<void, Error> add(Bytes bytes) {
    block_.insert(block_.end(), bytes.begin(), bytes.end());
    return block_.size() < kWriteBlock ? std::expected<void, Error>{} : flush();
  }
  [[nodiscard]] std::expected<std::uint64_t, Error> finish() {
    if (auto flushed = flush(); !flushed) return std::unexpected(std::move(flushed.error()));
    if (fsync(fd_.get()) != 0) return std::unexpected(failed("fsync"));
    if (rename(temporary_.c_str(), path_.c_str()) != 0) return std::unexpected(failed("rename"));
    fd_.reset();
    const Fd folder(open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder || fsync(folder.get()) != 0) return std::unexpected(failed("fsync of the folder"));
    return bytes_;
  }

 private:
  SnapshotFile() = default;
  [[nodiscard]] Error failed(const char* call) const {
    return Error{temporary_ + ": " + call + ": " + std::strerror(errno)};
  }
  [[nodiscard]] std::expected<void, Error> flush() {
    for (std::size_t at = 0; at < block_.size();) {
      const ssize_t wrote = write(fd_.get(), block_.data() + at, block_.size() - at);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return std::unexpected(failed("write"));
      at += static_cast<std::size_t>(wrote);
    }
    bytes_ += block_.size();
    block_.clear();
    return {};
  }
  Fd fd_;
  std::string directory_, path_, temporary_;
  std::vector<std::uint8_t> block_;
  std::uint64_t bytes_ = 0;
};

// The last of each address, in the order of addresses.
void keep_last(std::vector<Found>& found) {
  std::ranges::sort(found);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < found.size(); ++i)
    if (i + 1 == found.size() || found[i + 1].address != found[i].address) found[kept++] = found[i];
  found.resize(kept);
}

std::expected<std::uint64_t, Error> write_snapshot(SnapshotFile file, const JournalHeader& header,
                                                   const std::vector<Source>& files,
                                                   const std::vector<Found>& found) {
  if (auto added = file.add(encode_journal_header(header)); !added)
    return std::unexpected(std::move(added.error()));
  std::uint64_t count = 0;
  std::array<std::uint8_t, kRecordSizeMax> bytes{};
  const auto add = [&](const JournalRecord& record) {
    return file.add(Bytes(bytes).first(encode_record(record, bytes, header.salt)));
  };
  for (const Found& each : found) {
    const Source& source = files[each.file];
    JournalRecord record;
    std::size_t size = 0;
    static_cast<void>(read_record(source.mapped.bytes().subspan(each.offset), record, size, source.salt));
    if (record.kind == RecordKind::free) continue;
    ++count;
    if (auto added = add(record); !added) return std::unexpected(std::move(added.error()));
  }
  JournalRecord end;
  end.kind = RecordKind::end;
  end.revision = header.revision;
  end.address.value = static_cast<std::uint32_t>(count);
  if (auto added = add(end); !added) return std::unexpected(std::move(added.error()));
  return file.finish();
}

}  // namespace

std::expected<JournalSnapshot, Error> make_journal_snapshot(const std::string& directory,
                                                            std::uint64_t number, const EngineClock& clock,
                                                            std::uint32_t salt) {
  const auto folder = list_journal_folder(directory);
  if (!folder) return std::unexpected(folder.error());
  JournalHeader header{
      .kind = JournalFileKind::snapshot, .number = number, .revision = 0, .clock = clock, .salt = salt};
  std::vector<Source> files;
  std::vector<Found> found;
  Remarks remarks;
  for (const JournalFileName& name : files_of(*folder, number)) {
    const std::string text = journal_file_name(name.kind, name.number);
    auto mapped = Mapped::open_file(directory + "/" + text);
    if (!mapped) return std::unexpected(std::move(mapped.error()));
    const auto place = static_cast<std::uint32_t>(files.size());
    auto read =
        read_file(text, name, mapped->bytes(), remarks, [&](const JournalRecord& record, std::size_t at) {
          found.push_back({record.address.value, place, at});
          header.revision = std::max(header.revision, record.revision);
        });
    if (!read) return std::unexpected(std::move(read.error()).in(directory));
    if (read->header) header.revision = std::max(header.revision, read->header->revision);
    files.push_back({std::move(*mapped), read->header ? read->header->salt : 0});
  }
  keep_last(found);
  auto file = SnapshotFile::create(directory, number);
  if (!file) return std::unexpected(std::move(file.error()));
  auto written = write_snapshot(std::move(*file), header, files, found);
  if (!written) return std::unexpected(std::move(written.error()));
  for (const std::uint64_t old : folder->snapshots)
    if (old < number)
      (void)unlink((directory + "/" + journal_file_name(JournalFileKind::snapshot, old)).c_str());
  return JournalSnapshot{*written, remarks.text()};
}

}  // namespace xk
