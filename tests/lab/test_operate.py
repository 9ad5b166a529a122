"""What an operator does to a running appliance: looking ahead, following, explaining, draining, ending."""

import json
import types

import pytest

from xkl.appliance import Appliance
from xkl.lab import run
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
