#include "tests/store/etcd_server.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace xk::store {
namespace {

constexpr std::size_t kMembersMax = 4;

// Of 127.0.0.0/8, by the process: nobody else listens there, and no connection begins there (those to it come
// from 127.0.0.1), so that its ports are free also while the member is down.
std::string address_of(std::size_t node) {
  const auto host = static_cast<std::uint32_t>(::getpid()) * kMembersMax + node;
  return "127." + std::to_string(host >> 16 & 0xff) + "." + std::to_string(host >> 8 & 0xff) + "." +
         std::to_string(host & 0xff);
}

// Two ports for each of the clusters of this process.
int next_port() {
  static int port = 20'000;
  return std::exchange(port, port + 2);
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
  StoreResult<std::unique_ptr<Store>> open() override { return open_etcd(servers_.options()); }

 private:
  EtcdServers& servers_;
};

}  // namespace

EtcdServers::EtcdServers(std::size_t count, bool tls) : tls_(tls), port_(next_port()), pids_(count) {
  if (count > kMembersMax) std::abort();
  if (tls_) make_certificates();
  for (std::size_t i = 0; i < pids_.size(); ++i) start(i);
  wait_until_ready();
}

EtcdServers::~EtcdServers() {
  for (std::size_t i = 0; i < pids_.size(); ++i) kill(i);
}

std::string EtcdServers::url(std::size_t node) const {
  return (tls_ ? "https://" : "http://") + address_of(node) + ":" + std::to_string(port_);
}
std::string EtcdServers::peer_url(std::size_t node) const {
  return "http://" + address_of(node) + ":" + std::to_string(port_ + 1);
}

std::vector<std::string> EtcdServers::arguments(std::size_t node) const {
  std::string cluster;
  for (std::size_t i = 0; i < pids_.size(); ++i)
    cluster += (i == 0 ? "n" : ",n") + std::to_string(i) + "=" + peer_url(i);
  const std::string name = "n" + std::to_string(node);
  const std::string peer = peer_url(node);
  const std::string client = url(node);
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
  pids_[node] = pid;
}

void EtcdServers::send(std::size_t node, int number) { ::kill(pids_[node], number); }

void EtcdServers::kill(std::size_t node) {
  const pid_t pid = std::exchange(pids_[node], 0);
  if (pid <= 0) return;
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

EtcdOptions EtcdServers::options() const {
  EtcdOptions out;
  out.call_timeout = 2 * kPatience;
  for (std::size_t i = 0; i < pids_.size(); ++i) out.endpoints.push_back(url(i));
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
  for (std::size_t i = 0; i < pids_.size(); ++i) {
    if (pids_[i] > 0) endpoints += (endpoints.empty() ? "" : ",") + with.endpoints[i];
  }
  std::string command =
      "ETCDCTL_API=3 /usr/bin/etcdctl --dial-timeout=30s --command-timeout=30s --endpoints=" + endpoints;
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
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  std::string table;
  while (std::chrono::steady_clock::now() < deadline) {
    // "ENDPOINT, ID, VERSION, SIZE, IS LEADER, ..." a line
    table = etcdctl("endpoint status");
    for (std::size_t i = 0; i < pids_.size(); ++i) {
      const auto line = table.find(url(i) + ",");
      if (line == std::string::npos) continue;
      if (table.substr(line, table.find('\n', line) - line).find(", true,") != std::string::npos) return i;
    }
  }
  ADD_FAILURE() << "no leader: " << table;
  return 0;
}

void EtcdServers::wait_until_ready() const {
  EtcdOptions quick = options();
  quick.call_timeout = std::chrono::seconds(5);
  const auto store = open_etcd(quick);
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
    shell(in + "printf 'subjectAltName=IP:" + address_of(0) + "\\n' >" + name +
          ".ext && openssl x509 -req -in " + name +
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
