"""DORA/s of a Kea by itself and of one behind the lease gate, in one run on the same appliance.

    clients (CPU 0) -- xkl-alone0 [dataplane, two Keas: CPU 1] xkl-gated0 -- clients (CPU 0)

VRF alone has durability "none": its Kea writes its lease file and never syncs. VRF gated has "strict": no ACK
before its lease is synced in the embedded store; xdp-kead, which does that, runs where the kernel puts it, and what CPU
time it takes is told. For each the highest rate of new clients is searched at which less than 0.1 % of the
conversations stay without their ACK, in one of two trials; they take turns. Last line: one JSON object.
"""

import json
import os
import pathlib
import statistics
import sys

from common import CLIENTS_CPU, DATAPLANE_CPU, appliance_config, say
from xkl.appliance import Appliance
from xkl.lab import Lab, LabError, awake, in_netns, remove_leftovers, run
from xkl.load import FAR, wire
from xkl.topology import attachment, vrf

REPEATS = 3
TRIAL_SECONDS = 3
LOSS_MAX = 0.001
LOWEST, HIGHEST = 500, 16_000  # conversations a second
STEPS = 6
CLIENTS = 100_000  # of one trial: none of them comes twice
WIDE = """
  [[vrf.subnet]]
  prefix = "10.0.0.0/8"
  pools = ["10.1.0.0-10.250.255.200"]
  gateway = "10.0.0.1"
"""
DURABILITY = {"alone": "none", "gated": "strict"}


def cpu_seconds(pid):
    """That a process has used, all its threads together."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Bench:
    """The appliance, and a namespace of clients for each VRF."""

    def __init__(self, lab):
        self.trials = 0
        router = lab.netns("r")
        self.far = {name: wire(lab, router, name) for name in DURABILITY}
        self.appliance = Appliance(lab, router, appliance_config(lab, "".join(
            vrf(name, WIDE, attachment(f"xkl-{name}0")) + f'  [vrf.kea]\n  durability = "{durability}"\n'
            for name, durability in DURABILITY.items()))).start()
        keas = {row["vrf"]: row for row in self.appliance.ctl("kea", "status")}
        if not keas["gated"]["gated"] or keas["alone"]["gated"]:
            raise LabError(f"the gates are not as they should be: {keas}")
        for row in keas.values():
            run("taskset", "-a", "-p", "-c", DATAPLANE_CPU, row["pid"])

    def trial(self, name, rate):
        """Conversations of new clients at a rate; what the generator says of them."""
        self.trials += 1
        done = run(*in_netns(self.far[name]), "taskset", "-c", CLIENTS_CPU, Appliance.binary("xdp-kea-gen"), "dora",
                   "--interface", FAR, "--rate", rate, "--seconds", TRIAL_SECONDS, "--clients", CLIENTS,
                   "--first-client", self.trials * CLIENTS, "--grace", 2)
        return json.loads(done.stdout.splitlines()[-1])

    def kept(self, name, rate):
        """The figures of a trial that it kept up with, or None: a machine that was away for a moment is no loss of its."""
        for _ in range(2):
            result = self.trial(name, rate)
            if result["acks"] >= result["discovers"] * (1 - LOSS_MAX):
                return result
        return None

    def search(self, name):
        """The highest rate that it keeps up with."""
        low, high, kept = LOWEST, HIGHEST, None
        for _ in range(STEPS):
            rate = (low + high) / 2
            result = self.kept(name, rate)
            if result:
                low, kept = rate, result
            else:
                high = rate
        if kept is None:
            raise LabError(f"{name} does not keep up with {low}/s")
        say(f"{name}: {kept['acks'] / kept['seconds']:.0f} DORA/s, p50 {kept['p50_ms']:.1f} ms, p99 {kept['p99_ms']:.1f} ms")
        return kept["acks"] / kept["seconds"]


def main():
    remove_leftovers("xklb")
    with Lab("b") as lab, awake():
        bench = Bench(lab)
        rates = {name: [] for name in DURABILITY}
        for _ in range(REPEATS):
            for name in DURABILITY:
                rates[name].append(bench.search(name))
        store = bench.appliance.ctl("status")["store"]
        cpu = cpu_seconds(bench.appliance.kead.pid)
        say(f"store: {store['commits']} commits with {store['syncs']} syncs; xdp-kead took "
            f"{cpu / store['commits'] * 1e6:.0f} us of CPU time a commit")
    kea, gated = (statistics.median(rates[name]) for name in ("alone", "gated"))
    print(json.dumps({"kea_dora_per_s": round(kea), "gated_dora_per_s": round(gated), "ratio": round(gated / kea, 3)}))


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        print(f"kea_gate: {error}", file=sys.stderr)
        sys.exit(1)
