"""A strict reader of the Prometheus text format 0.0.4: what it takes, any Prometheus takes."""

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


class BadMetrics(Exception):
    """A line that is not as the format has it."""


def parse(text):
    """{family: {"type", "help", "samples": {(suffix, ((label, value), ...)): number}}}."""
    if not text.endswith("\n"):
        raise BadMetrics("the last line does not end")
    families, current = {}, None
    for number, line in enumerate(text.splitlines(), 1):
        where = f"line {number}: {line!r}"
        if line.startswith("# HELP "):
            name, _, words = line[7:].partition(" ")
            if not re.fullmatch(NAME, name) or not words or name in families:
                raise BadMetrics(where)
            current = families[name] = {"help": words, "type": None, "samples": {}, "name": name}
        elif line.startswith("# TYPE "):
            name, _, kind = line[7:].partition(" ")
            if current is None or name != current["name"] or current["type"] or kind not in SUFFIXES:
                raise BadMetrics(where)
            current["type"] = kind
        else:
            add_sample(current, line, where)
    for name, family in families.items():
        check_family(name, family)
    return families


def add_sample(family, line, where):
    match = SAMPLE.fullmatch(line)
    if not match or family is None or not family["type"]:
        raise BadMetrics(where)
    suffix = match.group(1).removeprefix(family["name"])
    if not match.group(1).startswith(family["name"]) or suffix not in SUFFIXES[family["type"]]:
        raise BadMetrics(f"{where}: not of family {family['name']}")
    labels = tuple((k, v) for k, v in re.findall(LABEL, match.group(2) or ""))
    if len({k for k, _ in labels}) != len(labels) or (suffix, labels) in family["samples"]:
        raise BadMetrics(f"{where}: twice")
    value = float(match.group(match.lastindex))
    if value < 0 or value != value:
        raise BadMetrics(where)
    family["samples"][suffix, labels] = value


def check_family(name, family):
    if family["type"] == "counter" and not name.endswith("_total"):
        raise BadMetrics(f"counter {name} does not end in _total")
    if family["type"] != "histogram":
        return
    buckets = [(dict(labels)["le"], value) for (suffix, labels), value in family["samples"].items() if suffix == "_bucket"]
    bounds = [float(le) for le, _ in buckets]
    counts = [value for _, value in buckets]
    if bounds != sorted(bounds) or counts != sorted(counts) or bounds[-1] != float("inf"):
        raise BadMetrics(f"buckets of {name}: {buckets}")
    if counts[-1] != family["samples"]["_count", ()]:
        raise BadMetrics(f"count of {name}")
