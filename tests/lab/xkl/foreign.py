"""What is not the appliance's, and must be left as it is."""

import json
import pathlib

from .lab import run, wait_for


def xdp_program(lab, ns, interface):
    """Attaches an XDP program of somebody else's that passes everything."""
    source = pathlib.Path(lab.directory) / "foreign.c"
    source.write_text('__attribute__((section("xdp"), used)) int foreign(void *c) { return 2; }\n'
                      'char l[] __attribute__((section("license"), used)) = "GPL";\n')
    run("clang-19", "-target", "bpf", "-O2", "-c", source, "-o", source.with_suffix(".o"))
    run("ip", "-n", ns, "link", "set", interface, "xdp", "object", source.with_suffix(".o"), "section", "xdp")


def kea(lab, ns, interface, name, config):
    """A Kea that somebody else runs there: subnets and whatever else as in config. Returns its process."""
    place = pathlib.Path(lab.directory) / name
    place.mkdir()
    (place / "kea.conf").write_text(json.dumps({"Dhcp4": {
        "interfaces-config": {"interfaces": [interface], "dhcp-socket-type": "udp"},
        "lease-database": {"type": "memfile", "persist": False}, "valid-lifetime": 600, **config}}))
    process = lab.spawn(ns, name, ["kea-dhcp4", "-c", place / "kea.conf"], {
        "KEA_PIDFILE_DIR": str(place), "KEA_LOCKFILE_DIR": str(place), "KEA_LOGGER_DESTINATION": "stdout"})
    wait_for(lambda: "DHCP4_STARTED" in process.output() or not process.alive(), f"Kea {name}")
    assert process.alive(), process.output()
    return process
