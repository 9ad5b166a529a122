#include "dataplane/dhcp/options4.h"

#include <limits>

namespace xk {
namespace {

constexpr std::uint8_t kOverloadFile = 1;
constexpr std::uint8_t kOverloadSname = 2;

// Collects what Options4 holds, option by option.
class Scan {
 public:
  Scan(Bytes message, Options4& options) : message_(message), options_(options) {}

  Outcome operator()(std::uint8_t code, const OptionPart& part) {
    switch (code) {
      case option4::kMessageType:
        // A second one would be joined to the first (RFC 3396 7), and that is no byte.
        if (part.length != 1 || options_.type != MessageType::none) return XK_OPTION_MESSAGE_TYPE_BAD;
        options_.type = static_cast<MessageType>(message_[part.value()]);
        if (options_.type == MessageType::none) return XK_OPTION_MESSAGE_TYPE_BAD;
        break;
      case option4::kOverload:
        if (part.length != 1 || options_.overload != 0 || part.field != OptionField::options)
          return XK_OPTION_OVERLOAD_BAD;
        options_.overload = message_[part.value()];
        if (options_.overload == 0 || options_.overload > 3) return XK_OPTION_OVERLOAD_BAD;
        break;
      // A relay only looks at these: what is wrong with them is the server's to say.
      case option4::kServerIdentifier:
        if (part.length == 4 && options_.server_id.is_zero()) options_.server_id = address_at(part.value());
        break;
      case option4::kClientIdentifier:
        if (options_.client_id.length == 0) options_.client_id = part;
        break;
      case option4::kRelayAgentInformation:
        if (options_.agent_count == options_.agent.size()) return XK_OPTION82_BAD;
        options_.agent[options_.agent_count++] = part;
        break;
      default:
        break;
    }
    return XK_OUTCOME_COUNT;
  }

 private:
  [[nodiscard]] Ip4 address_at(std::size_t at) const {
    const std::uint8_t* bytes = message_.data() + at;
    return Ip4{std::uint32_t{xk_load_be16(bytes)} << 16 | xk_load_be16(bytes + 2)};
  }

  Bytes message_;
  Options4& options_;
};

// The first fault, or XK_OUTCOME_COUNT.
Outcome fill(Bytes message, Options4& options) {
  if (message.size() < dhcp4::kOptions || message.size() > std::numeric_limits<std::uint16_t>::max())
    return XK_DHCP_TRUNCATED;
  Scan scan(message, options);
  const auto end = walk_option_field(message, dhcp4::kOptions, message.size(), OptionField::options, scan);
  if (!end) return end.error();
  options.end = static_cast<std::uint16_t>(*end);
  if ((options.overload & kOverloadFile) != 0) {
    const auto file =
        walk_option_field(message, dhcp4::kFile, dhcp4::kFile + dhcp4::kFileSize, OptionField::file, scan);
    if (!file) return file.error();
  }
  if ((options.overload & kOverloadSname) != 0) {
    const auto sname = walk_option_field(message, dhcp4::kSname, dhcp4::kSname + dhcp4::kSnameSize,
                                         OptionField::sname, scan);
    if (!sname) return sname.error();
  }
  return options.type == MessageType::none ? XK_OPTION_MESSAGE_TYPE_BAD : XK_OUTCOME_COUNT;
}

}  // namespace

std::expected<Options4, Outcome> scan_options4(Bytes message) {
  // Filled where it is returned: a copy would wait for the stores.
  std::expected<Options4, Outcome> options{std::in_place};
  if (const Outcome fault = fill(message, *options); fault != XK_OUTCOME_COUNT)
    options = std::unexpected(fault);
  return options;
}

Bytes join_option4(Bytes message, std::span<const OptionPart> parts,
                   std::span<std::uint8_t, kOptionJoinedMax> scratch) {
  if (parts.empty()) return {};
  if (parts.size() == 1) return message.subspan(parts[0].value(), parts[0].length);
  ByteWriter joined(scratch);
  for (const OptionPart& part : parts) joined.bytes(message.subspan(part.value(), part.length));
  return joined.written();
}

}  // namespace xk
