"""DORA/s of the native engine, durable and not, against Kea, dnsmasq and ISC dhcpd, each measured the same way.

    generator (CPU 0) -- xkl-cli0 [xdp-kea-dataplane, CPU 1]
    generator         -- srv0     [the other server, CPU 1]

The generator keeps a number of conversations under way, and begins another when one is finished. Each server is
measured with the number that suits it best, of those at which it leaves less than 0.1 % of them unanswered; then, with
half of that load, how long a reply takes. Clients of the native engine are always new, so that each has a lease to be
recorded; the others are measured with the same few clients again and again, which is less work for them. Kea counts
with one thread on CPU 1 or threads on both, whichever is better. perfdhcp's own figures stand beside ours at a rate
that it can make. Last line: one JSON object.
"""

import json
import pathlib
import re
import statistics
import sys

from common import CLIENTS_CPU, DATAPLANE_CPU, appliance_config, say
from xkl.appliance import Appliance
from xkl.lab import Lab, LabError, awake, in_netns, remove_leftovers, run, wait_for

WINDOWS = (1, 4, 16, 64, 256, 1024)  # conversations under way at once
TRIAL_SECONDS, REPEATS = 2, 3
UNANSWERED_MAX = 0.001
GIVE_UP_S = 2  # a conversation that takes longer makes room for another
NEW_CLIENTS, SAME_CLIENTS = 1_000_000, 1_000
PERFDHCP_RATE, PERFDHCP_SECONDS = 5_000, 5

VRF = """
[[vrf]]
name = "clients"
engine = "native"
  [[vrf.subnet]]
  prefix = "10.0.0.0/8"
  pools = ["10.64.0.0-10.191.255.255"]
  gateway = "10.0.0.1"
  dns = ["10.0.0.2"]
  domain = "bench.example"
  lease_time_s = 3600
  lease_time_max_s = 31536000
  [[vrf.attachment]]
  interface = "xkl-cli0"
  [vrf.native]
  durability = "{durability}"
"""


class Clients:
    """The generator in a namespace of clients: each trial with new ones, or always the same."""

    def __init__(self, netns, new, count=None):
        self.netns, self.new, self.trials = netns, new, 0
        self.count = count or (NEW_CLIENTS if new else SAME_CLIENTS)

    def trial(self, command, *pace, seconds=TRIAL_SECONDS):
        """The generator's figures of one run."""
        self.trials += self.new
        done = run(*in_netns(self.netns), "taskset", "-c", CLIENTS_CPU, Appliance.binary("xdp-kea-gen"), command,
                   "--interface", "gen0", "--seconds", seconds, "--clients", self.count,
                   "--first-client", self.trials * NEW_CLIENTS, "--grace", GIVE_UP_S, "--give-up", GIVE_UP_S,
                   *pace, timeout=120)
        return json.loads(done.stdout.splitlines()[-1])


def unanswered(result):
    """The part of the conversations that ended neither with an ACK nor with a NAK."""
    answered = result["acks"] + result["renewed"] + result["naks"]
    return 1 - answered / max(1, result["discovers"] + result["renewals"])


def rate_of(result):
    return (result["acks"] + result["renewed"]) / result["seconds"]


def measure(clients, name, command="dora", *options):
    """What the server can do with the window that suits it best, and its latencies with half of that."""
    best, window = 0, None
    for each in WINDOWS:
        result = clients.trial(command, "--window", each, *options)
        counts = unanswered(result) < UNANSWERED_MAX
        say(f"{name:24} {rate_of(result):8.0f}/s with {each:4} at once, p50 {result['p50_ms']:.2f} ms, unanswered "
            f"{unanswered(result):.2%}{'' if counts else ': does not count'}")
        if counts and rate_of(result) > best:
            best, window = rate_of(result), each
    if window is None:
        raise LabError(f"{name} leaves conversations unanswered, however few are under way")
    runs = [clients.trial(command, "--window", window, *options) for _ in range(REPEATS)]
    kept = [rate_of(r) for r in runs if unanswered(r) < UNANSWERED_MAX]
    rate = statistics.median(kept) if kept else best
    half = clients.trial(command, "--rate", rate / 2, *options, seconds=3)
    say(f"{name:24} {rate:8.0f}/s with {window} at once; at half of it replies take p50 {half['reply_p50_ms'] * 1000:.0f} us, "
        f"p99 {half['reply_p99_ms'] * 1000:.0f} us, p99.9 {half['reply_p999_ms'] * 1000:.0f} us, unanswered {unanswered(half):.2%}")
    return rate, half


class Ours:
    """The appliance with one VRF of the native engine."""

    def __init__(self, lab, durability):
        name = durability[0]
        self.far, self.router = lab.netns(f"c{name}"), lab.netns(f"r{name}")
        lab.veth(self.router, "xkl-cli0", self.far, "gen0")
        self.appliance = Appliance(lab, self.router, appliance_config(lab, VRF.format(durability=durability))).start()

    def close(self):
        counters = self.appliance.counters("clients")
        drops = {name: count for name, count in counters["drops"].items() if count}
        say(f"counters: {counters['notes'].get('serve_ack', 0)} ACKs, drops {drops}")
        wait_for(self.appliance.law_holds, "rx + copies = tx + drops")
        self.appliance.teardown()


def ours(lab, durability, name):
    site = Ours(lab, durability)
    rate, half = measure(Clients(site.far, True), name)
    perfdhcp(site.far, name)
    site.close()
    return rate, half


class Other:
    """Another server on srv0, until close()."""

    def __init__(self, lab, name, argv, env=()):
        """argv(directory): the command."""
        self.far, self.netns = lab.netns(f"c{name}"), lab.netns(f"s{name}")
        lab.veth(self.netns, "srv0", self.far, "gen0")
        run("ip", "-n", self.netns, "addr", "add", "10.0.0.1/8", "dev", "srv0")
        directory = pathlib.Path(lab.directory) / name
        directory.mkdir()
        self.process = lab.spawn(self.netns, name, argv(directory), {key: str(directory) for key in env})
        clients = Clients(self.far, False)
        wait_for(lambda: not self.process.alive() or clients.trial("dora", "--window", 1, seconds=0.3)["acks"] > 0,
                 f"{name} to answer", 60)
        if not self.process.alive():
            raise LabError(f"{name} ended: {self.process.output()[-2000:]}")

    def close(self):
        self.process.stop()


def on_cpus(cpus, *argv):
    return ["taskset", "-c", cpus, *argv]


def kea(threads):
    def argv(directory):
        config = directory / "kea.conf"
        config.write_text(json.dumps({"Dhcp4": {
            "interfaces-config": {"interfaces": ["srv0"], "dhcp-socket-type": "raw"},
            "lease-database": {"type": "memfile", "persist": True, "name": f"{directory}/leases.csv", "lfc-interval": 0},
            "multi-threading": {"enable-multi-threading": True, "thread-pool-size": threads, "packet-queue-size": 1024}
            if threads else {"enable-multi-threading": False},
            "authoritative": True, "valid-lifetime": 3600, "max-valid-lifetime": 31536000,
            "loggers": [{"name": "kea-dhcp4", "severity": "ERROR", "output_options": [{"output": f"{directory}/log"}]}],
            "subnet4": [{"id": 1, "subnet": "10.0.0.0/8", "pools": [{"pool": "10.64.0.0 - 10.191.255.255"}],
                         "option-data": [{"name": "routers", "data": "10.0.0.1"},
                                         {"name": "domain-name-servers", "data": "10.0.0.2"},
                                         {"name": "domain-name", "data": "bench.example"}]}]}}))
        return on_cpus(f"{CLIENTS_CPU},{DATAPLANE_CPU}" if threads else str(DATAPLANE_CPU), "kea-dhcp4", "-c", config)
    return argv


def dnsmasq(directory):
    return on_cpus(str(DATAPLANE_CPU), "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0",
                   "--interface=srv0", "--bind-dynamic", "--user=root", "--pid-file", "--quiet-dhcp", "--no-ping",
                   "--dhcp-authoritative", "--dhcp-range=10.64.0.0,10.64.255.255,255.0.0.0,1h", "--dhcp-lease-max=100000",
                   "--dhcp-option=3,10.0.0.1", "--dhcp-option=6,10.0.0.2", "--dhcp-option=15,bench.example",
                   f"--dhcp-leasefile={directory}/leases", f"--log-facility={directory}/log")


def dhcpd(directory):
    config, leases = directory / "dhcpd.conf", directory / "leases"
    leases.touch()
    config.write_text("""authoritative; ping-check false; dhcp-cache-threshold 0; default-lease-time 3600; max-lease-time 31536000;
subnet 10.0.0.0 netmask 255.0.0.0 { range 10.64.0.0 10.64.255.255; option routers 10.0.0.1;
  option domain-name-servers 10.0.0.2; option domain-name "bench.example"; }
""")
    return on_cpus(str(DATAPLANE_CPU), "dhcpd", "-4", "-f", "-q", "-cf", config, "-lf", leases, "--no-pid", "-user", "root",
                   "-group", "root", "srv0")


def other(lab, name, label, argv, env=()):
    server = Other(lab, name, argv, env)
    try:
        rate, _ = measure(Clients(server.far, False), label)
        perfdhcp(server.far, label)
        return rate
    finally:
        server.close()


KEA_ENV = ("KEA_PIDFILE_DIR", "KEA_LOCKFILE_DIR")


def perfdhcp(netns, name):
    """What perfdhcp, as a relay, says of the server at a rate that perfdhcp can make; and the generator at that rate."""
    run("ip", "-n", netns, "addr", "add", "10.0.0.3/8", "dev", "gen0")
    done = run(*in_netns(netns), "taskset", "-c", CLIENTS_CPU, "perfdhcp", "-4", "-r", PERFDHCP_RATE, "-R", SAME_CLIENTS,
               "-p", PERFDHCP_SECONDS, "-l", "gen0", "10.0.0.1", check=False, timeout=60)
    run("ip", "-n", netns, "addr", "del", "10.0.0.3/8", "dev", "gen0")
    rate = re.search(r"Rate: ([\d.]+)", done.stdout)
    drops = re.findall(r"drops ratio: ([\d.]+)", done.stdout)
    own = Clients(netns, False).trial("dora", "--rate", PERFDHCP_RATE)
    say(f"{name:24} perfdhcp at {PERFDHCP_RATE}/s: {rate.group(1) if rate else done.stdout + done.stderr} DORA/s, "
        f"drops {' and '.join(drops)} %; the generator at that rate: {rate_of(own):.0f} DORA/s, unanswered {unanswered(own):.2%}")


def main():
    remove_leftovers("xklb")
    with Lab("b") as lab, awake():
        say(f"serve4: generator on CPU {CLIENTS_CPU}, server on CPU {DATAPLANE_CPU}, median of {REPEATS} runs of "
            f"{TRIAL_SECONDS} s")
        kea_rate = max(other(lab, "kea1", "Kea, one thread", kea(0), KEA_ENV),
                       other(lab, "kea2", "Kea, threads", kea(2), KEA_ENV))
        dnsmasq_rate = other(lab, "dnsmasq", "dnsmasq", dnsmasq)
        dhcpd_rate = other(lab, "dhcpd", "ISC dhcpd", dhcpd)
        volatile, _ = ours(lab, "none", "ours, durability none")
        durable, half = ours(lab, "local", "ours, durable")
    print(json.dumps({
        "durable_dora_per_s": round(durable), "volatile_dora_per_s": round(volatile), "kea_dora_per_s": round(kea_rate),
        "dnsmasq_dora_per_s": round(dnsmasq_rate), "dhcpd_dora_per_s": round(dhcpd_rate),
        "ratio_kea": round(durable / kea_rate, 2), "p50_us": round(half["reply_p50_ms"] * 1000),
        "p99_us": round(half["reply_p99_ms"] * 1000), "p999_us": round(half["reply_p999_ms"] * 1000)}))


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        print(f"serve4: {error}", file=sys.stderr)
        sys.exit(1)
