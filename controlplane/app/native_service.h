// VRFs of the native engine: what the dataplane says of them and what of their journals is in the store, held
// together. On the daemon's loop.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controlplane/app/event_log.h"
#include "controlplane/app/event_loop.h"
#include "controlplane/natives/natives.h"
#include "controlplane/reconcile/ports.h"
#include "controlplane/store/store.h"

namespace xk::kead {

// How a native engine and its leases are; what is not known is missing.
struct NativeStatus {
  std::optional<ipc::NativeReport> report;  // of the connected dataplane
  std::optional<natives::Status> journal;
  // Records that are on the dataplane's disk and not in the store yet.
  [[nodiscard]] std::optional<std::uint64_t> behind() const;
};

class NativeService final : public NativeLeases {
 public:
  struct Parts {
    EventLoop& loop;
    DataplaneLink& dataplane;
    EventLog& events;
    store::Store& store;
    std::string user;  // that the dataplane runs as
    std::int64_t grace_s = 0;
    // A Kea of that directory that nobody has adopted yet, if there is one, has to end; whether there is.
    std::function<bool(const std::string& kea_directory)> stop_stray;
    // What ensure() or finish() of the VRF waited for may be done.
    std::function<void(const std::string& vrf)> progress;
  };
  // An Error: the machine does not say which boot this is.
  [[nodiscard]] static Result<std::unique_ptr<NativeService>> make(Parts parts);

  [[nodiscard]] Result<> ensure(const NativeSpec& spec) override;
  [[nodiscard]] Result<> finish(const std::string& vrf_name) override;
  [[nodiscard]] std::vector<NativeSpec> ready() const override;
  [[nodiscard]] std::vector<std::string> open() const override;
  [[nodiscard]] std::map<std::string, std::string> troubles() const override;

  // Tells the dataplane what the store has, and events what has become of engines. After the dataplane was
  // heard.
  void look();
  // Of the VRFs with an engine that is to serve or that has not given up its leases yet, by name.
  [[nodiscard]] std::map<std::string, NativeStatus> status() const;
  // Of journals that the store has not got to the end of.
  [[nodiscard]] std::set<std::string> directories() const;

 private:
  NativeService(Parts parts, natives::BootId boot_id);
  void tell_stored(const std::vector<natives::Status>& all);
  void tell_progress(const std::vector<natives::Status>& all);
  void tell_states();
  void tell_state(const std::string& vrf, const ipc::NativeReport& report);
  void look_soon();

  struct Seen {
    NativeState state = NativeState::recovering;
    std::string error;
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  Parts parts_;
  std::map<std::string, NativeSpec> ready_;
  std::map<std::string, Seen> seen_;                      // what was said of engines
  std::map<VrfId, std::uint64_t> told_;                   // revisions, to the dataplane
  std::map<std::string, natives::Status::Phase> phases_;  // at the last look
  std::pair<std::uint32_t, std::uint32_t> dataplane_{};   // pid, connects
  std::atomic<bool> look_posted_{false};
  std::unique_ptr<natives::Natives> natives_;  // ends first
};

[[nodiscard]] std::string_view state_text(NativeState state);

}  // namespace xk::kead
