#include "tests/ports/xsk_port.h"

#include <bpf/libbpf.h>
#include <gtest/gtest.h>

namespace xk::test {
namespace {

// One for the process: its maps are shared by all ports, a socket's index is its port's ifindex.
struct Shared {
  TempDir directory;
  std::unique_ptr<Classifier> classifier = make_classifier(directory.path());
  std::unique_ptr<PacketSockets> sockets = make_packet_sockets();
  Shared() {
    libbpf_set_print(nullptr);
    const auto opened = classifier->open(directory.path() + "/bpf");
    EXPECT_TRUE(opened) << opened.error().message;
  }
};

Shared& shared() {
  static Shared instance;
  return instance;
}

}  // namespace

AfXdpGeometry geometry_of(const ipc::UmemGeometry& geometry) {
  return {geometry.frame_size,      geometry.frame_count, geometry.rx_frames, geometry.fill_size,
          geometry.completion_size, geometry.rx_size,     geometry.tx_size};
}

XskPort::XskPort(const std::string& near, const std::string& far, std::uint8_t role) : near_(near) {
  enter_sandbox();
  make_veth(near, far);
  ifindex_ = IfIndex{ifindex_of(near)};
  const auto attached = shared().classifier->attach(ifindex_, near, false);
  EXPECT_TRUE(attached) << attached.error().message;
  EXPECT_TRUE(shared().classifier->put_attachment(
      {{ifindex_.value, 0, 0}, {ifindex_.value, 1, ifindex_.value, 1, role, 0}}));
}

XskPort::~XskPort() {
  EXPECT_TRUE(shared().classifier->remove_attachment({ifindex_.value, 0, 0}));
  EXPECT_TRUE(shared().classifier->detach(ifindex_, near_));
  if (ifindex_of(near_) != 0) shell("ip link del dev " + near_);
}

PacketSocket XskPort::make_socket(const ipc::UmemGeometry& geometry) {
  PacketSocket made = shared().sockets->make(ifindex_, 0, geometry).value();
  EXPECT_TRUE(shared().classifier->put_socket(ifindex_.value, made.socket.get()));
  return made;
}

std::uint64_t XskPort::without_socket() { return (*shared().classifier->counters())[XK_PASS_NO_SOCKET]; }

}  // namespace xk::test
