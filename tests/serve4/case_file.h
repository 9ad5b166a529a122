// A case of the native engine: a folder with case.txt. It begins with lines of native_text.h, which are
// applied after the nearest snapshot.txt, in the folder itself or in one above it. Then steps:
//
//   at SECONDS                    the engine's clock says so, from 0 at the start
//   send ATTACHMENT TYPE WORD...  a client's message: discover, request, decline, release, inform, bootp or
//                                 query. Indented statements of packet_text.h that change it may follow.
//   expect TYPE [WORD...]         the answer: offer, ack, nak, bootreply, active, unassigned or unknown
//   expect drop REASON
//   expect probe ADDRESS          ARP asks for the address on the attachment, and no answer is there yet
//   expect nothing                no answer, no record: what comes later (of `heard` and `at`)
//   record KIND ADDRESS [KEY=VALUE...]   what the step adds to the journal, in order; record none: nothing
//   lease ATTACHMENT ADDRESS WORD...     DISCOVER, OFFER, REQUEST and ACK of this address
//   heard ATTACHMENT ADDRESS MAC  a host says by ARP that it has the address
//   restart                       the engine starts anew from the journal
//   configure                     lines of native_text.h follow, up to the next step: the engine goes on with
//   them forget ADDRESS                the operator deletes the lease
//
// WORDs of send: mac=MAC (and option 61 with it) id=VALUE|none xid=N req=A server=A ask=CODE,... lease=S
// max=N
//   ci=A secs=N bcast=1 host="..." vendor="..." renew=A (unicast to the server) rebind=A relay=A opt N=VALUE
// WORDs of expect: yiaddr ciaddr siaddr giaddr server to from =A  mac=MAC flags port size max overload lease
//   renew rebind =N  codes=N,... (of the options field, all of them in order) sname= file= host= =TEXT
//   id=VALUE optN=VALUE|-  partsN=COUNT  note=NAME (besides serve_offer and its like)  durable=0|1 (whether
//   it waits for the journal)
// KEYs of record: mac id host circuit remote attachment cause lease until start
//
// VALUEs are as in option_value(). What every reply must be is checked without being said (reply_view.h).
#pragma once

#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/base/outcome.h"
#include "tests/packets/packet_text.h"
#include "tests/serve4/native_text.h"

namespace xk::test {

using KeyValues = std::vector<std::pair<std::string, std::string>>;

struct ExpectedRecord {
  std::size_t line = 0;
  std::string kind;
  Ip4 address{};
  KeyValues fields;
};

enum class StepKind : std::uint8_t { send, pass, heard, restart, configure, forget };

struct NativeStep {
  StepKind kind = StepKind::send;
  std::size_t line = 0;
  std::uint64_t now_ms = 0;
  std::string at;  // attachment
  Packet in;
  Ip4 address{};                          // heard, forget
  Mac mac{};                              // heard
  std::optional<NamedNative> configured;  // configure: all of it
  std::string reply;                      // its type; empty: none
  KeyValues fields;                       // of the reply
  Outcome drop = XK_OUTCOME_COUNT;
  Ip4 probe{};
  bool nothing = false;  // neither reply nor drop nor probe
  bool records_said = false;
  std::vector<ExpectedRecord> records;
};

struct NativeCase {
  NamedNative named;
  std::vector<NativeStep> steps;
};

[[nodiscard]] std::expected<NativeCase, Error> read_native_case(const std::filesystem::path& folder,
                                                                const std::filesystem::path& root);

}  // namespace xk::test
