// The files of one Kea: all in its own directory, so that instances never meet.
#pragma once

#include <cstddef>
#include <string>

#include "controlplane/reconcile/ports.h"

namespace xk::kea {

// sun_path holds 108 bytes with its terminating zero.
inline constexpr std::size_t kSocketPathMax = 107;

// Names inside the directory.
inline constexpr const char* kConfigName = "kea-dhcp4.conf";  // what Kea starts with
inline constexpr const char* kNewConfigName =
    "kea-dhcp4.new.conf";  // exists only while config-set is under way
inline constexpr const char* kTestConfigName = "kea-dhcp4.test.conf";  // kept when Kea refused it
inline constexpr const char* kSocketName = "kea-dhcp4.sock";
inline constexpr const char* kLeasesName = "kea-leases4.csv";
inline constexpr const char* kLogName = "kea-dhcp4.log";            // Kea's own log, rotated by Kea
inline constexpr const char* kOutputName = "kea-dhcp4.out";         // stdout and stderr since the last start
inline constexpr const char* kPidName = "kea-dhcp4.kea-dhcp4.pid";  // written by Kea
inline constexpr const char* kStartedName = "kea-dhcp4.started";    // "pid start-time", written by us

[[nodiscard]] std::string path_in(const std::string& directory, const char* name);

// The directory is absolute, has no "." or ".." in it, and its control socket's path fits sun_path.
[[nodiscard]] Result<> check_directory(const std::string& directory);

}  // namespace xk::kea
