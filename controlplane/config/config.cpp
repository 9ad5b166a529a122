#include "controlplane/config/config.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include <toml++/toml.h>

#include "controlplane/config/guard.h"
#include "controlplane/config/mistakes.h"
#include "controlplane/config/read_file.h"
#include "controlplane/config/read_value.h"
#include "controlplane/config/validate.h"
#include "dataplane/base/fd.h"

namespace xk {
namespace {

constexpr std::size_t kDescriptionMax = 300;  // bytes of a message of the TOML library's

std::unexpected<std::vector<ConfigError>> unreadable(const std::string& path, int number) {
  return std::unexpected(
      std::vector{ConfigError{Origin{path, 0, 0}, std::string("cannot be read: ") + std::strerror(number)}});
}

}  // namespace

std::string ConfigError::text() const {
  std::string place = at.file;
  if (at.line != 0) place += ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
  return place + ": " + message;
}

std::expected<Model, std::vector<ConfigError>> parse_config(std::string_view toml,
                                                            const std::string& file_name) {
  config::Mistakes mistakes(file_name);
  if (!config::check_bounds(toml, mistakes)) return std::unexpected(mistakes.take());
  Model model;
  try {
    const toml::table root = toml::parse(toml, std::string_view(file_name));
    const config::FileConfig file = config::read_file(root, mistakes);
    model = config::validate(file, mistakes);
  } catch (const toml::parse_error& error) {
    mistakes.add(config::position_of(error.source()),
                 "not TOML: " + config::one_line(error.description(), kDescriptionMax));
  }
  if (!mistakes.empty()) return std::unexpected(mistakes.take());
  return model;
}

std::expected<Model, std::vector<ConfigError>> load_config(const std::string& path) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return unreadable(path, errno);
  std::string text;
  std::array<char, 65536> chunk{};
  // One byte past the bound is enough for parse_config to refuse it.
  while (text.size() <= config::kFileBytesMax) {
    const ssize_t got = read(file.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unreadable(path, errno);
    if (got == 0) break;
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
  return parse_config(text, path);
}

}  // namespace xk
