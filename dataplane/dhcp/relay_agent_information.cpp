#include "dataplane/dhcp/relay_agent_information.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "dataplane/base/snapshot.h"

namespace xk {

bool agent_well_formed(Bytes content) {
  if (content.empty()) return false;
  std::size_t at = 0;
  while (at < content.size()) {
    if (at + 2 > content.size()) return false;
    at += std::size_t{2} + content[at + 1];
  }
  return at == content.size();
}

std::optional<Bytes> find_agent_sub_option(Bytes content, AgentSubOption code, std::size_t from) {
  for (AgentCursor at(content, from); at.valid(); at.next())
    if (at.code() == code) return at.value();
  return std::nullopt;
}

void AgentWriter::add_rendered(AgentSubOption code, std::string_view text, const Mac& chaddr) {
  const std::size_t begin = writer_.size();
  writer_.u8(static_cast<std::uint8_t>(code));
  writer_.u8(0);
  const auto as_bytes = [](std::string_view part) {
    return Bytes(reinterpret_cast<const std::uint8_t*>(part.data()), part.size());
  };
  while (true) {
    const std::size_t at = text.find(kMacPlaceholder);
    writer_.bytes(as_bytes(text.substr(0, at)));
    if (at == std::string_view::npos) break;
    const auto mac = mac_text(chaddr);
    writer_.bytes(as_bytes({mac.data(), mac.size()}));
    text.remove_prefix(at + 1);
  }
  const std::size_t length = writer_.size() - begin - 2;
  ok_ = ok_ && writer_.ok() && length <= 255;
  if (ok_) writer_.patch_u8(begin + 1, static_cast<std::uint8_t>(length));
}

void AgentWriter::add_vss(std::uint8_t type, std::string_view value) {
  ok_ = ok_ && value.size() < 255;
  writer_.u8(static_cast<std::uint8_t>(AgentSubOption::vss));
  writer_.u8(static_cast<std::uint8_t>(value.size() + 1));
  writer_.u8(type);
  writer_.bytes({reinterpret_cast<const std::uint8_t*>(value.data()), value.size()});
}

std::optional<std::size_t> AgentWriter::finish() {
  if (!ok_ || !writer_.ok() || writer_.size() > 2 + kAgentContentMax) return std::nullopt;
  const std::size_t content = writer_.size() - 2;
  if (content == 0) return 0;
  writer_.patch_u8(1, static_cast<std::uint8_t>(content));
  return writer_.size();
}

bool is_rendered(Bytes bytes, std::string_view text, const Mac& chaddr) {
  std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto mac = mac_text(chaddr);
  while (true) {
    const std::size_t at = text.find(kMacPlaceholder);
    const std::string_view literal = text.substr(0, at);
    if (at == std::string_view::npos) return rest == literal;
    if (!rest.starts_with(literal)) return false;
    rest.remove_prefix(literal.size());
    if (!rest.starts_with(std::string_view(mac.data(), mac.size()))) return false;
    rest.remove_prefix(mac.size());
    text.remove_prefix(at + 1);
  }
}

namespace {

// Bytes of the part that stay, code and length included; content_at is where its content begins in
// the joined one.
std::size_t kept(const OptionPart& part, std::size_t content_at, std::size_t content_from) {
  if (content_from <= content_at) return 0;
  return std::size_t{2} + std::min<std::size_t>(part.length, content_from - content_at);
}

// Takes the part but for its first keep bytes out of the field that ends at end.
void cut_in_field(MutableBytes out, std::size_t end, const OptionPart& part, std::size_t keep) {
  const std::size_t to = part.offset + keep;
  const std::size_t from = part.offset + part.size();
  std::memmove(out.data() + to, out.data() + from, end - from);
  std::memset(out.data() + end - (from - to), 0, from - to);
  if (keep != 0) out[part.offset + std::size_t{1}] = static_cast<std::uint8_t>(keep - 2);
}

}  // namespace

std::size_t copy_without_agent(Bytes message, std::span<const OptionPart> parts, std::size_t content_from,
                               MutableBytes out) {
  assert(out.size() >= message.size());
  // The options field shrinks: what stays of it is copied piece by piece.
  std::size_t copied = 0;   // of message
  std::size_t written = 0;  // of out
  const auto copy_to = [&](std::size_t offset) {
    std::memcpy(out.data() + written, message.data() + copied, offset - copied);
    written += offset - copied;
    copied = offset;
  };
  std::size_t content = 0;
  for (const OptionPart& part : parts) {
    const std::size_t keep = kept(part, content, content_from);
    content += part.length;
    if (part.field != OptionField::options || keep == part.size()) continue;
    copy_to(part.offset + keep);
    if (keep != 0) out[written - keep + 1] = static_cast<std::uint8_t>(keep - 2);
    copied = part.offset + part.size();
  }
  copy_to(message.size());

  // file and sname keep their size; from the last part on, so that offsets before it stay right.
  for (std::size_t i = parts.size(); i-- > 0;) {
    const OptionPart& part = parts[i];
    content -= part.length;
    const std::size_t keep = kept(part, content, content_from);
    if (part.field == OptionField::options || keep == part.size()) continue;
    const std::size_t end =
        part.field == OptionField::file ? dhcp4::kFile + dhcp4::kFileSize : dhcp4::kSname + dhcp4::kSnameSize;
    cut_in_field(out, end, part, keep);
  }
  return written;
}

}  // namespace xk
