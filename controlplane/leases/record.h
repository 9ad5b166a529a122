// A lease as the store holds it: one key, one line of JSON (docs/store.md has the schema).
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "controlplane/leases/gate_wire.h"
#include "dataplane/base/error.h"
#include "dataplane/base/hex.h"
#include "dataplane/base/types.h"

namespace xk::leases {

enum class State : std::uint8_t { active, declined, expired };

struct Record {
  std::string vrf;
  Ip4 address{};
  Prefix4 subnet{};  // length 0: it was in none that is configured
  std::uint32_t subnet_id = 0;
  State state = State::active;
  std::int64_t start_unix_s = 0;       // the client's last transaction
  std::uint32_t valid_lifetime_s = 0;  // kForEver: it does not end
  std::uint8_t hardware_type = 1;
  bool fqdn_forward = false;
  bool fqdn_reverse = false;
  std::string hardware_address;  // bytes
  std::string client_id;         // bytes
  std::string hostname;
  std::string circuit_id;    // bytes
  std::string remote_id;     // bytes
  std::string attachment;    // "eth1 100"; empty: unknown
  std::string engine;        // "kea", "native"
  std::string set_by;        // what made it so: "committed", "declined", ...
  std::string user_context;  // of Kea, JSON
  // The first second at which it is no longer valid; of one for ever: none.
  [[nodiscard]] std::optional<std::int64_t> expires_unix_s() const;
  friend bool operator==(const Record&, const Record&) = default;
};
inline constexpr std::uint32_t kForEver = 0xffffffffu;

[[nodiscard]] const char* to_string(State state);
[[nodiscard]] const char* to_string(Cause cause);

// /xdp-kea/v1/lease/<vrf>/<address as 8 hex digits>: in the order of addresses.
[[nodiscard]] std::string lease_key(std::string_view vrf, Ip4 address);
// What all keys of a VRF's leases begin with; of all VRFs, if vrf is empty.
[[nodiscard]] std::string lease_prefix(std::string_view vrf);
// VRF and address of a key; an Error if it is none of a lease.
struct LeaseName {
  std::string vrf;
  Ip4 address{};
};
[[nodiscard]] std::expected<LeaseName, Error> parse_lease_key(std::string_view key);

[[nodiscard]] std::string to_json(const Record& record);

// Reads values one after the other; keeps its memory. An Error says which member is wrong. Members it does
// not know are let be: a later version may have more.
class RecordReader {
 public:
  RecordReader();
  ~RecordReader();
  RecordReader(const RecordReader&) = delete;
  RecordReader& operator=(const RecordReader&) = delete;
  [[nodiscard]] std::expected<Record, Error> read(std::string_view json);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

// "02:00:00:00:00:01"
using xk::colon_hex;
// "020000000001"
[[nodiscard]] std::string hex(std::string_view bytes);
// Of both; nothing if it is none.
[[nodiscard]] std::optional<std::string> bytes_of_hex(std::string_view text);

}  // namespace xk::leases
