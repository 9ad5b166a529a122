"""VRFs are drained, deleted and taken back, and the daemons ended, while clients are served."""

import os
import pathlib
import signal
import time
import types

import pytest

from xkl.appliance import Appliance
from xkl.lab import in_netns, run, runs, wait_for
from xkl.load import TAP, Load, assert_nothing_lost, wire
from xkl.sniff import ACK, OFFER, Sniffer
from xkl.topology import appliance_section, attachment, subnet, vrf

VRFS = ("red", "blue")
WIDE = subnet("10.0.0.0/16").replace("10.0.0.100-10.0.0.149", "10.0.16.0-10.0.240.255")


@pytest.fixture(scope="module")
def site(lab):
    router = lab.netns("r")
    far = {name: wire(lab, router, name, tapped=True) for name in VRFS}
    config = appliance_section(lab, lab.tag) + "".join(vrf(n, WIDE, attachment(f"xkl-{n}0")) for n in VRFS)
    appliance = Appliance(lab, router, config).start()
    return types.SimpleNamespace(lab=lab, router=router, far=far, appliance=appliance)


def load(site, name, **settings):
    return Load(site.appliance, name, site.far[name], **settings)


def pids(site):
    return {row["vrf"]: row["pid"] for row in site.appliance.ctl("kea", "status")}


def state(site, name):
    return next(v["state"] for v in site.appliance.ctl("vrf", "list") if v["name"] == name)


def attached(site, name):
    return "prog/xdp" in run("ip", "-n", site.router, "link", "show", name).stdout


def ended(process, number=signal.SIGTERM):
    """Sends the signal; what it ended with, and after how many ms."""
    begun = time.monotonic()
    process.kill(number)
    return process.popen.wait(30), (time.monotonic() - begun) * 1000


def test_a_vrf_is_drained_deleted_and_taken_back(site, say):
    """red's clients see it, blue's see nothing."""
    blue, red = load(site, "blue"), load(site, "red", grace_s=2)

    def counts():
        return site.appliance.counters("red")
    site.appliance.ctl("vrf", "drain", "red")
    wait_for(lambda: counts()["drops"].get("vrf_draining", 0) > 200, "DISCOVERs to be dropped")
    assert state(site, "red") == "draining"
    site.appliance.ctl("vrf", "resume", "red")
    red.wait_flowing(1000)
    figures = red.stop()
    # No conversation that had begun was cut off: what has an OFFER gets its ACK.
    assert figures.acks == figures.offers == figures.discovers - figures.dropped["vrf_draining"], figures
    say(f"red, drained for a while: {figures.acks} of {figures.discovers} conversations, drops {figures.dropped}")

    red = load(site, "red", grace_s=0)
    kea = pids(site)["red"]
    site.appliance.ctl("vrf", "delete", "red", "--yes")
    wait_for(lambda: not runs(kea), "its Kea to end")
    assert state(site, "red") == "deleted" and not attached(site, "xkl-red0")
    site.appliance.ctl("vrf", "resume", "red")
    site.appliance.wait_serving()
    red.wait_flowing(1000)
    red.process.kill()
    blue.wait_flowing()
    say(f"blue: {assert_nothing_lost(blue.stop())}")
    wait_for(site.appliance.law_holds, "rx + copies = tx + drops")
    again = load(site, "red")
    again.wait_flowing()
    assert_nothing_lost(again.stop())


def test_daemons_end_at_sigterm(site, say):
    """xdp-kead: nobody notices. The dataplane: the kernel gets DHCP until the next one is there. The Keas stay."""
    before = pids(site)
    loads = [load(site, name) for name in VRFS]
    with Sniffer(site.far["red"], TAP) as sniffer:
        status, took = ended(site.appliance.kead)
        assert status == 0
        say(f"xdp-kead ended in {took:.0f} ms")
        seen = sniffer.count(OFFER, ACK)
        wait_for(lambda: sniffer.count(OFFER, ACK) > seen + 300, "clients to be served without xdp-kead")
        assert all(runs(pid) for pid in before.values())
        site.appliance.start_kead()
        site.appliance.wait_serving()
    for each in loads:
        each.wait_flowing()
        assert_nothing_lost(each.stop())
    assert pids(site) == before

    loads = [load(site, name, grace_s=1) for name in VRFS]
    passed = site.appliance.counters()["xdp"]["pass_no_socket"]
    status, took = ended(site.appliance.dataplane)
    assert status == 0
    say(f"xdp-kea-dataplane ended in {took:.0f} ms")
    wait_for(lambda: site.appliance.counters()["xdp"]["pass_no_socket"] > passed + 20, "DHCP to pass to the kernel")
    site.appliance.start_dataplane()
    site.appliance.wait_serving()
    for each in loads:
        each.wait_flowing()
        each.stop()
    assert pids(site) == before and site.appliance.law_holds()


def anything_left(site):
    """What of the appliance is still on the machine."""
    tag, links = site.lab.tag, run("ip", "-n", site.router, "-d", "link", "show").stdout
    return ([n for n in os.listdir("/run/netns") if n.startswith(tag + "-") and n[len(tag) + 1:].isdigit()]
            + [word for word in ("prog/xdp", tag[:8] + "-h") if word in links]
            + [p for p in (pathlib.Path(site.appliance.settings()["bpf_dir"]),) if p.exists()])


def test_both_end_and_the_machine_is_cleaned(site):
    """Both daemons end at once; the Keas serve nobody, but run until a teardown, for which no daemon is needed."""
    before = pids(site)
    loads = [load(site, name, grace_s=0) for name in VRFS]
    site.appliance.kead.kill(signal.SIGTERM)
    assert ended(site.appliance.dataplane)[0] == 0 and site.appliance.kead.popen.wait(20) == 0
    assert all(runs(pid) for pid in before.values()) and len(anything_left(site)) >= 4
    assert all(each.process.alive() for each in loads)
    done = run(*in_netns(site.router), Appliance.binary("xdp-kead"), "--config", site.appliance.config, "--teardown")
    assert "remove namespace" in done.stdout + done.stderr
    assert not anything_left(site) and not any(runs(pid) for pid in before.values())
    for each in loads:
        each.process.kill()


def test_teardown_under_load(site):
    """Everything made again, and taken away by the running daemon while clients ask."""
    site.appliance.start()
    before = pids(site)
    loads = [load(site, name, grace_s=0) for name in VRFS]
    done = run(Appliance.binary("xdp-keactl"), "-s", site.appliance.settings()["api_socket"], "teardown", "--yes", check=False)
    assert done.returncode == 0 and "everything is removed" in done.stdout, done.stdout + done.stderr
    assert site.appliance.kead.popen.wait(20) == 0
    assert all(each.process.alive() for each in loads)
    assert not anything_left(site) and not any(runs(pid) for pid in before.values())
    assert site.appliance.dataplane.alive() and ended(site.appliance.dataplane)[0] == 0
