"""Two appliances, etcd, and clients on one segment:

    clients -- bridge -- xkl-a0  | router a: appliance edge-a |  mgmt -- bridge with etcd
                    \\-- xkl-b0  | router b: appliance edge-b |  mgmt --/
"""

import json
import os
import signal

from xkl.appliance import Appliance
from xkl.lab import LabError, in_netns, run, runs, wait_for
from xkl.topology import appliance_section, attachment, vrf

ETCD = "192.0.2.1"
ETCD_NET = "192.0.2.0/29"  # all its members; no appliance
VRFS = ("red", "blue")
SUBNET = """
  [[vrf.subnet]]
  prefix = "10.0.0.0/24"
  pools = ["10.0.0.100-10.0.0.159"]
  gateway = "10.0.0.1"
  lease_time_s = 600
"""


def urls(members):
    return [f"http://{address}:2379" for address in members]


def appliance_config(lab, letter, members=(ETCD,)):
    section = appliance_section(lab, lab.tag + letter)
    return section + "".join(vrf(name, SUBNET, attachment(f"xkl-{name}")) for name in VRFS) + f"""
[store]
backend = "etcd"
[store.etcd]
endpoints = {json.dumps(urls(members))}
[ha]
enabled = true
name = "edge-{letter}"
"""


class Half:
    """One of the two appliances, and what may happen to it."""

    def __init__(self, pair, letter, address):
        self.pair, self.letter, self.address = pair, letter, address
        self.name = f"edge-{letter}"
        lab = pair.lab
        self.prefix = lab.tag + letter  # of the names of what it makes
        self.ns = lab.netns(f"r{letter}")
        for vrf_name in VRFS:
            lab.veth(pair.switches[vrf_name], f"port-{letter}", self.ns, f"xkl-{vrf_name}")
        lab.veth(pair.etcd_ns, f"port-{letter}", self.ns, "mgmt")
        run("ip", "-n", self.ns, "addr", "add", f"{address}/24", "dev", "mgmt")
        self.appliance = Appliance(lab, self.ns, appliance_config(lab, letter, pair.members), name=self.name)

    def mac(self, vrf_name):
        """Of its port towards the clients."""
        return json.loads(run("ip", "-j", "-n", self.ns, "link", "show", f"xkl-{vrf_name}").stdout)[0]["address"]

    def start(self):
        self.appliance.start_kead()
        self.appliance.start_dataplane()

    @property
    def other(self):
        return self.pair.b if self is self.pair.a else self.pair.a

    def status(self):
        """What it shows, or None if it does not answer."""
        try:
            return self.appliance.api("/v1/status")
        except (OSError, LabError):
            return None

    def active(self, vrf_name):
        shown = self.status()
        row = next((v for v in shown["vrfs"] if v["name"] == vrf_name), None) if shown else None
        return bool(row) and row["standing"] == "active" and shown["ha"]["state"] == "in touch"

    def ready(self, names=VRFS):
        """It could take over each of these VRFs that it does not have now. One that was cut off may have a session again,
        and not have been told yet who is active: that is not ready."""
        shown = self.status()
        if not shown or shown["ha"]["state"] != "in touch":
            return False
        rows = [v for v in shown["vrfs"] if v["name"] in names]
        return len(rows) == len(names) and all(
            v["standing"] in ("active", "standby") and not v["standby_reason"]
            and self.pair.is_active(v["active_on"], v["name"]) for v in rows)

    # ---- what may happen ----

    def cut(self, kind):
        if kind == "link":
            run("ip", "-n", self.pair.etcd_ns, "link", "set", f"port-{self.letter}", "down")
        elif kind == "answers":  # what it says arrives, the answers do not
            run("ip", "-n", self.pair.etcd_ns, "route", "add", "blackhole", f"{self.address}/32")
        else:
            run("ip", "-n", self.ns, "route", "add", "blackhole", ETCD_NET)

    def heal(self, kind):
        if kind == "link":
            run("ip", "-n", self.pair.etcd_ns, "link", "set", f"port-{self.letter}", "up")
        elif kind == "answers":
            run("ip", "-n", self.pair.etcd_ns, "route", "del", "blackhole", f"{self.address}/32")
        else:
            run("ip", "-n", self.ns, "route", "del", "blackhole", ETCD_NET)

    def kill(self, *names):
        rows = [row for row in self.appliance.ctl("kea", "status", check=False) or [] if row["pid"]] if "kea" in names else []
        for name in ("kead", "dataplane"):
            process = getattr(self.appliance, name)
            if name in names and process.alive():
                process.kill()
                process.popen.wait(5)
        for row in rows:
            if runs(row["pid"]):
                os.kill(row["pid"], signal.SIGKILL)

    def revive(self):
        if not self.appliance.kead.alive():
            self.appliance.start_kead()
        if not self.appliance.dataplane.alive():
            self.appliance.start_dataplane()

    def signal(self, name, number):
        process = getattr(self.appliance, name)
        if process.alive():
            process.popen.send_signal(number)


class Pair:
    def __init__(self, lab, members=(ETCD,)):
        self.lab, self.members = lab, members
        self.etcd_ns = lab.netns("e")
        self.switches = {name: lab.netns(f"s{name}") for name in VRFS}
        self.client_ns = {}
        for name in VRFS:
            self.client_ns[name] = lab.netns(f"c{name}")
            lab.veth(self.switches[name], "port-c", self.client_ns[name], "eth0")
        self.make_halves()
        for name in VRFS:
            lab.bridge(self.switches[name], "br0", ["port-c", "port-a", "port-b"])
        lab.bridge(self.etcd_ns, "br0", ["port-a", "port-b"])
        for address in members:
            run("ip", "-n", self.etcd_ns, "addr", "add", f"{address}/24", "dev", "br0")
        self.start_etcd()

    def make_halves(self):
        self.a, self.b = Half(self, "a", "192.0.2.11"), Half(self, "b", "192.0.2.12")

    @property
    def appliance(self):
        return self.b.appliance  # for the report of a failure

    @property
    def halves(self):
        return (self.a, self.b)

    def start_etcd(self):
        peers = {address: f"http://{address}:2380" for address in self.members}
        cluster = ",".join(f"{address}={url}" for address, url in peers.items())
        self.etcds = [self.lab.spawn(self.etcd_ns, f"etcd-{address}", [
            "/usr/bin/etcd", f"--name={address}", f"--data-dir={self.lab.directory}/etcd-{address}",
            f"--listen-client-urls={url}", f"--advertise-client-urls={url}", f"--listen-peer-urls={peers[address]}",
            f"--initial-advertise-peer-urls={peers[address]}", f"--initial-cluster={cluster}", "--logger=zap"])
            for address, url in zip(self.members, urls(self.members))]
        wait_for(lambda: self.etcdctl("endpoint", "health", check=False) is not None, "etcd to be healthy")

    def etcdctl(self, *args, check=True):
        done = run(*in_netns(self.etcd_ns), "etcdctl", f"--endpoints={','.join(urls(self.members))}", *args, check=False,
                   env={**os.environ, "ETCDCTL_API": "3"})
        if done.returncode != 0 and check:
            raise LabError(f"etcdctl {args}: {done.stdout}{done.stderr}")
        return done.stdout if done.returncode == 0 else None

    def active_half(self, vrf_name):
        return next((half for half in self.halves if half.active(vrf_name)), None)

    def is_active(self, name, vrf_name):
        return any(half.name == name and half.active(vrf_name) for half in self.halves)

    def wait_ready(self, names=VRFS, timeout=40):
        """Every VRF, or those named, is active on one, and the other one could take it over."""
        def ready():
            return all(half.ready(names) for half in self.halves) and all(self.active_half(v) for v in names)
        try:
            wait_for(ready, "both appliances to be ready", timeout)
        except LabError as error:
            shown = "\n".join(f"{half.name}: {half.status()}" for half in self.halves)
            raise LabError(f"{error}\n{shown}") from error

    def start(self):
        for half in self.halves:
            half.start()
        self.wait_ready()

    def stored(self, vrf_name):
        """Address -> MAC of the leases in etcd."""
        return {row["address"]: row["mac"] for row in self.a.appliance.leases(vrf_name)}
