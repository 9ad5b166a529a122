#include "dataplane/serve/client_key.h"

#include <bit>
#include <cstring>

namespace xk {
namespace {

constexpr std::uint8_t kClientId = 1;
constexpr std::uint8_t kHardware = 2;
constexpr std::uint8_t kGroup = 3;

struct Sip {
  std::uint64_t v0, v1, v2, v3;
  explicit Sip(const HashKey& key)
      : v0(key.first ^ 0x736f6d6570736575u),
        v1(key.second ^ 0x646f72616e646f6du ^ 0xeeu),
        v2(key.first ^ 0x6c7967656e657261u),
        v3(key.second ^ 0x7465646279746573u) {}
  void round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void word(std::uint64_t value) {
    v3 ^= value;
    round();
    v0 ^= value;
  }
  [[nodiscard]] std::uint64_t finish() {
    round();
    round();
    round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

}  // namespace

ClientKey keyed_hash(const HashKey& key, std::uint8_t kind, Bytes bytes) {
  Sip sip(key);
  // The kind and the length close the last word.
  const std::uint64_t closing = std::uint64_t{kind} << 48 | std::uint64_t{bytes.size() & 0xff} << 56;
  while (bytes.size() >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), 8);
    sip.word(word);
    bytes = bytes.subspan(8);
  }
  std::uint64_t last = 0;
  if (bytes.size() > 6) {  // would meet the kind
    std::memcpy(&last, bytes.data(), bytes.size());
    sip.word(last);
    last = 0;
  } else if (!bytes.empty()) {
    std::memcpy(&last, bytes.data(), bytes.size());
  }
  sip.word(last | closing);
  sip.v2 ^= 0xee;
  ClientKey hash;
  hash.low = sip.finish();
  sip.v1 ^= 0xdd;
  hash.high = sip.finish();
  return hash;
}

ClientKey client_key(const HashKey& key, Bytes client_id) { return keyed_hash(key, kClientId, client_id); }

ClientKey client_key(const HashKey& key, const Mac& chaddr) {
  return keyed_hash(key, kHardware, chaddr.bytes);
}

std::uint32_t group_key(const HashKey& key, Bytes bytes) {
  const auto hash = static_cast<std::uint32_t>(keyed_hash(key, kGroup, bytes).low);
  return hash == 0 ? 1 : hash;
}

}  // namespace xk
