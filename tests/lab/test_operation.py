"""The appliance as an operator meets it: restarts, what is missing, what is wrong, what passes by."""

import os
import pathlib
import socket
import types

import pytest

from xkl import foreign, mutate
from xkl.appliance import Appliance
from xkl.lab import in_netns, run, wait_for
from xkl.topology import SEGMENTS, Router, appliance_section, attachment, subnet, two_vrfs, vrf


@pytest.fixture(scope="module")
def site(lab):
    """The appliance with one udhcpc a segment, bound."""
    router = Router(lab)
    clients = {s: router.add_client(s, "udhcpc") for s in SEGMENTS}
    router.connect()
    config = two_vrfs(lab, lab.tag)
    appliance = Appliance(lab, router.ns, config).start()
    captures = {"trunk": lab.capture(router.switch, "trunk", "trunk"),
                "red0": lab.capture(router.switch, "red0", "red0")}
    for client in clients.values():
        client.start()
    for client in clients.values():
        client.wait_bound(40)
    return types.SimpleNamespace(lab=lab, router=router, clients=clients, appliance=appliance, config=config,
                                 captures=captures)


def renews(client, timeout=15):
    """The client gets an answer to a renewal."""
    seen = len(client.events())
    client.renew()
    client.wait_event({"renew", "bound"}, seen, timeout)


@pytest.mark.vm
@pytest.mark.short
@pytest.mark.parametrize("segment", SEGMENTS)
def test_lease_and_renewal(site, segment):
    client = site.clients[segment]
    assert client.wait_bound()["server"] == "10.0.0.1"
    renews(client)


@pytest.mark.vm
@pytest.mark.short
def test_attachments_are_as_the_bpf_map_holds_them(site):
    rows = {(r["interface"], r["vlan"]): r for r in site.appliance.ctl("attachment", "list") if r["role"] == "client"}
    assert rows["xkl-red0", "-"]["vrf"] == "red"
    assert rows["xkl-trunk", "200.300"]["vrf"] == "red"
    assert rows["xkl-trunk", "100"]["vrf"] == "blue"
    assert all(r["state"] == "serving" for r in rows.values())


@pytest.mark.short
def test_every_command_speaks_table_json_and_yaml(site):
    for words in (["status"], ["vrf", "list"], ["vrf", "show", "red"], ["attachment", "list"], ["counters"],
                  ["counters", "--vrf", "blue"], ["lease", "list"], ["lease", "list", "--vrf", "red"], ["kea", "status"],
                  ["kea", "command", "red", '{"command": "list-commands"}']):
        assert site.appliance.ctl(*words) is not None
        assert site.appliance.ctl(*words, form="text").strip()
        yaml = run(Appliance.binary("xdp-keactl"), "-s", site.appliance.settings()["api_socket"], "-o", "yaml", *words)
        assert yaml.stdout.strip()
    assert 'name = "red"' in site.appliance.ctl("config", "show", form="text")


@pytest.mark.short
def test_mutations_hurt_nothing(site):
    """100,000 random mutations of valid frames; the daemons live, the law holds, clients are served."""
    before = site.appliance.counters()["rx"]
    pid = site.appliance.ctl("status")["dataplane_pid"]
    for interface, capture, seed in (("red0", "red0", 1), ("trunk", "trunk", 2)):
        done = run(*in_netns(site.router.switch), "/usr/bin/python3", mutate.__file__, interface, 50_000, seed,
                   site.captures[capture], timeout=300)
        assert "sent 50000" in done.stdout
    wait_for(site.appliance.law_holds, "rx + copies = tx + drops", 30)
    counters = site.appliance.counters()
    assert counters["rx"] - before > 1000, counters
    assert len([n for n, c in counters["drops"].items() if c]) >= 8, counters["drops"]
    assert site.appliance.dataplane.alive() and site.appliance.ctl("status")["dataplane_pid"] == pid
    for row in site.appliance.ctl("kea", "status"):
        assert row["state"] == "running" and row["restarts"] == 0
    for client in site.clients.values():
        renews(client)


@pytest.mark.vm
def test_dataplane_restart(site):
    """While it is gone XDP passes packets to the kernel; when it is back clients are served again."""
    site.appliance.kill_dataplane()
    wait_for(lambda: site.appliance.ctl("status")["dataplane_state"] != "running", "its death to be seen")
    before = site.appliance.counters()["xdp"]["pass_no_socket"]
    os.kill(site.clients["vlan"].process.pid, 10)
    wait_for(lambda: site.appliance.counters()["xdp"]["pass_no_socket"] > before, "packets to pass to the kernel")
    site.appliance.start_dataplane()
    site.appliance.wait_serving()
    for client in site.clients.values():
        renews(client)


def test_transit_to_a_foreign_server_passes_untouched(site):
    """DHCP that only passes through the router is none of our business."""
    lab, router = site.lab, site.router
    far = lab.netns("far")
    lab.veth(router.ns, "xkl-far0", far, "far0")
    client = site.clients["untagged"]
    address = client.lease()["address"]
    run("ip", "-n", router.ns, "addr", "add", "198.51.100.1/24", "dev", "xkl-far0")
    run("ip", "-n", far, "addr", "add", "198.51.100.2/24", "dev", "far0")
    run("ip", "-n", far, "route", "add", "10.0.0.0/24", "via", "198.51.100.1")
    run("ip", "-n", router.ns, "addr", "add", "10.0.0.2/24", "dev", "xkl-red0")
    run(*in_netns(router.ns), "sysctl", "-qw", "net.ipv4.ip_forward=1")
    run("ip", "-n", client.ns, "route", "replace", "198.51.100.0/24", "via", "10.0.0.2")
    pcap = lab.capture(far, "far0", "far")
    payload = bytes(range(256)) + b"not for us"
    script = (f"import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('{address}', 6868)); "
              f"s.sendto(bytes.fromhex('{payload.hex()}'), ('198.51.100.2', 67))")
    before = site.appliance.counters()["xdp"]["pass_not_ours"]
    run(*in_netns(client.ns), "/usr/bin/python3", "-c", script)
    seen = wait_for(lambda: run("tshark", "-r", pcap, "-Y", "udp.dstport == 67 && !icmp", "-T", "fields", "-e", "udp.payload",
                                check=False).stdout.strip(), "the packet at the far server")
    assert seen.replace(":", "") == payload.hex()
    assert site.appliance.counters()["xdp"]["pass_not_ours"] > before
    run("ip", "-n", router.ns, "addr", "del", "10.0.0.2/24", "dev", "xkl-red0")


def test_interface_that_appears_later(site):
    """A VRF on an interface that is not there is pending, and served when it comes."""
    text = site.config + vrf("late", subnet("10.9.0.0/24"), attachment("xkl-late0"))
    site.appliance.reload(text)
    row = next(v for v in site.appliance.ctl("vrf", "list") if v["name"] == "late")
    assert row["state"] == "pending" and "xkl-late0" in row["reason"]
    assert next(v for v in site.appliance.ctl("vrf", "list") if v["name"] == "red")["state"] == "serving"
    ns = site.lab.netns("late")
    site.lab.veth(site.router.ns, "xkl-late0", ns, "eth0", "02:00:00:00:02:01")
    site.appliance.wait_serving(["late"])
    from xkl.clients import Client
    client = Client(site.lab, "udhcpc", ns, "eth0", "02:00:00:00:02:01", "udhcpc-late").start()
    assert client.wait_bound(20)["address"].startswith("10.9.0.")
    client.stop()
    site.appliance.reload(site.config)
    assert "late" not in [v["name"] for v in site.appliance.ctl("vrf", "list")]


def test_refused_configuration_changes_nothing(site):
    before = site.appliance.ctl("status")["generation"]
    site.appliance.write_config(site.config.replace("10.0.0.100-10.0.0.149", "10.5.0.1-10.5.0.9") + "\nnonsense = 1\n")
    ctl = [Appliance.binary("xdp-keactl"), "-s", site.appliance.settings()["api_socket"]]
    done = run(*ctl, "reload", check=False)
    assert done.returncode == 1
    assert "10.5.0.1" in done.stderr and "nonsense" in done.stderr and ".toml:" in done.stderr
    assert site.appliance.ctl("status")["generation"] == before
    for client in site.clients.values():
        renews(client)
    site.appliance.reload(site.config)


def test_one_vrf_without_kea_leaves_the_other_alone(site):
    """A Kea that is missing, or that refuses its configuration, degrades its VRF only."""
    template = pathlib.Path(site.lab.directory) / "refused.json"
    template.write_text('{"Dhcp4": {"valid-lifetime": "soon"}}')
    template.chmod(0o644)
    for kea, words in (('binary = "/nonexistent/kea-dhcp4"', "kea-dhcp4"), (f'template = "{template}"', "Kea refuses the configuration")):
        text = site.config + vrf("odd", subnet("10.8.0.0/24"), attachment("xkl-trunk", 108)) + f"  [vrf.kea]\n  {kea}\n"
        site.appliance.write_config(text)
        run(Appliance.binary("xdp-keactl"), "-s", site.appliance.settings()["api_socket"], "reload", check=False)
        rows = {v["name"]: v for v in site.appliance.ctl("vrf", "list")}
        assert rows["red"]["state"] == rows["blue"]["state"] == "serving"
        reasons = " ".join([rows.get("odd", {}).get("reason", ""), site.appliance.kead.output()])
        assert words in reasons, reasons[-2000:]
        renews(site.clients["vlan"])
        site.appliance.reload(site.config)


def test_second_daemons_are_refused(site):
    done = run(*in_netns(site.router.ns), Appliance.binary("xdp-kead"), "--config", site.appliance.config, check=False,
               timeout=20)
    assert done.returncode != 0 and str(site.appliance.kead.pid) in done.stdout + done.stderr
    assert site.appliance.ctl("status") is not None


def test_not_root_is_told_so(site):
    done = run("setpriv", "--reuid", "nobody", "--clear-groups", Appliance.binary("xdp-kead"), "--config",
               site.appliance.config, check=False, timeout=20)
    assert done.returncode != 0 and "CAP_NET_ADMIN" in done.stdout + done.stderr


def test_socket_path_taken(site):
    """Another program's live socket at the API's path: a clear error, its socket stays."""
    other = Router.__new__(Router)  # a second appliance needs no wiring of its own
    other.ns = site.lab.netns("r2")
    text = appliance_section(site.lab, site.lab.tag + "2") + vrf("one", subnet(), attachment("nothing0"))
    run_dir = pathlib.Path(site.lab.directory) / (site.lab.tag + "2") / "run"
    run_dir.mkdir()
    path = run_dir / "api.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as taken:
        taken.bind(str(path))
        taken.listen(1)
        config = pathlib.Path(site.lab.directory) / "taken.toml"
        config.write_text(text)
        done = run(*in_netns(other.ns), Appliance.binary("xdp-kead"), "--config", config, check=False, timeout=20)
        assert done.returncode != 0 and "api.sock" in done.stdout + done.stderr
        assert path.exists()
    run(*in_netns(other.ns), Appliance.binary("xdp-kead"), "--config", config, "--teardown")


def test_daemon_not_there(site):
    done = run(Appliance.binary("xdp-keactl"), "-s", "/nonexistent/api.sock", "status", check=False)
    assert done.returncode == 3 and "/nonexistent/api.sock" in done.stderr


def test_foreign_xdp_program_is_not_replaced(site):
    """An interface that runs somebody else's XDP program stays his; the VRF says why it waits."""
    ns = site.lab.netns("x")
    site.lab.veth(site.router.ns, "xkl-own0", ns, "eth0")
    foreign.xdp_program(site.lab, site.router.ns, "xkl-own0")
    site.appliance.reload(site.config + vrf("taken", subnet("10.9.0.0/24"), attachment("xkl-own0")))
    wait_for(lambda: "XDP" in str([v["reason"] for v in site.appliance.ctl("vrf", "list") if v["name"] == "taken"]),
             "the reason to name the XDP program")
    assert "prog/xdp" in run("ip", "-n", site.router.ns, "link", "show", "xkl-own0").stdout
    site.appliance.reload(site.config)
    assert "prog/xdp" in run("ip", "-n", site.router.ns, "link", "show", "xkl-own0").stdout
