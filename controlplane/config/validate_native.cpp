// VRFs of the native engine.
#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "controlplane/config/text_checks.h"
#include "controlplane/config/validate.h"
#include "controlplane/model/names.h"
#include "controlplane/model/option_bytes.h"
#include "controlplane/model/pools.h"

namespace xk::config {
namespace {

constexpr std::size_t kMacBytes = Mac{}.bytes.size();

// Text, or bytes as 0x and hex; of a MAC address always bytes.
std::expected<std::string, std::string> bytes_of(const std::string& text, ConditionKind kind) {
  const bool mac = kind == ConditionKind::mac;
  if (!mac && !text.starts_with("0x")) {
    if (text.size() <= kOptionBytesMax) return text;
    return std::unexpected("has " + std::to_string(text.size()) + " bytes; an option has at most 255");
  }
  auto bytes = bytes_of_hex(text);
  if (!bytes) return std::unexpected("is no row of bytes in hex: two digits each");
  if (bytes->empty()) return std::unexpected("says nothing; present = true is for what is only there");
  if (mac && bytes->size() > kMacBytes)
    return std::unexpected("has more than the six bytes of a MAC address");
  return std::move(*bytes);
}

struct Comparison {
  const Given<std::string>* value;
  ConditionMatch match;
  std::string_view name;
};

// How many of the ways to compare are given, which must be one.
std::size_t comparisons_in(const FileMatch& file) {
  return std::size_t{file.equals.given()} + std::size_t{file.begins.given()} +
         std::size_t{file.contains.given()} + std::size_t{file.present.given()};
}

NativeCondition make_condition(const FileMatch& file, Mistakes& mistakes) {
  NativeCondition condition;
  condition.kind = static_cast<ConditionKind>(file.key.value.index);
  condition.code = static_cast<std::uint8_t>(file.code.value);
  const bool option = condition.kind == ConditionKind::option;
  if (file.key.good() && option && !file.code.given())
    mistakes.add(file.at, "key = \"option\" needs the option's code, as in code = 93");
  if (file.key.good() && !option && file.code.good())
    mistakes.add(file.code.at,
                 "code: belongs to key = \"option\", and this has key = " + quoted(name_of(condition.kind)));
  if (comparisons_in(file) != 1) {
    mistakes.add(file.at, "a condition has one of equals, begins, contains and present; this has " +
                              std::to_string(comparisons_in(file)));
  }
  if (file.present.given()) {
    condition.match = ConditionMatch::present;
    if (file.present.good() && !file.present.value)
      mistakes.add(file.present.at, "present: false is no condition; allowed: true");
    return condition;
  }
  for (const Comparison& one : {Comparison{&file.equals, ConditionMatch::equals, "equals"},
                                Comparison{&file.begins, ConditionMatch::begins, "begins"},
                                Comparison{&file.contains, ConditionMatch::contains, "contains"}}) {
    if (!one.value->good() || file.key.bad) continue;
    condition.match = one.match;
    auto bytes = bytes_of(one.value->value, condition.kind);
    if (bytes)
      condition.value = std::move(*bytes);
    else
      mistakes.add(one.value->at,
                   std::string(one.name) + ": " + quoted(one.value->value) + " " + bytes.error());
  }
  return condition;
}

ClientClass make_class(const FileClass& file, Mistakes& mistakes) {
  ClientClass one;
  one.name = file.name.value;
  for (const FileMatch& match : file.matches) one.conditions.push_back(make_condition(match, mistakes));
  if (file.matches.empty())
    mistakes.add(file.at,
                 "[[vrf.class]] has no condition; it needs some, as in match = [{key = "
                 "\"vendor_class\", begins = \"PXEClient\"}]");
  one.lease_time_s = file.lease_time_s.value;
  one.next_server = file.next_server.value;
  one.boot_file = file.boot_file.value;
  one.options = validate_options(file.options, {.what = "class", .native = true}, mistakes);
  one.origin = mistakes.origin(file.at);
  return one;
}

void check_class_names(const FileVrf& file, Mistakes& mistakes) {
  std::map<std::string_view, Position> names;
  for (const FileClass& one : file.classes) {
    if (!one.name.good()) continue;
    const auto [other, fresh] = names.emplace(one.name.value, one.name.at);
    if (!fresh)
      mistakes.add(one.name.at, "name: class " + quoted(one.name.value) + " is there already, in " +
                                    line_text(other->second) + "; each name is allowed once a VRF");
  }
  std::vector<std::string_view> known;
  for (const auto& [name, at] : names) known.push_back(name);
  for (const FileSubnet& subnet : file.subnets) {
    for (const FilePool& pool : subnet.pool_tables) {
      for (const Given<std::string>& name : pool.classes.value) {
        if (names.contains(name.value)) continue;
        mistakes.add(name.at, "classes: the VRF has no class " + quoted(name.value) +
                                  did_you_mean(name.value, known) + "; it must be one of its [[vrf.class]]");
      }
    }
  }
}

// All that a reply could say of options, as the dataplane takes it.
void check_size(Position at, const std::string& what, const std::expected<std::string, Error>& bytes,
                Mistakes& mistakes) {
  if (!bytes || bytes->size() <= kSubnetOptionsMax) return;
  mistakes.add(at, what + " have " + std::to_string(bytes->size()) + " bytes; at most " +
                       std::to_string(kSubnetOptionsMax) + " are allowed");
}

void check_sizes(const FileVrf& file, const Vrf& vrf, Mistakes& mistakes) {
  for (std::size_t i = 0; i < file.subnets.size(); ++i) {
    const Subnet& subnet = vrf.subnets[i];
    check_size(file.subnets[i].at, "the options of " + to_string(subnet.prefix) + ", with the VRF's,",
               subnet_options_bytes(vrf, subnet), mistakes);
    for (std::size_t j = 0; j < subnet.terms.size(); ++j)
      check_size(file.subnets[i].pool_tables[j].at, "the pool's options",
                 options_bytes(subnet.terms[j].options), mistakes);
  }
  for (std::size_t i = 0; i < file.classes.size(); ++i)
    check_size(file.classes[i].at, "the class's options", options_bytes(vrf.classes[i].options), mistakes);
}

// Memory is there for every address.
void check_limits(const FileVrf& file, const Vrf& vrf, Mistakes& mistakes) {
  std::uint64_t addresses = 0;
  std::size_t ranges = 0;
  const std::vector<Ip4> own = own_addresses(vrf);
  for (std::size_t i = 0; i < vrf.subnets.size(); ++i) {
    for (const PoolParts& pool : pool_parts(own, vrf.subnets[i])) {
      ranges += pool.pieces.size();
      addresses += pool.size() - pool.excluded - pool.own;
    }
    const bool too_many = addresses > kNativeAddressesMax;
    if (!too_many && ranges <= kNativeRangesMax) continue;
    mistakes.add(file.subnets[i].at,
                 too_many
                     ? "the pools of the VRF have more than " + std::to_string(kNativeAddressesMax) +
                           " addresses, from this subnet on; the native engine keeps memory for each"
                     : "the pools of the VRF are cut into more than " + std::to_string(kNativeRangesMax) +
                           " ranges, from this subnet on; leave out fewer single addresses");
    return;
  }
}

}  // namespace

void check_native_allowed(const FileConfig& config, Position engine, Mistakes& mistakes) {
  if (!config.ha.enabled.value) return;
  mistakes.add(engine, "engine: \"native\" cannot be shared with another appliance ([ha] is enabled in " +
                           line_text(config.ha.enabled.at) + "); allowed: \"kea\", \"relay\"");
}

NativeSettings native_settings_of(const FileNative& file) {
  NativeSettings settings{.reply_after = static_cast<ReplyAfter>(file.durability.value.index),
                          .available = file.on_failure.value.index != 0,
                          .allocate = static_cast<Allocate>(file.allocate.value.index),
                          .probe = file.conflict_check.value,
                          .rapid_commit = file.rapid_commit.value,
                          .bootp = file.bootp.value,
                          .authoritative = file.authoritative.value,
                          .offer_hold_s = file.offer_hold_s.value,
                          .decline_s = file.decline_s.value,
                          .circuit_leases_max = file.circuit_leases_max.value,
                          .attachment_leases_max = file.attachment_leases_max.value,
                          .query_requestors = {}};
  for (const Given<Ip4>& address : file.query_requestors.value)
    settings.query_requestors.push_back(address.value);
  return settings;
}

void validate_native(const FileConfig& config, const FileVrf& file, Vrf& vrf, Mistakes& mistakes) {
  check_native_allowed(config, file.engine.at, mistakes);
  if (file.static_by.good() && vrf.static_by != StaticBy::dataplane)
    mistakes.add(
        file.static_by.at,
        "static_by: there is no Kea in this VRF, which has engine = \"native\"; allowed: \"dataplane\"");
  for (const FileClass& one : file.classes) vrf.classes.push_back(make_class(one, mistakes));
  check_class_names(file, mistakes);
  check_sizes(file, vrf, mistakes);
  check_limits(file, vrf, mistakes);
}

}  // namespace xk::config
