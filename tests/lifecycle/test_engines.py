"""The engine of a VRF is changed from kea to native and back, live: every lease is kept, nobody gets another's."""

import itertools
import json
import pathlib
import types

import pytest

from xkl.appliance import Appliance
from xkl.lab import in_netns, run, wait_for
from xkl.load import FAR, Load, wire
from xkl.topology import appliance_section, attachment, subnet, vrf

WIDE = subnet("10.0.0.0/16").replace("10.0.0.100-10.0.0.149", "10.0.16.0-10.0.240.255")
CLIENTS = 300
files = itertools.count()


def config(lab, engine):
    """red has the engine, blue is native throughout."""
    return (appliance_section(lab, lab.tag) + vrf("red", WIDE, attachment("xkl-red0"), engine=engine)
            + vrf("blue", WIDE, attachment("xkl-blue0"), engine="native"))


@pytest.fixture(scope="module")
def site(lab):
    router = lab.netns("r")
    far = {name: wire(lab, router, name) for name in ("red", "blue")}
    appliance = Appliance(lab, router, config(lab, "kea")).start()
    return types.SimpleNamespace(lab=lab, far=far, appliance=appliance, given={})


def dora(site, vrf_name, first, count):
    """Conversations of so many clients, one after the other; their addresses by MAC."""
    acks = pathlib.Path(site.lab.directory) / f"engine-acks-{next(files)}"
    done = run(*in_netns(site.far[vrf_name]), Appliance.binary("xdp-kea-gen"), "dora", "--interface", FAR, "--rate", 300,
               "--seconds", (count + 5) / 300, "--clients", count, "--first-client", first, "--grace", 5, "--acks", acks)
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["acks"] == figures["discovers"] and figures["naks"] == 0, figures
    return dict(line.split() for line in acks.read_text().splitlines())


def change(site, engine):
    """Reloads while clients of both VRFs are served; what they were told is in the store."""
    loads = {name: Load(site.appliance, name, site.far[name], rate=100, grace_s=2, acks=True) for name in site.far}
    site.appliance.reload(config(site.lab, engine))
    site.appliance.wait_serving()
    for name, load in loads.items():
        load.wait_flowing()
        figures = load.stop()
        if name == "blue":
            assert figures.acks == figures.discovers, f"the other VRF noticed: {figures}"
        told = {address: mac for mac, address in load.acks()}
        assert len(told) == len({mac for mac, _ in load.acks()}), "an address for two"
        wait_for(lambda told=told, name=name: told.items() <= stored(site, name).items(),
                 f"{name}'s leases to be in the store", 20)
    row = next(v for v in site.appliance.ctl("vrf", "list") if v["name"] == "red")
    assert row["engine"] == engine, row


def stored(site, vrf_name):
    return {row["address"]: row["mac"] for row in site.appliance.leases(vrf_name) if row["state"] == "active"}


def test_kea_to_native_to_kea_to_native(site):
    first = 10_000_000
    given = dora(site, "red", first, CLIENTS)
    for number, engine in enumerate(("native", "kea", "native"), 1):
        change(site, engine)
        again = dora(site, "red", first, number * CLIENTS)
        assert given.items() <= again.items(), f"with {engine} a client has another address than before"
        fresh = dora(site, "red", first + number * CLIENTS, CLIENTS)
        assert not set(fresh.values()) & set(again.values()), f"with {engine} an address was given twice"
        given = again | fresh
        wait_for(lambda: {a: m for m, a in given.items()}.items() <= stored(site, "red").items(), "the leases in the store")
    wait_for(site.appliance.law_holds, "rx + copies = tx + drops")


def test_dataplane_killed_after_the_change(site):
    """The journal that began with the store's leases is all the next dataplane needs."""
    given = dora(site, "red", 10_000_000, CLIENTS)
    site.appliance.kill_dataplane()
    site.appliance.start_dataplane()
    site.appliance.wait_serving()
    assert dora(site, "red", 10_000_000, CLIENTS) == given
