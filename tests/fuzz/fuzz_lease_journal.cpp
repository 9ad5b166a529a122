// The journal of a native engine. A record that is read is written again as the same; a folder whose files
// are anything is followed to an end, and what is taken of it once is taken again after a restart in the
// middle. What the dataplane recovers of it, it also recovers of the snapshot that it makes of it.
#include <stdlib.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/leases/record.h"
#include "controlplane/natives/convert.h"
#include "controlplane/natives/journal_tail.h"
#include "controlplane/natives/position.h"
#include "dataplane/serve/journal_files.h"

namespace {

using namespace xk;

void read_as_records(Bytes bytes) {
  JournalRecord record;
  std::size_t size = 0;
  while (read_record(bytes, record, size) == RecordRead::whole) {
    std::vector<std::uint8_t> again(kRecordSizeMax);
    if (encode_record(record, again) != size) std::abort();
    JournalRecord same;
    std::size_t same_size = 0;
    if (read_record(again, same, same_size) != RecordRead::whole || !(same == record)) std::abort();
    leases::VrfFacts facts;
    facts.name = "red";
    const leases::Record made = natives::record_of(record, facts, 12345);
    leases::RecordReader reader;
    if (!made.address.is_zero() && !reader.read(leases::to_json(made))) std::abort();
    bytes = bytes.subspan(size);
  }
}

struct Folder {
  Folder() {
    const bool memory = std::filesystem::exists("/dev/shm");
    std::string name = memory ? "/dev/shm/xk-fuzz-XXXXXX" : "/tmp/xk-fuzz-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  void write(JournalFileKind kind, std::uint64_t number, std::string_view bytes) const {
    std::ofstream(path + "/" + journal_file_name(kind, number), std::ios::binary | std::ios::trunc) << bytes;
  }
  std::string path;
};

std::string header(JournalFileKind kind, std::uint64_t number) {
  const auto bytes = encode_journal_header({.kind = kind, .number = number, .revision = 0, .clock = {}});
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Revisions of what comes, until there is no more for now.
std::vector<std::uint64_t> follow(natives::JournalTail& tail) {
  std::vector<std::uint64_t> revisions;
  for (int looks = 0; looks < 100; ++looks) {
    const auto look = tail.look([&](const JournalRecord& record) { revisions.push_back(record.revision); });
    if (!look || !look->more) return revisions;
  }
  std::abort();  // it never ends
}

void follow_as_files(std::string_view bytes) {
  static const Folder folder;
  JournalRecord end;
  end.kind = RecordKind::end;
  std::string snapshot(kRecordFixedSize, '\0');
  if (encode_record(end, {reinterpret_cast<std::uint8_t*>(snapshot.data()), snapshot.size()}) == 0)
    std::abort();
  folder.write(JournalFileKind::snapshot, 1, header(JournalFileKind::snapshot, 1) + snapshot);
  folder.write(JournalFileKind::snapshot, 2, bytes);
  folder.write(JournalFileKind::journal, 1, header(JournalFileKind::journal, 1) + std::string(bytes));
  folder.write(JournalFileKind::journal, 2, bytes);
  natives::JournalTail tail(folder.path, [](const std::string&) {});
  static_cast<void>(follow(tail));
  const auto position = tail.position();
  natives::JournalTail again(folder.path, [](const std::string&) {});
  again.start(position);
  static_cast<void>(follow(again));
  again.conclude();
}

// What an address came to.
using Leases = std::map<std::uint32_t, std::pair<RecordKind, std::uint64_t>>;

std::optional<Leases> recover(const std::string& path) {
  Leases leases;
  const auto recovered = recover_journals(path, {}, [&](const JournalRecord& record) {
    leases[record.address.value] = {record.kind, record.revision};
  });
  if (!recovered) return std::nullopt;
  std::erase_if(leases, [](const auto& lease) { return lease.second.first == RecordKind::free; });
  return leases;
}

void recover_as_files(std::string_view bytes) {
  static const Folder folder;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path))
    std::filesystem::remove(entry.path());
  folder.write(JournalFileKind::journal, 1, header(JournalFileKind::journal, 1) + std::string(bytes));
  folder.write(JournalFileKind::journal, 2, bytes);
  const auto before = recover(folder.path);
  const auto snapshot = make_journal_snapshot(folder.path, 3, {}, 7);
  if (before.has_value() != snapshot.has_value()) std::abort();
  remove_journals(folder.path, 3);
  if (before && recover(folder.path) != before) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  read_as_records({data, size});
  if (const auto position = natives::parse_position(text)) {
    const auto same = natives::parse_position(natives::to_json(*position));
    if (!same || !(*same == *position)) std::abort();
  }
  static_cast<void>(decode_journal_header({data, size}));
  follow_as_files(text);
  recover_as_files(text);
  return 0;
}
