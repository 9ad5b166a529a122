"""What VRFs cost: a packet's way with 1 to 4,096 of them, and the daemons with 1,024 and 4,096.

Every VRF has the relay engine, the same subnet, a VLAN of its own for its clients and one for its server:

    DISCOVERs in all VLANs -- xkl-cli0, xkl-cli1 [xdp-kead, xdp-kea-dataplane] xkl-up0, xkl-up1

Ready means: `xdp-keactl status` says of every VRF that it serves. Then a DISCOVER is sent in every VRF, and
each must have been relayed. Last line: one JSON object.
"""

import json
import pathlib
import sys
import time

from common import CLIENTS_CPU, DATAPLANE_CPU, appliance_config, say
from xkl.appliance import Appliance
from xkl.lab import Lab, LabError, in_netns, remove_leftovers, run, wait_for

VRFS_A_PORT = 2048
FEW, MANY = 1024, 4096
READY_TIMEOUT = 300
RATE = 5000  # of the DISCOVERs that prove every VRF; all of them within a second

VRF = """
[[vrf]]
name = "customer-{number}"
engine = "relay"
  [[vrf.subnet]]
  prefix = "10.0.0.0/24"
  gateway = "10.0.0.1"
  [[vrf.attachment]]
  interface = "xkl-cli{port}"
  vlan = {vlan}
  [vrf.relay]
  servers = ["192.0.2.2"]
  server_interface = "xkl-up{port}"
  server_vlan = {vlan}
  next_hop = "02:00:00:00:0b:01"
  source = "10.0.0.1"
"""


def config(lab, vrfs):
    return appliance_config(lab, "".join(
        VRF.format(number=i, port=i // VRFS_A_PORT, vlan=1 + i % VRFS_A_PORT) for i in range(vrfs)))


def rss_mib(process):
    """Resident memory of a process, shared pages included, in MiB."""
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise LabError(f"{process.name} has no VmRSS")


class Site:
    """The ports, and an appliance on them."""

    def __init__(self, lab):
        self.lab = lab
        self.router, self.far = lab.netns("r"), lab.netns("f")
        for port in range(MANY // VRFS_A_PORT):
            lab.veth(self.router, f"xkl-cli{port}", self.far, f"gen{port}")
            lab.veth(self.router, f"xkl-up{port}", self.far, f"up{port}")
            run(*in_netns(self.far), "ethtool", "-K", f"gen{port}", "txvlan", "off")
        self.appliance = Appliance(lab, self.router, config(self.lab, FEW))

    def start(self, vrfs):
        """Both daemons with so many VRFs; returns the seconds until all serve."""
        self.appliance.write_config(config(self.lab, vrfs))
        started = time.monotonic()
        self.appliance.start_kead()
        self.appliance.start_dataplane()
        self.appliance.wait_serving(timeout=READY_TIMEOUT)
        return time.monotonic() - started

    def reload(self, vrfs):
        """Returns the seconds that the reload to so many VRFs takes, until all serve."""
        self.appliance.write_config(config(self.lab, vrfs))
        started = time.monotonic()
        self.appliance.ctl("reload")
        took = time.monotonic() - started
        self.appliance.wait_serving(timeout=READY_TIMEOUT)
        if len(self.appliance.ctl("status")["vrfs"]) != vrfs:
            raise LabError(f"after the reload there are not {vrfs} VRFs")
        return took

    def prove(self, vrfs):
        """A DISCOVER in every VRF is relayed."""
        before = self.relayed()
        for port in range((vrfs + VRFS_A_PORT - 1) // VRFS_A_PORT):
            count = min(VRFS_A_PORT, vrfs - port * VRFS_A_PORT)
            vlans = ",".join(str(1 + i) for i in range(count))
            # Whole batches of 32 frames, in the order of the VLANs, which are sent in turn.
            run(*in_netns(self.far), "taskset", "-c", CLIENTS_CPU, Appliance.binary("xdp-kea-gen"), "send",
                "--interface", f"gen{port}", "--rate", RATE, "--seconds", 2 * count / RATE, "--clients", count,
                "--vlans", vlans)

        def missing():
            after = self.relayed()
            return [name for name, count in after.items() if count <= before.get(name, 0)]
        wait_for(lambda: len(self.relayed()) >= vrfs and not missing(),
                 f"a DISCOVER of each of {vrfs} VRFs to be relayed", 10)

    def relayed(self):
        return {row["vrf"]: row["requests"] for row in self.appliance.ctl("counters")["vrfs"] if row["requests"]}

    def rss(self):
        return {p.name: rss_mib(p) for p in (self.appliance.kead, self.appliance.dataplane)}


def pipeline():
    """ns a packet by number of VRFs, in memory."""
    done = run("taskset", "-c", DATAPLANE_CPU, Appliance.binary("bench_vrfs"), timeout=300)
    *table, last = done.stdout.splitlines()
    say("\n".join(table))
    return json.loads(last)


def main():
    keys = pipeline()
    remove_leftovers("xklb")
    with Lab("b") as lab:
        site = Site(lab)
        keys[f"ready_s_{FEW}"] = round(site.start(FEW), 2)
        site.prove(FEW)
        say(f"{FEW} VRFs ready after {keys[f'ready_s_{FEW}']} s, each has relayed; RSS in MiB: {site.rss()}")
        added = MANY - FEW
        seconds = site.reload(MANY)
        keys["us_per_added_vrf"] = round(seconds * 1e6 / added, 1)
        site.prove(MANY)
        say(f"reload that adds {added} VRFs: {seconds:.2f} s, {keys['us_per_added_vrf']} us each; each has relayed")
        site.reload(MANY - 1)
        keys["reload_s_one_added"] = round(site.reload(MANY), 3)
        say(f"reload that adds one to {MANY - 1}: {keys['reload_s_one_added']} s")
        site.appliance.teardown()

        keys[f"ready_s_{MANY}"] = round(site.start(MANY), 2)
        site.prove(MANY)
        rss = site.rss()
        keys[f"rss_mib_{MANY}"] = round(sum(rss.values()), 1)
        say(f"{MANY} VRFs ready after {keys[f'ready_s_{MANY}']} s, each has relayed; RSS in MiB: {rss}")
    print(json.dumps(keys))


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        print(f"vrfs: {error}", file=sys.stderr)
        sys.exit(1)
