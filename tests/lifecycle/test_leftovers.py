"""Everything is killed and left lying: the next start takes away what nobody needs any more, and nothing of others."""

import json
import os
import pathlib
import types

import pytest

from xkl import foreign
from xkl.appliance import Appliance
from xkl.lab import in_netns, run, runs, wait_for
from xkl.load import Load, assert_nothing_lost, wire
from xkl.topology import appliance_section, attachment, subnet, vrf

VRFS = ("red", "old", "dead")
WIDE = subnet("10.0.0.0/16").replace("10.0.0.100-10.0.0.149", "10.0.16.0-10.0.240.255")


@pytest.fixture(scope="module")
def site(lab):
    router = lab.netns("r")
    far = {name: wire(lab, router, name) for name in VRFS}
    configs = {n: vrf(n, WIDE, attachment(f"xkl-{n}0")) for n in VRFS}
    appliance = Appliance(lab, router, appliance_section(lab, lab.tag) + "".join(configs.values())).start()
    return types.SimpleNamespace(lab=lab, router=router, far=far, configs=configs, appliance=appliance)


def links(ns):
    """Everything that ip says of the interfaces, but for what changes by itself."""
    rows = json.loads(run("ip", "-n", ns, "-j", "-d", "link", "show").stdout)
    return {row["ifname"]: (row["ifindex"], row.get("address"), row.get("ifalias"), row.get("xdp")) for row in rows}


def of_others(site, appliance_name):
    """Makes what is not ours under names like ours; returns what looks at it."""
    lab, router = site.lab, site.router
    ns = lab.netns("99")  # as the namespace of VRF 99 would be called
    lab.veth(router, f"{appliance_name[:8]}-h99", ns, "eth0")
    lab.veth(router, f"{appliance_name[:8]}-h98", ns, "eth1")
    run("ip", "-n", router, "link", "set", f"{appliance_name[:8]}-h98", "alias", f"xdp-kea:{appliance_name}x:vrf:98")
    lab.veth(router, "xkl-own0", ns, "eth2")
    foreign.xdp_program(lab, router, "xkl-own0")
    run("ip", "-n", ns, "addr", "add", "198.51.100.2/24", "dev", "eth0")
    kea = foreign.kea(lab, ns, "eth0", "theirs", {})
    pinned = pathlib.Path(site.appliance.settings()["bpf_dir"]) / "theirs"
    run("bpftool", "map", "create", pinned, "type", "array", "key", "4", "value", "4", "entries", "1", "name", "theirs")
    names = (f"{appliance_name[:8]}-h99", f"{appliance_name[:8]}-h98", "xkl-own0")

    def look():
        assert kea.alive()
        here = links(router)
        return (os.stat(f"/run/netns/{ns}").st_ino, links(ns), {name: here[name] for name in names},
                json.loads(run("bpftool", "-j", "map", "show", "pinned", pinned).stdout)["id"],
                pathlib.Path(f"/proc/{kea.pid}/stat").read_text().split()[21])
    return look


def steered(site):
    """Rows of the pinned map that says where clients are."""
    done = run("bpftool", "-j", "map", "dump", "pinned", pathlib.Path(site.appliance.settings()["bpf_dir"]) / "xk_attachments")
    return len(json.loads(done.stdout))


def attached(site):
    return {name for name, link in links(site.router).items() if link[3]}


def netns_of(site, name):
    return site.appliance.ctl("vrf", "show", name)["vrf"]["netns"]


def test_leftovers_of_a_crash(site, say):
    lab, appliance, name = site.lab, site.appliance, site.lab.tag
    load = Load(appliance, "red", site.far["red"])
    look = of_others(site, name)
    theirs = look()
    keas = {row["vrf"]: row for row in appliance.ctl("kea", "status")}
    namespaces = {n: netns_of(site, n) for n in VRFS}
    load.wait_flowing()
    leases = assert_nothing_lost(load.stop()) and {r["address"] for r in appliance.ctl("lease", "list", "--vrf", "red")}
    # A directory of a VRF that is gone, whose pid file names somebody else's process by now.
    stale = pathlib.Path(keas["old"]["directory"]).with_name("stale")
    run("cp", "-a", keas["old"]["directory"], stale)
    stranger = lab.spawn(site.far["red"], "stranger", ["sleep", "600"])
    for file in [*stale.glob("*.pid")]:
        file.write_text(f"{stranger.pid}\n")

    appliance.kead.kill()
    appliance.kill_dataplane()
    for vrf_name in ("red", "dead"):
        os.kill(keas[vrf_name]["pid"], 9)
    appliance.kead.popen.wait(5)
    run("ip", "-n", site.router, "link", "del", "xkl-dead0")  # its XDP link is pinned and leads nowhere
    rows = steered(site)
    appliance.write_config(appliance_section(lab, name) + site.configs["red"])
    appliance.start()

    for vrf_name in ("old", "dead"):
        assert not os.path.exists(f"/run/netns/{namespaces[vrf_name]}")
    wait_for(lambda: not runs(keas["old"]["pid"]), "the stray Kea to end")
    handoff = next(n for n in links(site.router) if n.startswith(name[:8] + "-h") and n[-2:] not in ("98", "99"))
    assert attached(site) == {"xkl-red0", handoff, "xkl-own0"}
    assert (rows, steered(site)) == (6, 2)
    pins = pathlib.Path(appliance.settings()["bpf_dir"]) / "links"
    assert {p.name for p in pins.iterdir()} == {str(links(site.router)[n][0]) for n in ("xkl-red0", handoff)}
    assert stranger.alive() and look() == theirs
    said = [line for line in appliance.kead.output().splitlines()
            if any(words in line for words in ("remove ", "detach ", "stop steering", "VRF that is gone"))]
    for words in (f"remove namespace {namespaces['old']}", f"remove namespace {namespaces['dead']}", "remove handoff",
                  "port xkl-old0: detach the classifier", "stopped the Kea of a VRF that is gone", "stop steering xkl-old0"):
        assert any(words in line for line in said), (words, said)
    say(f"{len(said)} leftovers found and named")

    load = Load(appliance, "red", site.far["red"])
    load.wait_flowing()
    assert_nothing_lost(load.stop())
    assert leases <= {r["address"] for r in appliance.ctl("lease", "list", "--vrf", "red")}

    done = run(Appliance.binary("xdp-keactl"), "-s", appliance.settings()["api_socket"], "teardown", "--yes", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert appliance.kead.popen.wait(20) == 0
    assert not os.path.exists(f"/run/netns/{namespaces['red']}")
    assert attached(site) == {"xkl-own0"} and handoff not in links(site.router)
    assert stranger.alive() and look() == theirs
    # Nothing to remove is nothing to complain about.
    done = run(*in_netns(site.router), Appliance.binary("xdp-kead"), "--config", appliance.config, "--teardown", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    run("rm", pathlib.Path(appliance.settings()["bpf_dir"]) / "theirs")
