#include "tests/serve4/native_text.h"

#include <algorithm>
#include <functional>
#include <map>

#include "tests/packets/packet_text.h"

namespace xk::test {
namespace {

using Words = std::vector<std::string>;
using Done = std::expected<void, Error>;

std::unexpected<Error> bad_line(std::string message) { return std::unexpected(Error{std::move(message)}); }

template <typename T>
Done store(const std::expected<T, Error>& parsed, auto& to) {
  if (!parsed) return std::unexpected(parsed.error());
  if constexpr (std::is_same_v<T, std::vector<std::uint8_t>>)
    to.assign(parsed->begin(), parsed->end());
  else
    to = static_cast<std::remove_reference_t<decltype(to)>>(*parsed);
  return {};
}

std::string text_of(std::string value) {
  std::erase(value, '"');
  return value;
}

std::pair<std::string, std::string> pair_of(const std::string& word) {
  const std::size_t equals = word.find('=');
  return {word.substr(0, equals), equals == std::string::npos ? "" : word.substr(equals + 1)};
}

template <typename Choice>
Done choose(const std::string& value, Choice& to,
            std::initializer_list<std::pair<std::string_view, Choice>> choices) {
  for (const auto& [name, choice] : choices)
    if (value == name) {
      to = choice;
      return {};
    }
  return bad_line("no choice: " + value);
}

Done set_addresses(const std::string& value, std::vector<Ip4>& to) {
  to.clear();
  for (const std::string& piece : split_at(value, ','))
    if (auto done = store(parse_ip4(piece), to.emplace_back()); !done) return done;
  return {};
}

Done set_native(NativeVrf& native, const std::string& key, const std::string& value) {
  const std::map<std::string_view, std::uint32_t*> numbers = {
      {"offer_hold", &native.offer_hold_s},
      {"grace", &native.grace_s},
      {"decline", &native.decline_s},
      {"circuit_leases", &native.circuit_leases_max},
      {"attachment_leases", &native.attachment_leases_max}};
  const std::map<std::string_view, bool*> flags = {
      {"available", &native.available},         {"probe", &native.probe},
      {"rapid_commit", &native.rapid_commit},   {"bootp", &native.bootp},
      {"authoritative", &native.authoritative}, {"renew_paused", &native.renew_paused}};
  if (const auto number = numbers.find(key); number != numbers.end())
    return store(parse_number(value), *number->second);
  if (const auto flag = flags.find(key); flag != flags.end()) {
    *flag->second = value == "1";
    return {};
  }
  if (key == "allocate")
    return choose(value, native.allocate, {{"lowest", Allocate::lowest}, {"hashed", Allocate::hashed}});
  if (key == "reply_after")
    return choose(
        value, native.reply_after,
        {{"nothing", ReplyAfter::nothing}, {"journal", ReplyAfter::journal}, {"store", ReplyAfter::store}});
  if (key == "requestors") return set_addresses(value, native.query_requestors);
  return bad_line("no key: " + key);
}

Done set_boot(const std::string& key, const std::string& value, Ip4& next_server, std::string& boot_file) {
  if (key == "next_server") return store(parse_ip4(value), next_server);
  if (key != "boot_file") return bad_line("no key: " + key);
  boot_file = text_of(value);
  return {};
}

Done set_native_subnet(NativeSubnet& subnet, const std::string& key, const std::string& value) {
  if (key == "network") return store(parse_number(value), subnet.network);
  if (key == "lease_max") return store(parse_number(value), subnet.lease_time_max_s);
  return set_boot(key, value, subnet.next_server, subnet.boot_file);
}

Done set_pool(NativePool& pool, const std::string& key, const std::string& value) {
  if (key == "paused") {
    pool.paused = value == "1";
    return {};
  }
  if (key != "classes") return bad_line("no key: " + key);
  for (const std::string& piece : split_at(value, ',')) {
    std::uint32_t bit = 0;
    if (auto done = store(parse_number(piece), bit); !done) return done;
    pool.classes |= 1u << bit;
  }
  return {};
}

Done add_condition(NativeClass& one, const std::string& word) {
  Words pieces = split_at(word, ':');
  NativeCondition condition;
  if (pieces[0].starts_with("option")) {
    condition.kind = ConditionKind::option;
    if (auto done = store(parse_number(pieces[0].substr(6)), condition.code); !done) return done;
  } else if (auto done = choose(pieces[0], condition.kind,
                                {{"vendor", ConditionKind::vendor_class},
                                 {"user", ConditionKind::user_class},
                                 {"circuit", ConditionKind::circuit_id},
                                 {"remote", ConditionKind::remote_id},
                                 {"mac", ConditionKind::mac}});
             !done) {
    return done;
  }
  const std::string match = pieces.size() > 1 ? pieces[1] : "";
  if (auto done = choose(match, condition.match,
                         {{"equals", ConditionMatch::equals},
                          {"begins", ConditionMatch::begins},
                          {"contains", ConditionMatch::contains},
                          {"present", ConditionMatch::present}});
      !done)
    return done;
  if (condition.match != ConditionMatch::present) {
    if (pieces.size() != 3) return bad_line("KIND:MATCH:VALUE");
    if (auto done = store(option_value(pieces[2]), condition.value); !done) return done;
  }
  one.conditions.push_back(std::move(condition));
  return {};
}

Done set_class(NativeClass& one, const std::string& word) {
  const auto [key, value] = pair_of(word);
  if (key == "lease") return store(parse_number(value), one.lease_time_s);
  if (key == "next_server" || key == "boot_file") return set_boot(key, value, one.next_server, one.boot_file);
  return add_condition(one, word);
}

template <typename Entry, typename Set>
Done set_all(Entry& entry, const Words& words, std::size_t from, Set set) {
  for (std::size_t i = from; i < words.size(); ++i) {
    const auto [key, value] = pair_of(words[i]);
    if (auto done = set(entry, key, value); !done) return done;
  }
  return {};
}

// The lines about one native VRF.
class Lines {
 public:
  Lines(NativeVrf& native, VrfEntry& vrf) : native_(native), vrf_(vrf) {}

  Done subnet(const Words& words) {
    const auto index = words.size() > 1 ? subnet_index(words[1]) : bad_line("native_subnet PREFIX");
    if (!index) return std::unexpected(index.error());
    native_.subnets.resize(std::max(native_.subnets.size(), *index + 1));
    return set_all(native_.subnets[*index], words, 2, set_native_subnet);
  }

  Done pool(const Words& words) {
    const auto index = words.size() > 2 ? subnet_index(words[1]) : bad_line("pool PREFIX RANGE,...");
    if (!index) return std::unexpected(index.error());
    NativePool pool;
    pool.subnet = static_cast<std::uint32_t>(*index);
    for (const std::string& piece : split_at(words[2], ',')) {
      const auto range = parse_range4(piece.contains('-') ? piece : piece + "-" + piece);
      if (!range) return std::unexpected(range.error());
      pool.ranges.push_back(*range);
    }
    if (auto done = set_all(pool, words, 3, set_pool); !done) return done;
    native_.pools.push_back(std::move(pool));
    return {};
  }

  Done klass(const Words& words) {
    NativeClass one;
    for (std::size_t i = 1; i < words.size(); ++i)
      if (auto done = set_class(one, words[i]); !done) return done;
    native_.classes.push_back(std::move(one));
    return {};
  }

  Done option(const Words& words) {
    if (words.size() != 5) return bad_line("option subnet|pool|class WHICH CODE VALUE");
    const auto code = parse_number(words[3]);
    const auto value = option_value(words[4]);
    if (!code || !value) return std::unexpected(!code ? code.error() : value.error());
    const auto options = options_of(words[1], words[2]);
    if (!options) return std::unexpected(options.error());
    for (std::size_t at = 0; at == 0 || at < value->size(); at += 255) {
      const std::size_t size = std::min<std::size_t>(255, value->size() - at);
      **options += static_cast<char>(*code);
      **options += static_cast<char>(size);
      (*options)->append(value->begin() + static_cast<std::ptrdiff_t>(at),
                         value->begin() + static_cast<std::ptrdiff_t>(at + size));
    }
    return {};
  }

  Done paused(const Words& words) {
    if (words.size() != 2) return bad_line("paused mac=MAC|client_id=HEX");
    const auto [key, value] = pair_of(words[1]);
    PausedClient client;
    if (key == "client_id") {
      client.kind = StaticKind::client_id;
      if (auto done = store(option_value(value), client.identity); !done) return done;
    } else {
      const auto mac = parse_mac(value);
      if (!mac) return std::unexpected(mac.error());
      client.identity.assign(mac->bytes.begin(), mac->bytes.end());
    }
    native_.paused_clients.push_back(std::move(client));
    return {};
  }

  Done none(const Words& words) {
    const std::string what = words.size() == 2 ? words[1] : "";
    if (what == "pools")
      native_.pools.clear();
    else if (what == "classes")
      native_.classes.clear();
    else if (what == "paused")
      native_.paused_clients.clear();
    else
      return bad_line("no pools|classes|paused");
    return {};
  }

 private:
  std::expected<std::size_t, Error> subnet_index(const std::string& text) const {
    const auto prefix = parse_prefix4(text);
    if (!prefix) return std::unexpected(prefix.error());
    const auto found = std::ranges::find(vrf_.subnets, *prefix, &SubnetEntry::prefix);
    if (found == vrf_.subnets.end()) return bad_line("no subnet " + text);
    return static_cast<std::size_t>(found - vrf_.subnets.begin());
  }

  std::expected<std::string*, Error> options_of(const std::string& kind, const std::string& which) {
    if (kind == "subnet") {
      const auto index = subnet_index(which);
      if (!index) return std::unexpected(index.error());
      return &vrf_.subnets[*index].options;
    }
    const auto index = parse_number(which);
    if (!index) return std::unexpected(index.error());
    if (kind == "pool" && *index < native_.pools.size()) return &native_.pools[*index].options;
    if (kind == "class" && *index < native_.classes.size()) return &native_.classes[*index].options;
    return bad_line("no " + kind + " " + which);
  }

  NativeVrf& native_;
  VrfEntry& vrf_;
};

}  // namespace

std::vector<std::string> split_at(std::string_view text, char separator) {
  std::vector<std::string> pieces(1);
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    if (c == separator && !quoted)
      pieces.emplace_back();
    else
      pieces.back() += c;
  }
  return pieces;
}

std::expected<std::vector<std::uint8_t>, Error> option_value(std::string_view text) {
  static const std::map<std::string, std::size_t> kSizes = {{"u8", 1}, {"u16", 2}, {"u32", 4}};
  std::vector<std::uint8_t> value;
  for (const std::string& piece : split_at(text, ',')) {
    const std::size_t colon = piece.starts_with('u') ? piece.find(':') : std::string::npos;
    const auto size = kSizes.find(piece.substr(0, colon));
    if (size != kSizes.end()) {
      const auto number = parse_number(piece.substr(colon + 1));
      if (!number) return std::unexpected(number.error());
      for (std::size_t i = size->second; i-- > 0;)
        value.push_back(static_cast<std::uint8_t>(*number >> (8 * i)));
      continue;
    }
    const auto bytes = parse_value({piece}, 0);
    if (!bytes) return std::unexpected(bytes.error());
    value.insert(value.end(), bytes->begin(), bytes->end());
  }
  return value;
}

std::expected<void, Error> NamedNative::apply(std::string_view line) {
  using Line = Done (Lines::*)(const Words&);
  static const std::map<std::string_view, Line> kLines = {
      {"native_subnet", &Lines::subnet}, {"pool", &Lines::pool},     {"class", &Lines::klass},
      {"option", &Lines::option},        {"paused", &Lines::paused}, {"no", &Lines::none}};
  const Words split = words(line);
  if (split.empty()) return {};
  if (split[0] == "native") {
    const auto id = split.size() > 1 ? parse_number(split[1]) : bad_line("native VRF-ID");
    if (!id) return std::unexpected(id.error());
    const auto before = std::ranges::find(snapshot.natives, VrfId{*id}, &NativeVrf::vrf);
    if (before != snapshot.natives.end()) std::rotate(before, before + 1, snapshot.natives.end());
    if (before == snapshot.natives.end()) snapshot.natives.emplace_back().vrf = VrfId{*id};
    return set_all(snapshot.natives.back(), split, 2, set_native);
  }
  const auto found = kLines.find(split[0]);
  if (found == kLines.end()) return NamedSnapshot::apply(line);
  if (snapshot.natives.empty()) return bad_line("no line `native` before");
  NativeVrf& native = snapshot.natives.back();
  const auto vrf = std::ranges::find(snapshot.vrfs, native.vrf, &VrfEntry::id);
  if (vrf == snapshot.vrfs.end()) return bad_line("no VRF of the native engine");
  Lines lines(native, *vrf);
  return (lines.*found->second)(split);
}

Snapshot NamedNative::finished() const {
  Snapshot made = snapshot;
  for (NativeVrf& native : made.natives) {
    const auto vrf = std::ranges::find(made.vrfs, native.vrf, &VrfEntry::id);
    if (vrf == made.vrfs.end()) continue;
    native.directory = "/native";
    native.subnets.resize(vrf->subnets.size());
    for (std::size_t i = 0; i < native.subnets.size(); ++i)
      native.subnets[i].lease_time_max_s =
          std::max(native.subnets[i].lease_time_max_s, vrf->subnets[i].lease_time_s);
  }
  return made;
}

}  // namespace xk::test
