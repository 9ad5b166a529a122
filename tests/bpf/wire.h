// The far end of a veth, as a raw packet socket.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "dataplane/base/fd.h"
#include "tests/bpf/frames.h"

namespace xk::test {

class Wire {
 public:
  // Binds to the interface; EXPECTs that it is there.
  explicit Wire(const std::string& interface);
  void send(const Frame& frame) const;
  // The next incoming frame that wanted() accepts, within 5 s.
  [[nodiscard]] std::optional<Frame> receive(const std::function<bool(const Frame&)>& wanted) const;

 private:
  Fd socket_;
};

// Asks until the answer is yes, 5 s at most; for what the kernel tells only by being asked.
[[nodiscard]] bool eventually(const std::function<bool()>& condition);

}  // namespace xk::test
