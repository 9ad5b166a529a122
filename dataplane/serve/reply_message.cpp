#include "dataplane/serve/reply_message.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "dataplane/dhcp/frame.h"
#include "dataplane/dhcp/options4.h"

namespace xk {
namespace {

constexpr std::uint8_t kMask = 1;
constexpr std::uint8_t kRouters = 3;
constexpr std::uint8_t kLeaseTime = 51;
constexpr std::uint8_t kRenewTime = 58;
constexpr std::uint8_t kRebindTime = 59;
// Said to every client, asked or not.
constexpr std::array<std::uint8_t, 5> kAlways{kMask, kRouters, 6, 15, 12};
constexpr std::size_t kOverloadSize = 3;

// Option fields in the order in which parts of an option are joined (RFC 3396 5).
struct Field {
  std::size_t at = 0;   // where the next byte goes
  std::size_t end = 0;  // its END has room behind that
  bool used = false;
};

// The options there are to choose from, by code.
class Offered {
 public:
  explicit Offered(std::span<const Bytes> layers) : layers_(layers) {
    for (std::size_t layer = 0; layer < layers_.size(); ++layer) read(layer);
  }
  // All parts of the option; empty: there is none.
  [[nodiscard]] Bytes find(std::uint8_t code) const {
    const Place& place = places_[code];
    return place.size == 0 ? Bytes{} : layers_[place.layer].subspan(place.offset, place.size);
  }

 private:
  struct Place {
    std::uint16_t offset = 0;
    std::uint16_t size = 0;
    std::uint8_t layer = 0;
  };
  static_assert(kSubnetOptionsMax < 1u << 16 && kReplyLayersMax < 1u << 8);

  void read(std::size_t layer) {
    const Bytes bytes = layers_[layer];
    for (std::size_t at = 0; at + 2 <= bytes.size();) {
      const std::size_t size = std::min(std::size_t{2} + bytes[at + 1], bytes.size() - at);
      Place& place = places_[bytes[at]];
      const bool next =
          place.size != 0 && place.layer == layer && std::size_t{place.offset} + place.size == at;
      if (!next) place = Place{static_cast<std::uint16_t>(at), 0, static_cast<std::uint8_t>(layer)};
      place.size = static_cast<std::uint16_t>(place.size + size);
      at += size;
    }
  }

  std::span<const Bytes> layers_;
  std::array<Place, 256> places_{};
};

class Writer {
 public:
  Writer(const ReplyContent& content, MutableBytes out) : content_(content), out_(out) {}

  WrittenReply write(const ReplySize& size) {
    const std::size_t agent = agent_size();
    if (size.frame_max <= agent) return {};
    const std::size_t limit = std::min(size.client_max, size.frame_max - agent);
    write_fixed_part();
    options_ = Field{dhcp4::kOptions, limit - 1};
    if (!write_fixed_options()) return {};
    bool left_out = false;
    if (content_.type != MessageType::nak) left_out = write_chosen();
    write_agent();
    out_[options_.at++] = option4::kEnd;
    const std::size_t length = std::max(options_.at, dhcp4::kMessageMin);
    std::memset(out_.data() + options_.at, 0, length - options_.at);
    return {length, left_out};
  }

 private:
  // Parts of 255 bytes at most, two more each (RFC 3396 5).
  [[nodiscard]] std::size_t agent_size() const {
    const std::size_t bytes = content_.agent.size();
    return bytes + 2 * ((bytes + 254) / 255);
  }

  // RFC 2131 table 3.
  void write_fixed_part() {
    const Bytes request = content_.request;
    std::memset(out_.data(), 0, dhcp4::kOptions);
    const auto copy = [&](std::size_t at, std::size_t bytes) {
      std::memcpy(out_.data() + at, request.data() + at, bytes);
    };
    copy(dhcp4::kHtype, 2);
    copy(dhcp4::kXid, 4);
    copy(dhcp4::kFlags, keeps_ciaddr() ? 6 : 2);
    copy(dhcp4::kGiaddr, 4);
    copy(dhcp4::kChaddr, 16);
    out_[dhcp4::kOp] = dhcp4::kBootReply;
    const bool relayed = xk_load_be16(request.data() + dhcp4::kGiaddr) != 0 ||
                         xk_load_be16(request.data() + dhcp4::kGiaddr + 2) != 0;
    // RFC 2131 4.3.2: the relay is to broadcast a NAK; the client may not have the address it thinks it has.
    if (content_.type == MessageType::nak && relayed) out_[dhcp4::kFlags] |= 0x80;
    ByteWriter(out_.subspan(dhcp4::kYiaddr, 4)).ip4(content_.address);
    ByteWriter(out_.subspan(dhcp4::kSiaddr, 4)).ip4(content_.next_server);
    const std::size_t name = std::min(content_.boot_file.size(), dhcp4::kFileSize - 1);
    if (name != 0) std::memcpy(out_.data() + dhcp4::kFile, content_.boot_file.data(), name);
    ByteWriter(out_.subspan(dhcp4::kCookie, 4)).u32(dhcp4::kMagicCookie);
  }

  [[nodiscard]] bool keeps_ciaddr() const {
    return content_.type == MessageType::ack || content_.type == MessageType::none;
  }

  void put_time(std::uint8_t code, std::uint32_t seconds) {
    const std::array<std::uint8_t, 6> option{code,
                                             4,
                                             static_cast<std::uint8_t>(seconds >> 24),
                                             static_cast<std::uint8_t>(seconds >> 16),
                                             static_cast<std::uint8_t>(seconds >> 8),
                                             static_cast<std::uint8_t>(seconds)};
    append(option);
  }

  // False: no room.
  bool write_fixed_options() {
    if (content_.type == MessageType::none) return true;
    const std::size_t client_id = content_.client_id.empty() ? 0 : 2 + content_.client_id.size();
    const std::size_t needed = 3 + 6 + (content_.times ? 18 : 0) + client_id + content_.more.size();
    if (options_.at + needed > options_.end) return false;
    append(std::array<std::uint8_t, 3>{option4::kMessageType, 1, static_cast<std::uint8_t>(content_.type)});
    put_time(option4::kServerIdentifier, content_.server_identifier.value);
    if (content_.times) {
      put_time(kLeaseTime, content_.times->lease_s);
      put_time(kRenewTime, content_.times->renew_s);
      put_time(kRebindTime, content_.times->rebind_s);
    }
    if (client_id != 0) {
      append(std::array<std::uint8_t, 2>{option4::kClientIdentifier,
                                         static_cast<std::uint8_t>(content_.client_id.size())});
      append(content_.client_id);
    }
    append(content_.more);
    return true;
  }

  // True: something was left out.
  bool write_chosen() {
    const Offered offered(content_.layers);
    choose(offered);
    std::size_t wanted = 0;
    for (std::size_t i = 0; i < chosen_count_; ++i) wanted += chosen_[i].size();
    const bool overload = options_.at + wanted > options_.end;
    std::size_t overload_at = 0;
    if (overload && options_.at + kOverloadSize <= options_.end) {
      overload_at = options_.at;
      append(std::array<std::uint8_t, 3>{option4::kOverload, 1, 0});
      if (content_.boot_file.empty()) file_ = Field{dhcp4::kFile, dhcp4::kFile + dhcp4::kFileSize - 1};
      sname_ = Field{dhcp4::kSname, dhcp4::kSname + dhcp4::kSnameSize - 1};
    }
    bool left_out = false;
    for (std::size_t i = 0; i < chosen_count_; ++i) left_out = !place(chosen_[i]) || left_out;
    if (overload_at != 0) finish_overload(overload_at);
    return left_out;
  }

  void choose(const Offered& offered) {
    std::array<bool, 256> done{};
    for (const std::uint8_t code :
         {option4::kMessageType, option4::kServerIdentifier, kLeaseTime, kRenewTime, kRebindTime,
          option4::kClientIdentifier, option4::kOverload, option4::kRelayAgentInformation})
      done[code] = true;
    for (std::size_t at = 0; at + 2 <= content_.more.size(); at += std::size_t{2} + content_.more[at + 1])
      done[content_.more[at]] = true;
    const auto take = [&](std::uint8_t code) {
      if (done[code]) return;
      done[code] = true;
      if (const Bytes parts = offered.find(code); !parts.empty()) chosen_[chosen_count_++] = parts;
    };
    const auto take_in_order = [&](std::uint8_t code) {
      if (code == kRouters && !offered.find(kRouters).empty()) take(kMask);
      take(code);
    };
    for (const std::uint8_t code : content_.wanted) take_in_order(code);
    if (content_.only_wanted) return;
    for (const std::uint8_t code : kAlways) take_in_order(code);
  }

  // All parts of one option, each in the first field that has room, none in front of the part before it
  // (RFC 3396 5). False, and nothing written: no room.
  bool place(Bytes parts) {
    const std::array<Field*, 3> fields{&options_, &file_, &sname_};
    std::array<std::size_t, 3> free{};
    for (std::size_t i = 0; i < fields.size(); ++i) free[i] = fields[i]->end - fields[i]->at;
    std::size_t field = 0;
    const auto next_field = [&](std::size_t size) {
      while (field < fields.size() && free[field] < size) ++field;
      return field < fields.size();
    };
    for (std::size_t at = 0; at < parts.size(); at += part_size(parts, at)) {
      if (!next_field(part_size(parts, at))) return false;
      free[field] -= part_size(parts, at);
    }
    for (std::size_t i = 0; i < fields.size(); ++i) free[i] = fields[i]->end - fields[i]->at;
    field = 0;
    for (std::size_t at = 0; at < parts.size(); at += part_size(parts, at)) {
      const std::size_t size = part_size(parts, at);
      static_cast<void>(next_field(size));
      free[field] -= size;
      std::memcpy(out_.data() + fields[field]->at, parts.data() + at, size);
      fields[field]->at += size;
      fields[field]->used = true;
    }
    return true;
  }

  static std::size_t part_size(Bytes parts, std::size_t at) { return std::size_t{2} + parts[at + 1]; }

  void finish_overload(std::size_t overload_at) {
    const auto bits = static_cast<std::uint8_t>((file_.used ? 1 : 0) | (sname_.used ? 2 : 0));
    if (bits == 0) {  // nothing that was left over is small enough: no option 52 then
      std::memmove(out_.data() + overload_at, out_.data() + overload_at + kOverloadSize,
                   options_.at - overload_at - kOverloadSize);
      options_.at -= kOverloadSize;
      return;
    }
    out_[overload_at + 2] = bits;
    if (file_.used) out_[file_.at] = option4::kEnd;
    if (sname_.used) out_[sname_.at] = option4::kEnd;
  }

  void write_agent() {
    for (Bytes rest = content_.agent; !rest.empty();) {
      const std::size_t size = std::min<std::size_t>(rest.size(), 255);
      append(std::array<std::uint8_t, 2>{option4::kRelayAgentInformation, static_cast<std::uint8_t>(size)});
      append(rest.first(size));
      rest = rest.subspan(size);
    }
  }

  void append(Bytes bytes) {
    if (bytes.empty()) return;
    std::memcpy(out_.data() + options_.at, bytes.data(), bytes.size());
    options_.at += bytes.size();
  }

  const ReplyContent& content_;
  MutableBytes out_;
  Field options_, file_, sname_;
  std::array<Bytes, 256> chosen_;
  std::size_t chosen_count_ = 0;
};

}  // namespace

WrittenReply write_reply(const ReplyContent& content, const ReplySize& size, MutableBytes out) {
  if (size.frame_max < dhcp4::kMessageMin || out.size() < size.frame_max) return {};
  return Writer(content, out).write(size);
}

std::size_t client_message_max(std::uint16_t option57) {
  constexpr std::uint16_t kMin = 576;  // RFC 2131 2, RFC 2132 9.10
  return std::max(option57, kMin) - kIp4Header - kUdpHeader;
}

}  // namespace xk
