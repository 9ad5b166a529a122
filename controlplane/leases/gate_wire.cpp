#include "controlplane/leases/gate_wire.h"

#include <algorithm>
#include <iterator>
#include <span>

#include "dataplane/base/hex.h"

namespace xk::leases {
namespace {

constexpr std::size_t kHeaderBytes = 5;  // length of kind and body, kind
constexpr std::size_t kHardwareAddressMax = 20;
constexpr std::size_t kShortTextMax = 255;

// Bits of a lease's flags.
constexpr std::uint8_t kErased = 1, kFqdnForward = 2, kFqdnReverse = 4;

class Writer {
 public:
  explicit Writer(FrameKind kind) : text_(kHeaderBytes, '\0') { text_[4] = static_cast<char>(kind); }
  void number(std::uint64_t value, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
      text_ += static_cast<char>(value >> static_cast<unsigned>(shift));
  }
  // What is longer is cut: Kea's own limits are lower.
  void short_text(std::string_view text, std::size_t max = kShortTextMax) {
    text = text.substr(0, max);
    number(text.size(), 1);
    text_ += text;
  }
  void long_text(std::string_view text) {
    number(text.size(), 2);
    text_ += text;
  }
  [[nodiscard]] std::string frame() && {
    const std::size_t length = text_.size() - 4;
    for (std::size_t i = 0; i < 4; ++i) text_[i] = static_cast<char>(length >> (8 * (3 - i)));
    return std::move(text_);
  }

 private:
  std::string text_;
};

void write(Writer& out, const LeaseChange& lease) {
  out.number((lease.erased ? kErased : 0u) | (lease.fqdn_forward ? kFqdnForward : 0u) |
                 (lease.fqdn_reverse ? kFqdnReverse : 0u),
             1);
  out.number(static_cast<std::uint8_t>(lease.cause), 1);
  out.number(static_cast<std::uint8_t>(lease.state), 1);
  out.number(lease.hardware_type, 1);
  out.number(lease.address.value, 4);
  out.number(lease.subnet_id, 4);
  out.number(static_cast<std::uint64_t>(lease.cltt_unix_s), 8);
  out.number(lease.valid_lifetime_s, 4);
  out.short_text(lease.hardware_address, kHardwareAddressMax);
  out.short_text(lease.client_id);
  out.short_text(lease.hostname);
  out.long_text(lease.user_context.size() <= kUserContextBytesMax ? lease.user_context : std::string_view());
}

std::string text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

std::expected<LeaseChange, Error> read_lease(ByteReader& in) {
  LeaseChange lease;
  const std::uint8_t flags = in.u8();
  const std::uint8_t cause = in.u8();
  const std::uint8_t state = in.u8();
  lease.hardware_type = in.u8();
  lease.address = in.ip4();
  lease.subnet_id = in.u32();
  lease.cltt_unix_s = static_cast<std::int64_t>(in.u64());
  lease.valid_lifetime_s = in.u32();
  lease.hardware_address = text_of(in.take(in.u8()));
  lease.client_id = text_of(in.take(in.u8()));
  lease.hostname = text_of(in.take(in.u8()));
  lease.user_context = text_of(in.take(in.u16()));
  if (!in.ok()) return std::unexpected(Error{"a lease is cut off"});
  if ((flags & ~(kErased | kFqdnForward | kFqdnReverse)) != 0 || cause >= kCauses ||
      state > static_cast<std::uint8_t>(KeaLeaseState::reclaimed))
    return std::unexpected(Error{"a lease has an unknown flag, cause or state"});
  // A time that a lifetime can be added to, and a day in this age at least.
  constexpr std::int64_t kTimeMax = std::int64_t{1} << 40;
  if (lease.cltt_unix_s < 0 || lease.cltt_unix_s > kTimeMax)
    return std::unexpected(Error{"a lease has no good time"});
  if (lease.address.is_zero()) return std::unexpected(Error{"a lease has no address"});
  if (lease.hardware_address.size() > kHardwareAddressMax)
    return std::unexpected(Error{"a lease has a hardware address of more than 20 bytes"});
  if (lease.user_context.size() > kUserContextBytesMax)
    return std::unexpected(Error{"a lease has a user context that is too long"});
  lease.erased = (flags & kErased) != 0;
  lease.fqdn_forward = (flags & kFqdnForward) != 0;
  lease.fqdn_reverse = (flags & kFqdnReverse) != 0;
  lease.cause = static_cast<Cause>(cause);
  lease.state = static_cast<KeaLeaseState>(state);
  return lease;
}

// The value, unless the body was shorter or longer than what was read.
template <typename Value>
std::expected<Value, Error> whole(const ByteReader& in, Value value, const char* what) {
  if (!in.ok() || in.left() != 0)
    return std::unexpected(Error{std::string("a frame '") + what + "' has not the right length"});
  return value;
}

}  // namespace

std::string hello_frame(const Hello& hello) {
  Writer out(FrameKind::hello);
  out.number(hello.version, 2);
  out.number(hello.pid, 4);
  return std::move(out).frame();
}

std::string welcome_frame() {
  Writer out(FrameKind::welcome);
  out.number(kWireVersion, 2);
  return std::move(out).frame();
}

std::string changes_frame(const Changes& changes) {
  Writer out(FrameKind::changes);
  out.number(changes.number, 8);
  out.number(changes.leases.size(), 2);
  for (const LeaseChange& lease : changes.leases) write(out, lease);
  return std::move(out).frame();
}

void set_number(std::string& changes_frame, std::uint64_t number) {
  for (std::size_t i = 0; i < 8; ++i)
    changes_frame[kHeaderBytes + i] = static_cast<char>(number >> (8 * (7 - i)));
}

std::string durable_frame(std::uint64_t number) {
  Writer out(FrameKind::durable);
  out.number(number, 8);
  return std::move(out).frame();
}

std::string figures_frame(const Figures& figures) {
  Writer out(FrameKind::figures);
  for (const std::uint64_t figure : {figures.withheld, figures.queued, figures.queue_bytes})
    out.number(figure, 8);
  return std::move(out).frame();
}

std::expected<Hello, Error> parse_hello(Bytes body) {
  ByteReader in(body);
  const std::uint16_t version = in.u16();
  return whole(in, Hello{.version = version, .pid = in.u32()}, "hello");
}

std::expected<std::uint16_t, Error> parse_welcome(Bytes body) {
  ByteReader in(body);
  const std::uint16_t version = in.u16();
  return whole(in, version, "welcome");
}

std::expected<Changes, Error> parse_changes(Bytes body) {
  ByteReader in(body);
  Changes changes{.number = in.u64(), .leases = {}};
  const std::size_t count = in.u16();
  if (count > kChangesMax) return std::unexpected(Error{"a frame has too many leases"});
  for (std::size_t i = 0; i < count; ++i) {
    auto lease = read_lease(in);
    if (!lease) return std::unexpected(std::move(lease.error()));
    changes.leases.push_back(std::move(*lease));
  }
  return whole(in, std::move(changes), "changes");
}

std::expected<std::uint64_t, Error> parse_durable(Bytes body) {
  ByteReader in(body);
  const std::uint64_t number = in.u64();
  return whole(in, number, "durable");
}

std::expected<Figures, Error> parse_figures(Bytes body) {
  ByteReader in(body);
  Figures figures;
  for (std::uint64_t* figure : {&figures.withheld, &figures.queued, &figures.queue_bytes}) *figure = in.u64();
  return whole(in, figures, "figures");
}

std::expected<std::optional<Frame>, Error> FrameReader::next() {
  // What was read is thrown away when it is much, not for each frame.
  if (at_ == buffer_.size() || at_ > kFrameBytesMax) {
    buffer_.erase(0, at_);
    at_ = 0;
  }
  if (left() < kHeaderBytes) return std::optional<Frame>();
  ByteReader in(Bytes(reinterpret_cast<const std::uint8_t*>(buffer_.data()) + at_, left()));
  const std::size_t length = in.u32();
  if (length == 0 || length > kFrameBytesMax)
    return std::unexpected(Error{"a frame of " + std::to_string(length) + " bytes"});
  const std::uint8_t kind = in.u8();
  if (in.left() < length - 1) return std::optional<Frame>();
  if (kind < static_cast<std::uint8_t>(FrameKind::hello) ||
      kind > static_cast<std::uint8_t>(FrameKind::figures))
    return std::unexpected(Error{"a frame of unknown kind " + std::to_string(kind)});
  at_ += 4 + length;
  return Frame{static_cast<FrameKind>(kind), in.take(length - 1)};
}

std::string put_leases_command(const std::vector<LeaseChange>& changes) {
  std::string text =
      std::string(R"({"command":")") + kPutLeases + R"(","arguments":{")" + kPutFrames + R"(":")";
  for (std::size_t i = 0; i < changes.size(); i += kChangesMax) {
    const auto part = std::span(changes).subspan(i, std::min(kChangesMax, changes.size() - i));
    append_hex(text, changes_frame({.number = i, .leases = {part.begin(), part.end()}}));
  }
  return text + R"("}})";
}

std::expected<std::vector<LeaseChange>, Error> parse_frames_text(std::string_view text) {
  const auto bytes = read_hex(text);
  if (!bytes) return std::unexpected(Error{"frames are no bytes in hex"});
  FrameReader reader;
  reader.add({reinterpret_cast<const std::uint8_t*>(bytes->data()), bytes->size()});
  std::vector<LeaseChange> found;
  for (;;) {
    const auto frame = reader.next();
    if (!frame) return std::unexpected(frame.error());
    if (!*frame) break;
    if ((*frame)->kind != FrameKind::changes) return std::unexpected(Error{"a frame is none of changes"});
    auto changes = parse_changes((*frame)->body);
    if (!changes) return std::unexpected(std::move(changes.error()));
    std::ranges::move(changes->leases, std::back_inserter(found));
  }
  if (reader.left() != 0) return std::unexpected(Error{"the last frame is not whole"});
  return found;
}

}  // namespace xk::leases
