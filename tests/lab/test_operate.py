"""What an operator does to a running appliance: looking ahead, following, explaining, draining, ending."""

import json
import os
import signal
import types

import pytest

from xkl import prometheus
from xkl.appliance import Appliance
from xkl.clients import Client
from xkl.lab import in_netns, run, wait_for
from xkl.topology import Router, attachment, subnet, two_vrfs, vrf


@pytest.fixture(scope="module")
def site(lab):
    """The appliance with a udhcpc in each of red and blue, bound."""
    router = Router(lab)
    clients = {s: router.add_client(s, "udhcpc") for s in ("untagged", "vlan")}
    router.connect()
    config = two_vrfs(lab, lab.tag).replace("[appliance]", '[appliance]\nmetrics_address = "127.0.0.1:9547"', 1)
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


def new_client(site, name, segment_ns_mac):
    """A client that nobody has seen yet, on xkl-red0's bridge."""
    ns = site.lab.netns(name)
    site.lab.veth(site.router.switch, name, ns, "eth0", segment_ns_mac)
    run("ip", "-n", site.router.switch, "link", "set", name, "master", "br0")
    return Client(site.lab, "udhcpc", ns, "eth0", segment_ns_mac, f"udhcpc-{name}")


def state_of(site, name):
    return next((v["state"] for v in site.appliance.ctl("vrf", "list") if v["name"] == name), None)


def renews(client, timeout=15):
    seen = len(client.events())
    client.renew()
    client.wait_event({"renew", "bound"}, seen, timeout)


def test_drain_takes_no_new_clients(site):
    """Over a reload and a restart of xdp-kead: the known client renews, a new one waits until resume."""
    site.appliance.ctl("vrf", "drain", "red")
    assert state_of(site, "red") == "draining" and state_of(site, "blue") == "serving"
    renews(site.clients["untagged"])
    before = site.appliance.counters("red")["drops"].get("vrf_draining", 0)
    fresh = new_client(site, "n1", "02:00:00:00:03:01").start()
    wait_for(lambda: site.appliance.counters("red")["drops"].get("vrf_draining", 0) > before, "its DISCOVER to be dropped")
    site.appliance.reload()
    assert state_of(site, "red") == "draining"
    site.appliance.kead.kill()
    site.appliance.kead.popen.wait(5)
    site.appliance.start_kead()
    site.appliance.wait_serving(["blue"])
    wait_for(lambda: state_of(site, "red") == "draining", "the VRF to be drained still")
    before = site.appliance.counters("red")["drops"]["vrf_draining"]
    wait_for(lambda: site.appliance.counters("red")["drops"]["vrf_draining"] > before, "it to be dropped still")
    renews(site.clients["untagged"])
    assert fresh.lease() is None
    site.appliance.ctl("vrf", "resume", "red")
    assert state_of(site, "red") == "serving"
    fresh.wait_bound(30)
    fresh.stop()
    assert keactl(site, "vrf", "drain", "grey").returncode == 4


def test_deleted_vrf_is_off_the_machine_until_resumed(site):
    keas = {k["vrf"]: k for k in site.appliance.ctl("kea", "status")}
    shown = site.appliance.ctl("vrf", "show", "red")["vrf"]
    assert keactl(site, "vrf", "delete", "red").returncode == 1, "it asks, and there is no terminal"
    assert state_of(site, "red") == "serving"
    site.appliance.ctl("vrf", "delete", "red", "--yes")
    assert state_of(site, "red") == "deleted"
    wait_for(lambda: not os.path.exists(f"/proc/{keas['red']['pid']}"), "its Kea to end")
    assert not os.path.exists(f"/run/netns/{shown['netns']}")
    assert not [a for a in site.appliance.ctl("attachment", "list") if a["vrf"] == "red"]
    assert os.path.isdir(keas["red"]["directory"]), "leases stay"
    site.appliance.reload()
    site.appliance.kead.kill()
    site.appliance.kead.popen.wait(5)
    site.appliance.start_kead()
    site.appliance.wait_serving(["blue"])
    assert state_of(site, "red") == "deleted"
    renews(site.clients["vlan"])
    address = site.clients["untagged"].lease()["address"]
    site.appliance.ctl("vrf", "resume", "red")
    site.appliance.wait_serving()
    renews(site.clients["untagged"])
    assert address in [r["address"] for r in site.appliance.ctl("lease", "list", "--vrf", "red")]
    assert site.appliance.ctl("vrf", "show", "red")["vrf"]["id"] == shown["id"]
    assert {k["vrf"]: k["directory"] for k in site.appliance.ctl("kea", "status")}["red"] == keas["red"]["directory"]

    site.appliance.reload(site.config + vrf("green", subnet("10.7.0.0/24"), attachment("xkl-trunk", 107)))
    site.appliance.wait_serving()
    directory = next(k["directory"] for k in site.appliance.ctl("kea", "status") if k["vrf"] == "green")
    site.appliance.ctl("vrf", "delete", "green", "--purge", "--yes")
    wait_for(lambda: not os.path.exists(directory), "its leases to be deleted")
    site.appliance.reload(site.config)
    assert state_of(site, "green") is None, "forgotten with its configuration"


def test_a_dataplane_that_stands_still_is_told_of(site):
    since = last_event(site)
    site.appliance.dataplane.kill(signal.SIGSTOP)
    try:
        wait_for(lambda: ("dataplane_silent", "") in kinds_since(site, since), "its silence to be told", 40)
        assert site.appliance.ctl("status")["dataplane_state"] == "not answering"
        assert any("does not answer" in w for w in site.appliance.ctl("status")["warnings"])
    finally:
        site.appliance.dataplane.kill(signal.SIGCONT)
    wait_for(lambda: ("dataplane_answers", "") in kinds_since(site, since), "its answer to be told", 40)
    site.appliance.wait_serving()


def scrape(site, path):
    """Status and text of /metrics, /healthz or /readyz."""
    done = run(*in_netns(site.router.ns), "/usr/bin/python3", "-c", (
        "import sys, urllib.request, urllib.error\n"
        "try: r = urllib.request.urlopen(sys.argv[1], timeout=20)\n"
        "except urllib.error.HTTPError as e: r = e\n"
        "print(r.status if hasattr(r, 'status') else r.code); sys.stdout.write(r.read().decode())"),
        f"http://127.0.0.1:9547{path}")
    status, _, text = done.stdout.partition("\n")
    return int(status), text


def test_metrics_health_and_readiness(site):
    status, text = scrape(site, "/metrics")
    assert status == 200
    families = prometheus.parse(text)
    received = families["xdpkea_packets_received_total"]["samples"]
    assert received["", (("vrf", "red"),)] > 0
    for name in ("xdpkea_build_info", "xdpkea_kea_running", "xdpkea_kea_restarts_total", "xdpkea_reconcile_duration_seconds",
                 "xdpkea_xdp_packets_total", "xdpkea_dataplane_connected", "xdpkea_queue_high_water_packets",
                 "xdpkea_queue_depth_packets"):
        assert families[name]["samples"], name
    assert scrape(site, "/healthz")[0] == 200
    assert scrape(site, "/readyz")[0] == 200
    assert scrape(site, "/v1/status")[0] == 404
    site.appliance.kill_dataplane()
    wait_for(lambda: scrape(site, "/readyz")[0] == 503, "readiness to be denied")
    waiting = json.loads(scrape(site, "/readyz")[1])["not_ready"]
    assert {w["vrf"] for w in waiting} == {"red", "blue"}
    assert scrape(site, "/healthz")[0] == 200
    site.appliance.start_dataplane()
    wait_for(lambda: scrape(site, "/readyz")[0] == 200, "readiness to be back", 40)


def test_teardown_removes_everything_and_ends_the_daemon(site):
    """The last test: it leaves nothing to test."""
    assert keactl(site, "teardown").returncode == 1, "it asks, and there is no terminal"
    pids = [k["pid"] for k in site.appliance.ctl("kea", "status")]
    done = keactl(site, "teardown", "--yes")
    assert done.returncode == 0 and "everything is removed" in done.stdout, done.stdout + done.stderr
    assert site.appliance.kead.popen.wait(20) == 0
    wait_for(lambda: not [p for p in pids if os.path.exists(f"/proc/{p}")], "the Keas to be gone")
    links = run("ip", "-n", site.router.ns, "-d", "link", "show").stdout
    assert "prog/xdp" not in links and site.lab.tag[:8] + "-h" not in links
    assert not [n for n in os.listdir("/run/netns") if n.startswith(site.lab.tag + "-") and n[len(site.lab.tag) + 1:].isdigit()]
    assert site.appliance.dataplane.alive()
    assert keactl(site, "teardown", "--yes").returncode == 3
    assert "--teardown" in keactl(site, "teardown", "--yes").stderr
