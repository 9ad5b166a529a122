#include "controlplane/kea/paths.h"

#include <string_view>

namespace xk::kea {

std::string path_in(const std::string& directory, const char* name) { return directory + "/" + name; }

Result<> check_directory(const std::string& directory) {
  if (directory.empty() || directory.front() != '/')
    return std::unexpected(Error{"Kea's directory '" + directory + "' is not an absolute path"});
  std::string_view rest(directory);
  while (!rest.empty()) {
    const std::size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (part == "." || part == "..")
      return std::unexpected(
          Error{"Kea's directory '" + directory + "' contains '" + std::string(part) + "'"});
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
  }
  const std::string socket = path_in(directory, kSocketName);
  if (socket.size() > kSocketPathMax)
    return std::unexpected(
        Error{"the path of Kea's control socket is too long: " + std::to_string(socket.size()) +
              " bytes, at most " + std::to_string(kSocketPathMax) + " (" + socket +
              "); choose a shorter state directory"});
  return {};
}

}  // namespace xk::kea
