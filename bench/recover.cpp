// How long a native engine takes to know 10,000,000 leases again: most of them in a snapshot, the others in a
// journal behind it, which also changes some. Makes the files in a directory, has the kernel forget them,
// then reads them as the dataplane does. The last line is one JSON object.
#include <fcntl.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "bench/engine_rig.h"
#include "dataplane/serve/journal_files.h"

namespace {

using namespace xk;
using namespace xk::bench;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kInSnapshot = 9'000'000;
constexpr std::uint32_t kInJournal = 2'000'000;  // a half of them new
constexpr std::uint32_t kLeases = kInSnapshot + kInJournal / 2;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

template <typename Value>
Value need(std::expected<Value, Error> result) {
  if (result) {
    if constexpr (!std::is_void_v<Value>) return std::move(*result);
    return Value();
  }
  std::fprintf(stderr, "%s\n", result.error().message.c_str());
  std::exit(EXIT_FAILURE);
}

EngineClock clock_now() {
  const MachineTime now = machine_time();
  return {.boot_id = now.boot_id, .boot_ms = now.boot_ms, .wall_ms = now.wall_ms, .engine_ms = kNowMs};
}

// Journal `number` with the records of so many clients.
void write_journal(const std::string& directory, std::uint64_t number, std::uint32_t first,
                   std::uint32_t count, std::uint64_t& revision) {
  JournalHeader header;
  header.number = number;
  header.revision = revision;
  header.clock = clock_now();
  JournalWriter writer = need(JournalWriter::create(directory, header));
  std::vector<std::uint8_t> bytes;
  bytes.reserve(std::size_t{1} << 20);
  std::array<std::uint8_t, kRecordSizeMax> one;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::size_t size = encode_record(lease_record(first + i, ++revision), one);
    bytes.insert(bytes.end(), one.begin(), one.begin() + static_cast<std::ptrdiff_t>(size));
    if (bytes.size() < (std::size_t{1} << 20) - kRecordSizeMax && i + 1 < count) continue;
    if (auto done = writer.append(bytes); !done) need<void>(std::unexpected(done.error()));
    bytes.clear();
  }
  if (auto done = writer.sync(); !done) need<void>(std::unexpected(done.error()));
}

// The files come from the disk the next time.
void forget_files(const std::string& directory) {
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const Fd file{open(entry.path().c_str(), O_RDONLY | O_CLOEXEC)};
    if (file) (void)posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "Usage: bench_recover DIRECTORY\n");
    return 2;
  }
  const std::string directory = argv[1];
  std::filesystem::create_directories(directory);
  std::uint64_t revision = 0;
  write_journal(directory, 1, 0, kInSnapshot, revision);
  Clock::time_point start = Clock::now();
  const JournalSnapshot snapshot = need(make_journal_snapshot(directory, 2, clock_now(), 1));
  const double snapshot_s = seconds_since(start);
  remove_journals(directory, 2);
  write_journal(directory, 2, kInSnapshot - kInJournal / 2, kInJournal, revision);
  forget_files(directory);

  start = Clock::now();
  EngineRig rig(kLeases + 65'536);
  const double made_s = seconds_since(start);
  const Recovered recovered = need(recover_journals(
      directory, machine_time(), [&](const JournalRecord& record) { rig.engine().restore(record); }));
  const double recover_s = seconds_since(start);
  if (rig.engine().leases().leased() != kLeases || recovered.revision != revision ||
      !recovered.remarks.empty()) {
    std::fprintf(stderr, "not every lease is there again: %s\n", recovered.remarks.c_str());
    return EXIT_FAILURE;
  }
  std::printf("snapshot of %u leases: %.2f s, %lu bytes; table: %.2f s\n", kInSnapshot, snapshot_s,
              snapshot.bytes, made_s);
  std::printf("{\"leases\": %u, \"recover_s\": %.2f, \"bytes_per_lease\": %.1f}\n", kLeases, recover_s,
              static_cast<double>(rig.engine().leases().bytes()) / (kLeases + 65'536));
  return EXIT_SUCCESS;
}
