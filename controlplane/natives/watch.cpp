#include "controlplane/natives/watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

#include <array>
#include <cstring>
#include <iterator>

namespace xk::natives {
namespace {
constexpr std::uint32_t kChanges = IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE;
}  // namespace

FolderWatch::FolderWatch()
    : events_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void FolderWatch::wake() { ::eventfd_write(wake_.get(), 1); }

void FolderWatch::keep(const std::set<std::string>& directories) {
  std::erase_if(watches_, [&](const auto& watch) {
    if (directories.contains(watch.first)) return false;
    ::inotify_rm_watch(events_.get(), watch.second);
    directories_.erase(watch.second);
    return true;
  });
  for (const std::string& directory : directories) {
    if (watches_.contains(directory)) continue;
    // One that cannot be watched is seen at the next look at all.
    const int watch = ::inotify_add_watch(events_.get(), directory.c_str(), kChanges | IN_ONLYDIR);
    if (watch < 0) continue;
    watches_[directory] = watch;
    directories_[watch] = directory;
  }
}

bool FolderWatch::poll(bool events, std::chrono::milliseconds at_most) {
  std::array<pollfd, 2> fds{{{wake_.get(), POLLIN, 0}, {events ? events_.get() : -1, POLLIN, 0}}};
  ::poll(fds.data(), fds.size(), static_cast<int>(at_most.count()));
  eventfd_t woken = 0;
  return ::eventfd_read(wake_.get(), &woken) == 0;
}

std::set<std::string> FolderWatch::wait(std::chrono::milliseconds at_most, std::chrono::milliseconds longer) {
  bool woken = poll(true, at_most);
  if (!woken && longer.count() != 0) woken = poll(false, longer);
  std::set<std::string> changed;
  read_events(changed);
  if (woken)
    for (const auto& [directory, watch] : watches_) changed.insert(directory);
  return changed;
}

void FolderWatch::read_events(std::set<std::string>& changed) {
  alignas(inotify_event) std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t n = ::read(events_.get(), buffer.data(), buffer.size());
    if (n <= 0) return;
    for (std::size_t at = 0; at + sizeof(inotify_event) <= static_cast<std::size_t>(n);) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      at += sizeof event + event.len;
      if ((event.mask & IN_Q_OVERFLOW) != 0)
        for (const auto& [directory, watch] : watches_) changed.insert(directory);
      const auto known = directories_.find(event.wd);
      if (known == directories_.end()) continue;
      changed.insert(known->second);
      if ((event.mask & IN_IGNORED) == 0) continue;  // the folder is gone
      watches_.erase(known->second);
      directories_.erase(known);
    }
  }
}

}  // namespace xk::natives
