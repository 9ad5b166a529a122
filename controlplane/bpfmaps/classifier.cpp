#include "controlplane/bpfmaps/classifier.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <map>
#include <system_error>

#include "controlplane/bpfmaps/bpffs.h"
#include "controlplane/bpfmaps/loaded_program.h"
#include "controlplane/bpfmaps/map_table.h"
#include "controlplane/bpfmaps/port_record.h"
#include "controlplane/bpfmaps/vlan_offload.h"
#include "controlplane/bpfmaps/xdp_link.h"

namespace xk {
namespace {

using bpfmaps::LoadedProgram;
using bpfmaps::PortRecord;
using bpfmaps::PortRecords;
using bpfmaps::XdpLink;

Result<> updated(int result, const char* what) {
  if (result == 0) return {};
  if (result == -E2BIG) return std::unexpected(Error{std::string(what) + " is full", E2BIG});
  return std::unexpected(errno_error(what, -result));
}

// Gone already is no error.
Result<> removed(int result, const char* what) { return updated(result == -ENOENT ? 0 : result, what); }

Result<> check_key(const xk_attachment_key& key) {
  if (key.outer_vid >= XK_VID_RESERVED || key.inner_vid >= XK_VID_RESERVED)
    return std::unexpected(Error{"VLAN id out of 1..4094"});
  if (key.inner_vid != XK_VID_NONE && key.outer_vid == XK_VID_NONE)
    return std::unexpected(Error{"an inner VLAN without an outer one"});
  return {};
}

void append_warning(std::string& warning, const std::string& more) {
  if (!warning.empty()) warning += "; ";
  warning += more;
}

class KernelClassifier final : public Classifier {
 public:
  explicit KernelClassifier(const std::string& state_dir) : records_(state_dir + "/xdp-ports") {}

  Result<> open(const std::string& bpf_dir) override;
  Result<AttachedPort> attach(IfIndex ifindex, const std::string& name, bool force_generic) override;
  Result<> detach(IfIndex ifindex, const std::string& name) override;
  std::vector<AttachedPort> attached() const override;

  Result<> put_attachment(const AttachmentRow& row) override {
    if (auto checked = check_key(row.key); !checked) return checked;
    return updated(bpf_map_update_elem(program_->attachments(), &row.key, &row.value, BPF_ANY),
                   XK_MAP_ATTACHMENTS);
  }
  Result<> remove_attachment(const xk_attachment_key& key) override {
    return removed(bpf_map_delete_elem(program_->attachments(), &key), XK_MAP_ATTACHMENTS);
  }
  Result<std::vector<AttachmentRow>> attachments() override {
    auto entries = bpfmaps::read_map<xk_attachment_key, xk_attachment_value>(program_->attachments());
    if (!entries) return std::unexpected(std::move(entries.error()).in(XK_MAP_ATTACHMENTS));
    std::vector<AttachmentRow> rows;
    for (const auto& entry : *entries) rows.push_back({entry.key, entry.value});
    return rows;
  }
  Result<> put_address(const AddressRow& row) override {
    return updated(bpf_map_update_elem(program_->addresses(), &row.key, &row.flags, BPF_ANY),
                   XK_MAP_ADDRESSES);
  }
  Result<> remove_address(const xk_address_key& key) override {
    return removed(bpf_map_delete_elem(program_->addresses(), &key), XK_MAP_ADDRESSES);
  }
  Result<std::vector<AddressRow>> addresses() override {
    auto entries = bpfmaps::read_map<xk_address_key, std::uint32_t>(program_->addresses());
    if (!entries) return std::unexpected(std::move(entries.error()).in(XK_MAP_ADDRESSES));
    std::vector<AddressRow> rows;
    for (const auto& entry : *entries) rows.push_back({entry.key, entry.value});
    return rows;
  }
  Result<> put_socket(std::uint32_t index, int socket_fd) override {
    return updated(bpf_map_update_elem(program_->sockets(), &index, &socket_fd, BPF_ANY), XK_MAP_XSKS);
  }
  Result<std::vector<std::uint64_t>> counters() override;

 private:
  struct Port {
    XdpLink link;
    PortRecord record;
  };

  [[nodiscard]] std::string pin_of(IfIndex ifindex) const {
    return links_dir_ + "/" + std::to_string(ifindex.value);
  }
  [[nodiscard]] static AttachedPort described(IfIndex ifindex, const Port& port) {
    return {ifindex, port.link.mode(), port.record.warning, !port.record.offloads.empty()};
  }
  void adopt_pinned();
  void adopt(IfIndex ifindex);
  void forget(IfIndex ifindex) const;
  void sweep();
  [[nodiscard]] Result<> refuse_foreign(IfIndex ifindex) const;
  [[nodiscard]] Result<PortRecord> take_offloads(IfIndex ifindex, const std::string& name) const;
  [[nodiscard]] Result<XdpLink> create_link(IfIndex ifindex, bool force_generic, std::string& warning) const;
  [[nodiscard]] Result<> restore(const PortRecord& record) const;

  PortRecords records_;
  std::string links_dir_;
  std::optional<LoadedProgram> program_;
  std::map<IfIndex, Port> ports_;
};

Result<> KernelClassifier::open(const std::string& bpf_dir) {
  links_dir_ = bpf_dir + "/links";
  if (auto there = bpfmaps::ensure_bpffs(bpf_dir); !there) return there;
  std::error_code error;
  std::filesystem::create_directory(links_dir_, error);
  if (error) return std::unexpected(errno_error("making directory " + links_dir_, error.value()));
  auto loaded = LoadedProgram::load(bpf_dir);
  if (!loaded) return std::unexpected(std::move(loaded.error()));
  program_ = std::move(*loaded);
  adopt_pinned();
  return {};
}

// Every file under links/ becomes a port or goes; so does a record that a crash left without a link.
void KernelClassifier::adopt_pinned() {
  for (const IfIndex ifindex : bpfmaps::numbered_files(links_dir_, "")) adopt(ifindex);
  for (const IfIndex ifindex : records_.list())
    if (!ports_.contains(ifindex)) forget(ifindex);
}

void KernelClassifier::adopt(IfIndex ifindex) {
  auto link = XdpLink::adopt(ifindex, pin_of(ifindex));
  if (link && link->update(program_->program())) {
    const auto record = records_.get(ifindex);
    ports_.emplace(
        ifindex, Port{std::move(*link), record.value_or(PortRecord{
                                            .ifindex = ifindex, .name = "", .offloads = {}, .warning = ""})});
    return;
  }
  forget(ifindex);
}

// A pin without a live link, or of no use: unpinning ends the link. What was set on the interface
// ended with it, unless it is still there and only the link was taken from it.
void KernelClassifier::forget(IfIndex ifindex) const {
  ::unlink(pin_of(ifindex).c_str());
  const auto record = records_.get(ifindex);
  std::array<char, IF_NAMESIZE> name{};
  const bool there =
      record && ::if_indextoname(ifindex.value, name.data()) != nullptr && record->name == name.data();
  if (!there || !restore(*record)) records_.remove(ifindex);
}

// Lets go of ports whose interface has vanished: their index may be another interface's next.
void KernelClassifier::sweep() {
  for (auto at = ports_.begin(); at != ports_.end();) {
    if (at->second.link.alive()) {
      ++at;
      continue;
    }
    forget(at->first);
    at = ports_.erase(at);
  }
}

Result<> KernelClassifier::refuse_foreign(IfIndex ifindex) const {
  const auto state = bpfmaps::xdp_state(ifindex);
  if (!state) return std::unexpected(state.error());
  if (state->empty()) return {};
  return std::unexpected(
      Error{"another XDP program is attached, and it is not ours: " + describe(*state) +
                "; detach it (ip link set dev <interface> xdp off) or leave the interface out",
            EBUSY});
}

// Takes the receive VLAN offloads off, with a record on disk before the first change. What cannot
// be taken off becomes a warning.
Result<PortRecord> KernelClassifier::take_offloads(IfIndex ifindex, const std::string& name) const {
  PortRecord record = records_.get(ifindex).value_or(PortRecord{});
  record.ifindex = ifindex;
  record.name = name;
  record.warning.clear();
  const auto active = bpfmaps::active_vlan_offloads(ifindex);
  if (!active) {
    append_warning(record.warning, "receive VLAN offload unknown (" + active.error().message + ")");
    return record;
  }
  for (const auto* names : {&active->strips, &active->filters})
    for (const std::string& offload : *names)
      if (std::ranges::find(record.offloads, offload) == record.offloads.end())
        record.offloads.push_back(offload);
  if (auto put = records_.put(record); !put) return std::unexpected(std::move(put.error()));
  if (const auto taken = bpfmaps::set_vlan_offloads(ifindex, active->strips, false); !taken)
    append_warning(record.warning,
                   "receive VLAN offload stays on, so XDP takes tagged frames for untagged ones (" +
                       taken.error().message + ")");
  if (const auto taken = bpfmaps::set_vlan_offloads(ifindex, active->filters, false); !taken)
    append_warning(
        record.warning,
        "the VLAN filter stays on (" + taken.error().message +
            "), so tagged frames come in only of VLANs for which the interface has a VLAN device, or "
            "with `ip link set dev " +
            name + " promisc on`");
  return record;
}

// Native, or generic with the reason added to warning.
Result<XdpLink> KernelClassifier::create_link(IfIndex ifindex, bool force_generic,
                                              std::string& warning) const {
  const std::string pin = pin_of(ifindex);
  if (force_generic) {
    append_warning(warning, "generic XDP, as configured: slower than native");
    return XdpLink::create(program_->program(), ifindex, AttachMode::generic, pin);
  }
  auto native = XdpLink::create(program_->program(), ifindex, AttachMode::native, pin);
  if (native) return native;
  const int number = native.error().system_errno;
  if (number == EBUSY || number == EEXIST || number == EPERM || number == ENODEV) return native;
  auto generic = XdpLink::create(program_->program(), ifindex, AttachMode::generic, pin);
  if (!generic)
    return std::unexpected(
        Error{"native: " + native.error().message + "; generic: " + generic.error().message,
              generic.error().system_errno});
  append_warning(warning,
                 "generic XDP, slower: the driver refused native mode (" + native.error().message + ")");
  return generic;
}

// The record goes either way: what a driver refuses to put back it would refuse again.
Result<> KernelClassifier::restore(const PortRecord& record) const {
  records_.remove(record.ifindex);
  auto restored = bpfmaps::set_vlan_offloads(record.ifindex, record.offloads, true);
  if (restored) return restored;
  return std::unexpected(std::move(restored.error()).in("VLAN offload not restored"));
}

Result<AttachedPort> KernelClassifier::attach(IfIndex ifindex, const std::string& name, bool force_generic) {
  sweep();
  if (const auto at = ports_.find(ifindex); at != ports_.end()) {
    // A port whose driver refused native mode stays as it is; only the configuration's word moves it.
    const Port& port = at->second;
    const bool as_wanted =
        force_generic ? port.link.mode() == AttachMode::generic : !port.record.forced_generic;
    if (as_wanted) return described(ifindex, port);
    if (auto detached = detach(ifindex, name); !detached) return std::unexpected(std::move(detached.error()));
  }
  const auto context = [&](Error&& error) { return std::unexpected(std::move(error).in("XDP on " + name)); };
  if (auto free = refuse_foreign(ifindex); !free) return context(std::move(free.error()));
  auto record = take_offloads(ifindex, name);
  if (!record) return context(std::move(record.error()));
  record->forced_generic = force_generic;
  auto link = create_link(ifindex, force_generic, record->warning);
  if (!link) {
    if (const auto restored = restore(*record); !restored)
      link.error().message += "; " + restored.error().message;
    return context(std::move(link.error()));
  }
  if (auto put = records_.put(*record); !put) append_warning(record->warning, put.error().message);
  const auto [at, added] = ports_.insert_or_assign(ifindex, Port{std::move(*link), std::move(*record)});
  return described(ifindex, at->second);
}

Result<> KernelClassifier::detach(IfIndex ifindex, const std::string& name) {
  sweep();
  const auto at = ports_.find(ifindex);
  if (at == ports_.end()) return {};
  if (auto detached = at->second.link.detach(); !detached)
    return std::unexpected(std::move(detached.error()).in("XDP on " + name));
  at->second.record.ifindex = ifindex;
  auto restored = restore(at->second.record);
  ports_.erase(at);
  if (restored) return restored;
  return std::unexpected(std::move(restored.error()).in("XDP on " + name + ": detached"));
}

std::vector<AttachedPort> KernelClassifier::attached() const {
  std::vector<AttachedPort> list;
  for (const auto& [ifindex, port] : ports_)
    if (port.link.alive()) list.push_back(described(ifindex, port));
  return list;
}

Result<std::vector<std::uint64_t>> KernelClassifier::counters() {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus < 0) return std::unexpected(errno_error("counting CPUs", -cpus));
  std::vector<std::uint64_t> per_cpu(static_cast<std::size_t>(cpus));
  std::vector<std::uint64_t> sums(XK_OUTCOME_COUNT);
  for (std::uint32_t outcome = 0; outcome < XK_OUTCOME_COUNT; ++outcome) {
    if (const int result = bpf_map_lookup_elem(program_->counters(), &outcome, per_cpu.data()); result != 0)
      return std::unexpected(errno_error(XK_MAP_COUNTERS, -result));
    for (const std::uint64_t packets : per_cpu) sums[outcome] += packets;
  }
  return sums;
}

}  // namespace

std::unique_ptr<Classifier> make_classifier(const std::string& state_dir) {
  return std::make_unique<KernelClassifier>(state_dir);
}

}  // namespace xk
