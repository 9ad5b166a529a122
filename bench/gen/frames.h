// The frames the generator sends, and the clients behind them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/base/types.h"
#include "dataplane/dhcp/options4.h"

namespace xk::gen {

// Where and as whom the generator speaks.
struct Population {
  std::string interface;
  std::vector<std::vector<VlanTag>> vlans;  // clients are spread over these; one empty entry: untagged
  std::uint32_t clients = 10'000;           // distinct MACs
  std::uint32_t first_client = 0;           // number of the first one: its MAC and xid follow from it
  std::uint32_t message_bytes = 300;        // of a DISCOVER from the BOOTP header on, padded
};

// The parts of a client's messages that its number decides.
[[nodiscard]] Mac client_mac(std::uint32_t number);
[[nodiscard]] std::uint32_t client_xid(std::uint32_t number);
[[nodiscard]] std::uint32_t client_number(std::uint32_t xid);  // the reverse; check it against the clients

// What distinguishes a client's message.
struct ClientMessage {
  MessageType type = MessageType::discover;
  std::uint32_t number = 0;   // of the client
  Ip4 requested{};            // option 50 if not zero
  Ip4 server_identifier{};    // option 54 if not zero
  std::uint32_t lease_s = 0;  // option 51 if not zero
  // Of a renewal: ciaddr and the IP source address if not zero; then it goes to this server alone.
  Ip4 ciaddr{};
  Ip4 server{};
  Mac server_mac{};
};

// A whole frame with these tags: a broadcast from 0.0.0.0:68 to 255.255.255.255:67, but for a renewal.
[[nodiscard]] std::vector<std::uint8_t> client_frame(const ClientMessage& message,
                                                     const std::vector<VlanTag>& tags,
                                                     std::uint32_t message_bytes);

// "none,100,200.300" or "200@88a8.300": one entry an attachment. Throws std::runtime_error.
[[nodiscard]] std::vector<std::vector<VlanTag>> parse_vlans(const std::string& text);

}  // namespace xk::gen
