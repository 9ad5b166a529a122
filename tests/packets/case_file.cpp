#include "tests/packets/case_file.h"

#include <algorithm>
#include <fstream>

namespace xk::test {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> wrong(std::string message) { return std::unexpected(Error{std::move(message)}); }

std::expected<Outcome, Error> outcome_named(const std::string& name) {
  for (std::size_t i = 0; i < kOutcomes.size(); ++i)
    if (kOutcomes[i].name == name) return static_cast<Outcome>(i);
  return wrong("no outcome: " + name);
}

const AttachmentEntry* attachment_named(const NamedSnapshot& named, const std::string& name) {
  const auto id = named.attachments.find(name);
  if (id == named.attachments.end()) return nullptr;
  const auto entry = std::ranges::find(named.snapshot.attachments, id->second, &AttachmentEntry::id);
  return entry == named.snapshot.attachments.end() ? nullptr : &*entry;
}

std::vector<VlanTag> tags_of(const AttachmentEntry& attachment) {
  std::vector<VlanTag> tags;
  for (const VlanTag& tag : {attachment.outer, attachment.inner})
    if (tag.vid.value != 0) tags.push_back(tag);
  return tags;
}

// Reads case.txt line by line.
class CaseReader {
 public:
  explicit CaseReader(Case& result) : case_(result) {}

  std::expected<void, Error> line(std::size_t number, const std::string& text) {
    const std::vector<std::string> split = words(text);
    if (split.empty()) return {};
    if (split[0] == "receive") return receive(number, split);
    if (split[0] == "expect") return expect(split);
    if (split[0] == "wait") return wait(split);
    if (current_ != nullptr) return current_->apply(text);
    return case_.named.apply(text);
  }

 private:
  std::expected<void, Error> receive(std::size_t number, const std::vector<std::string>& split) {
    if (split.size() < 3) return wrong("receive ATTACHMENT PACKET");
    const AttachmentEntry* attachment = attachment_named(case_.named, split[1]);
    if (attachment == nullptr) return wrong("no attachment: " + split[1]);
    auto packet = packet_named(split[2]);
    if (!packet) return std::unexpected(packet.error());
    packet->tags = tags_of(*attachment);
    Step& step = case_.steps.emplace_back();
    step.line = number;
    step.now_ms = now_ms_;
    step.at = split[1];
    step.in = *packet;
    if (split.size() == 4 && split[3].starts_with("server=")) {
      const auto server = parse_number(split[3].substr(7));
      if (!server) return std::unexpected(server.error());
      step.server = *server;
    } else if (split.size() > 3) {
      return wrong("receive ATTACHMENT PACKET [server=N]");
    }
    current_ = &step.in;
    return {};
  }

  std::expected<void, Error> expect(const std::vector<std::string>& split) {
    const std::size_t size = split.size() > 1 && split[1] == "reply" ? 4 : 3;
    if (case_.steps.empty() || split.size() != size)
      return wrong("expect drop|send|note NAME, or reply ATTACHMENT TYPE, after receive");
    Step& step = case_.steps.back();
    if (split[1] == "reply") return expect_reply(step, split[2], split[3]);
    if (split[1] == "send") {
      const AttachmentEntry* attachment = attachment_named(case_.named, split[2]);
      if (attachment == nullptr) return wrong("no attachment: " + split[2]);
      step.out = split[2];
      step.expected = expected_from(step.in, *attachment);
      current_ = &step.expected;
      return {};
    }
    const auto outcome = outcome_named(split[2]);
    if (!outcome) return std::unexpected(outcome.error());
    if (split[1] == "drop")
      step.drop = *outcome;
    else if (split[1] == "note")
      step.notes.push_back(*outcome);
    else
      return wrong("expect drop|send|note");
    return {};
  }

  std::expected<void, Error> expect_reply(Step& step, const std::string& at, const std::string& type) {
    const AttachmentEntry* attachment = attachment_named(case_.named, at);
    if (attachment == nullptr) return wrong("no attachment: " + at);
    const auto port = std::ranges::find(case_.named.snapshot.ports, attachment->port, &PortEntry::id);
    const auto named = packet_named(type);
    if (!named || port == case_.named.snapshot.ports.end()) return wrong("expect reply ATTACHMENT TYPE");
    step.out = at;
    step.expected = expected_from(*named, *attachment);
    Packet& reply = step.expected;
    reply.options.resize(1);
    reply.source_mac = port->mac;
    reply.source = attachment->server_identifier;
    reply.destination = Ip4::limited_broadcast();
    reply.destination_port = 68;
    reply.identification = static_cast<std::uint16_t>(step.in.xid ^ step.in.xid >> 16);
    reply.xid = step.in.xid;
    reply.flags = step.in.flags;
    reply.ciaddr = type == "ack" ? step.in.ciaddr : Ip4{};
    reply.yiaddr = {};
    reply.giaddr = step.in.giaddr;
    reply.chaddr = step.in.chaddr;
    current_ = &reply;
    return {};
  }

  Packet expected_from(const Packet& in, const AttachmentEntry& attachment) const {
    Packet packet = in;
    packet.tags = tags_of(attachment);
    packet.ip_options.clear();
    packet.ttl = 64;
    packet.identification = static_cast<std::uint16_t>(in.xid ^ in.xid >> 16);
    packet.source_port = 67;
    packet.udp_checksum = "right";
    packet.frame_pad = 0;
    if (in.arp) packet.frame_pad = 60 - std::min<std::size_t>(60, 14 + 4 * packet.tags.size() + 28);
    packet.udp_length_off = 0;
    return packet;
  }

  std::expected<void, Error> wait(const std::vector<std::string>& split) {
    const auto time = split.size() == 2 ? parse_number(split[1]) : wrong("wait MS");
    if (!time) return std::unexpected(time.error());
    now_ms_ += *time;
    return {};
  }

  Case& case_;
  Packet* current_ = nullptr;
  std::uint64_t now_ms_ = 1'000'000;
};

template <typename Line>
std::expected<void, Error> each_line(const fs::path& path, Line line) {
  std::ifstream file(path);
  if (!file) return wrong(path.string() + ": cannot be read");
  std::string text;
  for (std::size_t number = 1; std::getline(file, text); ++number)
    if (auto done = line(number, text); !done)
      return std::unexpected(std::move(done).error().in(path.string() + ":" + std::to_string(number)));
  return {};
}

}  // namespace

std::expected<Case, Error> read_case(const fs::path& folder, const fs::path& root) {
  Case result;
  fs::path above = folder;
  while (!fs::exists(above / "snapshot.txt") && above != root) above = above.parent_path();
  const auto snapshot = each_line(
      above / "snapshot.txt", [&](std::size_t, const std::string& text) { return result.named.apply(text); });
  if (!snapshot) return std::unexpected(snapshot.error());
  CaseReader reader(result);
  const auto steps = each_line(folder / "case.txt", [&](std::size_t number, const std::string& text) {
    return reader.line(number, text);
  });
  if (!steps) return std::unexpected(steps.error());
  if (result.steps.empty()) return wrong(folder.string() + ": no step");
  return result;
}

}  // namespace xk::test
