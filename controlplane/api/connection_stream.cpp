#include "controlplane/api/connection_stream.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace xk::api {
namespace {

// Waits until the descriptor is ready for events, or the time has come.
bool wait_for(int fd, short events, ConnectionStream::Clock::time_point until) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - ConnectionStream::Clock::now());
    if (left.count() <= 0) return false;
    pollfd waiting{fd, events, 0};
    const int ready = poll(&waiting, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

}  // namespace

bool ConnectionStream::is_readable() const {
  return begin_ < end_ || (bytes_left_ > 0 && wait_for(fd_, POLLIN, read_by_));
}

bool ConnectionStream::is_writable() const { return wait_for(fd_, POLLOUT, Clock::now() + write_time_); }

ssize_t ConnectionStream::fill() {
  for (;;) {
    if (bytes_left_ == 0 || !wait_for(fd_, POLLIN, read_by_)) return -1;
    const ssize_t got = recv(fd_, buffer_.data(), std::min(buffer_.size(), bytes_left_), MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got > 0) {
      begin_ = 0;
      end_ = static_cast<std::size_t>(got);
      bytes_left_ -= end_;
    }
    return got;
  }
}

ssize_t ConnectionStream::read(char* into, std::size_t size) {
  if (begin_ == end_) {
    const ssize_t got = fill();
    if (got <= 0) return got;
  }
  const std::size_t count = std::min(size, end_ - begin_);
  std::memcpy(into, buffer_.data() + begin_, count);
  begin_ += count;
  return static_cast<ssize_t>(count);
}

ssize_t ConnectionStream::write(const char* from, std::size_t size) {
  if (write_by_ == Clock::time_point{}) write_by_ = Clock::now() + write_time_;
  std::size_t done = 0;
  while (done < size) {
    const ssize_t sent = send(fd_, from + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      done += static_cast<std::size_t>(sent);
    } else if (sent < 0 && errno == EAGAIN) {
      if (!wait_for(fd_, POLLOUT, write_by_)) return -1;
    } else if (sent == 0 || errno != EINTR) {
      return -1;
    }
  }
  return static_cast<ssize_t>(size);
}

void ConnectionStream::get_remote_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}

void ConnectionStream::get_local_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}

}  // namespace xk::api
