"""Static leases of real clients: by MAC, client id and line, added and moved while they hold other leases."""

import re
import types

import pytest

from xkl.appliance import Appliance
from xkl.clients import BOUND, RENEWED
from xkl.lab import run, wait_for
from xkl.topology import KINDS, Router, two_vrfs

LEASE_TIME_S = 600


@pytest.fixture(scope="module")
def site(lab):
    """The appliance, with a client of each kind on the untagged segment and on the QinQ one."""
    router = Router(lab)
    clients = {kind: router.add_client("untagged", kind) for kind in KINDS}
    clients["line"] = router.add_client("qinq", "udhcpc", "udhcpc-line")
    clients["other"] = router.add_client("untagged", "udhcpc", "udhcpc-other")
    router.connect()
    appliance = Appliance(lab, router.ns, two_vrfs(lab, lab.tag, lease_time_s=LEASE_TIME_S)).start()
    return types.SimpleNamespace(lab=lab, router=router, appliance=appliance, clients=clients)


def notes(site):
    return site.appliance.counters("red")["notes"]


def static_of(site, vrf="red"):
    return {row["address"]: row for row in site.appliance.ctl("static", "list", "--vrf", vrf)["leases"]}


def test_by_mac(site):
    """A DORA answered by the dataplane alone, with all that the subnet says."""
    client = site.clients["udhcpc"]
    site.appliance.ctl("static", "add", "red", "--mac", client.mac, "--address", "10.0.0.20", "--hostname", "twenty")
    requests = site.appliance.counters("red")["requests"]
    lease = client.start().wait_bound()
    assert (lease["address"], lease["server"], lease["gateway"]) == ("10.0.0.20", "10.0.0.1", "10.0.0.1")
    assert lease["lease_time"] == str(LEASE_TIME_S)
    assert site.appliance.counters("red")["requests"] == requests, "Kea was asked"
    assert notes(site)["static_offer"] >= 1 and notes(site)["static_ack"] >= 1


def test_by_client_id(site):
    """dhcpcd sends a client id of its own (here ethernet's: type and MAC)."""
    client = site.clients["dhcpcd"]
    client_id = "01" + client.mac.replace(":", "")
    site.appliance.ctl("static", "add", "red", "--client-id", client_id, "--address", "10.0.0.21")
    lease = client.start("-I", "").wait_bound()
    assert lease["address"] == "10.0.0.21", site.appliance.counters("red")


def test_by_line(site):
    """The circuit-id that the attachment renders, whoever is behind it."""
    circuit = "xkl-trunk:200.300"
    site.appliance.ctl("static", "add", "red", "--circuit-id", circuit, "--address", "10.0.0.22")
    assert site.clients["line"].start().wait_bound()["address"] == "10.0.0.22"


def test_renewal_release_and_init_reboot(site):
    client = site.clients["udhcpc"]
    seen = len(client.events())
    client.renew()
    assert client.wait_event(RENEWED, seen)["address"] == "10.0.0.20"
    client.release()
    wait_for(lambda: site.appliance.counters("red")["drops"].get("static_released"), "the RELEASE to be counted")
    client.stop()
    assert static_of(site)["10.0.0.20"]["hostname"] == "twenty", "the lease is the operator's and stays"


def test_a_dynamic_client_is_moved_live(site):
    """A client that Kea gave an address gets a static lease: it is refused at its renewal, and comes again."""
    client = site.clients["dhclient"]
    address = client.start().wait_bound()["address"]
    assert address.startswith("10.0.0.1") and address not in static_of(site)
    site.appliance.ctl("static", "add", "red", "--mac", client.mac, "--address", "10.0.0.23")
    seen = len(client.events())
    client.stop()
    client.start()  # comes back with what it had (INIT-REBOOT)
    wait_for(lambda: any(e["address"] == "10.0.0.23" for e in client.events()[seen:]), "the static address", 30)
    assert notes(site).get("static_nak", 0) >= 1


def test_conflicts_are_told_and_forced(site):
    """What stands in the way is named; --force takes it, and the old holder is refused when it renews."""
    ctl, other = site.appliance.ctl, site.clients["other"]
    held = other.start().wait_bound()["address"]
    mac = "02:00:00:00:77:01"

    def refused(*args):
        done = run(site.appliance.binary("xdp-keactl"), "-s", site.appliance.settings()["api_socket"], "static", "add",
                   "red", *args, check=False)
        assert done.returncode == 1, done
        return done.stderr

    assert "leased by another client now (MAC " + other.mac in refused("--mac", mac, "--address", held)
    assert "is the static lease of mac" in refused("--mac", mac, "--address", "10.0.0.20")
    assert "gateway" in refused("--mac", mac, "--address", "10.0.0.1")
    assert "in no subnet of VRF red" in refused("--mac", mac, "--address", "10.9.0.1")
    assert "network or broadcast" in refused("--mac", mac, "--address", "10.0.0.255")
    done = ctl("static", "add", "red", "--mac", mac, "--address", held, "--force")
    assert done["added"] == 1 and "refused it when it renews" in done["notes"][0]
    assert ctl("static", "add", "red", "--mac", mac, "--address", held, "--force")["unchanged"] == 1

    seen = len(other.events())
    other.renew()
    lease = wait_for(lambda: next((e for e in other.events()[seen:] if e["event"] in BOUND), None),
                     "the old holder to get another address", 40)
    assert lease["address"] != held

    moved = ctl("static", "add", "red", "--mac", mac, "--address", "10.0.0.20", "--force")
    assert moved["changed"] == 1 and moved["deleted"] == 1, "the address had another's static lease"
    assert static_of(site)["10.0.0.20"]["mac"] == mac


def test_deleted_is_kea_s_again(site):
    client = site.clients["dhclient"]
    site.appliance.ctl("static", "delete", "red", "--mac", client.mac)
    assert "10.0.0.23" not in static_of(site)
    assert site.appliance.ctl("static", "delete", "red", "--mac", client.mac, check=False) is None


def test_in_the_store_after_a_restart(site):
    """Another xdp-kead has them again, and so does another dataplane before it serves."""
    before = static_of(site)
    site.appliance.kead.stop(10)
    site.appliance.start_kead()
    site.appliance.wait_serving()
    assert static_of(site) == before
    site.appliance.kill_dataplane()
    site.appliance.start_dataplane()
    site.appliance.wait_serving()
    client, seen = site.clients["line"], len(site.clients["line"].events())
    client.renew()
    assert client.wait_event(RENEWED | BOUND, seen)["address"] == "10.0.0.22"
    assert re.search("static leases in force.*leases=[1-9]", site.appliance.dataplane.output())
