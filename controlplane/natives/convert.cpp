#include "controlplane/natives/convert.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace xk::natives {
namespace {

constexpr std::int64_t kUnixMax = (std::int64_t{1} << 40) - 1;  // what RecordReader takes
constexpr std::size_t kTextMax = 255;                           // of the journal

const char* set_by(RecordCause cause) {
  constexpr std::array<const char*, 8> kNames{"committed", "renewed",   "released",  "declined",
                                              "conflict",  "forgotten", "reclaimed", "seeded"};
  return kNames.at(static_cast<std::size_t>(cause));
}

// Seconds of Unix; up: the first that is not before it.
std::int64_t unix_s(std::uint64_t engine_ms, std::int64_t ahead_ms, bool up) {
  const auto ms =
      static_cast<std::int64_t>(engine_ms + static_cast<std::uint64_t>(ahead_ms)) + (up ? 999 : 0);
  return std::clamp<std::int64_t>(ms / 1000, 0, kUnixMax);
}

}  // namespace

leases::Record record_of(const JournalRecord& record, const leases::VrfFacts& facts, std::int64_t ahead_ms) {
  leases::Record made;
  made.vrf = facts.name;
  made.address = record.address;
  for (const auto& [id, prefix] : facts.subnets) {
    if (!prefix.contains(record.address)) continue;
    made.subnet_id = id;
    made.subnet = prefix;
    break;
  }
  made.state = record.kind == RecordKind::declined ? leases::State::declined : leases::State::active;
  made.start_unix_s = unix_s(record.start_ms, ahead_ms, false);
  made.valid_lifetime_s = leases::kForEver;
  if (record.until_ms != kJournalForEver) {
    // A lease of no time is one that was never there.
    const std::int64_t until = std::max<std::int64_t>(unix_s(record.until_ms, ahead_ms, true), 1);
    made.start_unix_s =
        std::clamp<std::int64_t>(made.start_unix_s, until - (leases::kForEver - 1), until - 1);
    made.valid_lifetime_s = static_cast<std::uint32_t>(until - made.start_unix_s);
  }
  if (!record.mac.is_zero())
    made.hardware_address.assign(reinterpret_cast<const char*>(record.mac.bytes.data()),
                                 record.mac.bytes.size());
  made.client_id = record.client_id;
  made.hostname = record.hostname;
  made.circuit_id = record.circuit_id;
  made.remote_id = record.remote_id;
  made.attachment = record.attachment;
  made.engine = "native";
  made.set_by = set_by(record.cause);
  return made;
}

std::optional<Seed> seed_of(const leases::Record& record) {
  Seed seed;
  JournalRecord& made = seed.record;
  const bool declined = record.state == leases::State::declined;
  const bool ethernet = record.hardware_type == 1 && record.hardware_address.size() == made.mac.bytes.size();
  const bool nobody = record.hardware_address.empty() && (declined || !record.client_id.empty());
  if ((!ethernet && !nobody) || record.client_id.size() > kTextMax) return std::nullopt;
  if (ethernet) std::memcpy(made.mac.bytes.data(), record.hardware_address.data(), made.mac.bytes.size());
  made.kind = declined ? RecordKind::declined : RecordKind::leased;
  made.cause = RecordCause::seeded;
  made.address = record.address;
  made.start_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(record.start_unix_s, 0)) * 1000;
  made.lease_s = record.valid_lifetime_s;
  const auto expires = record.expires_unix_s();
  made.until_ms =
      expires ? static_cast<std::uint64_t>(std::max<std::int64_t>(*expires, 0)) * 1000 : kJournalForEver;
  made.client_id = record.client_id;
  const auto take = [&seed](const std::string& text) {
    if (text.size() <= kTextMax) return std::string_view(text);
    seed.cut = true;
    return std::string_view();
  };
  made.hostname = take(record.hostname);
  made.circuit_id = take(record.circuit_id);
  made.remote_id = take(record.remote_id);
  made.attachment = take(record.attachment);
  return seed;
}

}  // namespace xk::natives
