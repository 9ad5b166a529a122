#include "controlplane/app/teardown.h"

#include <poll.h>

#include <algorithm>

#include "controlplane/app/event_loop.h"
#include "controlplane/bpfmaps/classifier.h"
#include "controlplane/model/lookup.h"
#include "controlplane/reconcile/ids.h"

namespace xk::kead {
namespace {

constexpr std::uint64_t kKeasEndMs = 10'000;

class Teardown {
 public:
  Teardown(const Model& model, Adapters& adapters, const std::function<void()>& moved)
      : model_(model), adapters_(adapters), moved_(moved) {}

  TeardownReport run() {
    ports();
    keas();
    handoffs();
    namespaces();
    pins();
    return std::move(report_);
  }

 private:
  void note(const std::string& what, const Result<>& done) {
    moved_();
    if (done) {
      report_.removed.push_back(what);
    } else {
      report_.failures.push_back(what + ": " + done.error().message);
    }
  }

  // Rows first: nothing is steered from then on.
  void ports() {
    if (const auto rows = adapters_.classifier->attachments(); rows && !rows->empty()) {
      Result<> done;
      for (const AttachmentRow& row : *rows) {
        if (auto removed = adapters_.classifier->remove_attachment(row.key); !removed) done = removed;
      }
      note("stop steering at " + std::to_string(rows->size()) + " attachments", done);
    }
    const auto links = adapters_.links->list();
    for (const AttachedPort& port : adapters_.classifier->attached()) {
      std::string name = "ifindex " + std::to_string(port.ifindex.value);
      if (links) {
        const auto link = std::ranges::find(*links, port.ifindex, &LinkInfo::ifindex);
        if (link != links->end()) name = link->name;
      }
      note("detach the classifier from " + name, adapters_.classifier->detach(port.ifindex, name));
    }
    const DataplaneStatus dataplane = adapters_.dataplane->status();
    if (!dataplane.connected || dataplane.held_ports.empty()) return;
    note("take " + std::to_string(dataplane.held_ports.size()) + " ports from the dataplane",
         adapters_.dataplane->release_ports(dataplane.held_ports));
  }

  void keas() {
    for (const KeaStatus& status : adapters_.keas->status())
      note("stop the Kea of " + status.directory, adapters_.keas->stop(status.vrf));
    for (const KeaSettings& kind : kea_kinds(model_)) {
      for (const std::string& directory :
           adapters_.keas->stop_strays(model_.appliance.state_dir + "/kea", kind)) {
        report_.removed.push_back("stop the Kea of " + directory);
      }
    }
    const std::uint64_t deadline_ms = EventLoop::now_ms() + kKeasEndMs;
    for (;;) {
      moved_();
      adapters_.keas->tick(EventLoop::now_ms());
      const std::vector<KeaStatus> left = adapters_.keas->status();
      if (left.empty()) return;
      if (EventLoop::now_ms() >= deadline_ms) {
        for (const KeaStatus& status : left) {
          report_.failures.push_back("Kea with pid " + std::to_string(status.pid) + " does not end");
        }
        return;
      }
      pollfd waiting{.fd = adapters_.keas->events_fd(), .events = POLLIN, .revents = 0};
      ::poll(&waiting, 1, 100);
    }
  }

  void handoffs() {
    const auto links = adapters_.links->list();
    if (!links) {
      report_.failures.push_back("list the interfaces: " + links.error().message);
      return;
    }
    for (const LinkInfo& link : *links) {
      if (!link.alias.starts_with(mark_prefix(model_.appliance))) continue;
      note("remove handoff " + link.name, adapters_.links->remove_handoff(link.name, link.alias));
    }
  }

  void namespaces() {
    const auto names = adapters_.namespaces->list_marked(mark_prefix(model_.appliance));
    if (!names) {
      report_.failures.push_back("list the namespaces: " + names.error().message);
      return;
    }
    for (const std::string& name : *names) {
      const std::string mark = ownership_mark(model_.appliance, vrf_of_netns(model_.appliance, name));
      note("remove namespace " + name, adapters_.namespaces->remove(name, mark));
    }
  }

  void pins() {
    const auto removed = remove_pins(model_.appliance.bpf_dir);
    if (!removed) {
      report_.failures.push_back(removed.error().message);
      return;
    }
    for (const std::string& what : *removed) report_.removed.push_back("remove " + what);
  }

  const Model& model_;
  Adapters& adapters_;
  const std::function<void()>& moved_;
  TeardownReport report_;
};

}  // namespace

TeardownReport tear_down(const Model& model, Adapters& adapters, const std::function<void()>& moved) {
  return Teardown(model, adapters, moved).run();
}

}  // namespace xk::kead
