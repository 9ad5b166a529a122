// The folder of a native engine's journal. It belongs to the user that the dataplane runs as, and we are
// root: nothing in it is opened through a link.
#pragma once

#include <sys/types.h>

#include <expected>
#include <string>

#include "dataplane/base/error.h"
#include "dataplane/base/fd.h"

namespace xk::natives {

// Whom the files of the dataplane belong to.
struct Owner {
  uid_t uid = 0;
  gid_t gid = 0;
};
// Of the user; an empty name: root.
[[nodiscard]] std::expected<Owner, Error> owner_of(const std::string& user);

// Makes the folder, and missing parents (0755), or takes the one that is there; returns it opened, with mode
// 0750 and that owner. An Error: it is none, is reached through a link of somebody else's, or belongs to
// neither root nor the owner.
[[nodiscard]] std::expected<Fd, Error> open_folder(const std::string& directory, const Owner& owner);

// Whether its files are those of an engine that serves, or would go on: there is a snapshot or a journal, and
// the mark of end_folder() is not there.
[[nodiscard]] std::expected<bool, Error> in_use(const std::string& directory, int folder);
// Marks it: the store has all of it, and goes on without it.
[[nodiscard]] std::expected<void, Error> end_folder(int folder);
// Takes the mark away, which is the last thing before the files count again.
[[nodiscard]] std::expected<void, Error> begin_folder(int folder);
// Removes journals, snapshots and what was begun of them; the mark stays.
[[nodiscard]] std::expected<void, Error> empty_folder(const std::string& directory, int folder);

}  // namespace xk::natives
