// What a client is known by in the lease table: 128 bits of a keyed hash of its client identifier (option
// 61), or, if it has none, of its hardware address (RFC 2131 4.2). Without the key nobody can make two that
// agree, nor many that fall into one bucket.
#pragma once

#include <cstdint>

#include "dataplane/base/bytes.h"

namespace xk {

struct HashKey {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
};

struct ClientKey {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend bool operator==(const ClientKey&, const ClientKey&) = default;
};

// SipHash-1-3 with 128 bits (J.-P. Aumasson, D. J. Bernstein); kind keeps the same bytes of different meaning
// apart.
[[nodiscard]] ClientKey keyed_hash(const HashKey& key, std::uint8_t kind, Bytes bytes);

[[nodiscard]] ClientKey client_key(const HashKey& key, Bytes client_id);
[[nodiscard]] ClientKey client_key(const HashKey& key, const Mac& chaddr);
// Of a line or a place that leases are counted by; never 0.
[[nodiscard]] std::uint32_t group_key(const HashKey& key, Bytes bytes);

}  // namespace xk
