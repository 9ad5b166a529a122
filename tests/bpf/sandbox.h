// A network and a mount namespace of the test's own: what it makes is gone when it ends, however it
// ends.
#pragma once

#include <cstdint>
#include <string>

namespace xk::test {

// Moves this process into fresh namespaces, lo up, once; aborts if that is not possible.
void enter_sandbox();

// Runs a command by the shell; EXPECTs that it succeeds.
void shell(const std::string& command);

// Makes the pair with this many queues, both ends up.
void make_veth(const std::string& name, const std::string& peer, int queues = 1);

[[nodiscard]] std::uint32_t ifindex_of(const std::string& name);

// A fresh directory, removed with all in it (and a file system mounted on it) at the end.
class TempDir {
 public:
  TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir();
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace xk::test
