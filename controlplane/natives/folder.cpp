#include "controlplane/natives/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <memory>
#include <vector>

#include "dataplane/base/lease_journal.h"

namespace xk::natives {
namespace {

constexpr mode_t kMode = 0750;
constexpr const char* kEndedName = "ended";

std::expected<std::vector<std::string>, Error> names_in(const std::string& directory, int folder) {
  const int copy = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> opened(copy < 0 ? nullptr : ::fdopendir(copy), ::closedir);
  if (!opened) return std::unexpected(errno_error("cannot read " + directory));
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(opened.get())) names.emplace_back(entry->d_name);
  return names;
}

// "snapshot-0000000000000001", and with any ending what was begun of it.
bool of_leases(const std::string& name) {
  const std::size_t length =
      journal_file_name(name.starts_with("journal-") ? JournalFileKind::journal : JournalFileKind::snapshot,
                        0)
          .size();
  return name.size() >= length && parse_journal_file_name(name.substr(0, length)).has_value();
}

}  // namespace

std::expected<Owner, Error> owner_of(const std::string& user) {
  if (user.empty()) return Owner{};
  std::array<char, 4096> text{};
  passwd entry{};
  passwd* found = nullptr;
  const int number = ::getpwnam_r(user.c_str(), &entry, text.data(), text.size(), &found);
  if (found == nullptr)
    return std::unexpected(Error{"the dataplane's user \"" + user + "\" does not exist", number});
  return Owner{.uid = entry.pw_uid, .gid = entry.pw_gid};
}

std::expected<Fd, Error> open_folder(const std::string& directory, const Owner& owner) {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::path(directory).parent_path();
  if (!std::filesystem::exists(parent, error)) {
    std::filesystem::create_directories(parent, error);
    if (error) return std::unexpected(Error{"cannot make " + parent.string() + ": " + error.message()});
    std::filesystem::permissions(parent, std::filesystem::perms(0755), error);
  }
  if (::mkdir(directory.c_str(), kMode) != 0 && errno != EEXIST)
    return std::unexpected(errno_error("cannot make " + directory));
  Fd folder(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat info{};
  if (!folder || ::fstat(folder.get(), &info) != 0)
    return std::unexpected(
        errno_error("cannot open " + directory + ", which has to be a folder and no link to one"));
  if (info.st_uid != owner.uid && info.st_uid != 0)
    return std::unexpected(
        Error{directory + " belongs to user id " + std::to_string(info.st_uid) +
              ", neither root nor the dataplane's user: move it away, or give it to them"});
  if (::fchown(folder.get(), owner.uid, owner.gid) != 0 || ::fchmod(folder.get(), kMode) != 0)
    return std::unexpected(errno_error("cannot give " + directory + " to the dataplane's user"));
  return folder;
}

std::expected<bool, Error> in_use(const std::string& directory, int folder) {
  const auto names = names_in(directory, folder);
  if (!names) return std::unexpected(names.error());
  bool files = false;
  for (const std::string& name : *names) {
    if (name == kEndedName) return false;
    files = files || parse_journal_file_name(name).has_value();
  }
  return files;
}

std::expected<void, Error> end_folder(int folder) {
  const Fd mark(::openat(folder, kEndedName, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640));
  if (!mark || ::fsync(mark.get()) != 0 || ::fsync(folder) != 0)
    return std::unexpected(errno_error(std::string("cannot make the mark ") + kEndedName));
  return {};
}

std::expected<void, Error> begin_folder(int folder) {
  if ((::unlinkat(folder, kEndedName, 0) != 0 && errno != ENOENT) || ::fsync(folder) != 0)
    return std::unexpected(errno_error(std::string("cannot take the mark ") + kEndedName + " away"));
  return {};
}

std::expected<void, Error> empty_folder(const std::string& directory, int folder) {
  const auto names = names_in(directory, folder);
  if (!names) return std::unexpected(names.error());
  for (const std::string& name : *names) {
    if (!of_leases(name)) continue;
    if (::unlinkat(folder, name.c_str(), 0) != 0 && errno != ENOENT)
      return std::unexpected(errno_error("cannot remove " + directory + "/" + name));
  }
  if (::fsync(folder) != 0) return std::unexpected(errno_error("cannot sync " + directory));
  return {};
}

}  // namespace xk::natives
