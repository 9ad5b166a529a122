// Option 82, Relay Agent Information (RFC 3046): sub-options of code, length and value, nothing
// else; neither PAD nor END exists inside. What is called content here is the option's value, joined
// if it was split (RFC 3396).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "dataplane/base/bytes.h"
#include "dataplane/base/types.h"
#include "dataplane/dhcp/options4.h"

namespace xk {

enum class AgentSubOption : std::uint8_t {
  circuit_id = 1,           // RFC 3046 3.1
  remote_id = 2,            // RFC 3046 3.2
  link_selection = 5,       // RFC 3527
  flags = 10,               // RFC 5010
  server_id_override = 11,  // RFC 5107
  vss = 151,                // RFC 6607
  vss_control = 152,        // RFC 6607
};

inline constexpr std::uint8_t kAgentFlagUnicast = 0x80;  // RFC 5010 3: the request came by unicast
inline constexpr std::size_t kAgentContentMax = 255;     // of one option

// Whether content is one sub-option or more and each fits.
[[nodiscard]] bool agent_well_formed(Bytes content);

// Walks well-formed content: for (AgentCursor at(content); at.valid(); at.next()) ...
class AgentCursor {
 public:
  explicit AgentCursor(Bytes content, std::size_t offset = 0) : content_(content), at_(offset) {}
  [[nodiscard]] bool valid() const {
    return at_ + 2 <= content_.size() && at_ + 2 + content_[at_ + 1] <= content_.size();
  }
  [[nodiscard]] std::size_t offset() const { return at_; }
  [[nodiscard]] AgentSubOption code() const { return static_cast<AgentSubOption>(content_[at_]); }
  [[nodiscard]] Bytes value() const { return content_.subspan(at_ + 2, content_[at_ + 1]); }
  void next() { at_ += std::size_t{2} + content_[at_ + 1]; }

 private:
  Bytes content_;
  std::size_t at_;
};

// The value of the first sub-option with this code at or after an offset that is a boundary.
[[nodiscard]] std::optional<Bytes> find_agent_sub_option(Bytes content, AgentSubOption code,
                                                         std::size_t from = 0);

// Writes one whole option 82 into a borrowed buffer.
class AgentWriter {
 public:
  explicit AgentWriter(MutableBytes buffer) : writer_(buffer) {
    writer_.u8(option4::kRelayAgentInformation);
    writer_.u8(0);
  }
  void add(AgentSubOption code, Bytes value) {
    writer_.u8(static_cast<std::uint8_t>(code));
    writer_.u8(static_cast<std::uint8_t>(value.size()));
    writer_.bytes(value);
    ok_ = ok_ && value.size() <= kAgentContentMax;
  }
  void add(AgentSubOption code, Ip4 address) {
    writer_.u8(static_cast<std::uint8_t>(code));
    writer_.u8(4);
    writer_.ip4(address);
  }
  // A template rendered but for the client's MAC.
  void add_rendered(AgentSubOption code, std::string_view text, const Mac& chaddr);
  // RFC 6607 3.1: type, then the VPN's name or id.
  void add_vss(std::uint8_t type, std::string_view value);
  // Fills in the length. Bytes of the option, code and length included: 0 if there is no sub-option;
  // nullopt if something did not fit the buffer or the option's 255 bytes.
  [[nodiscard]] std::optional<std::size_t> finish();

 private:
  ByteWriter writer_;
  bool ok_ = true;
};

// Whether bytes are the template's text with the MAC in place of its placeholders.
[[nodiscard]] bool is_rendered(Bytes bytes, std::string_view text, const Mac& chaddr);

// Copies message into out (as large at least) without the option's content from an offset on (a
// sub-option boundary of the joined parts; 0 = all of it), byte for byte: a part that loses all
// its content goes with its code and length, one that loses some gets a new length. In file and
// sname what follows moves up and zeros fill the field. Returns the bytes written.
[[nodiscard]] std::size_t copy_without_agent(Bytes message, std::span<const OptionPart> parts,
                                             std::size_t content_from, MutableBytes out);

}  // namespace xk
