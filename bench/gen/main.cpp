// xdp-kea-gen: DHCP traffic for benchmarks, by hand or from bench/*.py.
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <optional>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "bench/gen/dora.h"
#include "bench/gen/pcap_file.h"
#include "bench/gen/send.h"
#include "bench/gen/sink.h"
#include "dataplane/base/fd.h"

namespace {

using namespace xk;
using namespace xk::gen;

constexpr const char* kFooter = R"(
Examples:
  xdp-kea-gen send --interface gen0 --rate 100000 --seconds 5 --clients 10000
  xdp-kea-gen send --interface gen0 --vlans none,100,200@88a8.300 --rate 0 --seconds 2
  xdp-kea-gen dora --interface gen0 --rate 2000 --seconds 10 --clients 20000
  xdp-kea-gen dora --interface memif:/run/memif.sock --window 1024 --seconds 5 --clients 1000000
  xdp-kea-gen renew --interface gen0 --window 64 --seconds 5 --clients 20000
  xdp-kea-gen sink --interface up0 --seconds 5

Several VRFs: give the VLANs of all their attachments; clients are spread over them in turn.
Rate 0 sends as fast as the kernel takes frames. SIGTERM ends `dora` and `renew` before their time. The last line is one JSON object.
`dora` and `renew` take what is sent to clients by XDP: nobody else sees it on their interface meanwhile.
A port of the appliance for memif:SOCKET: driver = "ethdev", device = "net_memif0,role=server,socket=SOCKET,socket-abstract=no".

On real NICs use the kernel's pktgen instead of `send`, from the machine that stands for the clients:
  modprobe pktgen
  echo add_device eth1@0            > /proc/net/pktgen/kpktgend_0
  for line in 'pkt_size 342' 'count 0' 'dst_mac ff:ff:ff:ff:ff:ff' 'dst 255.255.255.255' \
    'src_min 0.0.0.0' 'udp_src_min 68' 'udp_src_max 68' 'udp_dst_min 67' 'udp_dst_max 67' \
    'src_mac_count 65536' 'vlan_id 100'; do echo "$line" > /proc/net/pktgen/eth1@0; done
  echo start > /proc/net/pktgen/pgctrl
pktgen fills the payload itself, so this loads classification and the drop path; for whole messages
replay a capture of `send` with `tcpreplay --topspeed`, or run `send` on several cores.)";

struct Options {
  Population population;
  std::string vlans = "none";
  double rate = 0;
  double seconds = 5;
  double grace = 1;
  double give_up = 0.2;
  std::uint32_t window = 0;
  bool grows = false;
  std::uint32_t lease_s = 60;
  std::string sink_interface, sink_netns, samples, acks;
};

void add_common(CLI::App& app, Options& options) {
  app.add_option("--interface", options.population.interface,
                 "interface to send on; dora and renew also memif:SOCKET, the socket of a DPDK memif server")
      ->required();
  app.add_option("--rate", options.rate, "per second; 0: as fast as possible")->check(CLI::NonNegativeNumber);
  app.add_option("--seconds", options.seconds, "how long")->check(CLI::PositiveNumber);
  app.add_option("--clients", options.population.clients, "distinct clients")->check(CLI::Range(1, 1 << 24));
  app.add_option("--first-client", options.population.first_client, "number of the first client");
  app.add_option("--bytes", options.population.message_bytes, "of a DHCP message, padded")
      ->check(CLI::Range(300, 1400));
  app.add_option("--vlans", options.vlans, "attachments: none,100,200@88a8.300");
}

// Enters a network namespace for its own life time.
class InNetns {
 public:
  explicit InNetns(const std::string& path) : before_(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) {
    const Fd target{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!before_ || !target || setns(target.get(), CLONE_NEWNET) != 0)
      throw std::runtime_error("cannot enter " + path + ": " + std::strerror(errno));
  }
  ~InNetns() { setns(before_.get(), CLONE_NEWNET); }
  InNetns(const InNetns&) = delete;
  InNetns& operator=(const InNetns&) = delete;

 private:
  Fd before_;
};

nlohmann::json to_json(const SendResult& result) {
  return {{"sent", result.sent}, {"refused", result.refused}, {"seconds", result.seconds}};
}

nlohmann::json to_json(const DoraResult& result) {
  return {{"discovers", result.discovers},
          {"offers", result.offers},
          {"acks", result.acks},
          {"naks", result.naks},
          {"strays", result.strays},
          {"renewals", result.renewals},
          {"renewed", result.renewed},
          {"refused", result.refused},
          {"missed", result.missed},
          {"seconds", result.seconds},
          {"p50_ms", result.whole.p50_ms},
          {"p99_ms", result.whole.p99_ms},
          {"p999_ms", result.whole.p999_ms},
          {"reply_p50_ms", result.reply.p50_ms},
          {"reply_p99_ms", result.reply.p99_ms},
          {"reply_p999_ms", result.reply.p999_ms}};
}

int run_send(const Options& options) {
  std::puts(to_json(send_discovers(options.population, options.rate, options.seconds)).dump().c_str());
  return 0;
}

DoraPace pace_of(const Options& options) {
  return {.rate_per_s = options.rate, .window = options.window, .give_up_s = options.give_up};
}

int run_dora_command(const Options& options) {
  std::FILE* acks = options.acks.empty() ? nullptr : std::fopen(options.acks.c_str(), "we");
  if (!options.acks.empty() && acks == nullptr) throw std::runtime_error("cannot write " + options.acks);
  const DoraResult result =
      run_dora(options.population, pace_of(options), options.seconds, options.grace, acks);
  if (acks != nullptr && std::fclose(acks) != 0) throw std::runtime_error("cannot write " + options.acks);
  std::puts(to_json(result).dump().c_str());
  return 0;
}

int run_renew_command(const Options& options) {
  const DoraResult result =
      run_renewals(options.population, pace_of(options), {.grows = options.grows, .lease_s = options.lease_s},
                   options.seconds, options.grace);
  std::puts(to_json(result).dump().c_str());
  return 0;
}

int run_sink(const Options& options) {
  const Sink sink(options.sink_interface, 0);
  usleep(static_cast<useconds_t>(options.seconds * 1e6));
  const Sink::Counts counts = sink.counts();
  std::puts(nlohmann::json({{"relayed", counts.relayed}, {"other", counts.other}}).dump().c_str());
  return 0;
}

// send with a sink at the far end: what was sent against what arrived.
int run_trial(const Options& options) {
  std::optional<Sink> sink;
  {
    const InNetns there(options.sink_netns);
    sink.emplace(options.sink_interface, options.samples.empty() ? 0 : 4096);
  }
  const SendResult sent = send_discovers(options.population, options.rate, options.seconds);
  std::uint64_t arrived = sink->counts().relayed;
  for (std::uint64_t before = ~std::uint64_t{0}; before != arrived;) {  // until nothing arrives for 100 ms
    before = arrived;
    usleep(100'000);
    arrived = sink->counts().relayed;
  }
  if (!options.samples.empty()) write_pcap(options.samples, sink->take_samples());
  nlohmann::json json = to_json(sent);
  json["relayed"] = arrived;
  {
    const InNetns there(options.sink_netns);
    sink.reset();
  }
  std::puts(json.dump().c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"xdp-kea-gen: DHCP traffic for benchmarks"};
  app.footer(kFooter);
  app.require_subcommand(1);
  Options options;
  CLI::App* send = app.add_subcommand("send", "DISCOVERs at a rate, answers ignored");
  add_common(*send, options);
  CLI::App* dora = app.add_subcommand("dora", "whole conversations: DISCOVER, OFFER, REQUEST, ACK");
  add_common(*dora, options);
  dora->add_option("--acks", options.acks, "file that gets a line \"MAC address\" for each ACK");
  dora->add_option("--window", options.window, "keep so many conversations under way, whatever the rate")
      ->check(CLI::Range(1, 1 << 16));
  dora->add_option("--give-up", options.give_up, "seconds after which one counts as under way no more")
      ->check(CLI::PositiveNumber);
  dora->add_option("--grace", options.grace, "seconds to wait for answers at the end")
      ->check(CLI::NonNegativeNumber);
  CLI::App* renew = app.add_subcommand("renew", "renewals by clients that have got an address before");
  add_common(*renew, options);
  renew->add_option("--window", options.window, "keep so many under way, whatever the rate")
      ->check(CLI::Range(1, 1 << 16));
  renew->add_option("--give-up", options.give_up, "seconds after which one counts as under way no more")
      ->check(CLI::PositiveNumber);
  renew->add_option("--grace", options.grace, "seconds to wait for answers at the end")
      ->check(CLI::NonNegativeNumber);
  renew->add_flag("--grows", options.grows, "each asks for twice the lease time that it asked for before");
  renew->add_option("--lease", options.lease_s, "seconds that the first renewal asks for, with --grows");
  CLI::App* sink = app.add_subcommand("sink", "count relayed requests that arrive on an interface");
  sink->add_option("--interface", options.sink_interface, "interface to count on")->required();
  sink->add_option("--seconds", options.seconds, "how long")->check(CLI::PositiveNumber);
  CLI::App* trial =
      app.add_subcommand("trial", "send, with a sink in another namespace: sent against arrived");
  add_common(*trial, options);
  trial->add_option("--sink-netns", options.sink_netns, "path of the sink's namespace")->required();
  trial->add_option("--sink-interface", options.sink_interface, "interface to count on")->required();
  trial->add_option("--samples", options.samples, "pcap file for a sample of what arrived");
  CLI11_PARSE(app, argc, argv);
  try {
    options.population.vlans = parse_vlans(options.vlans);
    if (send->parsed()) return run_send(options);
    if (dora->parsed()) return run_dora_command(options);
    if (renew->parsed()) return run_renew_command(options);
    if (sink->parsed()) return run_sink(options);
    return run_trial(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "xdp-kea-gen: %s\n", error.what());
    return 1;
  }
}
