#include "controlplane/bpfmaps/xdp_link.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <unistd.h>

namespace xk::bpfmaps {
namespace {

std::string program_text(std::uint32_t id) {
  const Fd program{bpf_prog_get_fd_by_id(id)};
  bpf_prog_info info{};
  __u32 size = sizeof info;
  std::string name = "?";
  if (program && bpf_obj_get_info_by_fd(program.get(), &info, &size) == 0) name = info.name;
  return "program '" + name + "' (id " + std::to_string(id) + ")";
}

std::optional<bpf_link_info> link_info(int link) {
  bpf_link_info info{};
  __u32 size = sizeof info;
  if (bpf_obj_get_info_by_fd(link, &info, &size) != 0) return std::nullopt;
  return info;
}

// A link whose interface is gone has ifindex 0.
bool is_link_of(const bpf_link_info& info, IfIndex ifindex) {
  return info.type == BPF_LINK_TYPE_XDP && info.xdp.ifindex == ifindex.value;
}

}  // namespace

Result<XdpState> xdp_state(IfIndex ifindex) {
  bpf_xdp_query_opts query{};
  query.sz = sizeof query;
  if (const int result = bpf_xdp_query(static_cast<int>(ifindex.value), 0, &query); result != 0)
    return std::unexpected(errno_error("asking for its XDP program", -result));
  return XdpState{query.drv_prog_id, query.skb_prog_id, query.hw_prog_id};
}

std::string describe(const XdpState& state) {
  std::string text;
  const auto add = [&](const char* mode, std::uint32_t id) {
    if (id != 0) text += (text.empty() ? "" : ", ") + program_text(id) + " in " + mode + " mode";
  };
  add("native", state.native_id);
  add("generic", state.generic_id);
  add("hardware", state.hardware_id);
  return text;
}

Result<XdpLink> XdpLink::create(int program, IfIndex ifindex, AttachMode mode, const std::string& pin) {
  bpf_link_create_opts options{};
  options.sz = sizeof options;
  options.flags = mode == AttachMode::native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
  const int fd = bpf_link_create(program, static_cast<int>(ifindex.value), BPF_XDP, &options);
  if (fd < 0) return std::unexpected(errno_error("attaching", -fd));
  XdpLink link(Fd{fd}, ifindex, mode, pin);
  if (const int result = bpf_obj_pin(fd, pin.c_str()); result != 0)
    return std::unexpected(errno_error("pinning " + pin, -result));
  return link;
}

std::optional<XdpLink> XdpLink::adopt(IfIndex ifindex, const std::string& pin) {
  Fd link{bpf_obj_get(pin.c_str())};
  if (!link) return std::nullopt;
  const auto info = link_info(link.get());
  if (!info || !is_link_of(*info, ifindex)) return std::nullopt;
  // An interface that moved to another network namespace keeps its link and may leave its index to
  // another one here: only what this namespace's interface runs is ours to adopt.
  const auto state = xdp_state(ifindex);
  if (!state) return std::nullopt;
  if (state->native_id == info->prog_id) return XdpLink(std::move(link), ifindex, AttachMode::native, pin);
  if (state->generic_id == info->prog_id) return XdpLink(std::move(link), ifindex, AttachMode::generic, pin);
  return std::nullopt;
}

bool XdpLink::alive() const {
  const auto info = link_info(link_.get());
  return info && is_link_of(*info, ifindex_);
}

Result<> XdpLink::update(int program) {
  if (const int result = bpf_link_update(link_.get(), program, nullptr); result != 0)
    return std::unexpected(errno_error("updating the link's program", -result));
  return {};
}

Result<> XdpLink::detach() {
  const bool was_alive = alive();
  if (const int result = bpf_link_detach(link_.get()); result != 0 && was_alive && alive())
    return std::unexpected(errno_error("detaching", -result));
  if (::unlink(pin_.c_str()) != 0 && errno != ENOENT)
    return std::unexpected(errno_error("unpinning " + pin_));
  link_.reset();
  return {};
}

}  // namespace xk::bpfmaps
