// What /proc tells of a Kea's process.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

namespace xk::kea {

// When it started, in clock ticks after boot; process: its directory under /proc, opened. 0: not known.
[[nodiscard]] std::uint64_t start_ticks(int process);

// The CPU time that all its threads have used, in clock ticks; nothing if it is gone.
[[nodiscard]] std::optional<std::uint64_t> cpu_ticks(pid_t pid);

// Datagrams that a socket has lost for want of space in its buffer, by the socket's inode.
using SocketDrops = std::map<std::uint64_t, std::uint64_t>;
// Of the UDP (IPv4) sockets with this local port in the process's network namespace; empty if it is gone.
[[nodiscard]] SocketDrops udp_drops(pid_t pid, std::uint16_t port);
// The same from the text of /proc/net/udp; a line of another form is passed over.
[[nodiscard]] SocketDrops parse_udp_drops(std::string_view table, std::uint16_t port);

}  // namespace xk::kea
