#include "tests/store/etcd_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

namespace xk::store {
namespace {

// A port that nobody has now.
int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool ok = ::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(socket);
  if (!ok) std::abort();
  return ntohs(address.sin_port);
}

void shell(const std::string& command) {
  if (std::system(command.c_str()) != 0) {
    std::fprintf(stderr, "failed: %s\n", command.c_str());
    std::abort();
  }
}

class OnEtcd : public Backend {
 public:
  explicit OnEtcd(EtcdServers& servers) : servers_(servers) {}
  StoreResult<std::unique_ptr<Store>> open() override {
    EtcdOptions options = servers_.options();
    // Hundreds of changes of one key go one after the other: a slow disk is no failure here.
    options.call_timeout = std::chrono::seconds(60);
    return open_etcd(options);
  }

 private:
  EtcdServers& servers_;
};

}  // namespace

EtcdServers::EtcdServers(std::size_t count, bool tls) : tls_(tls), nodes_(count) {
  if (tls_) make_certificates();
  for (auto& node : nodes_) {
    node.client_port = free_port();
    node.peer_port = free_port();
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i) start(i);
  wait_until_ready();
}

EtcdServers::~EtcdServers() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) kill(i);
}

std::string EtcdServers::url(int port) const {
  return (tls_ ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port);
}

std::vector<std::string> EtcdServers::arguments(std::size_t node) const {
  std::string cluster;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    cluster += (i == 0 ? "n" : ",n") + std::to_string(i) +
               "=http://127.0.0.1:" + std::to_string(nodes_[i].peer_port);
  }
  const std::string name = "n" + std::to_string(node);
  const std::string peer = "http://127.0.0.1:" + std::to_string(nodes_[node].peer_port);
  const std::string client = url(nodes_[node].client_port);
  std::vector<std::string> out = {"/usr/bin/etcd",
                                  "--name=" + name,
                                  "--data-dir=" + file(name),
                                  "--listen-client-urls=" + client,
                                  "--advertise-client-urls=" + client,
                                  "--listen-peer-urls=" + peer,
                                  "--initial-advertise-peer-urls=" + peer,
                                  "--initial-cluster=" + cluster,
                                  "--initial-cluster-state=new",
                                  "--logger=zap",
                                  "--log-outputs=" + file(name + ".log")};
  if (tls_) {
    for (const auto& more : {"--cert-file=" + file("server.pem"), "--key-file=" + file("server.key"),
                             "--trusted-ca-file=" + file("ca.pem"), std::string("--client-cert-auth=true")}) {
      out.push_back(more);
    }
  }
  return out;
}

void EtcdServers::start(std::size_t node) {
  auto words = arguments(node);
  std::vector<char*> pointers;
  for (auto& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const std::string output = file("n" + std::to_string(node) + ".out");
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int out = ::open(output.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
    if (::getppid() != parent || out < 0) ::_exit(126);
    ::dup2(out, 1);
    ::dup2(out, 2);
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
  }
  nodes_[node].pid = pid;
}

void EtcdServers::send(std::size_t node, int number) { ::kill(nodes_[node].pid, number); }

void EtcdServers::kill(std::size_t node) {
  const pid_t pid = std::exchange(nodes_[node].pid, 0);
  if (pid <= 0) return;
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

EtcdOptions EtcdServers::options() const {
  EtcdOptions out;
  for (const auto& node : nodes_) out.endpoints.push_back(url(node.client_port));
  if (tls_) {
    out.ca_file = file("ca.pem");
    out.certificate_file = file("client.pem");
    out.key_file = file("client.key");
  }
  return out;
}

std::string EtcdServers::etcdctl(const std::string& arguments) const {
  const EtcdOptions with = options();
  std::string endpoints;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].pid > 0) endpoints += (endpoints.empty() ? "" : ",") + with.endpoints[i];
  }
  std::string command = "ETCDCTL_API=3 /usr/bin/etcdctl --endpoints=" + endpoints;
  if (tls_)
    command += " --cacert=" + with.ca_file + " --cert=" + with.certificate_file + " --key=" + with.key_file;
  FILE* pipe = ::popen((command + " " + arguments + " 2>&1").c_str(), "r");
  std::string out;
  char room[4096];
  std::size_t got = 0;
  while (pipe != nullptr && (got = std::fread(room, 1, sizeof room, pipe)) > 0) out.append(room, got);
  if (pipe != nullptr) ::pclose(pipe);
  return out;
}

std::size_t EtcdServers::leader() const {
  // "ENDPOINT, ID, VERSION, SIZE, IS LEADER, ..." a line
  const std::string table = etcdctl("endpoint status");
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const auto line = table.find(url(nodes_[i].client_port) + ",");
    if (line == std::string::npos) continue;
    if (table.substr(line, table.find('\n', line) - line).find(", true,") != std::string::npos) return i;
  }
  ADD_FAILURE() << "no leader: " << table;
  return 0;
}

void EtcdServers::wait_until_ready() const {
  const auto store = open_etcd(options());
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  std::string last;
  while (std::chrono::steady_clock::now() < deadline) {
    // What is refused (accounts are on) is answered as well.
    const auto page = (*store)->range({"ready", {}, 0, 0});
    if (page || page.error().fault == Fault::rejected) return;
    last = message_of(page.error());
  }
  std::fprintf(stderr, "etcd does not start: %s; see %s\n", last.c_str(), file("n0.log").c_str());
  std::abort();
}

void EtcdServers::make_certificates() const {
  const std::string in = "cd '" + directory_.path() + "' && ";
  const std::string quiet = " >>openssl.log 2>&1";
  shell(in +
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test-ca "
        "-keyout ca.key -out ca.pem" +
        quiet);
  for (const std::string name : {"server", "client"}) {
    shell(in + "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=" + name +
          " -keyout " + name + ".key -out " + name + ".csr" + quiet);
    shell(in + "printf 'subjectAltName=IP:127.0.0.1\\n' >" + name + ".ext && openssl x509 -req -in " + name +
          ".csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile " + name + ".ext -out " + name +
          ".pem" + quiet);
  }
}

std::unique_ptr<Backend> make_etcd_one() {
  static EtcdServers servers(1);
  return std::make_unique<OnEtcd>(servers);
}

std::unique_ptr<Backend> make_etcd_three() {
  static EtcdServers servers(3);
  static int uses = 0;
  if (++uses == 2) servers.kill(0);
  return std::make_unique<OnEtcd>(servers);
}

}  // namespace xk::store
