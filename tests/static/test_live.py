"""Static leases change while packets flow, and a million of them load."""

import http.client
import json
import pathlib
import re
import socket
import time
import types

import pytest

from xkl.appliance import Appliance
from xkl.clients import Client
from xkl.lab import run, wait_for
from xkl.load import Load, assert_nothing_lost, wire
from xkl.topology import appliance_section, attachment, vrf

MILLION = 1_000_000
# Room for a million static leases, and for the generator's clients, in one subnet.
SUBNET = """
  [[vrf.subnet]]
  prefix = "10.0.0.0/8"
  pools = ["10.200.0.0-10.203.255.255"]
  gateway = "10.0.0.1"
  lease_time_s = 3600
"""


@pytest.fixture(scope="module")
def site(lab):
    router = lab.netns("r")
    load_ns = wire(lab, router, "load")
    ns = lab.netns("c")
    lab.veth(ns, "eth0", router, "xkl-one0", "02:00:00:00:0a:09")
    text = appliance_section(lab, lab.tag) + vrf("red", SUBNET, attachment("xkl-load0"), attachment("xkl-one0"))
    appliance = Appliance(lab, router, text).start()
    mac = run("ip", "netns", "exec", ns, "cat", "/sys/class/net/eth0/address").stdout.strip()
    client = Client(lab, "udhcpc", ns, "eth0", mac)
    return types.SimpleNamespace(lab=lab, appliance=appliance, load_ns=load_ns, client=client)


def post(site, path, body):
    connection = http.client.HTTPConnection("localhost", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.connect(site.appliance.settings()["api_socket"])
    connection.request("POST", path, json.dumps(body))
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    assert answer.status == 200, text
    return json.loads(text)


def lease(number, address):
    return {"vrf": "red", "mac": f"02:01:{number >> 24 & 255:02x}:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}"
                                 f":{number & 255:02x}", "address": address}


def address_of(number):
    value = (10 << 24) + (16 << 16) + number
    return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))


def test_changes_lose_no_packet_and_are_quick(site, say):
    """Whole conversations flow while static leases come, move and go; each change is in force when its call returns,
    which takes less than 100 ms (the median: this machine does other things too)."""
    load = Load(site.appliance, "red", site.load_ns, rate=200)
    took = []
    for number in range(60):
        body = {"leases": [lease(number % 20, address_of(number))], "force": True}
        start = time.monotonic()
        post(site, "/v1/static", body)
        took.append(time.monotonic() - start)
        if number % 5 == 4:
            post(site, "/v1/static/delete", {"leases": [lease(number % 20, "")]})
    said = assert_nothing_lost(load.stop())
    took.sort()
    assert took[len(took) // 2] < 0.1, took
    say(f"{said}; a change is in force after {took[len(took) // 2] * 1000:.1f} ms (median), {took[-1] * 1000:.1f} ms (worst)")
    assert site.appliance.law_holds()


def test_a_million(site, say):
    """A million static leases are imported, are there after the dataplane was killed, and cost a client nothing."""
    for page in (site.appliance.ctl("static", "list")["leases"],):
        if page:
            post(site, "/v1/static/delete", {"leases": page})
    client, file = site.client, pathlib.Path(site.lab.directory) / "million.csv"
    with file.open("w") as out:
        out.write("vrf,mac,address\n")
        for number in range(MILLION - 1):
            row = lease(number, address_of(number))
            out.write(f"red,{row['mac']},{row['address']}\n")
        out.write(f"red,{client.mac},10.99.0.1\n")
    start = time.monotonic()
    said = run(site.appliance.binary("xdp-keactl"), "-s", site.appliance.settings()["api_socket"], "-o", "json", "static",
               "import", file, timeout=600)
    done = json.loads(said.stdout)
    assert "imported 500000 of 1000000" in said.stderr
    imported_s = time.monotonic() - start
    assert done["added"] == MILLION
    assert site.appliance.api("/v1/static?limit=1")["total"] == MILLION
    assert client.start().wait_bound()["address"] == "10.99.0.1"
    start = time.monotonic()
    post(site, "/v1/static", {"leases": [{**lease(5, "10.99.0.2")}], "force": True})
    one_ms = (time.monotonic() - start) * 1000
    refused = run(site.appliance.binary("xdp-keactl"), "-s", site.appliance.settings()["api_socket"], "static", "add", "red",
                  "--mac", "02:09:00:00:00:01", "--address", "10.99.0.3", check=False)
    assert refused.returncode == 1 and "more than 1000000 static leases" in refused.stderr, refused

    site.appliance.kill_dataplane()
    start = time.monotonic()
    site.appliance.start_dataplane()
    site.appliance.wait_serving(timeout=60)
    again_s = time.monotonic() - start
    loaded = re.findall(r"leases=(\d+) bytes=(\d+)", site.appliance.dataplane.output())[-1]
    assert int(loaded[0]) == MILLION
    seen = len(client.events())
    client.renew()
    wait_for(lambda: any(e["address"] == "10.99.0.1" for e in client.events()[seen:]), "its address again")
    kead = int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{site.appliance.kead.pid}/status").read_text())[1])
    say(f"imported in {imported_s:.1f} s; one more change takes {one_ms:.1f} ms; a new dataplane serves after {again_s:.1f} s, "
        f"{int(loaded[1]) / MILLION:.1f} bytes a lease there; xdp-kead has {kead // 1024} MiB")
