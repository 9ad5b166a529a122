// What Kea's control channel brings to our hook's command of leases, and what becomes of it in Kea's words.
// What is read is written and read again as the same; and whatever a record of the store says, the command
// that xdp-kead makes of it is one that the hook reads.
#include <cc/command_interpreter.h>
#include <cc/data.h>
#include <exceptions/exceptions.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/kea/hook/put_command.h"
#include "controlplane/leases/kea_file.h"
#include "controlplane/leases/record.h"
#include "dataplane/base/hex.h"

namespace {

using isc::data::ConstElementPtr;
using isc::data::Element;
using xk::leases::LeaseChange;

void must(bool so) {
  if (!so) std::abort();
}

// As callouts get it: Kea has read the JSON.
std::vector<LeaseChange> read_command(const std::string& json) {
  ConstElementPtr arguments;
  must(isc::config::parseCommand(arguments, Element::fromJSON(json)) == xk::leases::kPutLeases);
  return xk::hook::leases_of(arguments);
}

void say_to_kea(const LeaseChange& change) {
  const ConstElementPtr command = xk::hook::command_of(change);
  ConstElementPtr arguments;
  const std::string name = isc::config::parseCommand(arguments, command);
  must(name == (change.erased ? "lease4-del" : "lease4-update"));
  must(arguments->get("ip-address")->stringValue() == xk::to_string(change.address));
  if (change.erased) return;
  must(arguments->get("expire")->intValue() >= arguments->get("valid-lft")->intValue());
  must(xk::read_hex(arguments->get("hw-address")->stringValue()) == change.hardware_address);
}

void take(const std::vector<LeaseChange>& changes) {
  must(read_command(xk::leases::put_leases_command(changes)) == changes);
  for (const LeaseChange& change : changes) say_to_kea(change);
}

void read_record(std::string_view json) {
  static xk::leases::RecordReader reader;
  const auto record = reader.read(json);
  if (!record) return;
  LeaseChange change = xk::leases::change_of(*record, {});
  const auto read = read_command(xk::leases::put_leases_command({change}));
  must(read.size() == 1 && read[0].address == change.address);
  take(read);
}

}  // namespace

// The first byte: 'r', a record of the store; 'f', frames as bytes; anything else begins the JSON of a
// command.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text[0] == 'r') {
    read_record(text.substr(1));
    return 0;
  }
  std::string json(text);
  if (text[0] == 'f') {
    json = std::string(R"({"command":")") + xk::leases::kPutLeases + R"(","arguments":{"frames":")";
    xk::append_hex(json, text.substr(1));
    json += R"("}})";
  }
  std::vector<LeaseChange> changes;
  try {
    ConstElementPtr arguments;
    (void)isc::config::parseCommand(arguments, Element::fromJSON(json));
    changes = xk::hook::leases_of(arguments);
  } catch (const isc::Exception&) {
    return 0;
  }
  take(changes);
  return 0;
}
