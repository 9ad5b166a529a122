"""A lease that is over: kept for its client, given to another one only when there is nothing else, and erased by
xdp-kead when the grace time is over."""

import time
import types

import pytest

from xkl.appliance import Appliance
from xkl.lab import wait_for
from xkl.topology import Router, appliance_section, attachment, subnet, vrf

GRACE_S = 40
LEASE_S = 10


@pytest.fixture(scope="module")
def site(lab):
    """Two addresses."""
    router = Router(lab)
    clients = {name: router.add_client("untagged", "udhcpc", name) for name in ("first", "second", "third")}
    router.connect()
    text = (appliance_section(lab, lab.tag) + f"\n[store]\nlease_grace_s = {GRACE_S}\n"
            + vrf("red", subnet(first=100, last=101, lease_time_s=LEASE_S), attachment("xkl-red0")))
    appliance = Appliance(lab, router.ns, text).start()
    return types.SimpleNamespace(appliance=appliance, clients=clients)


def leases(site):
    return {row["address"]: row for row in site.appliance.leases("red")}


def test_an_address_in_its_grace_time(site):
    """The next client asks for it and gets the other one; the third one, for whom there is no other, gets it."""
    first, second, third = site.clients.values()
    address = first.start().wait_bound()["address"]
    first.stop()  # without a release
    wait_for(lambda: leases(site)[address]["state"] == "expired", "the end of the lease", LEASE_S + 15)
    figures = site.appliance.api("/v1/pools?vrf=red")[0]
    assert (figures["leased"], figures["expired"], figures["available"]) == (0, 1, 2)
    other = second.start("-r", address).wait_bound()["address"]
    assert other != address and leases(site)[address]["mac"] == first.mac
    assert third.start("-r", address).wait_bound(60)["address"] == address
    assert leases(site)[address]["mac"] == third.mac
    for client in (second, third):
        client.stop()


def test_erased_when_the_grace_time_is_over(site):
    """All of them are over now; they are in the store until their time has come, and gone then."""
    rows = leases(site)
    assert len(rows) == 2
    last = max(row["kept_until_unix_s"] for row in rows.values())
    assert all(row["kept_until_unix_s"] == row["expires_unix_s"] + GRACE_S for row in rows.values())
    left = rows
    while left:
        assert time.time() < last + 120, "nobody sweeps"
        time.sleep(0.5)
        left = leases(site)
        for address in rows.keys() - left.keys():
            assert time.time() >= rows[address]["kept_until_unix_s"], "it is erased too early"
