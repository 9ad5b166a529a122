// Giving up what the dataplane must not have while packets flow.
#pragma once

#include <sys/types.h>

#include <expected>
#include <string>

#include "dataplane/base/error.h"

namespace xk {

struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;  // its primary group
};

// Looks the user up. root is refused: it would keep what is to be given up.
[[nodiscard]] std::expected<User, Error> find_user(const std::string& name);

// Whether this process can become the user; the error says how to start it.
[[nodiscard]] std::expected<void, Error> may_become(const User& user);

// Before any thread is started: no_new_privs for good, and where allowed an empty bounding set. All
// threads made later inherit both.
[[nodiscard]] std::expected<void, Error> close_the_way_up();

// Becomes the user in all threads: no supplementary groups, no capabilities in any set. Checks every
// thread of the process afterwards and is an error if one has anything left.
[[nodiscard]] std::expected<void, Error> drop_privileges(const User& user);

}  // namespace xk
