#include "controlplane/config/reference_text.h"

namespace xk::config {

std::string_view reference_introduction() {
  return R"(# Configuration

<!-- Made by xdp-kea-config-reference from the parser's own table of keys. Do not edit. -->

`xdp-kead --config FILE` reads one [TOML](https://toml.io/en/v1.0.0) file; `SIGHUP` or `xdp-keactl reload` reads it
again. `xdp-keactl config check FILE` checks one without using it, `xdp-keactl config show` prints the one in force with
every default spelled out. `conf/xdp-kea.toml` has every key with a comment.

A file that has a mistake is refused whole, and whatever was in force stays in force. All mistakes are reported at once,
in the order of the file, each as `file:line:column: what is wrong; what is allowed`. A key that is not in this
reference is a mistake, never ignored. A file has at most 8 MiB.

A whole configuration can be as short as this:

```toml
[[vrf]]
name = "red"

[[vrf.subnet]]
prefix = "10.0.0.0/24"
pools = ["10.0.0.100-10.0.0.199"]
gateway = "10.0.0.1"

[[vrf.attachment]]
interface = "eth1"
```

In the tables below, a key is *needed* where it has no default.

)";
}

std::string_view reference_explanations() {
  return R"(## Templates

`circuit_id` and `remote_id` are templates of sub-options 1 and 2 of option 82 (RFC 3046). They are printable ASCII with
placeholders:

| placeholder | stands for |
|---|---|
| `{port}` | the attachment's interface |
| `{svlan}` | VID of the outer tag, `0` where there is none |
| `{cvlan}` | VID of the inner tag, `0` where there is none |
| `{vrf}` | name of the VRF |
| `{mac}` | MAC address of the client (chaddr), as `02:00:00:00:00:01` |
| `{hostname}` | `appliance.hostname`, else the machine's host name |

`{{` and `}}` stand for a brace. Anything else in braces is a mistake. An empty template leaves the sub-option out.

The circuit-id is how a reply finds its way: servers echo option 82, and the circuit-id in it says which attachment the
client is at; nothing is remembered for each client. So two attachments whose servers are in the same VRF must not have
the same circuit-id. The default, `{port}:{svlan}.{cvlan}`, is different for all of them; a template without `{port}`,
`{svlan}` and `{cvlan}` is right only for a VRF with one attachment.

All sub-options together have at most 255 bytes (one length octet): circuit-id and remote-id with two bytes each in
front, 6 for link selection (always with the `kea` engine), 6 for `server_id_override`, 3 for `relay_flags`, and for
`vss` 5 and its text. `{mac}` counts as 17, `{hostname}` as 64 unless it is configured. A packet that has no room left
for option 82 is forwarded without it and counted.

```toml
[appliance]
hostname = "edge1"

[option82]
circuit_id = "{vrf}/{port}:{svlan}.{cvlan}"
remote_id = "{hostname}/{mac}"

[[vrf]]
name = "red"

[[vrf.subnet]]
prefix = "10.0.0.0/24"
gateway = "10.0.0.1"

[[vrf.attachment]]
interface = "eth1"
vlan = "200.300"     # circuit-id red/eth1:200.300, remote-id edge1/02:00:00:00:00:01

[[vrf.attachment]]
interface = "eth1"
vlan = 100           # circuit-id red/eth1:100.0
remote_id = "legacy" # here only
```

## Option 82 policies

`policy` says what becomes of option 82 in a request, put there by a relay or a switch nearer to the client (RFC 3046
2.1). The four are those of ISC's dhcrelay (`-m append`, `replace`, `forward`, `discard`):

| request | `append` | `replace` | `keep` | `drop` |
|---|---|---|---|---|
| from a client, no option 82 | add ours | add ours | add ours | add ours |
| giaddr zero, option 82, `trusted` | add ours too | ours instead | as it is | drop |
| giaddr zero, option 82, not `trusted` | drop | drop | drop | drop |
| from a relay, no option 82 | add ours | add ours | as it is | as it is |
| from a relay, option 82 | add ours too | ours instead | as it is | drop |

Each drop is counted under a name of its own. A request with option 82 and giaddr zero comes from no relay that we know
of: it is dropped unless the attachment is `trusted`, as it has to be behind a switch that inserts option 82 without
being a relay. `keep`, the default, is right for chained relays: theirs is the nearest to the client. Where ours was not
added, the reply finds its way by what was seen of the request, not by circuit-id. "Too" is a second option 82 behind the
first, which a server joins with it (RFC 3396); only ours is cut out of the reply.

```toml
[[vrf]]
name = "red"

[[vrf.subnet]]
prefix = "10.0.0.0/24"
gateway = "10.0.0.1"

[[vrf.attachment]]
interface = "eth1"   # clients themselves: they have no business sending option 82

[[vrf.attachment]]
interface = "eth2"   # an access switch that inserts option 82
trusted = true
policy = "keep"
```
)";
}

}  // namespace xk::config
