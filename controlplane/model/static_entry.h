// Static leases as operators speak of them: an identity in a VRF, and what it gets. Plain values, their
// texts, and what the dataplane is told.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/model/model.h"
#include "dataplane/base/static_lease.h"

namespace xk {

struct StaticEntry {
  std::string vrf;
  StaticKind kind = StaticKind::mac;
  std::string identity;  // bytes, as StaticLease has them
  Ip4 address{};         // 0: it pins the identity only, the address comes from a pool
  std::string hostname;
  std::vector<OptionData> options;
  friend bool operator==(const StaticEntry&, const StaticEntry&) = default;
};

// The same as texts, as they stand in files, on the command line and in the API. Exactly one of mac,
// client_id and circuit_id (or remote_id, or both) says who it is; empty texts say nothing.
struct StaticTexts {
  std::string vrf;
  std::string mac;         // "02:00:00:00:00:01"
  std::string client_id;   // hex: "0102..", "01:02:.."
  std::string circuit_id;  // text, or "0x" and hex
  std::string remote_id;   // empty: whatever remote-id comes with the circuit-id
  std::string address;
  std::string hostname;
  std::vector<std::string> options;  // "ntp-servers=10.0.0.9", "43=hex:0102"
  friend bool operator==(const StaticTexts&, const StaticTexts&) = default;
};

// Errors say which text is wrong and what it may be. The options can be rendered.
[[nodiscard]] std::expected<StaticEntry, Error> parse_static(const StaticTexts& texts);
// Who only: for what is to be deleted.
[[nodiscard]] std::expected<StaticEntry, Error> parse_static_identity(const StaticTexts& texts);
[[nodiscard]] StaticTexts texts_of(const StaticEntry& entry);
// "mac 02:00:00:00:00:01", "client-id 0102", "circuit-id eth1:100", "circuit-id x remote-id y".
[[nodiscard]] std::string identity_text(const StaticEntry& entry);
// "43=hex:0102", and back.
[[nodiscard]] std::string option_text(const OptionData& option);
[[nodiscard]] std::expected<OptionData, Error> parse_option_text(std::string_view text);

// What the dataplane is told of it. Errors: an option cannot be rendered, or all are too long.
[[nodiscard]] std::expected<StaticLease, Error> render_static(const StaticEntry& entry, VrfId vrf);

// The word for a kind in keys of the store: "mac", "client-id", "circuit".
[[nodiscard]] std::string_view kind_word(StaticKind kind);

}  // namespace xk
