#include "dataplane/serve/journal_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>

#include "dataplane/base/hex.h"

namespace xk {
namespace {

struct Close {
  void operator()(DIR* dir) const { closedir(dir); }
};
using Directory = std::unique_ptr<DIR, Close>;

std::uint64_t milliseconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

std::array<std::uint8_t, 16> boot_id() {
  std::array<std::uint8_t, 16> id{};
  std::array<char, 64> text{};
  const Fd fd(open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  const ssize_t size = fd ? read(fd.get(), text.data(), text.size()) : 0;
  std::size_t digits = 0;
  for (ssize_t i = 0; i < size && digits < 32; ++i) {
    const int digit = hex_digit(text[static_cast<std::size_t>(i)]);
    if (digit < 0) continue;
    id[digits / 2] = static_cast<std::uint8_t>(id[digits / 2] << 4 | digit);
    ++digits;
  }
  return id;
}

std::unexpected<Error> failed(const char* call, const std::string& path) {
  return std::unexpected(Error{path + ": " + call + ": " + std::strerror(errno)});
}

}  // namespace

MachineTime machine_time() {
  return {
      .boot_id = boot_id(), .boot_ms = milliseconds(CLOCK_BOOTTIME), .wall_ms = milliseconds(CLOCK_REALTIME)};
}

std::expected<JournalFolder, Error> list_journal_folder(const std::string& directory) {
  const Directory dir(opendir(directory.c_str()));
  if (dir == nullptr) return failed("opendir", directory);
  JournalFolder folder;
  errno = 0;
  while (const dirent* entry = readdir(dir.get())) {
    const auto name = parse_journal_file_name(entry->d_name);
    if (!name) continue;
    (name->kind == JournalFileKind::journal ? folder.journals : folder.snapshots).push_back(name->number);
  }
  if (errno != 0) return failed("readdir", directory);
  std::ranges::sort(folder.snapshots);
  std::ranges::sort(folder.journals);
  return folder;
}

void remove_journals(const std::string& directory, std::uint64_t below) {
  const auto folder = list_journal_folder(directory);
  if (!folder) return;
  for (const std::uint64_t number : folder->journals)
    if (number < below)
      (void)unlink((directory + "/" + journal_file_name(JournalFileKind::journal, number)).c_str());
}

void remove_unfinished(const std::string& directory) {
  const Directory dir(opendir(directory.c_str()));
  if (dir == nullptr) return;
  while (const dirent* entry = readdir(dir.get())) {
    std::string_view name = entry->d_name;
    if (!name.ends_with(kUnfinished)) continue;
    name.remove_suffix(kUnfinished.size());
    const auto parsed = parse_journal_file_name(name);
    if (parsed && parsed->kind == JournalFileKind::snapshot)
      (void)unlinkat(dirfd(dir.get()), entry->d_name, 0);
  }
}

std::expected<JournalWriter, Error> JournalWriter::create(const std::string& directory,
                                                          const JournalHeader& header) {
  JournalWriter writer;
  writer.path_ = directory + "/" + journal_file_name(JournalFileKind::journal, header.number);
  writer.fd_ = Fd(open(writer.path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_APPEND, 0640));
  if (!writer.fd_) return failed("open", writer.path_);
  auto begun = writer.append(encode_journal_header(header));
  if (begun) begun = writer.sync();
  const Fd folder(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (begun && (!folder || fsync(folder.get()) != 0)) begun = failed("fsync", directory);
  if (begun) return writer;
  writer.remove_unless_used();
  return std::unexpected(std::move(begun.error()));
}

bool JournalWriter::is_there() const {
  struct stat info{};
  return fstat(fd_.get(), &info) == 0 && info.st_nlink != 0;
}

void JournalWriter::remove_unless_used() const {
  if (synced_ <= kJournalHeaderSize) (void)unlink(path_.c_str());
}

std::expected<void, Error> JournalWriter::append(Bytes records) {
  while (!records.empty()) {
    const ssize_t wrote = write(fd_.get(), records.data(), records.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return failed("write", path_);
    records = records.subspan(static_cast<std::size_t>(wrote));
    bytes_ += static_cast<std::uint64_t>(wrote);
  }
  return {};
}

std::expected<void, Error> JournalWriter::sync() {
  if (fdatasync(fd_.get()) != 0) return failed("fdatasync", path_);
  synced_ = bytes_;
  return {};
}

}  // namespace xk
