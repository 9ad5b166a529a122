#include "dataplane/app/privileges.h"

#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <vector>

#include <cap-ng.h>

namespace xk {
namespace {

// One field of /proc/.../status, without blanks around it.
std::string status_field(const std::filesystem::path& file, const std::string& key) {
  std::ifstream stream(file);
  std::string line;
  while (std::getline(stream, line)) {
    if (!line.starts_with(key + ":")) continue;
    const std::size_t from = line.find_first_not_of(" \t", key.size() + 1);
    if (from == std::string::npos) return "";
    return line.substr(from, line.find_last_not_of(" \t") + 1 - from);
  }
  return "?";
}

bool is_zero(const std::string& hexadecimal) {
  return !hexadecimal.empty() && hexadecimal.find_first_not_of('0') == std::string::npos;
}

std::expected<void, Error> check_thread(const std::filesystem::path& file, const User& user) {
  const std::string id = std::to_string(user.uid);
  const auto wrong = [&](const std::string& key) {
    return std::unexpected(Error{"thread " + file.parent_path().filename().string() + " still has " + key +
                                 " " + status_field(file, key)});
  };
  for (const char* key : {"CapInh", "CapPrm", "CapEff", "CapAmb"})
    if (!is_zero(status_field(file, key))) return wrong(key);
  if (status_field(file, "Uid") != id + "\t" + id + "\t" + id + "\t" + id) return wrong("Uid");
  if (status_field(file, "NoNewPrivs") != "1") return wrong("NoNewPrivs");
  return {};
}

}  // namespace

std::expected<User, Error> find_user(const std::string& name) {
  std::array<char, 4096> text{};
  passwd entry{};
  passwd* found = nullptr;
  if (getpwnam_r(name.c_str(), &entry, text.data(), text.size(), &found) != 0 || found == nullptr)
    return std::unexpected(Error{"unknown user '" + name + "' (dataplane.user): make it, for example with " +
                                 "'adduser --system --group " + name + "'"});
  if (entry.pw_uid == 0)
    return std::unexpected(Error{
        "user '" + name + "' (dataplane.user) is root: the dataplane runs as a user without privileges"});
  return User{name, entry.pw_uid, entry.pw_gid};
}

std::expected<void, Error> may_become(const User& user) {
  if (geteuid() == 0 || (geteuid() == user.uid && getuid() == user.uid)) return {};
  return std::unexpected(Error{"not allowed to become user '" + user.name +
                               "' (dataplane.user): start it as root or as '" + user.name + "'"});
}

std::expected<void, Error> close_the_way_up() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return std::unexpected(errno_error("no_new_privs"));
  if (capng_get_caps_process() != 0) return std::unexpected(Error{"cannot read this process's capabilities"});
  if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) == 0) return {};
  capng_clear(CAPNG_SELECT_BOUNDS);
  if (capng_apply(CAPNG_SELECT_BOUNDS) != 0)
    return std::unexpected(Error{"cannot clear the bounding set of capabilities"});
  return {};
}

std::expected<void, Error> drop_privileges(const User& user) {
  if (auto allowed = may_become(user); !allowed) return allowed;
  capng_clear(CAPNG_SELECT_ALL);
  // The C library changes the ids of all threads; with them go their capabilities.
  if (geteuid() == 0) {
    if (const int result =
            capng_change_id(static_cast<int>(user.uid), static_cast<int>(user.gid), CAPNG_DROP_SUPP_GRP);
        result != 0)
      return std::unexpected(
          Error{"cannot become user '" + user.name + "' (libcap-ng says " + std::to_string(result) + ")"});
  } else if (capng_apply(CAPNG_SELECT_CAPS) != 0) {
    return std::unexpected(Error{"cannot give up capabilities"});
  }
  std::error_code error;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", error))
    if (auto checked = check_thread(thread.path() / "status", user); !checked) return checked;
  if (error) return std::unexpected(Error{"cannot read /proc/self/task: " + error.message()});
  return {};
}

}  // namespace xk
