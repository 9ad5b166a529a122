// A case: a folder with case.txt. It may begin with "snapshot" lines (snapshot_text.h) that are
// applied after the nearest snapshot.txt, in the folder itself or in one above it. Then steps, which
// share one memory of recent requests:
//
//   receive ATTACHMENT PACKET [server=N]     a packet comes in; statements that change it follow
//   expect drop REASON
//   expect send ATTACHMENT                   statements that change what was received follow:
//   expect note NAME                         the frame must be that, byte for byte
//   expect reply ATTACHMENT offer|ack|nak    the same for an answer to what was received: as a broadcast,
//   with
//                                            option 53 alone; other fields of the message are the request's,
//                                            but for op, hops, secs, yiaddr, sname, file, and ciaddr unless
//                                            an ack
//   wait MS                                  time passes
//
// What is sent is expected with the tags and the source MAC of its attachment, TTL 64, source port
// 67, no IP options, and xid ^ xid >> 16 as identification.
#pragma once

#include <expected>
#include <filesystem>
#include <string>
#include <vector>

#include "dataplane/base/outcome.h"
#include "tests/packets/packet_text.h"
#include "tests/packets/snapshot_text.h"

namespace xk::test {

struct Step {
  std::size_t line = 0;
  std::uint64_t now_ms = 0;
  std::string at;  // attachment
  Packet in;
  std::size_t server = 0;
  Outcome drop = XK_OUTCOME_COUNT;
  std::vector<Outcome> notes;
  std::string out;  // attachment; empty: a drop
  Packet expected;
};

struct Case {
  NamedSnapshot named;
  std::vector<Step> steps;
};

[[nodiscard]] std::expected<Case, Error> read_case(const std::filesystem::path& folder,
                                                   const std::filesystem::path& root);

}  // namespace xk::test
