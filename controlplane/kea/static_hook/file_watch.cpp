#include "controlplane/kea/static_hook/file_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace xk::hook {

std::expected<std::unique_ptr<FileWatch>, Error> FileWatch::start(const std::string& path,
                                                                  std::uint32_t events,
                                                                  std::function<void()> on_change) {
  Fd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!watch || !wake) return std::unexpected(errno_error("cannot watch " + path));
  const std::string directory = path.substr(0, path.rfind('/'));
  if (::inotify_add_watch(watch.get(), directory.c_str(), events | IN_ONLYDIR) < 0)
    return std::unexpected(errno_error("cannot watch " + directory));
  std::unique_ptr<FileWatch> made(new FileWatch(std::move(watch), std::move(wake), std::move(on_change)));
  made->on_change_();
  made->thread_ = std::thread([raw = made.get()] { raw->run(); });
  return made;
}

FileWatch::~FileWatch() {
  if (!thread_.joinable()) return;
  ::eventfd_write(wake_.get(), 1);
  thread_.join();
}

void FileWatch::run() {
  std::array<pollfd, 2> waiting{{{wake_.get(), POLLIN, 0}, {watch_.get(), POLLIN, 0}}};
  while (true) {
    if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) return;
    if (waiting[0].revents != 0) return;
    std::array<char, 4096> events;
    while (::read(watch_.get(), events.data(), events.size()) > 0) {
    }
    on_change_();
  }
}

}  // namespace xk::hook
