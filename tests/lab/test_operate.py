"""What an operator does to a running appliance: looking ahead, following, explaining, draining, ending."""

import json
import os
import signal
import types

import pytest

from xkl.appliance import Appliance
from xkl.lab import run, wait_for
from xkl.topology import Router, attachment, subnet, two_vrfs, vrf


@pytest.fixture(scope="module")
def site(lab):
    """The appliance with a udhcpc in each of red and blue, bound."""
    router = Router(lab)
    clients = {s: router.add_client(s, "udhcpc") for s in ("untagged", "vlan")}
    router.connect()
    config = two_vrfs(lab, lab.tag)
    appliance = Appliance(lab, router.ns, config).start()
    for client in clients.values():
        client.start()
    for client in clients.values():
        client.wait_bound(40)
    return types.SimpleNamespace(lab=lab, router=router, clients=clients, appliance=appliance, config=config)


def keactl(site, *words):
    """xdp-keactl's CompletedProcess, whatever it ended with."""
    return run(Appliance.binary("xdp-keactl"), "-s", site.appliance.settings()["api_socket"], *words, check=False)


def test_config_diff_says_what_a_reload_does(site):
    assert keactl(site, "config", "diff").returncode == 0
    text = (site.config.replace("10.0.0.100-10.0.0.149", "10.0.0.100-10.0.0.150", 1)
            + vrf("green", subnet("10.7.0.0/24"), attachment("xkl-trunk", 107)))
    new = site.appliance.config.with_name("new.toml")
    new.write_text(text)
    before = site.appliance.ctl("status")["generation"]
    shown = keactl(site, "-o", "json", "config", "diff", new)
    assert shown.returncode == 7, shown.stderr
    diff = json.loads(shown.stdout)
    changes = {c["section"]: c for c in diff["changes"]}
    assert changes["[[vrf]] green"]["change"] == "added"
    assert any(line.startswith("+ pools") and "10.0.0.150" in line for line in changes["[[vrf]] red"]["lines"])
    assert "[[vrf]] blue" not in changes
    assert keactl(site, "config", "diff").returncode == 0, "the daemon's own file is as it was"
    assert site.appliance.ctl("status")["generation"] == before
    assert "green" not in [v["name"] for v in site.appliance.ctl("vrf", "list")]

    site.appliance.write_config(text)
    assert json.loads(keactl(site, "-o", "json", "config", "diff").stdout)["steps"] == diff["steps"]
    assert site.appliance.reload()["steps"] == diff["steps"], "what was announced is what was done"
    assert keactl(site, "config", "diff").returncode == 0
    site.appliance.reload(site.config)


def test_config_diff_of_a_refused_configuration(site):
    new = site.appliance.config.with_name("bad.toml")
    new.write_text(site.config + "\nnonsense = 1\n")
    done = keactl(site, "config", "diff", new)
    assert done.returncode == 1 and "nonsense" in done.stderr and "bad.toml:" in done.stderr
    new.write_text(site.config.replace("/state", "/other", 1))
    done = keactl(site, "config", "diff", new)
    assert done.returncode == 1 and "appliance.state_dir" in done.stderr and "restart" in done.stderr


def kinds_since(site, number):
    return [(e["kind"], e["vrf"]) for e in site.appliance.ctl("events", "--since", str(number))["events"]]


def last_event(site):
    return site.appliance.ctl("events")["last"]


def test_events_tell_what_happened(site):
    assert ("started", "") in kinds_since(site, 0)
    since = last_event(site)
    follower = site.lab.spawn(site.router.ns, "follower", [
        Appliance.binary("xdp-keactl"), "-s", site.appliance.settings()["api_socket"], "-o", "json", "events", "--follow",
        "--since", since])
    red = next(r for r in site.appliance.ctl("kea", "status") if r["vrf"] == "red")["pid"]
    os.kill(red, signal.SIGKILL)
    wait_for(lambda: ("kea_started", "red") in kinds_since(site, since), "Kea's return to be told")
    assert ("kea_died", "red") in kinds_since(site, since)
    assert not [k for k in kinds_since(site, since) if k[1] == "blue"]

    site.appliance.kill_dataplane()
    wait_for(lambda: ("dataplane_gone", "") in kinds_since(site, since), "the dataplane's death to be told")
    site.appliance.start_dataplane()
    wait_for(lambda: ("dataplane_connected", "") in kinds_since(site, since), "its return to be told")
    site.appliance.wait_serving()

    site.appliance.reload(site.config + vrf("green", subnet("10.7.0.0/24"), attachment("xkl-none0")))
    assert {("vrf_added", "green"), ("vrf_pending", "green"), ("attachment_pending", "green"),
            ("reloaded", "")} <= set(kinds_since(site, since))
    site.appliance.reload(site.config)
    assert ("vrf_removed", "green") in kinds_since(site, since)
    site.appliance.write_config(site.config + "\nnonsense = 1\n")
    assert keactl(site, "reload").returncode == 1
    assert ("reload_refused", "") in kinds_since(site, since)
    site.appliance.write_config(site.config)
    assert {e["vrf"] for e in site.appliance.ctl("events", "--vrf", "green")["events"]} == {"green"}

    expected = len(kinds_since(site, since))
    wait_for(lambda: len(follower.output().splitlines()) >= expected, "the follower to have printed them all")
    assert [json.loads(line)["kind"] for line in follower.output().splitlines()] == [k for k, _ in kinds_since(site, since)]
    follower.stop()
    assert " event=kea_died vrf=\"red\"" in site.appliance.kead.output()


def test_followers_leave_the_api_to_others(site):
    followers = [site.lab.spawn(site.router.ns, f"follower{i}", [
        Appliance.binary("xdp-keactl"), "-s", site.appliance.settings()["api_socket"], "events", "--follow"]) for i in range(12)]
    wait_for(lambda: all(" started " in f.output() for f in followers), "every follower to print")
    for _ in range(20):
        assert site.appliance.ctl("status")["dataplane_state"] == "running"
    assert site.appliance.kead.alive()
    for follower in followers:
        follower.stop()


def test_explain(site):
    def ends(*words):
        view = site.appliance.ctl("explain", *words)
        return view, next((f for f in view["findings"] if f["result"] == "stop"), None)
    view, end = ends("--interface", "xkl-trunk", "--vlan", "200.300")
    assert end is None and view["vrf"] == "red" and view["subnet"] == "10.0.0.0/24" and view["engine"] == "kea"
    assert view["verdict"].startswith("served")
    assert ends("--interface", "xkl-red0")[0]["vrf"] == "red"
    assert ends("--interface", "xkl-trunk", "--vlan", "100")[0]["vrf"] == "blue"
    assert ends("--interface", "xkl-trunk", "--vlan", "101")[1]["stage"] == "attachment"
    assert ends("--interface", "xkl-none0")[1]["stage"] == "interface"
    assert ends("--interface", "lo")[1] is not None
    assert keactl(site, "explain", "--interface", "xkl-trunk", "--vlan", "5000").returncode == 1
    site.appliance.kill_dataplane()
    wait_for(lambda: (ends("--interface", "xkl-red0")[1] or {}).get("stage") == "dataplane", "its death to be explained")
    site.appliance.start_dataplane()
    site.appliance.wait_serving()
