#include "controlplane/kea/hook/follow.h"

#include <cc/command_interpreter.h>
#include <cc/data.h>
#include <config/command_mgr.h>
#include <exceptions/exceptions.h>
#include <hooks/hooks.h>

#include <exception>
#include <string>

#include "controlplane/leases/gate_wire.h"

namespace xk::hook {
namespace {

using isc::data::ConstElementPtr;
using isc::data::Element;
using isc::data::ElementPtr;
using xk::leases::LeaseChange;

constexpr int kSuccess = 0;
constexpr int kEmpty = 3;
constexpr std::size_t kClientIdLeast = 2;  // bytes, by RFC 2132 9.14; Kea holds none that is shorter

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  isc_throw(isc::BadValue, "frames are no hex digits");
}

std::string bytes_of(const std::string& hex) {
  if (hex.size() % 2 != 0) isc_throw(isc::BadValue, "frames are no whole bytes");
  std::string bytes(hex.size() / 2, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<char>(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
  return bytes;
}

ElementPtr text(const std::string& value) { return Element::create(value); }
ElementPtr number(std::int64_t value) { return Element::create(static_cast<long long int>(value)); }

std::string colon_hex(const std::string& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (!out.empty()) out += ':';
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

ElementPtr command_of(const LeaseChange& change) {
  ElementPtr arguments = Element::createMap();
  arguments->set("ip-address", text(xk::to_string(change.address)));
  ElementPtr command = Element::createMap();
  command->set("command", text(change.erased ? "lease4-del" : "lease4-update"));
  command->set("arguments", arguments);
  if (change.erased) return command;
  arguments->set("subnet-id", number(change.subnet_id));
  arguments->set("hw-address", text(colon_hex(change.hardware_address)));
  if (change.client_id.size() >= kClientIdLeast)
    arguments->set("client-id", text(colon_hex(change.client_id)));
  arguments->set("valid-lft", number(change.valid_lifetime_s));
  arguments->set("expire", number(change.cltt_unix_s + change.valid_lifetime_s));
  arguments->set("fqdn-fwd", Element::create(change.fqdn_forward));
  arguments->set("fqdn-rev", Element::create(change.fqdn_reverse));
  arguments->set("hostname", text(change.hostname));
  arguments->set("state", number(static_cast<int>(change.state)));
  if (!change.user_context.empty()) arguments->set("user-context", Element::fromJSON(change.user_context));
  arguments->set("force-create", Element::create(true));
  return command;
}

// By the commands of libdhcp_lease_cmds, which do all that belongs to it; within Kea they cost little.
void put(const LeaseChange& change) {
  const ConstElementPtr answer = isc::config::CommandMgr::instance().processCommand(command_of(change));
  int result = 1;
  const ConstElementPtr said = isc::config::parseAnswer(result, answer);
  if (result == kSuccess || (change.erased && result == kEmpty)) return;
  isc_throw(isc::BadValue, xk::to_string(change.address)
                               << ": " << (said ? said->str() : std::string("no answer")));
}

std::size_t put_frames(const std::string& frames) {
  xk::leases::FrameReader reader;
  reader.add({reinterpret_cast<const std::uint8_t*>(frames.data()), frames.size()});
  std::size_t count = 0;
  for (;;) {
    const auto frame = reader.next();
    if (!frame) isc_throw(isc::BadValue, frame.error().message);
    if (!*frame) break;
    const auto changes = xk::leases::parse_changes((*frame)->body);
    if (!changes) isc_throw(isc::BadValue, changes.error().message);
    for (const LeaseChange& change : changes->leases) put(change);
    count += changes->leases.size();
  }
  if (reader.left() != 0) isc_throw(isc::BadValue, "the last frame is not whole");
  return count;
}

int leases_put(isc::hooks::CalloutHandle& handle) {
  ConstElementPtr answer;
  try {
    ConstElementPtr command, arguments;
    handle.getArgument("command", command);
    (void)isc::config::parseCommand(arguments, command);
    const ConstElementPtr frames = arguments ? arguments->get("frames") : ConstElementPtr();
    if (!frames || frames->getType() != Element::string)
      isc_throw(isc::BadValue, "the command has no text 'frames'");
    const std::size_t count = put_frames(bytes_of(frames->stringValue()));
    answer = isc::config::createAnswer(kSuccess, std::to_string(count) + " leases");
  } catch (const std::exception& error) {
    answer = isc::config::createAnswer(1, error.what());
  }
  handle.setArgument("response", answer);
  return 0;
}

}  // namespace

void register_follow(isc::hooks::LibraryHandle& handle) {
  handle.registerCommandCallout(xk::leases::kPutLeases, leases_put);
}

}  // namespace xk::hook
