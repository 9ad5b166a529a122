#include "controlplane/kea/hook/follow.h"

#include <cc/command_interpreter.h>
#include <cc/data.h>
#include <config/command_mgr.h>
#include <exceptions/exceptions.h>
#include <hooks/hooks.h>

#include <exception>
#include <string>

#include "controlplane/kea/hook/put_command.h"

namespace xk::hook {
namespace {

using isc::data::ConstElementPtr;
using xk::leases::LeaseChange;

constexpr int kSuccess = 0;
constexpr int kEmpty = 3;

// By the commands of libdhcp_lease_cmds, which do all that belongs to it; within Kea they cost little.
void put(const LeaseChange& change) {
  const ConstElementPtr answer = isc::config::CommandMgr::instance().processCommand(command_of(change));
  int result = 1;
  const ConstElementPtr said = isc::config::parseAnswer(result, answer);
  if (result == kSuccess || (change.erased && result == kEmpty)) return;
  isc_throw(isc::BadValue, xk::to_string(change.address)
                               << ": " << (said ? said->str() : std::string("no answer")));
}

int leases_put(isc::hooks::CalloutHandle& handle) {
  ConstElementPtr answer;
  try {
    ConstElementPtr command, arguments;
    handle.getArgument("command", command);
    (void)isc::config::parseCommand(arguments, command);
    const auto changes = leases_of(arguments);
    for (const LeaseChange& change : changes) put(change);
    answer = isc::config::createAnswer(kSuccess, std::to_string(changes.size()) + " leases");
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
