#include "controlplane/app/adapters.h"

#include <poll.h>

#include <set>

#include "controlplane/app/event_loop.h"
#include "controlplane/bpfmaps/classifier.h"
#include "controlplane/dataplane_link/dataplane_link.h"
#include "controlplane/leases/pauses.h"
#include "controlplane/netlink/netlink.h"
#include "controlplane/netns/netns.h"
#include "controlplane/statics/kea_file.h"
#include "controlplane/xsk/packet_sockets.h"

namespace xk::kead {

Result<Adapters> Adapters::make(const Appliance& appliance, kea::Prepare prepare) {
  Adapters adapters;
  auto links = make_links();
  if (!links) return std::unexpected(std::move(links.error()).in("netlink"));
  adapters.links = std::move(*links);
  adapters.namespaces = make_namespaces();
  auto keas = kea::Supervisor::make(std::move(prepare));
  if (!keas) return std::unexpected(std::move(keas.error()));
  adapters.keas = std::move(*keas);
  adapters.classifier = make_classifier(appliance.state_dir);
  if (auto opened = adapters.classifier->open(appliance.bpf_dir); !opened) {
    return std::unexpected(std::move(opened.error()).in("the classifier cannot be loaded"));
  }
  adapters.sockets = make_packet_sockets();
  adapters.dataplane = make_dataplane_link();
  return adapters;
}

Machine Adapters::machine() const {
  return {.links = *links,
          .namespaces = *namespaces,
          .keas = *keas,
          .classifier = *classifier,
          .sockets = *sockets,
          .dataplane = *dataplane,
          .now_ms = EventLoop::now_ms,
          .pause = [fd = keas->events_fd()](std::uint64_t ms) {
            pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
            ::poll(&waiting, 1, static_cast<int>(ms));
          }};
}

Result<std::string> KeaRenderer::render(const Vrf& vrf, const KeaSpec& spec, const HandoffSpec& handoff) {
  const auto known = rendered_.find(vrf.name);
  if (known != rendered_.end() && known->second.vrf == vrf &&
      known->second.interface_ip == spec.interface_ip) {
    return known->second.config;
  }
  kea::Place place =
      kea::make_place(vrf.kea, handoff.peer_name, handoff.peer_ip, spec.directory, keas_.version_of(vrf.kea));
  auto library = kea::find_static_library();
  if (!library) return std::unexpected(std::move(library.error()));
  place.static_hook = {.library = std::move(*library),
                       .file = statics::KeaFiles::path_of(facts_.static_directory, vrf.name),
                       .paused_file = leases::paused_file_of(facts_.paused_directory, vrf.name)};
  place.lease_grace_s = facts_.lease_grace_s;
  auto hook = hook_of_(spec, vrf.kea.durability);
  if (!hook) return std::unexpected(std::move(hook.error()));
  place.gate = std::move(*hook);
  auto config = kea::make_kea_config(vrf, place);
  if (config) {
    rendered_.insert_or_assign(vrf.name, Rendered{vrf, spec.interface_ip, *config});
  } else {
    rendered_.erase(vrf.name);
  }
  return config;
}

void KeaRenderer::keep_only(const std::map<VrfId, DesiredKea>& keas) {
  std::set<std::string> names;
  for (const auto& [vrf, kea] : keas) names.insert(kea.spec.vrf_name);
  std::erase_if(rendered_, [&](const auto& one) { return !names.contains(one.first); });
}

}  // namespace xk::kead
