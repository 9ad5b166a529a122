"""Relayed DISCOVERs per second, ours against dhcrelay and dnsmasq, in one run on the same veth lab.

    generator (CPU 0) -- xkl-cli0 [relay, CPU 1] xkl-up0 -- sink, a counter at the server's ingress

For each relay the highest rate is searched at which less than 0.1 % of the packets is missing at the
server. A sample of what arrived is decoded by tshark. Last line: one JSON object.
"""

import json
import pathlib
import statistics
import sys

from common import CLIENTS_CPU, DATAPLANE_CPU, appliance_config, say
from xkl.appliance import Appliance
from xkl.lab import Lab, LabError, in_netns, remove_leftovers, run, wait_for

CLIENTS = 8192
TRIAL_SECONDS = 1.5
LOSS_MAX = 0.001
STEPS = 7  # of the bisection, from a range of a factor of two: below 1 % of the rate
REPEATS = 3
RATE_MAX = 4_000_000

CONFIG = """

[[vrf]]
name = "clients"
engine = "relay"
  [[vrf.subnet]]
  prefix = "10.0.0.0/24"
  gateway = "10.0.0.1"
  [[vrf.attachment]]
  interface = "xkl-cli0"
  [vrf.relay]
  servers = ["192.0.2.2"]
"""


class Bench:
    """The lab with its generator and its sink."""

    def __init__(self, lab):
        self.lab = lab
        self.clients, self.router, self.servers = lab.netns("c"), lab.netns("r"), lab.netns("s")
        lab.veth(self.router, "xkl-cli0", self.clients, "gen0")
        lab.veth(self.router, "xkl-up0", self.servers, "up0")
        run("ip", "-n", self.router, "addr", "add", "10.0.0.1/24", "dev", "xkl-cli0")
        run("ip", "-n", self.router, "addr", "add", "192.0.2.1/24", "dev", "xkl-up0")
        run("ip", "-n", self.servers, "addr", "add", "192.0.2.2/24", "dev", "up0")
        run("ip", "-n", self.servers, "route", "add", "default", "via", "192.0.2.1")
        self.generator = Appliance.binary("xdp-kea-gen")
        self.samples = pathlib.Path(lab.directory) / "samples.pcap"

    def trial(self, rate):
        """Sends at this rate for TRIAL_SECONDS; returns the generator's figures with what arrived."""
        done = run(*in_netns(self.clients), "taskset", "-c", CLIENTS_CPU, self.generator, "trial",
                   "--interface", "gen0", "--sink-netns", f"/run/netns/{self.servers}", "--sink-interface", "up0",
                   "--rate", int(rate), "--seconds", TRIAL_SECONDS, "--clients", CLIENTS, "--samples", self.samples)
        result = json.loads(done.stdout.splitlines()[-1])
        result["loss"] = 1 - result["relayed"] / max(1, result["sent"])
        return result

    def capacity(self):
        """The highest rate with less than LOSS_MAX missing, in packets that arrived per second."""
        best, low, high = 0.0, 20_000.0, 40_000.0
        while high <= RATE_MAX:
            result = self.trial(high)
            if result["loss"] >= LOSS_MAX:
                break
            best = max(best, result["relayed"] / result["seconds"])
            if result["sent"] / result["seconds"] < 0.95 * high:
                return best, True  # the generator cannot do more
            low, high = high, high * 2
        for _ in range(STEPS):
            middle = (low + high) / 2
            result = self.trial(middle)
            if result["loss"] < LOSS_MAX:
                low, best = middle, max(best, result["relayed"] / result["seconds"])
            else:
                high = middle
        return best, False


def start_ours(bench):
    lab = bench.lab
    appliance = Appliance(lab, bench.router, appliance_config(lab, CONFIG))
    appliance.start()
    return lambda: (say("ours: " + law(appliance)), appliance.teardown())


def law(appliance):
    total = appliance.counters()
    return (f"rx {total['rx']} + copies {total['copies']} = tx {total['tx']} + drops {sum(total['drops'].values())}"
            f" {total['drops']}")


def start_peer(bench, name, argv):
    process = bench.lab.spawn(bench.router, name, ["taskset", "-c", str(DATAPLANE_CPU), *argv])
    return process.stop


def relays(bench):
    """name -> a function that starts it and returns the one that stops it."""
    return {
        "dhcrelay": lambda: start_peer(bench, "dhcrelay", [
            "dhcrelay", "-4", "-d", "-id", "xkl-cli0", "-iu", "xkl-up0", "192.0.2.2"]),
        "dnsmasq": lambda: start_peer(bench, "dnsmasq", [
            "dnsmasq", "-k", "-p", "0", "-u", "root", "--log-facility=/dev/null", "--dhcp-relay=10.0.0.1,192.0.2.2"]),
        "ours": lambda: start_ours(bench),
    }


def decode(samples, name):
    """Has tshark look at the sample: requests with hops and giaddr, nothing malformed. Our checksums must
    be right; those of the peers are left to the veth's offload by their kernel sockets."""
    fields = ["dhcp.type", "dhcp.hops", "dhcp.ip.relay", "ip.dst"]
    sound = "!_ws.malformed" + (" && ip.checksum.status == 1 && udp.checksum.status == 1" if name == "ours" else "")
    done = run("tshark", "-r", samples, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-T", "fields",
               *[a for f in fields for a in ("-e", f)], "-Y", sound)
    rows = done.stdout.splitlines()
    total = len(run("tshark", "-r", samples).stdout.splitlines())
    wanted = "1\t1\t10.0.0.1\t192.0.2.2"
    if not rows or len(rows) != total or any(row != wanted for row in rows):
        raise LabError(f"{name}: {total} sampled, {len(rows)} sound; want '{wanted}', got {sorted(set(rows))[:3]}")
    return total


def measure(bench, name, start):
    stop = start()
    try:
        wait_for(lambda: bench.trial(2000)["relayed"] > 0, f"{name} to relay anything", 15)
        found = [bench.capacity() for _ in range(REPEATS)]
        sampled = decode(bench.samples, name)
    finally:
        stop()
    pps = statistics.median(rate for rate, _ in found)
    limit = " (the generator's limit)" if all(limited for _, limited in found) else ""
    say(f"{name:10} {pps:10.0f} packets/s{limit}   runs: {' '.join(f'{r:.0f}' for r, _ in found)}   {sampled} decoded")
    return pps


def main():
    remove_leftovers("xklb")
    with Lab("b") as lab:
        bench = Bench(lab)
        say(f"relay4: 300-byte DISCOVERs of {CLIENTS} clients, generator on CPU {CLIENTS_CPU}, relay on CPU "
            f"{DATAPLANE_CPU}, loss below {LOSS_MAX:.1%}, median of {REPEATS}")
        pps = {name: measure(bench, name, start) for name, start in relays(bench).items()}
    print(json.dumps({
        **{f"{name}_pps": round(rate) for name, rate in pps.items()},
        "ratio_dhcrelay": round(pps["ours"] / pps["dhcrelay"], 2),
        "ratio_dnsmasq": round(pps["ours"] / pps["dnsmasq"], 2)}))


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        print(f"relay4: {error}", file=sys.stderr)
        sys.exit(1)
