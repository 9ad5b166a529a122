"""What a VRF notices of a flood in another: DORA at 500/s in VRF victim, VRF flood filled at full rate.

    flooder -- xkl-a0 |                  | xkl-upa -- sink, which ends the flood's relayed requests
                      | appliance, CPU 1 |
    victim  -- xkl-b0 |                  | xkl-upb -- Kea

Generator, the victim's clients, sink and Kea share CPU 0, where the flooder has a lower priority than the
others, or the victim's clients and server would be starved by the scheduler and not by the appliance. The
dataplane has CPU 1 before all else. The runs alone and flooded take turns. The same is measured for VRF
neighbour, whose clients are on the flooded port itself, in VLAN 100: the port's ring is the flooder's too.
Then all of it again with the native engine in every VRF, its leases durable: no server, no uplink, the flood's clients
are leased addresses until its pool is exhausted. Last line: one JSON object.
"""

import json
import os
import pathlib
import statistics
import sys

from common import CLIENTS_CPU, DATAPLANE_CPU, appliance_config, say
from xkl.appliance import Appliance
from xkl.lab import Lab, LabError, in_netns, remove_leftovers, run, wait_for

RATE, SECONDS, REPEATS = 500, 8, 3
CLIENTS = 2000
FIRST, LAST = -20, -10  # niceness; the flooder still goes before whatever else the machine does

CONFIG = """

[[vrf]]
name = "flood"
engine = "relay"
  [[vrf.subnet]]
  prefix = "10.0.0.0/24"
  gateway = "10.0.0.1"
  [[vrf.attachment]]
  interface = "xkl-a0"
  [vrf.relay]
  servers = ["192.0.2.2"]

[[vrf]]
name = "victim"
engine = "relay"
  [[vrf.subnet]]
  prefix = "10.1.0.0/16"
  gateway = "10.1.0.1"
  [[vrf.attachment]]
  interface = "xkl-b0"
  [vrf.relay]
  servers = ["198.51.100.2"]

[[vrf]]
name = "neighbour"
engine = "relay"
  [[vrf.subnet]]
  prefix = "10.2.0.0/16"
  gateway = "10.2.0.1"
  [[vrf.attachment]]
  interface = "xkl-a0"
  vlan = 100
  [vrf.relay]
  servers = ["198.51.100.2"]
  server_vrf = "victim"
"""

NATIVE = """

[[vrf]]
name = "flood"
engine = "native"
  [[vrf.subnet]]
  prefix = "10.0.0.0/16"
  gateway = "10.0.0.1"
  pools = ["10.0.16.0-10.0.240.255"]
  [[vrf.attachment]]
  interface = "xkl-a0"

[[vrf]]
name = "victim"
engine = "native"
  [[vrf.subnet]]
  prefix = "10.1.0.0/16"
  gateway = "10.1.0.1"
  pools = ["10.1.16.0-10.1.240.255"]
  [[vrf.attachment]]
  interface = "xkl-b0"

[[vrf]]
name = "neighbour"
engine = "native"
  [[vrf.subnet]]
  prefix = "10.2.0.0/16"
  gateway = "10.2.0.1"
  pools = ["10.2.16.0-10.2.240.255"]
  [[vrf.attachment]]
  interface = "xkl-a0"
  vlan = 100
"""

KEA = {"Dhcp4": {
    "interfaces-config": {"interfaces": ["upb"], "dhcp-socket-type": "udp"},
    "lease-database": {"type": "memfile", "persist": False},
    "multi-threading": {"enable-multi-threading": False},
    "valid-lifetime": 3600,
    "subnet4": [{"id": i, "subnet": f"10.{i}.0.0/16", "pools": [{"pool": f"10.{i}.16.0-10.{i}.240.255"}]}
                for i in (1, 2)],
    "loggers": [{"name": "kea-dhcp4", "severity": "WARN", "output_options": [{"output": "stdout"}]}]}}


def prefer(process, niceness):
    """Gives a process a priority before those of all sessions: nice alone counts within its own where the kernel
    groups tasks by session."""
    os.setpriority(os.PRIO_PROCESS, process.pid, niceness)
    group = pathlib.Path(f"/proc/{process.pid}/autogroup")
    if group.exists():
        group.write_text(str(niceness))
    return process


class Site:
    """The lab with Kea, the sink and the appliance, all running; with native engines there is no Kea, and nothing for
    the sink to end."""

    def __init__(self, lab, config=CONFIG):
        self.lab = lab
        self.native = config == NATIVE
        self.router = lab.netns("r")
        for name, port in (("a", "xkl-a0"), ("b", "xkl-b0"), ("ua", "xkl-upa"), ("ub", "xkl-upb")):
            ns = lab.netns(name)
            lab.veth(self.router, port, ns, {"a": "gen0", "b": "gen0", "ua": "upa", "ub": "upb"}[name])
        self.flooder, self.victims, self.sink, self.server = (f"{lab.tag}-{n}" for n in ("a", "b", "ua", "ub"))
        run(*in_netns(self.flooder), "ethtool", "-K", "gen0", "txvlan", "off")
        for ns, link, network in ((self.sink, "upa", "192.0.2"), (self.server, "upb", "198.51.100")):
            run("ip", "-n", self.router, "addr", "add", f"{network}.1/24", "dev", f"xkl-{link}")
            run("ip", "-n", ns, "addr", "add", f"{network}.2/24", "dev", link)
            run("ip", "-n", ns, "route", "add", "default", "via", f"{network}.1")
        self.generator = Appliance.binary("xdp-kea-gen")
        if not self.native:
            self.start_kea()
        self.appliance = Appliance(lab, self.router, appliance_config(lab, config)).start()
        prefer(self.appliance.dataplane, FIRST)
        # Nothing is measured before both ways work.
        for place in (self.victim(), self.neighbour()):
            wait_for(lambda where=place: self.dora(*where, seconds=0.5)["lost"] == 0, f"DORA on {place}", 20)

    def start_kea(self):
        config = self.lab.directory / "kea.json"
        config.write_text(json.dumps(KEA))
        directory = str(self.lab.directory)
        kea = self.lab.spawn(self.server, "kea", ["taskset", "-c", str(CLIENTS_CPU), "kea-dhcp4", "-c", config], {
            "KEA_PIDFILE_DIR": directory, "KEA_LOCKFILE_DIR": directory})
        wait_for(lambda: ":67 " in run(*in_netns(self.server), "ss", "-Hlun").stdout or not kea.alive(), "Kea")
        if not kea.alive():
            raise LabError(f"Kea: {kea.output()}")
        prefer(kea, FIRST)

    def victim(self):
        """Where VRF victim's clients are: namespace and VLANs."""
        return self.victims, "none"

    def neighbour(self):
        """The same of VRF neighbour."""
        return self.flooder, "100"

    def generate(self, ns, name, command, niceness, *options):
        """Starts the generator."""
        (self.lab.directory / f"{name}.log").unlink(missing_ok=True)
        return prefer(self.lab.spawn(ns, name, [
            "taskset", "-c", str(CLIENTS_CPU), self.generator, command, *options]), niceness)

    @staticmethod
    def generated(process):
        """Waits for the generator's end and returns its figures."""
        if process.popen.wait(120) != 0:
            raise LabError(f"{process.name}: {process.output()}")
        return json.loads(process.output().splitlines()[-1])

    def dora(self, ns, vlans, seconds=SECONDS):
        """Conversations at RATE; the generator's figures, and how many did not end."""
        result = self.generated(self.generate(ns, "dora", "dora", FIRST, "--interface", "gen0", "--rate", RATE,
                                              "--seconds", seconds, "--clients", CLIENTS, "--vlans", vlans,
                                              "--first-client", 1_000_000))
        result["lost"] = result["discovers"] - result["acks"]
        return result

    def flooded(self, ns, vlans):
        """DORA while the flood lasts; its figures, and the flood's packets per second."""
        sink = self.generate(self.sink, "sink", "sink", FIRST, "--interface", "upa", "--seconds", SECONDS + 3)
        flood = self.generate(self.flooder, "flood", "send", LAST, "--interface", "gen0", "--rate", "0",
                              "--seconds", SECONDS + 2)
        before = self.appliance.counters("flood")["rx"]
        wait_for(lambda: self.appliance.counters("flood")["rx"] > before + 1000, "the flood")
        result = self.dora(ns, vlans)
        if not flood.alive():
            raise LabError(f"the flood ended before the victim's conversations did: {flood.output()} {result}")
        sent = self.generated(flood)
        self.generated(sink)
        return result, sent["sent"] / sent["seconds"]


def drops(appliance, vrf):
    return {name: count for name, count in appliance.counters(vrf)["drops"].items() if count}


def measure(site, name, place):
    """Runs alone and flooded in turn; (lost and sent when flooded, percentiles of both, flood rates)."""
    alone, flooded, rates = [], [], []
    for _ in range(REPEATS):
        alone.append(site.dora(*place))
        result, pps = site.flooded(*place)
        flooded.append(result)
        rates.append(pps)
        say(f"{name}: alone lost {alone[-1]['lost']} of {alone[-1]['discovers']}, p50 {alone[-1]['p50_ms']:.2f} ms, "
            f"p99 {alone[-1]['p99_ms']:.2f} ms; flooded with {pps:.0f}/s lost {result['lost']} of "
            f"{result['discovers']}, p50 {result['p50_ms']:.2f} ms, p99 {result['p99_ms']:.2f} ms")
    say(f"{name}: drops in its VRF: {drops(site.appliance, name)}")

    def middle(runs, key):
        return round(statistics.median(r[key] for r in runs), 2)
    return {"sent": sum(r["discovers"] for r in flooded), "lost": sum(r["lost"] for r in flooded),
            **{f"{p}_ms_{when}": middle(runs, f"{p}_ms") for p in ("p50", "p99")
               for when, runs in (("alone", alone), ("flooded", flooded))},
            "pps": round(statistics.median(rates))}


def both_places(config, kind):
    """The figures of the VRF on another port than the flood, and of the one on the same."""
    with Lab("b") as lab:
        site = Site(lab, config)
        say(f"isolation, {kind}: DORA at {RATE}/s of {CLIENTS} clients for {SECONDS} s, {REPEATS} times alone and flooded")
        apart = measure(site, "victim", site.victim())
        same = measure(site, "neighbour", site.neighbour())
        say(f"flood: drops in its VRF: {drops(site.appliance, 'flood')}; of no VRF: {drops(site.appliance, '-')}"
            if any(v["vrf"] == "-" for v in site.appliance.ctl("counters")["vrfs"]) else
            f"flood: drops in its VRF: {drops(site.appliance, 'flood')}")
        total = site.appliance.counters()
        say(f"rx {total['rx']} + copies {total['copies']} = tx {total['tx']} + drops {sum(total['drops'].values())}")
        site.appliance.teardown()
    return apart, same


def keys_of(apart, same, prefix=""):
    keys = {"victim_sent": apart["sent"], "victim_lost": apart["lost"],
            **{key: value for key, value in apart.items() if key.startswith("p") and key != "pps"},
            "flood_pps": apart["pps"],
            "same_port_sent": same["sent"], "same_port_lost": same["lost"],
            "same_port_p99_ms_flooded": same["p99_ms_flooded"], "same_port_flood_pps": same["pps"]}
    return {prefix + key: value for key, value in keys.items()}


def main():
    remove_leftovers("xklb")
    relayed = both_places(CONFIG, "relayed")
    native = both_places(NATIVE, "native engines")
    print(json.dumps({**keys_of(*relayed), **keys_of(*native, "native_")}))


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        print(f"isolation: {error}", file=sys.stderr)
        sys.exit(1)
