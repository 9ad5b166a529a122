#include "controlplane/store/disk_repair.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>

#include "controlplane/store/disk.h"
#include "controlplane/store/wal_check.h"

namespace xk::store {
namespace {

constexpr char kMarkName[] = "/XDP-KEA-STORE";
constexpr char kMarkText[] = "xdp-kea store, format 1\n";

StoreResult<> as_result(const std::string& doing, const rocksdb::Status& status) {
  if (status.ok()) return {};
  return std::unexpected(disk_error(doing, status));
}

rocksdb::Status sync_directory(const std::string& directory, rocksdb::FileSystem& files) {
  std::unique_ptr<rocksdb::FSDirectory> opened;
  auto status = files.NewDirectory(directory, {}, &opened, nullptr);
  if (status.ok()) status = opened->Fsync({}, nullptr);
  return status;
}

rocksdb::Status write_file(const std::string& path, const std::string& text, rocksdb::FileSystem& files) {
  std::unique_ptr<rocksdb::FSWritableFile> file;
  auto status = files.NewWritableFile(path, {}, &file, nullptr);
  if (status.ok()) status = file->Append(text, {}, nullptr);
  if (status.ok()) status = file->Fsync({}, nullptr);
  if (status.ok()) status = file->Close({}, nullptr);
  return status;
}

rocksdb::Status read_file(const std::string& path, rocksdb::FileSystem& files, std::string& out) {
  std::uint64_t size = 0;
  std::unique_ptr<rocksdb::FSSequentialFile> file;
  rocksdb::Status status = files.GetFileSize(path, {}, &size, nullptr);
  if (status.ok()) status = files.NewSequentialFile(path, {}, &file, nullptr);
  out.clear();
  out.reserve(size);
  std::string room(std::size_t{1} << 20, 0);
  while (status.ok()) {
    rocksdb::Slice piece;
    status = file->Read(room.size(), {}, &piece, room.data(), nullptr);
    if (piece.empty()) break;
    out.append(piece.data(), piece.size());
  }
  return status;
}

// The number of a log's name ("000012.log"); 0 if it is none.
std::uint64_t log_number(const std::string& name) {
  constexpr std::string_view kEnding = ".log";
  if (!name.ends_with(kEnding)) return 0;
  std::uint64_t number = 0;
  const char* end = name.data() + name.size() - kEnding.size();
  const auto [stop, problem] = std::from_chars(name.data(), end, number);
  return problem == std::errc{} && stop == end ? number : 0;
}

// The newest log that has anything in it: where a log was begun and nothing was written, the one before it
// may have the torn tail. Empty: none has.
StoreResult<std::string> newest_log(const std::string& directory, rocksdb::FileSystem& files) {
  std::vector<std::string> names;
  const auto listed = files.GetChildren(directory, {}, &names, nullptr);
  if (!listed.ok()) return std::unexpected(disk_error("list " + directory, listed));
  std::erase_if(names, [](const std::string& name) { return log_number(name) == 0; });
  std::ranges::sort(names, std::greater{}, log_number);
  for (const auto& name : names) {
    std::uint64_t size = 0;
    const auto path = directory + "/" + name;
    const auto sized = files.GetFileSize(path, {}, &size, nullptr);
    if (!sized.ok()) return std::unexpected(disk_error("look at " + path, sized));
    if (size > 0) return path;
  }
  return std::string();
}

rocksdb::Status cut(const std::string& path, std::uint64_t size, rocksdb::FileSystem& files) {
  rocksdb::Status status = files.Truncate(path, size, {}, nullptr);
  std::unique_ptr<rocksdb::FSWritableFile> file;
  if (status.ok()) status = files.ReopenWritableFile(path, {}, &file, nullptr);
  if (status.ok()) status = file->Fsync({}, nullptr);
  if (status.ok()) status = file->Close({}, nullptr);
  return status;
}

// The manifest that CURRENT names. Empty: there is no store yet, or CURRENT says nothing that can be used
// (RocksDB says what is wrong with it).
StoreResult<std::string> current_manifest(const std::string& directory, rocksdb::FileSystem& files) {
  const std::string current = directory + "/CURRENT";
  if (files.FileExists(current, {}, nullptr).IsNotFound()) return std::string();
  std::string name;
  const auto read = read_file(current, files, name);
  if (!read.ok()) return std::unexpected(disk_error("read " + current, read));
  if (!name.starts_with("MANIFEST-") || !name.ends_with('\n') || name.contains('/')) return std::string();
  name.pop_back();
  const std::string path = directory + "/" + name;
  return files.FileExists(path, {}, nullptr).ok() ? path : std::string();
}

// Logs and manifests are written in the same form, and what is done relies on a record only when it is
// synced.
StoreResult<> cut_torn_tail(const std::string& path, rocksdb::FileSystem& files, std::string& repaired) {
  std::string bytes;
  const auto read = read_file(path, files, bytes);
  if (!read.ok()) return std::unexpected(disk_error("read " + path, read));
  const WalCheck check = check_wal(bytes);
  if (check.state == WalCheck::State::whole) return {};
  if (check.state == WalCheck::State::damaged) {
    return std::unexpected(
        corrupt_record(path + " cannot be read from byte " + std::to_string(check.good_bytes) +
                       " on, and good records begin again at byte " + std::to_string(check.next_good)));
  }
  const auto done = cut(path, check.good_bytes, files);
  if (!done.ok()) return std::unexpected(disk_error("cut the torn tail off " + path, done));
  if (!repaired.empty()) repaired += "; ";
  repaired += path + ": the last " + std::to_string(bytes.size() - check.good_bytes) + " bytes, from byte " +
              std::to_string(check.good_bytes) +
              " on, were an incomplete write that was never acknowledged: cut off";
  return {};
}

}  // namespace

StoreResult<> prepare_directory(const std::string& directory, rocksdb::FileSystem& files, bool real) {
  if (real && ::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    const auto error = errno_error("cannot make the directory of the store, " + directory);
    return std::unexpected(StoreError{Fault::unavailable, error});
  }
  if (!real) {
    const auto made = files.CreateDirIfMissing(directory, {}, nullptr);
    if (!made.ok()) return std::unexpected(disk_error("make " + directory, made));
  }
  const std::string parent = directory.substr(0, std::max<std::size_t>(directory.rfind('/'), 1));
  if (directory.starts_with('/')) {
    const auto synced = sync_directory(parent, files);
    if (!synced.ok()) return std::unexpected(disk_error("sync " + parent, synced));
  }
  const bool marked = files.FileExists(directory + kMarkName, {}, nullptr).ok();
  const auto current = files.FileExists(directory + "/CURRENT", {}, nullptr);
  if (marked && current.IsNotFound()) {
    return std::unexpected(corrupt_record(directory + " had a store, and its file CURRENT is gone"));
  }
  if (!marked) return {};
  std::string text;
  const auto read = read_file(directory + kMarkName, files, text);
  if (!read.ok()) return std::unexpected(disk_error("read " + directory + kMarkName, read));
  if (text == kMarkText) return {};
  return std::unexpected(StoreError{Fault::rejected,
                                    {directory + kMarkName +
                                     ": the store has a format that this version does "
                                     "not know: use the version that wrote it"}});
}

StoreResult<> mark_directory(const std::string& directory, rocksdb::FileSystem& files) {
  const std::string path = directory + kMarkName;
  if (files.FileExists(path, {}, nullptr).ok()) return {};
  auto status = write_file(path + ".new", kMarkText, files);
  if (status.ok()) status = files.RenameFile(path + ".new", path, {}, nullptr);
  if (status.ok()) status = sync_directory(directory, files);
  return as_result("write " + path, status);
}

StoreResult<> repair_tail(const std::string& directory, rocksdb::FileSystem& files, std::string& repaired) {
  const auto log = newest_log(directory, files);
  if (!log) return std::unexpected(log.error());
  if (!log->empty()) {
    if (auto done = cut_torn_tail(*log, files, repaired); !done) return done;
  }
  const auto manifest = current_manifest(directory, files);
  if (!manifest) return std::unexpected(manifest.error());
  if (manifest->empty()) return {};
  return cut_torn_tail(*manifest, files, repaired);
}

std::string why_not_writable(const Disk::Place& place) {
  rocksdb::FileSystem& layer = place.files ? *place.files : *rocksdb::FileSystem::Default();
  const std::string& directory = place.directory;
  // Opening writes what is in the logs to tables before the logs go.
  std::uint64_t needed = std::uint64_t{8} << 20;
  std::vector<std::string> names;
  rocksdb::Status status = layer.GetChildren(directory, {}, &names, nullptr);
  if (status.IsNotFound() || status.IsPathNotFound()) return {};  // it is made when it is opened
  for (const auto& name : names) {
    std::uint64_t size = 0;
    if (log_number(name) != 0 && layer.GetFileSize(directory + "/" + name, {}, &size, nullptr).ok()) {
      needed += size;
    }
  }
  std::uint64_t room = 0;
  if (layer.GetFreeSpace(directory, {}, &room, nullptr).ok() && room < needed) {
    return "the disk of " + directory + " has " + std::to_string(room >> 20) + " MiB of room, " +
           std::to_string(needed >> 20) + " MiB are needed: the store goes on by itself when there are";
  }
  const std::string probe = directory + "/probe";
  if (status.ok()) status = write_file(probe, std::string(65536, 'x'), layer);
  const auto removed = layer.DeleteFile(probe, {}, nullptr);
  if (status.ok()) status = removed;
  if (status.ok()) status = sync_directory(directory, layer);
  if (status.ok()) return {};
  return disk_error("write in " + directory, status).error.message;
}

}  // namespace xk::store
