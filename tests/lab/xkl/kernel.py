"""A router as the kernel knows it: VRF devices, VLAN devices, bonds and bridges, with clients on its wires.

    client namespace: eth0 ---- veth ---- p1: router namespace, where the appliance is
"""

import re

from .lab import run, wait_for

# An emulated machine takes long to fill the default's memory.
SMALL = "\n[dataplane]\nbuffers = 4096\nmemory_mib = 64\n"
SERVER = "192.0.2.2"  # of the relay engine, in VRF device vrf-core, by wire up0


class KernelRouter:
    """The router's namespace; wires end in namespaces of their own."""

    def __init__(self, lab):
        self.lab, self.ns = lab, lab.netns("r")
        self.wires = 0

    def ip(self, *lines):
        """Runs ip commands in the router, all in one process: "link add ..." each."""
        run("ip", "-n", self.ns, "-batch", "-", input="".join(line + "\n" for line in lines))

    def wire(self, name, far="eth0", ns=None):
        """A veth pair: `name` in the router, `far` in a namespace, by default its own, whose name is returned."""
        self.wires += 1
        ns = ns or self.lab.netns(name)
        self.lab.veth(self.ns, name, ns, far, f"02:00:00:00:06:{self.wires:02x}")
        # XDP sees only tags that are in the frame, as they are on a real wire.
        run("ip", "netns", "exec", ns, "ethtool", "-K", far, "txvlan", "off", "tx-vlan-stag-hw-insert", "off")
        return ns

    def vrf(self, name, table):
        self.ip(f"link add {name} type vrf table {table}", f"link set {name} up")

    def vlan(self, parent, vid, master=None, address=None, protocol="802.1q", name=None):
        """A VLAN device, up; in a VRF and with an address if said. Returns its name."""
        name = name or f"{parent}.{vid}"
        self.ip(f"link add link {parent} name {name} type vlan protocol {protocol} id {vid}",
                *([f"link set {name} master {master}"] if master else []),
                *([f"addr add {address} dev {name}"] if address else []), f"link set {name} up")
        return name

    def index(self, name):
        return int(run("ip", "-n", self.ns, "-o", "link", "show", name).stdout.split(":")[0])

    def links(self):
        """The names of all interfaces of the router."""
        shown = run("ip", "-n", self.ns, "-o", "link", "show").stdout
        return set(re.findall(r"^\d+: ([^:@]+)", shown, re.MULTILINE))


def tagged(lab, ns, *tags, base="eth0"):
    """VLAN devices on a client's interface, outermost tag first: 100, or "802.1ad 200"; the last one's name."""
    name = base
    for tag in tags:
        protocol, vid = tag.split() if isinstance(tag, str) else ("802.1q", tag)
        run("ip", "-n", ns, "link", "add", "link", name, "name", f"{name}.{vid}", "type", "vlan", "protocol", protocol,
            "id", vid)
        name = f"{name}.{vid}"
        run("ip", "-n", ns, "link", "set", name, "up")
    return name


def mac_of(ns, interface):
    return run("ip", "-n", ns, "-o", "link", "show", interface).stdout.split("link/ether ")[1].split()[0]


class Core:
    """VRF device vrf-core with a DHCP server (dnsmasq) two hops away; no other table has a way to it."""

    def __init__(self, router, subnets, table=9000):
        self.router, lab = router, router.lab
        self.ns = router.wire("up0")
        router.vrf("vrf-core", table)
        router.ip("link set up0 master vrf-core", "addr add 198.51.100.1/24 dev up0",
                  f"route add 192.0.2.0/24 via 198.51.100.2 table {table}")
        run("ip", "-n", self.ns, "addr", "add", "198.51.100.2/24", "dev", "eth0")
        run("ip", "-n", self.ns, "addr", "add", f"{SERVER}/32", "dev", "lo")
        run("ip", "-n", self.ns, "route", "add", "default", "via", "198.51.100.1", "src", SERVER)
        ranges = [f"--dhcp-range={base}.100,{base}.199,255.255.255.0,600" for base in subnets]
        self.server = lab.spawn(self.ns, "dnsmasq", [
            "dnsmasq", "-k", "-p", "0", "-u", "root", "--log-facility=-", "--log-dhcp", "--no-ping",
            f"--dhcp-leasefile={lab.directory}/dnsmasq.leases", *ranges])
        wait_for(lambda: "DHCP, IP range" in self.server.output() or not self.server.alive(), "dnsmasq")


def attachments(appliance, role="client"):
    """What is served and what is not: rows of `attachment list` by (VRF, interface of the kernel, VLANs)."""
    return {(r["vrf"], r["on"] or r["interface"], r["vlan"]): r for r in appliance.api("/v1/attachments")
            if r["role"] == role}
