// For tests that make things in the kernel: namespaces and interfaces named xktc..., gone afterwards.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "dataplane/base/fd.h"

namespace xk::test {

// What a command says, both its outputs.
inline std::string run(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen((command + " 2>&1").c_str(), "r"), ::pclose);
  std::string out;
  for (int c = std::fgetc(pipe.get()); c != EOF; c = std::fgetc(pipe.get()))
    out.push_back(static_cast<char>(c));
  return out;
}

inline std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

inline std::string own_namespace() { return std::filesystem::read_symlink("/proc/thread-self/ns/net"); }

// Removes the name of a namespace, whoever made it, and so what is in it.
inline void remove_namespace(const std::string& name) {
  const std::string path = "/run/netns/" + name;
  while (::umount2(path.c_str(), MNT_DETACH) == 0) continue;
  ::unlink(path.c_str());
}

// Runs work in a thread inside the namespace; false if it could not be entered.
template <typename Work>
bool in_namespace(const std::string& name, Work work) {
  const Fd ns(::open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC));
  bool entered = false;
  std::thread([&] {
    entered = ::setns(ns.get(), CLONE_NEWNET) == 0;
    if (entered) work();
  }).join();
  return entered;
}

// Whether the descriptor becomes readable within the time.
inline bool readable(int fd, int timeout_ms) {
  pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, timeout_ms) == 1;
}

}  // namespace xk::test
