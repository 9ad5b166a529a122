// What a fallible call returns when it fails: a text for a person, with its context in front.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace xk {

struct Error {
  std::string message;   // what happened, where and what to do; no trailing newline
  int system_errno = 0;  // errno if a system call failed, else 0

  // The same error with a context in front: "vrf red: cannot ..." .
  [[nodiscard]] Error in(std::string_view context) && {
    message.insert(0, ": ");
    message.insert(0, context);
    return std::move(*this);
  }
};

// An Error from errno: "context: No such file or directory".
[[nodiscard]] inline Error errno_error(std::string_view context, int number = errno) {
  return Error{std::string(context) + ": " + std::strerror(number), number};
}

}  // namespace xk
