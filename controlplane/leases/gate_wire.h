// What Kea's hook (kea/hook) and xdp-kead's gate (gate.h) say to each other over a unix stream socket, and
// what lies in the hook's queue file: frames of a length, a kind and a body. Both sides take the other's
// bytes as untrusted. Numbers are in network order.
//
//   hook -> gate   hello    version, pid of Kea
//   gate -> hook   welcome  version: the store takes leases
//   hook -> gate   changes  number, leases (in the order in which they happened)
//   gate -> hook   durable  number: all changes up to this number are on stable storage
//   hook -> gate   figures  what the hook has counted
//
// There is no word for a store that is gone: the gate closes the connection, and takes none until it is
// back. The hook sends what was not said to be durable again; a change done twice is the same change.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/base/bytes.h"
#include "dataplane/base/error.h"
#include "dataplane/base/types.h"

namespace xk::leases {

inline constexpr std::uint16_t kWireVersion = 1;
inline constexpr std::size_t kFrameBytesMax = 1 << 20;
inline constexpr std::size_t kChangesMax = 64;             // in one frame
inline constexpr std::size_t kUserContextBytesMax = 8192;  // of a lease; a longer one is left out

enum class FrameKind : std::uint8_t { hello = 1, welcome = 2, changes = 3, durable = 4, figures = 5 };

// Why a lease is what it is now.
enum class Cause : std::uint8_t { committed = 0, released, declined, expired, recovered };
inline constexpr std::uint8_t kCauses = 5;

// States of Kea: 0 default, 1 declined, 2 expired-reclaimed.
enum class KeaLeaseState : std::uint8_t { active = 0, declined = 1, reclaimed = 2 };

// A lease as Kea holds it after the change.
struct LeaseChange {
  bool erased = false;  // the lease is no more: only address, cause and subnet_id count
  Cause cause = Cause::committed;
  KeaLeaseState state = KeaLeaseState::active;
  Ip4 address{};
  std::uint32_t subnet_id = 0;
  std::int64_t cltt_unix_s = 0;        // client's last transaction
  std::uint32_t valid_lifetime_s = 0;  // 0xffffffff: for ever
  std::uint8_t hardware_type = 1;
  bool fqdn_forward = false;
  bool fqdn_reverse = false;
  std::string hardware_address;  // bytes, at most 20
  std::string client_id;         // bytes, at most 255
  std::string hostname;          // at most 255
  std::string user_context;      // JSON, as Kea writes it; empty: none
  friend bool operator==(const LeaseChange&, const LeaseChange&) = default;
};

// Our hook's command for leases that another appliance has made: its argument "frames" is frames of changes,
// one after the other, in hex.
inline constexpr const char* kPutLeases = "xdpkea-leases-put";
inline constexpr const char* kPutFrames = "frames";

struct Changes {
  std::uint64_t number = 0;
  std::vector<LeaseChange> leases;
  friend bool operator==(const Changes&, const Changes&) = default;
};

struct Hello {
  std::uint16_t version = kWireVersion;
  std::uint32_t pid = 0;
};

// Counted by the hook since Kea started.
struct Figures {
  std::uint64_t withheld = 0;  // packets without an answer: no durable lease in time, or not this one's turn
  std::uint64_t queued = 0;    // change sets that were put into the queue file (mode available)
  std::uint64_t queue_bytes = 0;  // in that file now
  friend bool operator==(const Figures&, const Figures&) = default;
};

// A whole frame each.
[[nodiscard]] std::string hello_frame(const Hello& hello);
[[nodiscard]] std::string welcome_frame();
[[nodiscard]] std::string changes_frame(const Changes& changes);
// Gives a frame of changes another number.
void set_number(std::string& changes_frame, std::uint64_t number);
[[nodiscard]] std::string durable_frame(std::uint64_t number);
[[nodiscard]] std::string figures_frame(const Figures& figures);

struct Frame {
  FrameKind kind{};
  Bytes body;  // borrowed from the reader until its next call
};
[[nodiscard]] std::expected<Hello, Error> parse_hello(Bytes body);
[[nodiscard]] std::expected<std::uint16_t, Error> parse_welcome(Bytes body);  // the version
[[nodiscard]] std::expected<Changes, Error> parse_changes(Bytes body);
[[nodiscard]] std::expected<std::uint64_t, Error> parse_durable(Bytes body);
[[nodiscard]] std::expected<Figures, Error> parse_figures(Bytes body);

// Cuts a stream of bytes into frames.
class FrameReader {
 public:
  void add(Bytes bytes) { buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size()); }
  // The next whole frame; nothing: more bytes are needed; an Error: the stream is no good from here on.
  [[nodiscard]] std::expected<std::optional<Frame>, Error> next();
  // Bytes of frames that are not whole yet.
  [[nodiscard]] std::size_t left() const { return buffer_.size() - at_; }

 private:
  std::string buffer_;
  std::size_t at_ = 0;
};

// The command, as JSON; erased ones are to go. Done again it changes nothing. And its "frames", read.
[[nodiscard]] std::string put_leases_command(const std::vector<LeaseChange>& changes);
[[nodiscard]] std::expected<std::vector<LeaseChange>, Error> parse_frames_text(std::string_view text);

}  // namespace xk::leases
