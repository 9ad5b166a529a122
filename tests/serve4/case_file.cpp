#include "tests/serve4/case_file.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <map>

#include "tests/serve4/reply_view.h"

namespace xk::test {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;
using Done = std::expected<void, Error>;

std::unexpected<Error> wrong(std::string message) { return std::unexpected(Error{std::move(message)}); }

std::pair<std::string, std::string> key_value(const std::string& word) {
  const std::size_t equals = word.find('=');
  return {word.substr(0, equals), equals == std::string::npos ? "" : word.substr(equals + 1)};
}

std::expected<Outcome, Error> outcome_named(const std::string& name) {
  for (std::size_t i = 0; i < kOutcomes.size(); ++i)
    if (kOutcomes[i].name == name) return static_cast<Outcome>(i);
  return wrong("no outcome: " + name);
}

std::expected<std::uint64_t, Error> parse_seconds(const std::string& text) {
  char* end = nullptr;
  const double seconds = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || seconds < 0) return wrong("no seconds: " + text);
  return static_cast<std::uint64_t>(std::llround(seconds * 1000));
}

void remove_option(Packet& packet, std::uint8_t code) {
  std::erase_if(packet.options, [&](const PacketOption& option) { return option.code == code; });
}

void set_option(Packet& packet, std::uint8_t code, std::vector<std::uint8_t> value) {
  remove_option(packet, code);
  packet.options.push_back({code, std::move(value)});
}

// What a message is sent as: who it comes to and where.
struct Place {
  const AttachmentEntry& attachment;
  const PortEntry& port;
};

// Words of send that are one option, with the type of their value.
Done set_named_option(Packet& packet, std::uint8_t code, std::string_view type, const std::string& value) {
  const auto bytes = option_value(type.empty() ? value : std::string(type) + value);
  if (!bytes) return std::unexpected(bytes.error());
  set_option(packet, code, *bytes);
  return {};
}

Done set_mac(Packet& packet, const std::string& value) {
  const auto mac = parse_mac(value);
  if (!mac) return std::unexpected(mac.error());
  packet.chaddr = packet.source_mac = *mac;
  for (PacketOption& option : packet.options) {
    if (option.code != std::uint8_t{61} || option.value.size() != 7) continue;
    std::ranges::copy(mac->bytes, option.value.begin() + 1);
  }
  return {};
}

Done set_codes(Packet& packet, const std::string& value) {
  std::vector<std::uint8_t> codes;
  for (const std::string& piece : split_at(value, ',')) {
    const auto code = parse_number(piece);
    if (!code) return std::unexpected(code.error());
    codes.push_back(static_cast<std::uint8_t>(*code));
  }
  set_option(packet, 55, std::move(codes));
  return {};
}

// renew, rebind, relay: what goes with an address.
Done set_state(Packet& packet, const std::string& key, const std::string& value, const Place& place) {
  const auto address = parse_ip4(value);
  if (!address) return std::unexpected(address.error());
  packet.source = *address;
  if (key == "relay") {
    packet.giaddr = *address;
    packet.hops = 1;
    packet.source_port = 67;
    packet.source_mac = Mac{{0x02, 0, 0, 0, 0x0d, 0x01}};
  } else {
    packet.ciaddr = *address;
  }
  if (key == "rebind") return {};
  packet.destination = place.attachment.server_identifier;
  packet.destination_mac = place.port.mac;
  return {};
}

Done apply_word(Packet& packet, const std::string& word, const Place& place) {
  static const std::map<std::string_view, std::pair<std::uint8_t, std::string_view>> kOptions = {
      {"req", {50, ""}},     {"server", {54, ""}}, {"lease", {51, "u32:"}},
      {"max", {57, "u16:"}}, {"host", {12, ""}},   {"vendor", {60, ""}}};
  static const std::map<std::string_view, std::string_view> kStatements = {
      {"xid", "xid"}, {"ci", "ciaddr"}, {"secs", "secs"}, {"flags", "flags"}, {"hops", "hops"}};
  const auto [key, value] = key_value(word);
  if (const auto option = kOptions.find(key); option != kOptions.end())
    return set_named_option(packet, option->second.first, option->second.second, value);
  if (const auto statement = kStatements.find(key); statement != kStatements.end())
    return packet.apply(std::string(statement->second) + " " + value);
  if (key == "mac") return set_mac(packet, value);
  if (key == "ask") return set_codes(packet, value);
  if (key == "bcast") {
    packet.flags = 0x8000;
    return {};
  }
  if (key == "id") {
    if (value != "none") return set_named_option(packet, 61, "", value);
    remove_option(packet, 61);
    return {};
  }
  if (key == "renew" || key == "rebind" || key == "relay") return set_state(packet, key, value, place);
  if (key.starts_with("opt")) {
    const auto code = parse_number(key.substr(3));
    if (!code) return std::unexpected(code.error());
    return set_named_option(packet, static_cast<std::uint8_t>(*code), "", value);
  }
  return wrong("send: no word: " + word);
}

std::expected<Packet, Error> message_named(const std::string& type) {
  if (type != "query" && type != "bootp") return packet_named(type);
  auto packet = packet_named("discover");
  if (!packet) return packet;
  remove_option(*packet, 61);
  if (type == "query") set_option(*packet, 53, {10});
  if (type == "bootp") remove_option(*packet, 53);
  return packet;
}

// Reads case.txt line by line.
class Reader {
 public:
  explicit Reader(NativeCase& result) : case_(result) {}

  Done line(std::size_t number, const std::string& text) {
    static const std::map<std::string_view, Done (Reader::*)(const Words&)> kLines = {
        {"at", &Reader::at},           {"send", &Reader::send},           {"expect", &Reader::expect},
        {"record", &Reader::record},   {"lease", &Reader::lease},         {"heard", &Reader::heard},
        {"restart", &Reader::restart}, {"configure", &Reader::configure}, {"forget", &Reader::forget}};
    const Words split = words(text);
    if (split.empty()) return {};
    number_ = number;
    if (const auto found = kLines.find(split[0]); found != kLines.end()) return (this->*found->second)(split);
    if (packet_ != nullptr) return packet_->apply(text);
    return steps().empty() ? case_.named.apply(text) : reconfigure(text);
  }

  Done end() {
    for (const NativeStep& step : steps()) {
      const bool said =
          !step.reply.empty() || step.drop != XK_OUTCOME_COUNT || !step.probe.is_zero() || step.nothing;
      if (step.kind == StepKind::send && !said)
        return wrong("line " + std::to_string(step.line) + ": nothing is expected of it");
    }
    return {};
  }

 private:
  std::vector<NativeStep>& steps() { return case_.steps; }

  NativeStep& add(StepKind kind) {
    NativeStep& step = steps().emplace_back();
    step.kind = kind;
    step.line = number_;
    step.now_ms = now_ms_;
    packet_ = nullptr;
    return step;
  }

  std::expected<Place, Error> place_of(const std::string& name) const {
    const NamedNative& named = current_ ? *current_ : case_.named;
    const auto id = named.attachments.find(name);
    if (id == named.attachments.end()) return wrong("no attachment: " + name);
    const Snapshot& snapshot = named.snapshot;
    const auto attachment = std::ranges::find(snapshot.attachments, id->second, &AttachmentEntry::id);
    const auto port = std::ranges::find(snapshot.ports, attachment->port, &PortEntry::id);
    if (port == snapshot.ports.end()) return wrong("no port of attachment " + name);
    return Place{*attachment, *port};
  }

  // Time passes; what is late by then comes out.
  Done at(const Words& split) {
    const auto time = split.size() == 2 ? parse_seconds(split[1]) : wrong("at SECONDS");
    if (!time) return std::unexpected(time.error());
    now_ms_ = *time;
    add(StepKind::pass);
    return {};
  }

  Done send(const Words& split) {
    if (split.size() < 3) return wrong("send ATTACHMENT TYPE WORD...");
    const auto place = place_of(split[1]);
    if (!place) return std::unexpected(place.error());
    auto packet = message_named(split[2]);
    if (!packet) return std::unexpected(packet.error());
    for (const VlanTag& tag : {place->attachment.outer, place->attachment.inner})
      if (tag.vid.value != 0) packet->tags.push_back(tag);
    for (std::size_t i = 3; i < split.size(); ++i)
      if (auto done = apply_word(*packet, split[i], *place); !done) return done;
    NativeStep& step = add(StepKind::send);
    step.at = split[1];
    step.in = std::move(*packet);
    packet_ = &step.in;
    return {};
  }

  Done expect(const Words& split) {
    if (steps().empty() || split.size() < 2) return wrong("expect TYPE WORD..., after a step");
    NativeStep& step = steps().back();
    packet_ = nullptr;
    if (split[1] == "nothing") {
      step.nothing = true;
      return {};
    }
    if (split[1] == "drop" && split.size() == 3) {
      const auto outcome = outcome_named(split[2]);
      if (!outcome) return std::unexpected(outcome.error());
      step.drop = *outcome;
      return {};
    }
    if (split[1] == "probe" && split.size() == 3) {
      const auto address = parse_ip4(split[2]);
      if (!address) return std::unexpected(address.error());
      step.probe = *address;
      return {};
    }
    if (message_type_named(split[1]) == 255) return wrong("no reply: " + split[1]);
    step.reply = split[1];
    for (std::size_t i = 2; i < split.size(); ++i) step.fields.push_back(key_value(split[i]));
    return {};
  }

  Done record(const Words& split) {
    if (steps().empty() || split.size() < 2) return wrong("record KIND ADDRESS KEY=VALUE..., after a step");
    NativeStep& step = steps().back();
    packet_ = nullptr;
    step.records_said = true;
    if (split[1] == "none") return {};
    const auto address = split.size() > 2 ? parse_ip4(split[2]) : wrong("record KIND ADDRESS");
    if (!address) return std::unexpected(address.error());
    ExpectedRecord& expected = step.records.emplace_back();
    expected.line = number_;
    expected.kind = split[1];
    expected.address = *address;
    for (std::size_t i = 3; i < split.size(); ++i) expected.fields.push_back(key_value(split[i]));
    return {};
  }

  Done lease(const Words& split) {
    if (split.size() < 3) return wrong("lease ATTACHMENT ADDRESS WORD...");
    const auto place = place_of(split[1]);
    if (!place) return std::unexpected(place.error());
    Words message{"send", split[1], "discover"};
    message.insert(message.end(), split.begin() + 3, split.end());
    if (auto done = send(message); !done) return done;
    if (auto done = expect({"expect", "offer", "yiaddr=" + split[2]}); !done) return done;
    message[2] = "request";
    std::erase_if(message, [](const std::string& word) { return word.starts_with("req="); });
    message.insert(message.end(),
                   {"req=" + split[2], "server=" + to_string(place->attachment.server_identifier)});
    if (auto done = send(message); !done) return done;
    return expect({"expect", "ack", "yiaddr=" + split[2]});
  }

  Done heard(const Words& split) {
    if (split.size() != 4) return wrong("heard ATTACHMENT ADDRESS MAC");
    const auto place = place_of(split[1]);
    const auto address = parse_ip4(split[2]);
    const auto mac = parse_mac(split[3]);
    if (!place || !address || !mac) return wrong("heard ATTACHMENT ADDRESS MAC");
    NativeStep& step = add(StepKind::heard);
    step.at = split[1];
    step.address = *address;
    step.mac = *mac;
    return {};
  }

  Done restart(const Words&) {
    add(StepKind::restart);
    return {};
  }

  Done configure(const Words&) {
    if (!current_) current_ = case_.named;
    add(StepKind::configure).configured = current_;
    return {};
  }

  Done reconfigure(const std::string& text) {
    if (steps().back().kind != StepKind::configure) return wrong("no step: " + text);
    if (auto done = current_->apply(text); !done) return done;
    steps().back().configured = current_;
    return {};
  }

  Done forget(const Words& split) {
    const auto address = split.size() == 2 ? parse_ip4(split[1]) : wrong("forget ADDRESS");
    if (!address) return std::unexpected(address.error());
    add(StepKind::forget).address = *address;
    return {};
  }

  NativeCase& case_;
  std::optional<NamedNative> current_;  // as configured by the steps so far
  Packet* packet_ = nullptr;
  std::uint64_t now_ms_ = 0;
  std::size_t number_ = 0;
};

template <typename Line>
Done each_line(const fs::path& path, Line line) {
  std::ifstream file(path);
  if (!file) return wrong(path.string() + ": cannot be read");
  std::string text;
  for (std::size_t number = 1; std::getline(file, text); ++number)
    if (auto done = line(number, text); !done)
      return std::unexpected(std::move(done).error().in(path.string() + ":" + std::to_string(number)));
  return {};
}

}  // namespace

std::expected<NativeCase, Error> read_native_case(const fs::path& folder, const fs::path& root) {
  NativeCase result;
  fs::path above = folder;
  while (!fs::exists(above / "snapshot.txt") && above != root) above = above.parent_path();
  const auto snapshot = each_line(
      above / "snapshot.txt", [&](std::size_t, const std::string& text) { return result.named.apply(text); });
  if (!snapshot) return std::unexpected(snapshot.error());
  Reader reader(result);
  const auto steps = each_line(folder / "case.txt", [&](std::size_t number, const std::string& text) {
    return reader.line(number, text);
  });
  if (!steps) return std::unexpected(steps.error());
  if (auto done = reader.end(); !done)
    return std::unexpected(std::move(done).error().in((folder / "case.txt").string()));
  if (result.steps.empty()) return wrong(folder.string() + ": no step");
  return result;
}

}  // namespace xk::test
