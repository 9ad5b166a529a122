#include "controlplane/app/put_leases.h"

#include <cerrno>

#include "controlplane/kea/control_socket.h"
#include "controlplane/kea/json.h"
#include "controlplane/kea/paths.h"

namespace xk::kead {

Result<> put_leases(const std::string& directory, const std::vector<leases::LeaseChange>& changes,
                    std::chrono::milliseconds wait) {
  const auto text =
      kea::exchange(kea::path_in(directory, kea::kSocketName), leases::put_leases_command(changes), 0, wait);
  if (!text) return std::unexpected(text.error());
  const auto answer = kea::parse_answer(*text);
  if (!answer) return std::unexpected(answer.error());
  if (answer->result != 0) return std::unexpected(Error{"Kea does not take leases: " + answer->text, EINVAL});
  return {};
}

}  // namespace xk::kead
