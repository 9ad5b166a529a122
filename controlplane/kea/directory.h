// Kea's own directory. It belongs to the unprivileged user Kea runs as, and we are root: no file in
// it is ever opened through a link, and files of ours are made anew, never opened for writing.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "controlplane/reconcile/ports.h"
#include "dataplane/base/fd.h"

namespace xk::kea {

// Makes the directory (and missing parents, 0755) with mode 0750 and this owner, or takes it as it
// is and sets both. Returns it opened.
[[nodiscard]] Result<Fd> open_directory(const std::string& directory, uid_t uid, gid_t gid);
// Opens a directory that is there.
[[nodiscard]] Result<Fd> open_existing_directory(const std::string& directory);

// Replaces a file of the directory: root's, readable by the group (0640). Atomic.
[[nodiscard]] Result<> write_file_at(int directory, const std::string& name, std::string_view content,
                                     gid_t gid);
// A new empty file for appending (0640, the group's), in place of what was there.
[[nodiscard]] Result<Fd> new_log_at(int directory, const std::string& name, gid_t gid);

enum class FollowLinks : bool { no, yes };
// A regular file's content; an error if it is larger than size_max or not a regular file.
[[nodiscard]] Result<std::string> read_file_at(int directory, const std::string& name, std::size_t size_max,
                                               FollowLinks follow = FollowLinks::no);
// The last bytes of a regular file, at most size_max, and none of the first skip bytes if the file
// still has as many; empty if there is no such file.
[[nodiscard]] std::string tail_at(int directory, const std::string& name, std::size_t size_max,
                                  std::size_t skip = 0);
// 0 if there is no such regular file.
[[nodiscard]] std::size_t size_at(int directory, const std::string& name);
// Removes a file; gone already is no error.
[[nodiscard]] Result<> remove_at(int directory, const std::string& name);

}  // namespace xk::kea
