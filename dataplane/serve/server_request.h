// A client's request as a server reads it: parsed once, for the rules of static leases and those of the
// native engine. What both have to find out of it is here too: where the client is, by what line, where a
// reply goes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/base/bytes.h"
#include "dataplane/base/forwarding.h"
#include "dataplane/base/outcome.h"
#include "dataplane/base/static_lease.h"
#include "dataplane/dhcp/emit.h"
#include "dataplane/dhcp/frame.h"
#include "dataplane/dhcp/message4.h"
#include "dataplane/dhcp/options4.h"
#include "dataplane/dhcp/received.h"
#include "dataplane/dhcp/relay_agent_information.h"

namespace xk {

namespace option4 {
inline constexpr std::uint8_t kHostName = 12;
inline constexpr std::uint8_t kRequestedAddress = 50;
inline constexpr std::uint8_t kLeaseTime = 51;
inline constexpr std::uint8_t kParameterList = 55;
inline constexpr std::uint8_t kErrorText = 56;
inline constexpr std::uint8_t kMessageSize = 57;
inline constexpr std::uint8_t kRenewTime = 58;
inline constexpr std::uint8_t kRebindTime = 59;
inline constexpr std::uint8_t kVendorClass = 60;
inline constexpr std::uint8_t kUserClass = 77;         // RFC 3004
inline constexpr std::uint8_t kRapidCommit = 80;       // RFC 4039
inline constexpr std::uint8_t kClientFqdn = 81;        // RFC 4702
inline constexpr std::uint8_t kSubnetSelection = 118;  // RFC 3011
}  // namespace option4

// Of option 81 (RFC 4702 2.1).
inline constexpr std::uint8_t kFqdnWire = 4;  // E: the name is as in DNS messages
inline constexpr std::size_t kFqdnHead = 3;   // flags and two result codes

// Everything is borrowed, from the frame or from the request's own scratch: it stays where it is made. Of an
// option that is of several parts the parts are joined (RFC 3396).
struct ServerRequest {
  ServerRequest() = default;
  ServerRequest(const ServerRequest&) = delete;
  ServerRequest& operator=(const ServerRequest&) = delete;

  const Received* received = nullptr;
  Datagram4 datagram;
  Bytes message;
  MessageType type = MessageType::none;  // none: BOOTP (RFC 1534 2)
  std::uint8_t overload = 0;
  bool broadcast = false;
  bool rapid_commit = false;
  std::uint16_t message_size = 0;  // option 57, 0: none
  std::uint32_t xid = 0;
  Mac chaddr{};
  Ip4 ciaddr{};
  Ip4 giaddr{};
  Ip4 requested{};                 // option 50, 0: none
  Ip4 server_id{};                 // option 54, 0: none
  Ip4 subnet_selection{};          // option 118, 0: none
  std::uint32_t lease_time_s = 0;  // option 51, 0: none
  Bytes client_id, host_name, vendor_class, user_class, fqdn;
  Bytes agent;  // content of option 82
  std::uint8_t wanted_count = 0;
  std::array<std::uint8_t, 255> wanted_codes;
  [[nodiscard]] Bytes wanted() const { return Bytes(wanted_codes).first(wanted_count); }
  // The sub-option of option 82.
  [[nodiscard]] std::optional<Bytes> agent_option(AgentSubOption code) const;

  // Where joined parts are.
  std::array<std::uint8_t, 2 * kOptionJoinedMax> scratch;
  std::size_t scratch_used = 0;
};

// Reads a request. The first rule that fails is returned, in this order: datagram, port, fixed header,
// options, option 53, option 82's form; XK_OUTCOME_COUNT: none. Without option 53 it is a BOOTP request.
[[nodiscard]] Outcome parse_server_request(const Received& received, ServerRequest& request);
// What is not heard although it is well-formed, in this order: message type, hops, giaddr, option 82's
// policy.
[[nodiscard]] Outcome check_server_request(const ServerRequest& request, const Forwarding& forwarding);

// The value of an option, its parts joined (RFC 3396 7): in place if there is one, else in scratch. nullopt:
// there is none, or it has more parts than we join.
[[nodiscard]] std::optional<Bytes> find_option(const ServerRequest& request, std::uint8_t code,
                                               std::span<std::uint8_t, kOptionJoinedMax> scratch);

// circuit-id and remote-id with their lengths, as static_circuit_identity() has them.
struct Line {
  std::array<std::uint8_t, kStaticIdentityMax> bytes;
  std::size_t circuit_size = 0;  // bytes of the circuit-id and its length
  std::size_t size = 0;          // and of the remote-id and its; 0: no line
  [[nodiscard]] Bytes all() const { return Bytes(bytes).first(size); }
  [[nodiscard]] Bytes circuit() const { return Bytes(bytes).first(circuit_size); }
  [[nodiscard]] Bytes circuit_id() const { return size == 0 ? Bytes{} : circuit().subspan(1); }
  [[nodiscard]] Bytes remote_id() const { return size == 0 ? Bytes{} : all().subspan(circuit_size + 1); }
};
// The line a relay in front of us names, else the attachment's, as the attachment's policy has it.
void find_line(const ServerRequest& request, Line& line);

// An address of the client's subnet: a relay's link selection (RFC 3527), the client's subnet selection (RFC
// 3011), giaddr, the ciaddr of a client behind a router that renews by unicast, the attachment's subnet.
[[nodiscard]] Ip4 link_of(const ServerRequest& request);
// The subnet the address is in, or nullptr.
[[nodiscard]] const SubnetEntry* subnet_of(const VrfEntry& vrf, Ip4 address);

// By what the client reaches us: what a relay says (RFC 5107), its attachment's, else its subnet's, else what
// our Kea says of itself; 0: nothing.
[[nodiscard]] Ip4 server_identifier_of(const ServerRequest& request, const SubnetEntry* subnet);
// Whether a server identifier is one of ours.
[[nodiscard]] bool is_us(const ServerRequest& request, const Forwarding& forwarding,
                         const SubnetEntry* subnet, Ip4 server);

// Where a reply goes (RFC 2131 4.1, RFC 1542 4.1.2); what came through a router goes back to it. address is
// what it gives the client, or 0. Error: REPLY_NO_TARGET; XK_OUTCOME_COUNT: none.
[[nodiscard]] Outcome destination_of(const ServerRequest& request, MessageType type, Ip4 address, Ip4 source,
                                     Destination& to);

}  // namespace xk
