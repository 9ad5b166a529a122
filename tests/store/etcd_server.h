// Real etcd servers on loopback, for as long as a test needs them: data in a temporary directory, addresses
// of their own, killed by their process ids.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/store/backends.h"

namespace xk::store {

class EtcdServers {
 public:
  // count: up to 4. tls: certificates made by openssl, clients need one.
  explicit EtcdServers(std::size_t count, bool tls = false);
  ~EtcdServers();
  EtcdServers(const EtcdServers&) = delete;
  EtcdServers& operator=(const EtcdServers&) = delete;

  void start(std::size_t node);
  void kill(std::size_t node);               // SIGKILL, and waits for its end
  void send(std::size_t node, int number);   // a signal
  [[nodiscard]] std::size_t leader() const;  // by etcdctl; waits until there is one
  // What etcdctl says.
  std::string etcdctl(const std::string& arguments) const;
  void wait_until_ready() const;

  // With patience: a slow disk or machine is no failure.
  [[nodiscard]] EtcdOptions options() const;
  [[nodiscard]] std::string file(const std::string& name) const { return directory_.path() + "/" + name; }

 private:
  void make_certificates() const;
  [[nodiscard]] std::vector<std::string> arguments(std::size_t node) const;
  [[nodiscard]] std::string url(std::size_t node) const;  // for clients
  [[nodiscard]] std::string peer_url(std::size_t node) const;

  TemporaryDirectory directory_;
  bool tls_;
  int port_;                 // for clients; that for members is the next one
  std::vector<pid_t> pids_;  // 0: it does not run
};

std::unique_ptr<Backend> make_etcd_one();
// Three members, of which the first is killed when it has been used once.
std::unique_ptr<Backend> make_etcd_three();

}  // namespace xk::store
