"""The configuration is changed, or the change refused, while clients are served: all of a packet is of one generation."""

import collections
import itertools
import os
import signal
import time
import types

import pytest

from xkl import foreign
from xkl.appliance import Appliance
from xkl.lab import run, wait_for
from xkl.load import Load, assert_nothing_lost, wire
from xkl.sniff import DISCOVER, REQUEST, Sniffer
from xkl.topology import appliance_section, attachment, subnet, vrf

RELOADS = 1000
SERVER_MAC = "02:00:00:00:07:01"
GREEN = '  [[vrf.subnet]]\n  prefix = "10.40.0.0/16"\n  gateway = "10.40.0.1"\n'
POOL = "10.40.16.0-10.40.240.255"
WIDE = subnet("10.0.0.0/16").replace("10.0.0.100-10.0.0.149", "10.0.16.0-10.0.240.255")
Identity = collections.namedtuple("Identity", "circuit_id giaddr server")
FILES = {"a": Identity("a-xkl-green0", "10.40.0.1", "192.0.2.2"), "b": Identity("b-xkl-green0", "10.40.0.2", "192.0.2.3")}


def config(lab, name):
    """green is relayed, all that its packets carry is the file's; blue has a Kea. In b an amber VRF comes before them
    on the same port, so that nothing has the number that it has in a."""
    own = FILES[name]
    green = (vrf("green", GREEN, attachment("xkl-green0") + f'  address = "{own.giaddr}"\n'
                 + f'  circuit_id = "{name}-{{port}}"\n', engine="relay")
             + f'  [vrf.relay]\n  servers = ["{own.server}"]\n')
    blue = vrf("blue", WIDE, attachment("xkl-blue0") + f'  circuit_id = "{name}"\n  remote_id = "{name}"\n')
    amber = (vrf("amber", GREEN, attachment("xkl-green0", 7), engine="relay")
             + f'  [vrf.relay]\n  servers = ["192.0.2.9"]\n  server_interface = "xkl-up0"\n  server_vlan = 7\n'
             + f'  next_hop = "{SERVER_MAC}"\n')
    return appliance_section(lab, lab.tag) + (green + blue if name == "a" else amber + blue + green)


@pytest.fixture(scope="module")
def site(lab):
    router = lab.netns("r")
    far = {name: wire(lab, router, name) for name in ("green", "blue")}
    server = lab.netns("k")
    lab.veth(router, "xkl-up0", server, "eth0", SERVER_MAC)
    run("ip", "-n", router, "addr", "add", "192.0.2.1/24", "dev", "xkl-up0")
    for own in FILES.values():
        run("ip", "-n", server, "addr", "add", f"{own.server}/24", "dev", "eth0")
        run("ip", "-n", router, "neigh", "replace", own.server, "lladdr", SERVER_MAC, "dev", "xkl-up0")
    run("ip", "-n", server, "route", "add", "default", "via", "192.0.2.1")
    foreign.kea(lab, server, "eth0", "kea", {"subnet4": [{"id": 1, "subnet": "10.40.0.0/16", "pools": [{"pool": POOL}]}]})
    appliance = Appliance(lab, router, config(lab, "a")).start()
    return types.SimpleNamespace(lab=lab, router=router, server=server, far=far, appliance=appliance)


def generation(site):
    return site.appliance.api("/v1/status")["generation"]


def reload_by_signal(site, before):
    os.kill(site.appliance.kead.pid, signal.SIGHUP)
    wait_for(lambda: generation(site) > before, "the next generation", interval=0.001)


def reload_by_command(site, _):
    site.appliance.reload()


def test_a_thousand_reloads(site, say):
    """Each packet at the server is of one file alone, and none is lost: also no answer of the server of before, to the
    relay address of before."""
    texts = {name: config(site.lab, name) for name in FILES}
    ways = itertools.cycle([reload_by_signal, reload_by_signal, reload_by_command, reload_by_command])
    first, before = generation(site), site.appliance.counters()
    with Sniffer(site.server, "eth0") as sniffer:
        green, blue = (Load(site.appliance, name, site.far[name], rate) for name, rate in (("green", 600), ("blue", 200)))
        started = time.monotonic()
        for number, name in zip(range(RELOADS), itertools.cycle("ba")):
            site.appliance.write_config(texts[name])
            next(ways)(site, first + number)
            assert generation(site) == first + number + 1
        took = time.monotonic() - started
        green.wait_flowing()
        blue.wait_flowing()
        blue_sent, green_sent = blue.stop(), green.stop()
    after = site.appliance.counters()
    requests = [p for p in sniffer.packets if not p.outgoing]
    seen = collections.Counter(Identity(p.circuit_id, p.giaddr, p.destination) for p in requests)
    by_file = {name: seen.pop(own, 0) for name, own in FILES.items()}
    say(f"generations {first} to {generation(site)} in {took:.1f} s; green's server got {by_file} packets, mixed: "
        f"{sum(seen.values())}, missing: {green_sent.discovers + green_sent.offers - len(requests)}; green, whose server and "
        f"giaddr change: {assert_nothing_lost(green_sent)}; blue, whose option 82 changes: {assert_nothing_lost(blue_sent)}")
    assert not seen and all(by_file.values())
    assert len(requests) == green_sent.requests
    assert {p.type for p in requests} == {DISCOVER, REQUEST}
    assert site.appliance.law_holds() and site.appliance.ctl("status")["dataplane_generation"] == generation(site)


def keactl(site, *words):
    return run(Appliance.binary("xdp-keactl"), "-s", site.appliance.settings()["api_socket"], *words, check=False)


def refused(site, text, *words):
    """Reloads with this text, which must be refused with all of these words, while clients are served; nothing is lost
    and nothing is otherwise than before."""
    before = site.appliance.ctl("status"), site.appliance.ctl("kea", "status"), site.appliance.ctl("attachment", "list")
    refusals = lambda: site.appliance.kead.output().count("event=reload_refused")  # noqa: E731
    in_force = site.appliance.ctl("config", "show", form="text")
    load = Load(site.appliance, "blue", site.far["blue"])
    site.appliance.write_config(text)
    done = keactl(site, "reload")
    assert done.returncode == 1 and all(word in done.stderr for word in words), done.stderr
    told = refusals()
    os.kill(site.appliance.kead.pid, signal.SIGHUP)
    wait_for(lambda: refusals() > told, "the refusal by signal")
    load.wait_flowing()
    after = site.appliance.ctl("status"), site.appliance.ctl("kea", "status"), site.appliance.ctl("attachment", "list")
    assert_nothing_lost(load.stop())
    for key in ("generation", "dataplane_generation", "dataplane_pid", "vrfs"):
        assert after[0][key] == before[0][key], key
    assert [(k["pid"], k["restarts"], k["state"]) for k in after[1]] == [(k["pid"], k["restarts"], k["state"]) for k in before[1]]
    assert after[2] == before[2] and site.appliance.ctl("config", "show", form="text") == in_force
    events = [e["text"] for e in site.appliance.ctl("events")["events"] if e["kind"] == "reload_refused"]
    assert any(words[-1] in text for text in events), events
    return done.stderr


def test_a_refused_configuration(site, say):
    """All its mistakes with their places; the old one serves on."""
    text = config(site.lab, "a")
    lines = text.replace("10.0.16.0-10.0.240.255", "10.5.0.1-10.5.0.9").rstrip("\n") + "\nnonsense = 1\n"
    row = lines.split("\n").index("nonsense = 1") + 1
    say(refused(site, lines, "10.5.0.1", f"{site.appliance.config}:{row}:1: ").splitlines()[0])


def test_a_configuration_that_kea_refuses(site, say):
    """It is tried by Kea before anything is changed: the old Kea serves on with the old one."""
    template = site.lab.directory / "refused.json"
    template.write_text('{"Dhcp4": {"valid-lifetime": "soon"}}')
    template.chmod(0o644)
    text = config(site.lab, "a")
    head, green, blue = text.split("[[vrf]]\n")
    assert 'name = "blue"' in blue
    blue += f'  [vrf.kea]\n  template = "{template}"\n'
    say(refused(site, "[[vrf]]\n".join([head, green, blue]), "blue", "Kea refuses the configuration").splitlines()[0])
