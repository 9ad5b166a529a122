// Option 82 of all attachments: its size, and circuit-ids that tell attachments apart.
#include <algorithm>
#include <unordered_map>

#include "controlplane/config/text_checks.h"
#include "controlplane/config/validate.h"
#include "controlplane/model/template.h"
#include "dataplane/base/forwarding.h"

namespace xk::config {
namespace {

constexpr std::size_t kAgentOptionMax = 255;   // RFC 3046 2.0: one length octet
constexpr std::size_t kSubOptionHeader = 2;    // code and length
constexpr std::size_t kLinkSelectionSize = 6;  // RFC 3527
constexpr std::size_t kOverrideSize = 6;       // RFC 5107
constexpr std::size_t kRelayFlagsSize = 3;     // RFC 5010
constexpr std::size_t kVssControlSize = 2;     // RFC 6607 3.4: no data

// One rendered circuit-id and whose it is.
struct CircuitId {
  std::string text;
  std::size_t server_vrf = 0;
  Position at;          // where it is reported
  Position attachment;  // where the attachment stands
  std::string place;
};

// Keys "<server VRF> <circuit-id>".
using CircuitIds = std::unordered_map<std::string, const CircuitId*>;

std::string key_of(std::size_t server_vrf, std::string_view text) {
  return std::to_string(server_vrf) + " " + std::string(text);
}

// What our option 82 takes on the wire besides circuit-id and remote-id.
std::size_t fixed_size(const RelaySettings& relay) {
  std::size_t size = 0;
  if (relay.link_selection) size += kLinkSelectionSize;
  if (relay.server_id_override) size += kOverrideSize;
  if (relay.relay_flags) size += kRelayFlagsSize;
  if (relay.vss.enabled) size += kSubOptionHeader + 1 + relay.vss.value.size() + kVssControlSize;
  return size;
}

std::size_t sub_option_size(std::string_view rendered) {
  return rendered.empty() ? 0 : kSubOptionHeader + rendered_length(rendered);
}

bool can_judge(const FileConfig& config, const FileVrf& vrf, const FileAttachment& attachment) {
  return vrf.name.good() && attachment.interface.good() && !attachment.vlan.bad &&
         !attachment.circuit_id.bad && !attachment.remote_id.bad && !config.option82.circuit_id.bad &&
         !config.option82.remote_id.bad && !config.appliance.hostname.bad;
}

// Renders both templates and checks that they fit; nothing to compare with others: an empty text.
std::string circuit_id_of(const FileConfig& config, const FileAttachment& file, const Attachment& attachment,
                          const Vrf& vrf, Position at, Mistakes& mistakes) {
  const std::string hostname = config.appliance.hostname.value.empty() ? std::string(kHostNameMax, 'h')
                                                                       : config.appliance.hostname.value;
  const TemplateValues values{attachment.interface, attachment.outer.vid, attachment.inner.vid, vrf.name,
                              hostname};
  // Templates that cannot be rendered were reported where they stand.
  const std::string circuit = render_template(attachment.circuit_id_template, values).value_or("");
  const std::string remote = render_template(attachment.remote_id_template, values).value_or("");
  const std::size_t size = sub_option_size(circuit) + sub_option_size(remote) + fixed_size(vrf.relay);
  if (size > kAgentOptionMax) {
    mistakes.add(at, "option 82 of " + place_text(file) + " would have " + std::to_string(size) +
                         " bytes (circuit-id " + std::to_string(rendered_length(circuit)) + ", remote-id " +
                         std::to_string(rendered_length(remote)) + "); at most 255 are allowed");
  }
  return circuit;
}

std::vector<CircuitId> all_circuit_ids(const FileConfig& config, const Model& model, Mistakes& mistakes) {
  const std::vector<std::size_t> server_vrfs = server_vrfs_of(model);
  std::vector<CircuitId> ids;
  for (std::size_t i = 0; i < model.vrfs.size(); ++i) {
    const Vrf& vrf = model.vrfs[i];
    for (std::size_t j = 0; j < vrf.attachments.size(); ++j) {
      const FileAttachment& file = config.vrfs[i].attachments[j];
      if (!can_judge(config, config.vrfs[i], file)) continue;
      const Position at = file.circuit_id.given() ? file.circuit_id.at : file.at;
      ids.push_back({.text = circuit_id_of(config, file, vrf.attachments[j], vrf, at, mistakes),
                     .server_vrf = server_vrfs[i],
                     .at = at,
                     .attachment = file.at,
                     .place = place_text(file)});
    }
  }
  return ids;
}

void report(const CircuitId& id, const CircuitId& other, std::string_view how, Mistakes& mistakes) {
  std::string shown = id.text;
  std::ranges::replace(shown, kMacPlaceholder, '*');
  mistakes.add(id.at, "circuit_id: " + quoted(shown) + " of " + id.place + " " + std::string(how) +
                          " that of the attachment in " + line_text(other.attachment) +
                          "; attachments whose servers are in the same VRF need different ones, for by the "
                          "circuit-id a reply finds its way");
}

// A circuit-id that spells out a MAC address is what one with {mac} becomes for that client.
void check_spelled_mac(const CircuitId& id, const CircuitIds& seen, Mistakes& mistakes) {
  for (std::size_t i = 0; i + kMacTextLength <= id.text.size(); ++i) {
    const std::string_view mac = std::string_view(id.text).substr(i, kMacTextLength);
    if (!parse_mac(mac)) continue;
    std::string with_placeholder = id.text;
    for (std::size_t at = with_placeholder.find(mac); at != std::string::npos;
         at = with_placeholder.find(mac, at)) {
      with_placeholder.replace(at, kMacTextLength, 1, kMacPlaceholder);
    }
    const auto other = seen.find(key_of(id.server_vrf, with_placeholder));
    if (other == seen.end() || other->second == &id) continue;
    report(id, *other->second, "is what {mac} can make of", mistakes);
    return;
  }
}

}  // namespace

std::vector<std::size_t> server_vrfs_of(const Model& model) {
  std::unordered_map<std::string_view, std::size_t> by_name;
  for (std::size_t i = 0; i < model.vrfs.size(); ++i) by_name.emplace(model.vrfs[i].name, i);
  std::vector<std::size_t> server_vrfs;
  for (std::size_t i = 0; i < model.vrfs.size(); ++i) {
    const Vrf& vrf = model.vrfs[i];
    const auto named = by_name.find(vrf.relay.server_vrf);
    const bool elsewhere = vrf.engine == Engine::relay && named != by_name.end();
    server_vrfs.push_back(elsewhere ? named->second : i);
  }
  return server_vrfs;
}

void validate_circuit_ids(const FileConfig& config, const Model& model, Mistakes& mistakes) {
  const std::vector<CircuitId> ids = all_circuit_ids(config, model, mistakes);
  CircuitIds seen;
  for (const CircuitId& id : ids) {
    const auto [other, fresh] = seen.emplace(key_of(id.server_vrf, id.text), &id);
    if (!fresh) report(id, *other->second, "is", mistakes);
  }
  for (const CircuitId& id : ids) check_spelled_mac(id, seen, mistakes);
}

}  // namespace xk::config
