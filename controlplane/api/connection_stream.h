// One connection as the HTTP library reads and writes it, with what the library has no limit for:
// the bytes a peer may send and the time it may take, whatever its headers and chunks say.
#pragma once

#include <httplib.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <string>

namespace xk::api {

class ConnectionStream final : public httplib::Stream {
 public:
  using Clock = std::chrono::steady_clock;

  // Borrows fd (non-blocking). Reading ends at bytes_max or read_by, writing write_time after it began.
  ConnectionStream(int fd, std::size_t bytes_max, Clock::time_point read_by, Clock::duration write_time)
      : fd_(fd), bytes_left_(bytes_max), read_by_(read_by), write_time_(write_time) {}

  [[nodiscard]] bool is_readable() const override;
  [[nodiscard]] bool is_writable() const override;
  // At least one byte, 0 at the end, -1 when a limit is reached.
  ssize_t read(char* into, std::size_t size) override;
  // All of it, or -1.
  ssize_t write(const char* from, std::size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  [[nodiscard]] socket_t socket() const override { return fd_; }

 private:
  ssize_t fill();

  int fd_;
  std::size_t bytes_left_;
  Clock::time_point read_by_;
  Clock::duration write_time_;
  Clock::time_point write_by_{};  // set by the first write
  std::array<char, 4096> buffer_{};
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace xk::api
