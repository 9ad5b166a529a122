"""The virtual machine is what `scripts/vm-lab --help` promises."""

import os
import pathlib

import pytest

from xkl.appliance import SOURCE
from xkl.lab import run, wait_for

DEVICES = {
    "vrf": ["type", "vrf", "table", "1003"],
    "vlan": ["link", "base0", "type", "vlan", "id", "100"],
    "qinq": ["link", "base0", "type", "vlan", "protocol", "802.1ad", "id", "200"],
    "bond": ["type", "bond", "mode", "active-backup"],
    "bridge": ["type", "bridge", "vlan_filtering", "1"],
    "dummy": ["type", "dummy"],
    "macvlan": ["link", "base0", "type", "macvlan"],
}


@pytest.fixture(scope="module")
def ns(lab):
    name = lab.netns("dev")
    run("ip", "-n", name, "link", "add", "base0", "type", "veth", "peer", "name", "base1")
    return name


@pytest.mark.parametrize("kind", DEVICES)
def test_kernel_makes(ns, kind):
    run("ip", "-n", ns, "link", "add", "name", f"x-{kind}", *DEVICES[kind])
    kinds = run("ip", "-n", ns, "-d", "link", "show", f"x-{kind}").stdout
    assert DEVICES[kind][DEVICES[kind].index("type") + 1] in kinds


def test_only_loopback_and_two_wired_interfaces():
    """eth0 and eth1, which other tests may have lent to a namespace, and no interface that nobody made."""
    def names():
        return sorted(p.name for p in pathlib.Path("/sys/class/net").iterdir() if p.is_dir())
    wait_for(lambda: names() == ["eth0", "eth1", "lo"], "two interfaces and the loopback")
    for name in ("eth0", "eth1"):
        assert os.path.basename(os.readlink(f"/sys/class/net/{name}/device/driver")) == "virtio_net"


def test_file_systems():
    """What tests and the appliance write to."""
    kinds = {line.split()[1]: line.split()[2] for line in open("/proc/mounts")}
    assert kinds["/sys/fs/bpf"] == "bpf" and kinds["/sys/fs/cgroup"] == "cgroup2" and kinds["/run"] == "tmpfs"
    note = pathlib.Path(SOURCE) / "build" / "written-in-vm"
    note.write_text("and gone with the machine")
    assert kinds["/"] == "overlay" and note.exists()


def test_pktgen_is_there():
    run("modprobe", "pktgen")
    assert pathlib.Path("/proc/net/pktgen/pgctrl").exists()
