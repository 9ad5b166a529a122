#include "controlplane/app/put_leases.h"

#include <algorithm>
#include <cerrno>
#include <span>

#include "controlplane/kea/control_socket.h"
#include "controlplane/kea/json.h"
#include "controlplane/kea/paths.h"

namespace xk::kead {
namespace {

constexpr char kDigits[] = "0123456789abcdef";

void append_hex(std::string& out, std::string_view bytes) {
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
}

}  // namespace

std::string put_leases_command(const std::vector<leases::LeaseChange>& changes) {
  std::string command = std::string(R"({"command":")") + leases::kPutLeases + R"(","arguments":{"frames":")";
  for (std::size_t i = 0; i < changes.size(); i += leases::kChangesMax) {
    const auto part = std::span(changes).subspan(i, std::min(leases::kChangesMax, changes.size() - i));
    append_hex(command, leases::changes_frame({.number = i, .leases = {part.begin(), part.end()}}));
  }
  return command + R"("}})";
}

Result<> put_leases(const std::string& directory, const std::vector<leases::LeaseChange>& changes,
                    std::chrono::milliseconds wait) {
  const auto text =
      kea::exchange(kea::path_in(directory, kea::kSocketName), put_leases_command(changes), 0, wait);
  if (!text) return std::unexpected(text.error());
  const auto answer = kea::parse_answer(*text);
  if (!answer) return std::unexpected(answer.error());
  if (answer->result != 0) return std::unexpected(Error{"Kea does not take leases: " + answer->text, EINVAL});
  return {};
}

}  // namespace xk::kead
