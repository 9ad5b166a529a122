#include "tests/bpf/sandbox.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/mount.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

namespace xk::test {

void enter_sandbox() {
  static bool inside = false;
  if (inside) return;
  inside = ::unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
           ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  if (!inside) {
    std::cerr << "no namespaces of our own: these tests need root\n";
    std::abort();
  }
  shell("ip link set dev lo up");
}

void shell(const std::string& command) { EXPECT_EQ(std::system(command.c_str()), 0) << command; }

void make_veth(const std::string& name, const std::string& peer, int queues) {
  const std::string each =
      " numrxqueues " + std::to_string(queues) + " numtxqueues " + std::to_string(queues);
  shell("ip link add dev " + name + each + " type veth peer name " + peer + each);
  shell("ip link set dev " + name + " up && ip link set dev " + peer + " up");
}

std::uint32_t ifindex_of(const std::string& name) { return ::if_nametoindex(name.c_str()); }

TempDir::TempDir() {
  std::string pattern = std::filesystem::temp_directory_path() / "xkta-XXXXXX";
  path_ = ::mkdtemp(pattern.data()) != nullptr ? pattern : "";
  EXPECT_NE(path_, "");
}

TempDir::~TempDir() {
  if (path_.empty()) return;
  (void)::umount2(path_.c_str(), MNT_DETACH);
  (void)::umount2((path_ + "/bpf").c_str(), MNT_DETACH);
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace xk::test
