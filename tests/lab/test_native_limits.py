"""What holds a native VRF's clients back: limits on an attachment's leases, paused pools and clients, pools that an
operator edits while their addresses are leased."""

import json
import time
import types

import pytest

from xkl.appliance import Appliance
from xkl.clients import BOUND, RENEWED, Client
from xkl.lab import in_netns, run, wait_for
from xkl.load import FAR, wire
from xkl.topology import appliance_section, attachment, vrf

LIMIT = 40
POOL = "10.0.0.100-10.0.0.199"
LEASE_TIME_S = 600
FLOOD = 20_000  # clients that one attachment pretends to have


def config(lab, exclude=""):
    subnet = f"""
  [[vrf.subnet]]
  prefix = "10.0.0.0/24"
  pools = ["{POOL}"]
  gateway = "10.0.0.1"
  lease_time_s = {LEASE_TIME_S}
  {exclude}
"""
    limits = f"  [vrf.native]\n  attachment_leases_max = {LIMIT}\n"
    return (appliance_section(lab, lab.tag)
            + vrf("red", subnet, attachment("xkl-red0"), attachment("xkl-two0"), limits, engine="native"))


@pytest.fixture(scope="module")
def site(lab):
    """red with a generator at one attachment and udhcpc at another."""
    router = lab.netns("r")
    flood = wire(lab, router, "red")
    network = lab.netns("n")
    clients = {}
    lab.veth(router, "xkl-two0", network, "two0")
    for number, name in enumerate(("holder", "new"), 1):
        ns = lab.netns(name)
        mac = f"02:00:00:00:07:{number:02x}"
        lab.veth(network, name, ns, "eth0", mac)
        clients[name] = Client(lab, "udhcpc", ns, "eth0", mac, name)
    lab.bridge(network, "br0", ["two0", *clients])
    appliance = Appliance(lab, router, config(lab)).start()
    return types.SimpleNamespace(lab=lab, appliance=appliance, flood=flood, **clients)


def ctl(site, *args):
    return json.loads(run(site.appliance.binary("xdp-keactl"), "-s", site.appliance.settings()["api_socket"], "-o", "json",
                          *args).stdout)


def leases(site, **wanted):
    """Active leases in the store, by address."""
    return {row["address"]: row for row in site.appliance.leases("red")
            if row["state"] == "active" and all(row[key] == value for key, value in wanted.items())}


def figures(site):
    return ctl(site, "pool", "list", "--vrf", "red")["pools"][0]


def fresh(site, client):
    """The client has no lease, and does not know that it had one."""
    if client.process:
        client.stop()
    wait_for(lambda: not [ctl(site, "lease", "delete", "red", address, "--yes") for address in leases(site, mac=client.mac)],
             "its leases to be gone")
    client.events_file.write_text("")
    return client


def renewed(client):
    """What it has after a renewal."""
    seen = len(client.events())
    client.renew()
    return client.wait_event(RENEWED | BOUND, seen, 40)


def flood(site, first=0, clients=FLOOD, seconds=2):
    done = run(*in_netns(site.flood), Appliance.binary("xdp-kea-gen"), "dora", "--interface", FAR, "--window", 256, "--seconds",
               seconds, "--clients", clients, "--first-client", first, "--grace", 0.5, check=False, timeout=60)
    return json.loads(done.stdout.splitlines()[-1])


def test_one_attachment_starves_nobody(site):
    """However many MACs it makes up, an attachment has its share of the pool; clients elsewhere get theirs meanwhile."""
    before = site.appliance.counters("red")["drops"].get("serve_limit", 0)
    load = site.lab.spawn(site.flood, "flood", [Appliance.binary("xdp-kea-gen"), "dora", "--interface", FAR, "--rate", 20_000,
                                                "--seconds", 600, "--clients", 2_000_000, "--grace", 0.5])
    wait_for(lambda: site.appliance.counters("red")["drops"].get("serve_limit", 0) > before + 10_000 or not load.alive(),
             "the flood to reach its limit")
    assert load.alive(), load.output()
    assert site.holder.start().wait_bound(20)["address"]
    assert site.new.start().wait_bound(20)["address"]
    assert renewed(site.holder)["address"] == site.holder.lease()["address"]
    load.stop()
    wait_for(lambda: len(leases(site)) == LIMIT + 2, f"{LIMIT} leases of the flood and two", 10)
    assert len(leases(site, attachment="xkl-red0")) == LIMIT
    assert set(site.appliance.counters("red")["drops"]) <= {"serve_limit", "vrf_queue_full"}


def test_a_place_that_is_given_back_is_given_again(site):
    """The limit counts leases, not clients that ever were: none is used up by what became of it."""
    for turn in range(3):
        theirs = list(leases(site, attachment="xkl-red0"))
        assert len(theirs) == LIMIT
        for address in theirs[:5]:
            ctl(site, "lease", "delete", "red", address, "--yes")
        wait_for(lambda: len(leases(site, attachment="xkl-red0")) == LIMIT - 5, "five to be gone")
        flood(site, first=FLOOD * (200 + turn), seconds=0.5)
        wait_for(lambda: len(leases(site, attachment="xkl-red0")) >= LIMIT, "five others in their place")


@pytest.mark.parametrize("renewals", ["allow", "deny"])
def test_a_paused_pool(site, renewals):
    site.appliance.reload(config(site.lab).replace('engine = "native"', f'engine = "native"\npaused_renewals = "{renewals}"'))
    site.appliance.wait_serving()
    address = fresh(site, site.holder).start().wait_bound()["address"]
    new = fresh(site, site.new)
    done = ctl(site, "pool", "pause", "red", "10.0.0.0/24")["pauses"]
    assert [(p["kind"], p["who"], p["renewals"]) for p in done] == [("pool", POOL, renewals)]
    assert figures(site)["paused"] == "yes"
    new.start()
    paused = lambda: site.appliance.counters("red")["drops"].get("serve_paused", 0)
    seen = paused()
    wait_for(lambda: paused() > seen + 1, "the new client to be refused an offer")
    assert new.lease() is None
    if renewals == "allow":
        assert renewed(site.holder)["address"] == address
    else:
        seen, events = paused(), len(site.holder.events())
        site.holder.renew()
        wait_for(lambda: paused() > seen + 3, "its renewal to be refused an answer")
        assert not [e for e in site.holder.events()[events:] if e["event"] in RENEWED | BOUND]
    ctl(site, "pool", "resume", "red", POOL)
    assert new.wait_bound(60)["address"]
    assert figures(site)["paused"] == ""


def test_a_paused_client(site):
    """By MAC, over a restart of the dataplane; others are served."""
    site.appliance.reload(config(site.lab))
    site.appliance.wait_serving()
    client = fresh(site, site.new)
    ctl(site, "client", "pause", "red", "--mac", client.mac)
    site.appliance.kill_dataplane()
    site.appliance.start_dataplane()
    site.appliance.wait_serving()
    client.start()
    wait_for(lambda: site.appliance.counters("red")["drops"].get("serve_paused", 0) > 1, "it to be refused an offer")
    assert client.lease() is None
    assert fresh(site, site.holder).start().wait_bound()["address"]
    ctl(site, "client", "resume", "red", "--mac", client.mac)
    assert client.wait_bound(60)["address"]


def test_excluded_live(site):
    """An address that is excluded while it is leased is kept to its lease's end, reported, and given to nobody else."""
    address = fresh(site, site.holder).start().wait_bound()["address"]
    end = wait_for(lambda: leases(site, mac=site.holder.mac).get(address), "its lease in the store")["expires_unix_s"]
    site.appliance.reload(config(site.lab, exclude=f'exclude = ["{address}"]'))
    site.appliance.wait_serving()
    pool = figures(site)
    assert (pool["size"], pool["excluded"], pool["kept"]) == (100, 1, 1)
    time.sleep(2)  # of its lease
    again = renewed(site.holder)
    assert again["address"] == address and int(again["lease_time"]) < LEASE_TIME_S, "the rest"
    assert leases(site, mac=site.holder.mac)[address]["expires_unix_s"] == end, "it gets no longer"
    ctl(site, "lease", "delete", "red", address, "--yes")
    wait_for(lambda: figures(site)["kept"] == 0, "it to be nobody's")
    other = fresh(site, site.new).start().wait_bound()["address"]
    assert other != address and renewed(site.holder)["address"] != address


def test_an_exhausted_pool_is_said_once(site):
    """However many find no address: each is counted, and the log has one line a minute."""
    site.appliance.reload(config(site.lab, exclude='exclude = ["10.0.0.101-10.0.0.199"]'))
    site.appliance.wait_serving()
    for address in list(leases(site, attachment="xkl-red0"))[:5]:
        ctl(site, "lease", "delete", "red", address, "--yes")
    number = ctl(site, "events")["last"]
    told = lambda: [e for e in ctl(site, "events", "--since", str(number))["events"] if e["kind"] == "pool_exhausted"]
    exhausted = lambda: site.appliance.counters("red")["drops"].get("serve_exhausted", 0)
    flood(site, first=FLOOD * 300, seconds=0.5)
    wait_for(told, "the event", 10)
    seen = exhausted()
    assert seen > 100
    flood(site, first=FLOOD * 301, seconds=0.5)
    wait_for(lambda: exhausted() > seen + 100, "more to be turned away")
    time.sleep(3)  # xdp-kead looks every second
    assert [(e["vrf"], e["level"]) for e in told()] == [("red", "warning")]
    assert "no address" in told()[0]["text"]


def test_the_law_of_counting_holds(site):
    wait_for(site.appliance.law_holds, "rx + copies = tx + drops")
