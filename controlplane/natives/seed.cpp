#include "controlplane/natives/seed.h"

#include <fcntl.h>

#include <array>
#include <random>
#include <vector>

#include "controlplane/natives/convert.h"

namespace xk::natives {
namespace {

constexpr std::size_t kSeedPageKeys = 10'000;
constexpr std::size_t kWriteBytes = std::size_t{1} << 20;
constexpr std::uint64_t kNumber = 1;

// The file while it is written.
class SnapshotFile {
 public:
  SnapshotFile(int folder, const Owner& owner)
      : folder_(folder), name_(journal_file_name(JournalFileKind::snapshot, kNumber)) {
    ::unlinkat(folder_, temporary().c_str(), 0);
    fd_ = Fd(
        ::openat(folder_, temporary().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    good_ = fd_ && ::fchown(fd_.get(), owner.uid, owner.gid) == 0;
    buffer_.resize(kWriteBytes);
    used_ = kJournalHeaderSize;  // written last
  }

  // Nothing of it may be wrong: the texts fit.
  void add(const JournalRecord& record) {
    std::size_t size = encode_record(record, MutableBytes(buffer_).subspan(used_), salt_);
    if (size == 0) {
      flush();
      size = encode_record(record, MutableBytes(buffer_), salt_);
    }
    used_ += size;
  }

  std::expected<void, Error> put_in_place(const EngineClock& clock, std::uint64_t records) {
    JournalRecord end;
    end.kind = RecordKind::end;
    end.cause = RecordCause::seeded;
    end.revision = records;
    end.address = Ip4{static_cast<std::uint32_t>(records)};
    add(end);
    flush();
    const auto header = encode_journal_header({.kind = JournalFileKind::snapshot,
                                               .number = kNumber,
                                               .revision = records,
                                               .clock = clock,
                                               .salt = salt_});
    good_ =
        good_ && ::pwrite(fd_.get(), header.data(), header.size(), 0) == static_cast<ssize_t>(header.size());
    if (!good_ || ::fsync(fd_.get()) != 0 ||
        ::renameat(folder_, temporary().c_str(), folder_, name_.c_str()) != 0 || ::fsync(folder_) != 0)
      return std::unexpected(errno_error("cannot write " + name_));
    return {};
  }

 private:
  [[nodiscard]] std::string temporary() const { return name_ + ".new"; }
  void flush() {
    std::size_t at = 0;
    while (good_ && at < used_) {
      const ssize_t n = ::write(fd_.get(), buffer_.data() + at, used_ - at);
      if (n < 0 && errno == EINTR) continue;
      good_ = n >= 0;
      if (good_) at += static_cast<std::size_t>(n);
    }
    used_ = 0;
  }

  int folder_;
  std::string name_;
  Fd fd_;
  bool good_ = false;
  std::uint32_t salt_ = std::random_device{}();
  std::vector<std::uint8_t> buffer_;
  std::size_t used_ = 0;
};

bool is_over(const leases::Record& record, std::int64_t now_unix_s, std::int64_t after_s) {
  const auto expires = record.expires_unix_s();
  return expires && *expires + after_s <= now_unix_s;
}

class Seeder {
 public:
  Seeder(const SeedJob& job, SnapshotFile& file) : job_(job), file_(file) {}

  void add_page(const store::Page& page) {
    for (const store::KeyValue& item : page.items) {
      const auto record = reader_.read(item.value);
      if (record) {
        add(*record);
      } else if (seeded_.bad++ == 0) {
        seeded_.first_bad = item.key + ": " + record.error().message;
      }
    }
  }
  [[nodiscard]] Seeded& seeded() { return seeded_; }

 private:
  void add(const leases::Record& record) {
    const std::int64_t now_unix_s = job_.clock.now.real_ms / 1000;
    const bool declined = record.state == leases::State::declined;
    if (is_over(record, now_unix_s, declined ? 0 : job_.grace_s)) return;
    auto seed = seed_of(record);
    if (!seed) {
      if (seeded_.left_out++ == 0)
        seeded_.first_left_out =
            to_string(record.address) + (record.hardware_type != 1
                                             ? ", of hardware type " + std::to_string(record.hardware_type)
                                             : ", which has neither a MAC address nor a client id that fits");
      return;
    }
    if (seed->cut && seeded_.cut++ == 0) seeded_.first_cut = to_string(record.address);
    if (declined) ++seeded_.declined;
    if (!declined && is_over(record, now_unix_s, 0)) ++seeded_.expired;
    seed->record.revision = ++seeded_.leases;
    file_.add(seed->record);
  }

  const SeedJob& job_;
  SnapshotFile& file_;
  leases::RecordReader reader_;
  Seeded seeded_;
};

}  // namespace

std::expected<Seeded, Error> seed(store::Store& store, const SeedJob& job) {
  const auto folder = open_folder(job.directory, job.owner);
  if (!folder) return std::unexpected(folder.error());
  // Until the snapshot is whole the folder counts as one that has ended.
  if (auto ended = end_folder(folder->get()); !ended)
    return std::unexpected(std::move(ended.error()).in(job.directory));
  if (auto emptied = empty_folder(job.directory, folder->get()); !emptied)
    return std::unexpected(std::move(emptied.error()));
  SnapshotFile file(folder->get(), job.owner);
  Seeder seeder(job, file);
  const std::string prefix = leases::lease_prefix(job.vrf);
  store::Range range{.from = prefix, .to = store::end_of_prefix(prefix), .limit = kSeedPageKeys};
  for (;;) {
    const auto page = store.range(range);
    if (!page) return std::unexpected(Error(page.error().error).in("cannot read the leases"));
    seeder.add_page(*page);
    if (!page->more || page->items.empty()) break;
    range.from = page->items.back().key + '\0';
    range.at = page->revision;
  }
  Seeded& seeded = seeder.seeded();
  if (auto put = file.put_in_place(engine_clock(job.clock), seeded.leases); !put)
    return std::unexpected(std::move(put.error()).in(job.directory));
  if (auto begun = begin_folder(folder->get()); !begun)
    return std::unexpected(std::move(begun.error()).in(job.directory));
  seeded.begins = {.revision = seeded.leases, .journal = kNumber, .at = 0, .sum = 0, .missed = 0};
  return std::move(seeded);
}

}  // namespace xk::natives
