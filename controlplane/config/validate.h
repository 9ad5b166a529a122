// The file's shape, each value good by itself -> the model: whatever takes more than one value to
// judge. Values marked bad were reported already and are left out of every judgement.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/file_shape.h"
#include "controlplane/config/mistakes.h"

namespace xk::config {

// The model is good if no mistake was added, now or before.
[[nodiscard]] Model validate(const FileConfig& file, Mistakes& mistakes);

// Parts of it, one a file.
void validate_machine(const FileConfig& file, Model& model, Mistakes& mistakes);
void validate_discovery(const FileConfig& config, Model& model, Mistakes& mistakes);
void validate_subnets(const FileVrf& file, const Given<Prefix4>& handoff_prefix, Vrf& vrf,
                      Mistakes& mistakes);
// Where options stand.
struct OptionLevel {
  std::string_view what = "subnet";  // each option is allowed once in it
  bool native = false;               // the native engine is to say them
  bool kea = !native;                // Kea is
  bool subnet = false;               // there are keys that say the same as some options
};
[[nodiscard]] std::vector<OptionData> validate_options(const std::vector<FileOption>& options,
                                                       const OptionLevel& level, Mistakes& mistakes);
// Classes, and what the native engine has limits for; subnets, options and attachments are there already.
void validate_native(const FileConfig& config, const FileVrf& file, Vrf& vrf, Mistakes& mistakes);
// What goes with the native engine in no VRF, at the engine's place.
void check_native_allowed(const FileConfig& config, Position engine, Mistakes& mistakes);
[[nodiscard]] NativeSettings native_settings_of(const FileNative& file);
// Keys of [discovery] that mean nothing to its engine.
void check_discovery_uses(const FileDiscovery& file, Engine engine, Mistakes& mistakes);
void validate_relay(const FileConfig& config, const FileVrf& file, Vrf& vrf, Mistakes& mistakes);
void validate_vrf_attachments(const FileConfig& config, const FileVrf& file, Vrf& vrf, Mistakes& mistakes);
// shared: by [ha].
[[nodiscard]] KeaSettings kea_settings_of(const FileKea& file, bool shared);
// The addresses of the handoffs are the appliance's own.
void check_not_handoff(const Given<Ip4>& address, std::string_view name, const Given<Prefix4>& handoff_prefix,
                       Mistakes& mistakes);

// Over all VRFs: duplicates and limits, and what their option 82 says. Model and file have the same
// VRFs and attachments in the same order.
void validate_attachments(const FileConfig& config, const Model& model, Mistakes& mistakes);
void validate_circuit_ids(const FileConfig& config, const Model& model, Mistakes& mistakes);

// "eth1 vlan 100"; "" if that is not known.
[[nodiscard]] std::string place_text(const FileAttachment& attachment);

// For each VRF, the index of the one that its servers are in.
[[nodiscard]] std::vector<std::size_t> server_vrfs_of(const Model& model);

// The two TPIDs of a pair of tags; reports one that is given without its tag.
struct Tags {
  VlanTag outer{};
  VlanTag inner{};
};
[[nodiscard]] Tags tags_of(const Given<VlanIds>& vlan, const Given<Tpid>& outer, const Given<Tpid>& inner,
                           std::string_view outer_name, std::string_view inner_name, Mistakes& mistakes);

}  // namespace xk::config
