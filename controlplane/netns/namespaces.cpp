#include <fcntl.h>
#include <limits.h>
#include <linux/if.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "controlplane/netns/loopback.h"
#include "controlplane/netns/netns.h"

namespace xk {
namespace {

using netns::Loopback;

// An alias is shorter than IFALIASZ, and libnl sends its terminating zero along.
constexpr std::size_t kMarkMax = IFALIASZ - 2;

Result<> check_name(const std::string& name) {
  if (name.empty() || name == "." || name == ".." || name.size() > NAME_MAX ||
      name.find('/') != std::string::npos || name.find('\0') != std::string::npos)
    return std::unexpected(Error{"\"" + name + "\" is no name for a network namespace", EINVAL});
  return {};
}

Result<> check_mark(const std::string& mark) {
  if (mark.empty() || mark.size() > kMarkMax)
    return std::unexpected(
        Error{"ownership mark must have 1 to " + std::to_string(kMarkMax) + " bytes", EINVAL});
  return {};
}

// Makes the directory a shared mount, as iproute2 does: a namespace's name then appears and
// disappears in all mount namespaces at once.
Result<> make_shared_mount(const std::string& directory) {
  if (::mount("", directory.c_str(), "none", MS_SHARED | MS_REC, nullptr) == 0) return {};
  if (errno != EINVAL) return std::unexpected(errno_error("sharing mount " + directory));
  // EINVAL: no mount point yet.
  if (::mount(directory.c_str(), directory.c_str(), "none", MS_BIND | MS_REC, nullptr) != 0)
    return std::unexpected(errno_error("mounting " + directory));
  if (::mount("", directory.c_str(), "none", MS_SHARED | MS_REC, nullptr) != 0)
    return std::unexpected(errno_error("sharing mount " + directory));
  return {};
}

// Keeps others that take the same lock, as iproute2 does, from changing the directory meanwhile. Any
// user may hold it, so it is waited for in vain only so long, and done without then.
Fd lock(const std::string& directory) {
  Fd locked(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int tries = 0; tries < 50; ++tries) {
    if (::flock(locked.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) break;
    ::usleep(2000);
  }
  return locked;
}

Result<> in_context(const std::string& name, Result<> result) {
  if (!result) return std::unexpected(std::move(result.error()).in("network namespace " + name));
  return result;
}

enum class Found { nothing, empty_file, something_else, a_namespace };

// What is at the path, and the descriptor if it is a namespace.
Result<std::pair<Found, Fd>> look_at(const std::string& path) {
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
  if (!file && errno == ENOENT) return std::pair(Found::nothing, Fd());
  if (!file && errno == ELOOP) return std::pair(Found::something_else, Fd());
  if (!file) return std::unexpected(errno_error(path));
  struct statfs filesystem{};
  struct stat status{};
  if (::fstatfs(file.get(), &filesystem) != 0 || ::fstat(file.get(), &status) != 0)
    return std::unexpected(errno_error(path));
  if (filesystem.f_type == NSFS_MAGIC) return std::pair(Found::a_namespace, std::move(file));
  const bool empty_file = S_ISREG(status.st_mode) && status.st_size == 0 && status.st_uid == 0;
  return std::pair(empty_file ? Found::empty_file : Found::something_else, Fd());
}

class RunNetns final : public Namespaces {
 public:
  explicit RunNetns(std::string directory) : directory_(std::move(directory)) {}

  Result<> ensure(const std::string& name, const std::string& mark) override {
    if (auto good = check_name(name); !good) return good;
    if (auto good = check_mark(mark); !good) return good;
    return in_context(name, ensure_checked(name, mark));
  }

  Result<> remove(const std::string& name, const std::string& mark) override {
    if (auto good = check_name(name); !good) return good;
    return in_context(name, remove_checked(name, mark));
  }

  Result<std::vector<std::string>> list_marked(const std::string& mark_prefix) override {
    std::vector<std::string> names;
    std::map<std::string, Marked> marks;
    std::error_code error;
    auto entry = std::filesystem::directory_iterator(directory_, error);
    if (error == std::errc::no_such_file_or_directory) return names;
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
      auto found = look_at(entry->path());
      if (!found || found->first != Found::a_namespace) continue;
      const std::string name = entry->path().filename();
      const std::string& mark = (marks[name] = marked(name, std::move(found->second))).mark;
      if (!mark.empty() && mark.starts_with(mark_prefix)) names.push_back(name);
    }
    marks_ = std::move(marks);
    if (error) return std::unexpected(Error{"listing " + directory_ + ": " + error.message(), error.value()});
    std::sort(names.begin(), names.end());
    return names;
  }

 private:
  struct Marked {
    ino_t inode = 0;
    std::string mark;
  };

  // A namespace is entered once: its mark stays as it was made. Before anything is removed it is read
  // again. One that cannot be entered or read (or that went away meanwhile) is none of ours.
  [[nodiscard]] Marked marked(const std::string& name, Fd ns) const {
    struct stat status{};
    if (::fstat(ns.get(), &status) != 0) return {};
    const auto known = marks_.find(name);
    if (known != marks_.end() && known->second.inode == status.st_ino && !known->second.mark.empty())
      return known->second;
    const auto loopback = Loopback::in_namespace(std::move(ns));
    if (!loopback) return {};
    return {.inode = status.st_ino, .mark = loopback->alias().value_or("")};
  }

  [[nodiscard]] std::string path_of(const std::string& name) const { return directory_ + "/" + name; }

  Result<> ensure_checked(const std::string& name, const std::string& mark) {
    if (::mkdir(directory_.c_str(), 0755) != 0 && errno != EEXIST)
      return std::unexpected(errno_error("making " + directory_));
    const Fd locked = lock(directory_);
    if (auto shared = make_shared_mount(directory_); !shared) return shared;
    auto found = look_at(path_of(name));
    if (!found) return std::unexpected(std::move(found.error()));
    switch (found->first) {
      case Found::a_namespace:
        return adopt(std::move(found->second), mark);
      case Found::something_else:
        return std::unexpected(Error{path_of(name) + " exists and is no network namespace", EEXIST});
      case Found::empty_file:  // left between making the file and mounting on it
      case Found::nothing:
        break;
    }
    return make(path_of(name), mark);
  }

  static Result<> adopt(Fd ns, const std::string& mark) {
    const auto loopback = Loopback::in_namespace(std::move(ns));
    if (!loopback) return std::unexpected(loopback.error());
    if (auto ours = check_owner(*loopback, mark); !ours) return ours;
    return loopback->bring_up();
  }

  static Result<> make(const std::string& path, const std::string& mark) {
    const auto loopback = Loopback::in_new_namespace();
    if (!loopback) return std::unexpected(loopback.error());
    if (auto marked = loopback->set_alias(mark); !marked) return marked;
    if (auto up = loopback->bring_up(); !up) return up;
    const Fd file(::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0));
    const bool created = static_cast<bool>(file);
    if (!created && errno != EEXIST) return std::unexpected(errno_error("making " + path));
    const std::string source = "/proc/self/fd/" + std::to_string(loopback->ns());
    if (::mount(source.c_str(), path.c_str(), "none", MS_BIND, nullptr) != 0) {
      Error error = errno_error("mounting at " + path);
      if (created) ::unlink(path.c_str());
      return std::unexpected(std::move(error));
    }
    return {};
  }

  Result<> remove_checked(const std::string& name, const std::string& mark) {
    const Fd locked = lock(directory_);
    auto found = look_at(path_of(name));
    if (!found) return std::unexpected(std::move(found.error()));
    if (found->first != Found::a_namespace) return {};
    const auto loopback = Loopback::in_namespace(std::move(found->second));
    if (!loopback) return std::unexpected(loopback.error());
    if (auto ours = check_owner(*loopback, mark); !ours) return ours;
    const std::string path = path_of(name);
    if (::umount2(path.c_str(), MNT_DETACH) != 0) return std::unexpected(errno_error("unmounting " + path));
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
      return std::unexpected(errno_error("removing " + path));
    return {};
  }

  static Result<> check_owner(const Loopback& loopback, const std::string& mark) {
    const auto alias = loopback.alias();
    if (!alias) return std::unexpected(alias.error());
    if (*alias == mark) return {};
    return std::unexpected(
        Error{"exists and is not ours: its lo " +
                  (alias->empty() ? std::string("has no alias") : "has the alias \"" + *alias + "\"") +
                  ", ours has \"" + mark + "\"",
              EEXIST});
  }

  std::string directory_;
  std::map<std::string, Marked> marks_;  // as last listed, by name
};

}  // namespace

std::unique_ptr<Namespaces> make_namespaces(std::string directory) {
  return std::make_unique<RunNetns>(std::move(directory));
}

}  // namespace xk
