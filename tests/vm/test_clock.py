"""The machine's clock is set while clients hold leases: none is lost, and no address is given twice.

The virtual machine's clock, of course."""

import pathlib
import re
import time
import types

import pytest

from xkl.appliance import Appliance
from xkl.clients import BOUND, RENEWED
from xkl.kernel import SMALL
from xkl.lab import run, wait_for
from xkl.topology import Router, appliance_section, attachment, subnet, vrf

DAY = 86400
LEASE = 3600
SLOW_S = 120  # the machine is emulated


@pytest.fixture(scope="module")
def site(lab):
    """Six addresses: two clients have one each, and two more want one while the clock is wrong."""
    if "virtio" not in str(pathlib.Path("/sys/class/net/eth0/device/driver").resolve()):
        pytest.skip("sets the clock: only in scripts/vm-lab")
    begun = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    router = Router(lab)
    clients = {name: router.add_client("untagged", "udhcpc", name) for name in ("one", "two", "late", "later")}
    router.connect()
    text = (appliance_section(lab, lab.tag) + SMALL + vrf("red", subnet(first=100, last=105, lease_time_s=LEASE),
                                                  attachment("xkl-red0")))
    appliance = Appliance(lab, router.ns, text).start(wait=False)
    appliance.wait_serving(timeout=150)
    for name in ("one", "two"):
        clients[name].start().wait_bound(SLOW_S)
    yield types.SimpleNamespace(appliance=appliance, clients=clients)
    run("date", "-s", f"@{int(begun + time.clock_gettime(time.CLOCK_BOOTTIME))}")


def leases(site):
    return {row["mac"]: row for row in site.appliance.leases("red")}


def set_clock(site, by_s):
    """Sets it, and waits until xdp-kead has seen to it and a new Kea serves."""
    pid = site.appliance.ctl("kea", "status")[0]["pid"]
    run("date", "-s", f"@{int(time.time()) + by_s}")
    def seen_to():
        row = (site.appliance.ctl("kea", "status", check=False) or [{}])[0]
        return row.get("state") == "running" and row["pid"] != pid and row["gated"]
    wait_for(seen_to, "a Kea with the store's leases", SLOW_S)


def held(site):
    """What its clients have, each once."""
    addresses = [client.lease()["address"] for client in site.clients.values() if client.process]
    assert len(set(addresses)) == len(addresses), addresses
    return addresses


def renewed(site, name):
    client = site.clients[name]
    address, seen = client.lease()["address"], len(client.events())
    client.renew()
    event = client.wait_event(RENEWED | BOUND | {"nak"}, seen, SLOW_S)
    assert (event["event"] in RENEWED, event["address"]) == (True, address), event


def test_forward(site):
    """A year ahead: every lease would be over. They end as late as before, counted from now."""
    before = leases(site)
    set_clock(site, 365 * DAY)
    now = time.time()
    for mac, row in leases(site).items():
        assert row["state"] == "active" and row["address"] == before[mac]["address"]
        assert 0 < row["expires_unix_s"] - now <= LEASE, "it goes along with the clock"
    site.clients["late"].start().wait_bound(SLOW_S)
    held(site)
    renewed(site, "one")


def test_back(site):
    """And back again: none lasts longer than its full time from now, none is lost."""
    set_clock(site, -365 * DAY)
    now = time.time()
    rows = leases(site)
    assert len(rows) == 3 and all(0 < row["expires_unix_s"] - now <= LEASE + 5 for row in rows.values()), rows
    site.clients["later"].start().wait_bound(SLOW_S)
    held(site)
    renewed(site, "two")
    renewed(site, "late")


def test_while_nobody_looks(site):
    """xdp-kead is not there when the clock is set: Kea gives nobody's address away, and the next xdp-kead sees to it."""
    site.appliance.kead.kill()
    site.appliance.kead.popen.wait(10)
    pid = int(re.search(r"\d+", run("pgrep", "-x", "kea-dhcp4").stdout)[0])
    run("date", "-s", f"@{int(time.time()) + 30 * DAY}")
    # A client that has lost its address wants one: of the six, four are others' or were its own.
    client = site.clients["later"]
    seen = len(client.events())
    client.stop()
    client.start("-r", site.clients["one"].lease()["address"])
    client.wait_event(BOUND, seen, SLOW_S)
    held(site)
    site.appliance.start_kead()
    wait_for(lambda: (site.appliance.ctl("kea", "status", check=False) or [{"pid": pid}])[0]["pid"] not in (0, pid),
             "a Kea with the store's leases", SLOW_S)
    site.appliance.wait_serving(timeout=SLOW_S)
    for name in ("one", "two"):
        renewed(site, name)
    held(site)
