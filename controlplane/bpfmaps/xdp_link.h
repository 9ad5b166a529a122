// One XDP attachment held by a pinned BPF link: it lives as long as its pin, not as this daemon.
#pragma once

#include <optional>
#include <string>

#include "controlplane/reconcile/ports.h"

namespace xk::bpfmaps {

// What the kernel says about the XDP programs of an interface; ids 0 = none.
struct XdpState {
  std::uint32_t native_id = 0;
  std::uint32_t generic_id = 0;
  std::uint32_t hardware_id = 0;
  [[nodiscard]] bool empty() const { return native_id == 0 && generic_id == 0 && hardware_id == 0; }
};
[[nodiscard]] Result<XdpState> xdp_state(IfIndex ifindex);

// "native mode, program 'name' (id 12)" of whatever is attached, for an Error.
[[nodiscard]] std::string describe(const XdpState& state);

class XdpLink {
 public:
  // Attaches and pins; nothing stays on failure. The Error's errno tells why: EBUSY or EEXIST if
  // another program came first.
  [[nodiscard]] static Result<XdpLink> create(int program, IfIndex ifindex, AttachMode mode,
                                              const std::string& pin);
  // The pinned link, if it is alive and is what the interface runs; nullopt: stale, to be unpinned.
  [[nodiscard]] static std::optional<XdpLink> adopt(IfIndex ifindex, const std::string& pin);

  [[nodiscard]] AttachMode mode() const { return mode_; }
  // False once its interface is gone, even if another one has the same ifindex now.
  [[nodiscard]] bool alive() const;
  // Swaps the program without a packet unclassified in between.
  [[nodiscard]] Result<> update(int program);
  // Detaches and unpins. An interface that is gone is no error.
  [[nodiscard]] Result<> detach();

 private:
  XdpLink(Fd link, IfIndex ifindex, AttachMode mode, std::string pin)
      : link_(std::move(link)), ifindex_(ifindex), mode_(mode), pin_(std::move(pin)) {}
  Fd link_;
  IfIndex ifindex_;
  AttachMode mode_;
  std::string pin_;
};

}  // namespace xk::bpfmaps
