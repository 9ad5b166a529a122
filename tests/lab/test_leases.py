"""Leases and pools in an operator's hands, with real clients and a real Kea: listed, deleted, watched, exported;
addresses excluded; pools and clients paused; a client that moves."""

import csv
import json
import subprocess
import time
import types

import pytest

from xkl.appliance import Appliance
from xkl.clients import BOUND, RENEWED, Client
from xkl.lab import run, wait_for
from xkl.topology import Router, appliance_section, attachment, subnet, vrf

POOL = "10.0.0.100-10.0.0.109"
# The clock of time(2), by which Kea counts: it lags behind time.time() by as much as a tick.
KEA_CLOCK = 5  # CLOCK_REALTIME_COARSE


def config(lab, exclude="", more=""):
    pool = subnet(first=100, last=109, lease_time_s=600).rstrip() + f"\n  {exclude}\n"
    return (appliance_section(lab, lab.tag)
            + vrf("red", more, pool, attachment("xkl-red0"), attachment("xkl-trunk", "200.300"))
            + vrf("blue", subnet(first=100, last=103), attachment("xkl-trunk", 100)))


@pytest.fixture(scope="module")
def site(lab):
    router = Router(lab)
    clients = {name: router.add_client("untagged", "udhcpc", name) for name in ("one", "two", "three", "four")}
    clients["here"] = router.add_client("untagged", "udhcpc", "here")
    clients["there"] = router.add_client("qinq", "udhcpc", "there")
    clients["blue"] = router.add_client("vlan", "dhcpcd", "blue")
    router.connect()
    appliance = Appliance(lab, router.ns, config(lab)).start()
    return types.SimpleNamespace(lab=lab, router=router, appliance=appliance, clients=clients)


def ctl(site, *args, code=0, form="json"):
    """xdp-keactl with its exit code; JSON, or its text where there is none."""
    said = run(site.appliance.binary("xdp-keactl"), "-s", site.appliance.settings()["api_socket"], "-o", form, *args,
               check=False)
    assert said.returncode == code, (args, said.returncode, said.stdout, said.stderr)
    return json.loads(said.stdout) if form == "json" and said.stdout else said.stdout + said.stderr


def pool(site, name="red"):
    return next(row for row in ctl(site, "pool", "list", "--vrf", name)["pools"])


def leases(site, *filters):
    return {row["address"]: row for row in ctl(site, "lease", "list", *filters)["leases"]}


def fresh(site, name):
    """The client begins as if it had never been there; its last address is free."""
    client = site.clients[name]
    if client.process:
        client.stop()
    for row in leases(site, "--vrf", client.vrf, "--mac", client.mac):
        ctl(site, "lease", "delete", client.vrf, row, "--yes")
    client.events_file.write_text("")
    return client


def test_listed_and_filtered(site):
    bound = {name: site.clients[name].start().wait_bound()["address"] for name in ("one", "two", "blue")}
    one = site.clients["one"]
    everywhere = [(row["vrf"], row["address"]) for row in ctl(site, "lease", "list")["leases"]]
    assert sorted(everywhere) == sorted([("red", bound["one"]), ("red", bound["two"]), ("blue", bound["blue"])])
    assert set(leases(site, "--vrf", "red")) == {bound["one"], bound["two"]}
    assert set(leases(site, "--mac", one.mac.upper())) == {bound["one"]}
    assert set(leases(site, "--attachment", "xkl-trunk 100")) == {bound["blue"]}
    assert len(ctl(site, "lease", "list", "--subnet", "10.0.0.96/27")["leases"]) == 3
    assert leases(site, "--subnet", "10.0.0.128/25") == {}
    assert leases(site, "--state", "expired") == {}
    assert "no leases" in ctl(site, "lease", "list", "--state", "declined", form="table")
    shown = ctl(site, "lease", "show", bound["one"], "--vrf", "red")["leases"][0]
    assert (shown["mac"], shown["state"], shown["attachment"]) == (one.mac, "active", "xkl-red0")
    assert shown["expires_unix_s"] == shown["start_unix_s"] + 600
    assert shown["kept_until_unix_s"] == shown["expires_unix_s"] + 3600
    ctl(site, "lease", "show", "10.0.0.9", "--vrf", "red", code=4)
    ctl(site, "lease", "list", "--vrf", "nobody", code=4)
    ctl(site, "lease", "list", "--mac", "zz", code=1)


def test_pools_are_counted(site):
    figures = pool(site)
    assert (figures["pool"], figures["size"], figures["used"], figures["leased"], figures["available"]) == (
        POOL, 10, 2, 2, 8)
    assert figures["next_expires"] in leases(site, "--vrf", "red")
    ctl(site, "static", "add", "red", "--mac", "02:00:00:00:99:01", "--address", "10.0.0.109")
    wait_for(lambda: pool(site)["static"] == 1, "the static lease to count")
    assert pool(site)["available"] == 7
    ctl(site, "static", "delete", "red", "--mac", "02:00:00:00:99:01")
    assert "blue" in ctl(site, "pool", "list", form="table") and "available" in ctl(site, "pool", "show", "red")["pools"][0]
    ctl(site, "pool", "show", "red", "10.9.9.9-10.9.9.10", code=4)


def test_exported(site):
    path = f"{site.lab.directory}/leases.csv"
    ctl(site, "lease", "export", path, form="table")
    with open(path) as file:
        rows = list(csv.DictReader(file))
    assert {(row["vrf"], row["address"]) for row in rows} == {
        (row["vrf"], row["address"]) for row in ctl(site, "lease", "list")["leases"]}
    kea = ctl(site, "lease", "export", "--vrf", "red", "--format", "kea", form="table").splitlines()
    assert kea[0].startswith("address,hwaddr,client_id") and len(kea) == 3 and all(len(x.split(",")) == 11 for x in kea)
    lines = ctl(site, "lease", "export", "--format", "jsonl", form="table").splitlines()
    assert {json.loads(line)["vrf"] for line in lines} == {"red", "blue"}


def test_deleted_everywhere(site):
    """Another client gets the address; the one that had it is refused it when it renews."""
    client = site.clients["one"]
    address = client.lease()["address"]
    done = ctl(site, "lease", "delete", "red", address, "--yes")
    assert done["kea"] and done["lease"]["mac"] == client.mac
    assert address not in leases(site, "--vrf", "red")
    ctl(site, "lease", "delete", "red", address, "--yes", code=4)
    answer = site.appliance.ctl("kea", "command", "red", json.dumps(
        {"command": "lease4-get", "arguments": {"ip-address": address}}), check=False)
    assert "not found" in json.dumps(answer) or answer is None
    thief = site.clients["three"].start("-r", address)
    assert thief.wait_bound()["address"] == address
    seen = len(client.events())
    client.renew()
    again = client.wait_event(BOUND, seen, 40)
    assert again["address"] != address
    ctl(site, "static", "add", "red", "--mac", "02:00:00:00:99:02", "--address", "10.0.0.50")
    said = ctl(site, "lease", "delete", "red", "10.0.0.50", "--yes", code=1)
    assert "static delete" in said
    ctl(site, "static", "delete", "red", "--mac", "02:00:00:00:99:02")


def test_watched(site):
    client = fresh(site, "two")
    watch = subprocess.Popen([str(x) for x in (site.appliance.binary("xdp-keactl"), "-s",
                                               site.appliance.settings()["api_socket"], "-o", "json", "lease", "watch",
                                               "--vrf", "red", "--mac", client.mac, "--count", "3")],
                             stdout=subprocess.PIPE, text=True)
    try:
        # It follows from its first question on: ask until it has one.
        address = client.start().wait_bound()["address"]
        while True:
            ctl(site, "lease", "delete", "red", address, "--yes")
            seen = len(client.events())
            client.renew()
            address = client.wait_event(BOUND | RENEWED, seen, 40)["address"]
            if watch.poll() is not None:
                break
        changes = [json.loads(line) for line in watch.communicate(timeout=30)[0].splitlines()]
    finally:
        watch.kill()
    assert len(changes) == 3 and {change["change"] for change in changes} == {"put", "erased"}
    assert all(change["lease"]["mac"] == client.mac for change in changes)
    assert [c["revision"] for c in changes] == sorted(c["revision"] for c in changes)


def test_a_moved_client_keeps_its_address(site):
    """The same MAC on another attachment of the VRF: its address goes along, and the record says where it is."""
    here, there = fresh(site, "here"), site.clients["there"]
    address = here.start().wait_bound()["address"]
    here.stop()
    run("ip", "-n", there.ns, "link", "set", "eth0", "address", here.mac)
    moved = Client(site.lab, "udhcpc", there.ns, "eth0", here.mac, "moved").start()
    assert moved.wait_bound()["address"] == address
    wait_for(lambda: leases(site, "--vrf", "red")[address]["attachment"] == "xkl-trunk 200.300", "its attachment")
    assert len(leases(site, "--vrf", "red", "--mac", here.mac)) == 1
    moved.stop()
    run("ip", "-n", there.ns, "link", "set", "eth0", "address", there.mac)


def test_excluded_live(site):
    """An address that is excluded while it is leased is kept to its lease's end, reported, and given to nobody else."""
    client = fresh(site, "one")
    address = client.start().wait_bound()["address"]
    restarts = site.appliance.ctl("kea", "status")
    others = [f"10.0.0.{last}" for last in range(100, 110) if f"10.0.0.{last}" not in leases(site, "--vrf", "red")][:2]
    site.appliance.reload(config(site.lab, f'exclude = ["{address}", "{others[0]}", "{others[1]}-{others[1]}"]'))
    site.appliance.wait_serving()
    figures = pool(site)
    assert (figures["size"], figures["excluded"], figures["kept"]) == (10, 3, 1)
    assert figures["available"] == 10 - 3 - figures["used"]
    end = leases(site, "--vrf", "red")[address]["expires_unix_s"]
    wait_for(lambda: time.clock_gettime(KEA_CLOCK) >= end - 599, "a second of the lease to be over")
    seen = len(client.events())
    client.renew()
    renewed = client.wait_event(RENEWED | BOUND, seen, 40)
    assert renewed["event"] == "renew" and renewed["address"] == address
    row = leases(site, "--vrf", "red")[address]
    assert row["expires_unix_s"] == end, "it gets no longer"
    assert int(renewed["lease_time"]) == end - row["start_unix_s"] < 600, "the rest"
    ctl(site, "lease", "delete", "red", address, "--yes")
    seen = len(client.events())
    client.renew()
    assert client.wait_event(BOUND, seen, 40)["address"] not in (address, *others)
    assert [k["pid"] for k in site.appliance.ctl("kea", "status")] == [k["pid"] for k in restarts]
    site.appliance.reload(config(site.lab))
    site.appliance.wait_serving()


def asked(site, count=3):
    """Waits until so many more requests have gone to red's Kea."""
    seen = site.appliance.counters("red")["requests"]
    wait_for(lambda: site.appliance.counters("red")["requests"] >= seen + count, "requests")


@pytest.mark.parametrize("renewals", ["allow", "deny"])
def test_a_paused_pool(site, renewals):
    site.appliance.reload(config(site.lab, more=f'paused_renewals = "{renewals}"\n'))
    site.appliance.wait_serving()
    holder, new = fresh(site, "one"), fresh(site, "four")
    address = holder.start().wait_bound()["address"]
    done = ctl(site, "pool", "pause", "red", "10.0.0.0/24")["pauses"]
    assert [(p["kind"], p["who"], p["renewals"]) for p in done] == [("pool", POOL, renewals)]
    assert pool(site)["paused"] == "yes" and pool(site, "blue")["paused"] == ""
    new.start()
    asked(site)
    assert new.lease() is None
    seen = len(holder.events())
    holder.renew()
    if renewals == "allow":
        assert holder.wait_event(RENEWED | BOUND, seen, 40)["address"] == address
    else:
        asked(site)
        assert not [e for e in holder.events()[seen:] if e["event"] in RENEWED | BOUND]
    ctl(site, "pool", "resume", "red", POOL)
    assert new.wait_bound(60)["address"]
    ctl(site, "pool", "resume", "red", POOL, code=4)
    assert pool(site)["paused"] == ""


def test_a_paused_client(site):
    """By MAC; a static lease of a paused client is not given either. It survives xdp-kead."""
    site.appliance.reload(config(site.lab))
    site.appliance.wait_serving()
    client = fresh(site, "four")
    ctl(site, "client", "pause", "red", "--mac", client.mac)
    ctl(site, "static", "add", "red", "--mac", client.mac, "--address", "10.0.0.60")
    site.appliance.kead.kill()
    site.appliance.kead.popen.wait(10)
    site.appliance.start_kead()
    site.appliance.wait_serving()
    assert [p["who"] for p in ctl(site, "client", "list")["pauses"]] == [client.mac]
    client.start()
    asked(site)
    assert client.lease() is None
    other = fresh(site, "three")
    assert other.start().wait_bound()["address"], "others are served"
    ctl(site, "client", "resume", "red", "--mac", client.mac)
    assert client.wait_bound(60)["address"] == "10.0.0.60"
    # With its static lease in force it renews while it is paused, and that is all.
    ctl(site, "client", "pause", "red", "--mac", client.mac)
    seen = len(client.events())
    client.renew()
    assert client.wait_event(RENEWED | BOUND, seen, 40)["address"] == "10.0.0.60"
    ctl(site, "client", "resume", "red", "--mac", client.mac)
    ctl(site, "static", "delete", "red", "--mac", client.mac)


