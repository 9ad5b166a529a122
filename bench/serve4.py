"""DORA/s of the native engine, durable and not, against Kea, dnsmasq and ISC dhcpd, each measured the same way.

    generator (CPU 0) -- memif port, DPDK  [xdp-kea-dataplane, CPU 1]
    generator         -- xkl-cli0, AF_XDP  [xdp-kea-dataplane, CPU 1]
    generator         -- srv0, a veth pair [the other server, CPU 1]

The generator keeps a number of conversations under way, and begins another when one is finished. Each server is
measured with the number that suits it best, of those at which it leaves less than 0.1 % of them unanswered; then, with
half of that load, how long a reply takes. Clients of the native engine are always new, so that each has a lease to be
recorded; the others are measured with the same few clients again and again, which is less work for them.

The native engine has its packets from a DPDK driver, past the kernel, or by AF_XDP through a veth pair, where the kernel
carries each of them as it does for the others; both are shown. Kea counts with one thread on CPU 1 or threads on both,
whichever is better, and takes turns with ours, for the machine is not as fast at all times. perfdhcp's own figures stand
beside ours at a rate that it can make. Last line: one JSON object.
"""

import json
import pathlib
import re
import statistics
import sys

from common import CLIENTS_CPU, DATAPLANE_CPU, appliance_config, say
from xkl.appliance import Appliance
from xkl.lab import Lab, LabError, awake, in_netns, remove_leftovers, run, wait_for

WINDOWS = (1, 4, 16, 64, 256, 1024, 4096)  # conversations under way at once
TRIAL_SECONDS, REPEATS, TURNS = 2, 3, 5
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
  interface = "{interface}"
  [vrf.native]
  durability = "{durability}"
"""
BUFFERS = """
[dataplane]
buffers = 65536
memory_mib = 512
"""
PORT = """
[[port]]
name = "clients0"
driver = "ethdev"
device = "net_memif0,role=server,socket-abstract=no,socket={socket}"
"""


class Wire:
    """The generator's end of it: an interface in a namespace, or memory shared with a DPDK driver."""

    def __init__(self, interface, netns=None):
        self.interface, self.netns = interface, netns

    def generate(self, command, *options):
        """The generator's figures of one run."""
        done = run(*(in_netns(self.netns) if self.netns else []), "taskset", "-c", CLIENTS_CPU,
                   Appliance.binary("xdp-kea-gen"), command, "--interface", self.interface, *options, timeout=120)
        return json.loads(done.stdout.splitlines()[-1])


def veth(lab, server, port, clients):
    lab.veth(server, port, clients, "gen0")
    return Wire("gen0", clients)


class Clients:
    """The generator at the end of a wire: each trial with new clients, or always the same."""

    def __init__(self, wire, new, count=None):
        self.wire, self.new, self.trials = wire, new, 0
        self.count = count or (NEW_CLIENTS if new else SAME_CLIENTS)

    def trial(self, command, *pace, seconds=TRIAL_SECONDS):
        """The generator's figures of one run."""
        self.trials += self.new
        return self.wire.generate(command, "--seconds", seconds, "--clients", self.count, "--first-client",
                                  self.trials * NEW_CLIENTS, "--grace", GIVE_UP_S, "--give-up", GIVE_UP_S, *pace)


def unanswered(result):
    """The part of the conversations that ended neither with an ACK nor with a NAK."""
    answered = result["acks"] + result["renewed"] + result["naks"]
    return 1 - answered / max(1, result["discovers"] + result["renewals"])


def rate_of(result):
    return (result["acks"] + result["renewed"]) / result["seconds"]


class Contender:
    """A server with the clients that measure it."""

    def __init__(self, clients, name, command="dora", *options):
        self.clients, self.name, self.command, self.options = clients, name, command, options
        self.best, self.window = 0, None

    def say(self, text):
        say(f"{self.name:26} {text}")

    def sweep(self):
        """Finds the window that suits it best."""
        for window in WINDOWS:
            result = self.clients.trial(self.command, "--window", window, *self.options)
            counts = unanswered(result) < UNANSWERED_MAX
            self.say(f"{rate_of(result):8.0f}/s with {window:4} at once, p50 {result['p50_ms']:.2f} ms, unanswered "
                     f"{unanswered(result):.2%}{'' if counts else ': does not count'}")
            if counts and rate_of(result) > self.best:
                self.best, self.window = rate_of(result), window
        if self.window is None:
            raise LabError(f"{self.name} leaves conversations unanswered, however few are under way")
        return self

    def run(self):
        """The rate of one more run with that window; None: it does not count."""
        result = self.clients.trial(self.command, "--window", self.window, *self.options)
        return rate_of(result) if unanswered(result) < UNANSWERED_MAX else None

    def median_of(self, runs):
        kept = [rate for rate in runs if rate is not None]
        return statistics.median(kept) if kept else self.best

    def at_half(self, rate):
        """How long replies take with half of that load."""
        half = self.clients.trial(self.command, "--rate", rate / 2, *self.options, seconds=3)
        self.say(f"{rate:8.0f}/s with {self.window} at once; at half of it replies take p50 "
                 f"{half['reply_p50_ms'] * 1000:.0f} us, p99 {half['reply_p99_ms'] * 1000:.0f} us, p99.9 "
                 f"{half['reply_p999_ms'] * 1000:.0f} us, unanswered {unanswered(half):.2%}")
        return half


def measure(clients, name, command="dora", *options):
    """What the server can do with the window that suits it best, and its latencies with half of that."""
    contender = Contender(clients, name, command, *options).sweep()
    rate = contender.median_of([contender.run() for _ in range(REPEATS)])
    return rate, contender.at_half(rate)


def measure_in_turn(one, other, before_each):
    """The rates of two, of runs that take turns: the machine is not as fast at all times."""
    runs = [], []
    for _ in range(TURNS):
        for contender, rates in zip((one, other), runs):
            before_each()
            rates.append(contender.run())
        say("in turn: " + ", ".join(f"{contender.name} {rates[-1] or 0:.0f}/s" for contender, rates in zip((one, other), runs)))
    return one.median_of(runs[0]), other.median_of(runs[1])


class Ours:
    """The appliance with one VRF of the native engine. driver: af_xdp or memif."""

    def __init__(self, lab, durability, driver="memif"):
        name = f"{durability[0]}{driver[0]}"
        router = lab.netns(f"r{name}")
        if driver == "memif":
            socket = pathlib.Path(lab.directory) / f"{name}.sock"
            self.wire = Wire(f"memif:{socket}")
            rest = BUFFERS + PORT.format(socket=socket) + VRF.format(durability=durability, interface="clients0")
        else:
            self.wire = veth(lab, router, "xkl-cli0", lab.netns(f"c{name}"))
            rest = VRF.format(durability=durability, interface="xkl-cli0")
        self.appliance = Appliance(lab, router, appliance_config(lab, rest)).start()

    def stored(self):
        """Waits until xdp-kead has in the store what the journal has."""
        def behind():
            return self.appliance.ctl("vrf", "show", "clients")["native"]["behind"]
        wait_for(lambda: behind() == 0, "xdp-kead to have followed the journal", 120, interval=0.5)

    def close(self):
        counters = self.appliance.counters("clients")
        drops = {name: count for name, count in counters["drops"].items() if count}
        say(f"counters: {counters['notes'].get('serve_ack', 0)} ACKs, drops {drops}")
        wait_for(self.appliance.law_holds, "rx + copies = tx + drops")
        self.appliance.teardown()


def ours(lab, durability, driver):
    name = f"ours, {'durable' if durability == 'local' else 'volatile'}, {driver}"
    site = Ours(lab, durability, driver)
    rate, half = measure(Clients(site.wire, True), name)
    if site.wire.netns:
        perfdhcp(site.wire, name)
    site.close()
    return rate, half


class Other:
    """Another server on srv0, until close()."""

    def __init__(self, lab, name, argv, env=()):
        """argv(directory): the command."""
        netns = lab.netns(f"s{name}")
        self.wire = veth(lab, netns, "srv0", lab.netns(f"c{name}"))
        run("ip", "-n", netns, "addr", "add", "10.0.0.1/8", "dev", "srv0")
        directory = pathlib.Path(lab.directory) / name
        directory.mkdir()
        self.process = lab.spawn(netns, name, argv(directory), {key: str(directory) for key in env})
        clients = Clients(self.wire, False)
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


def other(lab, name, label, argv):
    server = Other(lab, name, argv)
    try:
        rate, _ = measure(Clients(server.wire, False), label)
        perfdhcp(server.wire, label)
        return rate
    finally:
        server.close()


KEA_ENV = ("KEA_PIDFILE_DIR", "KEA_LOCKFILE_DIR")


def perfdhcp(wire, name):
    """What perfdhcp, as a relay, says of the server at a rate that perfdhcp can make; and the generator at that rate."""
    run("ip", "-n", wire.netns, "addr", "add", "10.0.0.3/8", "dev", "gen0")
    done = run(*in_netns(wire.netns), "taskset", "-c", CLIENTS_CPU, "perfdhcp", "-4", "-r", PERFDHCP_RATE, "-R", SAME_CLIENTS,
               "-p", PERFDHCP_SECONDS, "-l", "gen0", "10.0.0.1", check=False, timeout=60)
    run("ip", "-n", wire.netns, "addr", "del", "10.0.0.3/8", "dev", "gen0")
    rate = re.search(r"Rate: ([\d.]+)", done.stdout)
    drops = re.findall(r"drops ratio: ([\d.]+)", done.stdout)
    own = Clients(wire, False).trial("dora", "--rate", PERFDHCP_RATE)
    say(f"{name:26} perfdhcp at {PERFDHCP_RATE}/s: {rate.group(1) if rate else done.stdout + done.stderr} DORA/s, "
        f"drops {' and '.join(drops)} %; the generator at that rate: {rate_of(own):.0f} DORA/s, unanswered {unanswered(own):.2%}")


def the_better_kea(lab):
    """With one thread or with two; the other one is ended."""
    keas = []
    for name, label, threads in (("kea1", "Kea, one thread", 0), ("kea2", "Kea, threads", 2)):
        server = Other(lab, name, kea(threads), KEA_ENV)
        keas.append((Contender(Clients(server.wire, False), label).sweep(), server))
        perfdhcp(server.wire, label)
    keas.sort(key=lambda one: one[0].best)
    keas[0][1].close()
    return keas[1][0]


def main():
    remove_leftovers("xklb")
    with Lab("b") as lab, awake():
        say(f"serve4: generator on CPU {CLIENTS_CPU}, server on CPU {DATAPLANE_CPU}, median of {REPEATS} runs of "
            f"{TRIAL_SECONDS} s, of {TURNS} where two take turns")
        kea_one = the_better_kea(lab)
        dnsmasq_rate = other(lab, "dnsmasq", "dnsmasq", dnsmasq)
        dhcpd_rate = other(lab, "dhcpd", "ISC dhcpd", dhcpd)
        af_xdp_volatile, _ = ours(lab, "none", "af_xdp")
        af_xdp, _ = ours(lab, "local", "af_xdp")
        volatile, _ = ours(lab, "none", "memif")
        site = Ours(lab, "local", "memif")
        durable_one = Contender(Clients(site.wire, True), "ours, durable, memif").sweep()
        kea_rate, durable = measure_in_turn(kea_one, durable_one, site.stored)
        kea_one.at_half(kea_rate)
        half = durable_one.at_half(durable)
        site.close()
    print(json.dumps({
        "durable_dora_per_s": round(durable), "volatile_dora_per_s": round(volatile), "kea_dora_per_s": round(kea_rate),
        "dnsmasq_dora_per_s": round(dnsmasq_rate), "dhcpd_dora_per_s": round(dhcpd_rate),
        "af_xdp_durable_dora_per_s": round(af_xdp), "af_xdp_volatile_dora_per_s": round(af_xdp_volatile),
        "ratio_kea": round(durable / kea_rate, 2), "af_xdp_ratio_kea": round(af_xdp / kea_rate, 2),
        "p50_us": round(half["reply_p50_ms"] * 1000), "p99_us": round(half["reply_p99_ms"] * 1000),
        "p999_us": round(half["reply_p999_ms"] * 1000)}))


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        print(f"serve4: {error}", file=sys.stderr)
        sys.exit(1)
