// A network namespace with a handoff's end in it, and a directory, for tests with a real Kea.
// Everything is named xktf... and goes away with the object.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "controlplane/kea/render.h"
#include "controlplane/kea/supervisor.h"
#include "controlplane/model/model.h"

namespace xk::kea_lab {

inline void run(const std::string& command) {
  if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
}

inline std::uint64_t now_ms() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                        std::chrono::steady_clock::now().time_since_epoch())
                                        .count());
}

class Lab {
 public:
  Lab() {
    static int made = 0;
    const std::string number = std::to_string(::getpid()) + "." + std::to_string(++made);
    netns_ = "xktf-" + number;
    host_netns_ = "xktf-host-" + number;
    std::string pattern = "/tmp/xktf-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    // Kea's user has to pass through.
    ::chmod(directory_.c_str(), 0755);
    run("ip netns add " + host_netns_);
    make_netns();
  }
  // Another namespace under the name of the old one, which lives on while a process is in it.
  void remake_netns() const {
    run("ip -n " + host_netns_ + " link del xktfh");
    run("ip netns del " + netns_);
    make_netns();
  }
  ~Lab() {
    for (const std::string& name : {netns_, host_netns_})
      (void)!std::system(("ip netns del " + name + " 2>/dev/null").c_str());
    std::error_code error;
    std::filesystem::remove_all(directory_, error);
  }
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;

  [[nodiscard]] const std::string& netns() const { return netns_; }
  [[nodiscard]] const std::string& host_netns() const { return host_netns_; }
  [[nodiscard]] std::string path(const std::string& name) const { return directory_ + "/" + name; }

  [[nodiscard]] kea::Place place(const std::string& name = "1") const {
    return kea::make_place(KeaSettings{}, "kea0", Ip4{0xa9fe0003}, path(name));
  }
  // What the executor would hand over for this VRF.
  [[nodiscard]] KeaSpec spec(const Vrf& vrf, const std::string& name = "1") const {
    KeaSpec spec;
    spec.vrf = VrfId{1};
    spec.vrf_name = vrf.name;
    spec.netns = netns_;
    spec.interface = "kea0";
    spec.interface_ip = "169.254.0.3";
    spec.directory = path(name);
    spec.settings = vrf.kea;
    const auto config = kea::make_kea_config(vrf, place(name));
    if (!config) throw std::runtime_error(config.error().message);
    spec.config_json = *config;
    return spec;
  }
  // Runs the function on a thread of its own inside the handoff's host side.
  void in_host_netns(const std::function<void()>& function) const {
    std::thread([&] {
      const Fd netns(::open(("/run/netns/" + host_netns_).c_str(), O_RDONLY | O_CLOEXEC));
      if (::setns(netns.get(), CLONE_NEWNET) != 0) throw std::runtime_error("setns");
      function();
    }).join();
  }

 private:
  void make_netns() const {
    run("ip netns add " + netns_);
    run("ip -n " + host_netns_ + " link add xktfh type veth peer name kea0 netns " + netns_);
    run("ip -n " + host_netns_ + " addr add 169.254.0.2/31 dev xktfh");
    run("ip -n " + host_netns_ + " link set xktfh up");
    run("ip -n " + netns_ + " link set lo up");
    run("ip -n " + netns_ + " addr add 169.254.0.3/31 dev kea0");
    run("ip -n " + netns_ + " link set kea0 up");
    run("ip -n " + netns_ + " route add default via 169.254.0.2");
  }

  std::string netns_;
  std::string host_netns_;
  std::string directory_;
};

// One byte each, from the namespace that the calling thread is in.
inline void send_datagrams(const char* address, std::uint16_t port, int count) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  if (!socket || ::inet_pton(AF_INET, address, &to.sin_addr) != 1) throw std::runtime_error("socket");
  for (int i = 0; i < count; ++i) {
    if (::sendto(socket.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 1)
      throw std::runtime_error("sendto");
  }
}

inline Vrf vrf_red() {
  Subnet subnet;
  subnet.id = 7;
  subnet.prefix = Prefix4{Ip4{0x0a000000}, 24};
  subnet.pools = {Range4{Ip4{0x0a000064}, Ip4{0x0a0000c7}}};
  subnet.gateway = Ip4{0x0a000001};
  subnet.server_identifier = Ip4{0x0a000001};
  subnet.dns = {Ip4{0x08080808}, Ip4{0x09090909}};
  subnet.domain = "red.example";
  subnet.ntp = {Ip4{0x0a000002}};
  subnet.lease_time_s = 1200;
  Vrf vrf;
  vrf.name = "red";
  vrf.subnets = {subnet};
  return vrf;
}

// Ticks on the supervisor's events until the condition holds; false after the timeout.
inline bool tick_until(kea::Supervisor& supervisor, const std::function<bool()>& condition,
                       std::chrono::milliseconds timeout = std::chrono::seconds(20)) {
  const std::uint64_t deadline = now_ms() + static_cast<std::uint64_t>(timeout.count());
  for (;;) {
    supervisor.tick(now_ms());
    if (condition()) return true;
    if (now_ms() >= deadline) return false;
    pollfd waited{.fd = supervisor.events_fd(), .events = POLLIN, .revents = 0};
    (void)::poll(&waited, 1, 1000);
  }
}

}  // namespace xk::kea_lab
