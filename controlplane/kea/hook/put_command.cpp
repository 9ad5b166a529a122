#include "controlplane/kea/hook/put_command.h"

#include <exceptions/exceptions.h>

#include <cstdint>
#include <string>
#include <utility>

#include "controlplane/leases/user_context.h"
#include "dataplane/base/hex.h"

namespace xk::hook {
namespace {

using isc::data::ConstElementPtr;
using isc::data::Element;
using isc::data::ElementPtr;

constexpr std::size_t kClientIdLeast = 2;  // bytes, by RFC 2132 9.14; Kea holds none that is shorter

ElementPtr text(const std::string& value) { return Element::create(value); }
ElementPtr number(std::int64_t value) { return Element::create(static_cast<long long int>(value)); }

}  // namespace

std::vector<leases::LeaseChange> leases_of(const ConstElementPtr& arguments) {
  const bool map = arguments && arguments->getType() == Element::map;
  const ConstElementPtr frames = map ? arguments->get(leases::kPutFrames) : ConstElementPtr();
  if (!frames || frames->getType() != Element::string)
    isc_throw(isc::BadValue, "the command has no text '" << leases::kPutFrames << "'");
  auto changes = leases::parse_frames_text(frames->stringValue());
  if (!changes) isc_throw(isc::BadValue, changes.error().message);
  return std::move(*changes);
}

ElementPtr command_of(const leases::LeaseChange& change) {
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
  if (leases::is_user_context(change.user_context))
    arguments->set("user-context", Element::fromJSON(change.user_context));
  arguments->set("force-create", Element::create(true));
  return command;
}

}  // namespace xk::hook
