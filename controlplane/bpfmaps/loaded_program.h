// The classifier's program in the kernel, and its maps: new ones pinned, or those already pinned.
#pragma once

#include <memory>
#include <string>

#include "controlplane/reconcile/ports.h"

struct xdp_classify;

namespace xk::bpfmaps {

class LoadedProgram {
 public:
  // Pins the maps by name in directory, which is on a bpffs. A pinned map of another layout is
  // refused with what differs and what to do. Nothing new stays pinned on failure.
  [[nodiscard]] static Result<LoadedProgram> load(const std::string& directory);

  // Descriptors, borrowed.
  [[nodiscard]] int program() const;
  [[nodiscard]] int attachments() const;
  [[nodiscard]] int addresses() const;
  [[nodiscard]] int sockets() const;
  [[nodiscard]] int counters() const;

 private:
  struct Destroy {
    void operator()(xdp_classify* skeleton) const;
  };
  explicit LoadedProgram(xdp_classify* skeleton) : skeleton_(skeleton) {}
  std::unique_ptr<xdp_classify, Destroy> skeleton_;
};

}  // namespace xk::bpfmaps
