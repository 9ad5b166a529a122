// Tells of changes in the directory of a file, from a thread of its own.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "dataplane/base/error.h"
#include "dataplane/base/fd.h"

namespace xk::hook {

class FileWatch {
 public:
  // events: of inotify. Calls on_change at once, before it returns, and then from its thread. Errors: the
  // directory cannot be watched.
  [[nodiscard]] static std::expected<std::unique_ptr<FileWatch>, Error> start(
      const std::string& path, std::uint32_t events, std::function<void()> on_change);
  // No call is made after it.
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

 private:
  FileWatch(Fd watch, Fd wake, std::function<void()> on_change)
      : watch_(std::move(watch)), wake_(std::move(wake)), on_change_(std::move(on_change)) {}
  void run();

  Fd watch_, wake_;
  std::function<void()> on_change_;
  std::thread thread_;
};

}  // namespace xk::hook
