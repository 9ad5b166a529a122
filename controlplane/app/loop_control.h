// The API's Control: every call is made on the daemon's loop, and waited for.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <set>
#include <string>

#include "controlplane/api/control.h"
#include "controlplane/api/scrape_server.h"
#include "controlplane/app/event_log.h"
#include "controlplane/app/event_loop.h"
#include "controlplane/app/ha_service.h"
#include "controlplane/app/lease_service.h"
#include "controlplane/app/native_service.h"
#include "controlplane/app/pause_service.h"
#include "controlplane/app/static_service.h"
#include "controlplane/reconcile/reconciler.h"

namespace xk::kead {

class Views;

class LoopControl final : public api::Control, public api::ScrapeSource {
 public:
  struct Parts {
    EventLoop& loop;
    LeaseService& leases;
    HaService* ha = nullptr;  // null: this appliance is alone
    const Reconciler& reconciler;
    const Machine& machine;
    EventLog& events;
    StaticService& statics;
    PauseService& pauses;
    NativeService& natives;
    std::string config_path;
    std::uint64_t started_ms = 0;  // EventLoop::now_ms()
    // When the loop or a step of a change last moved, as now_ms() has it.
    const std::atomic<std::uint64_t>& moved_ms;
    // On the loop.
    std::function<api::Answer<api::ReloadView>()> reload;
    std::function<api::Answer<api::ReloadView>(const std::string& vrf, api::VrfAction, bool purge)>
        act_on_vrf;
    std::function<api::Answer<api::TeardownView>()> teardown;
    std::function<api::Answer<api::ConfigDiffView>(const std::optional<api::ConfigText>&)> config_diff;
    // How long an answer may take, and that to a monitor.
    std::chrono::milliseconds answer_wait = api::kAnswerWait;
    std::chrono::milliseconds scrape_wait = std::chrono::seconds(10);
  };
  // A loop that has not moved for so long stands still. The longest step of a change, Kea's test of its
  // configuration, ends within 10 s.
  static constexpr std::uint64_t kStandstillMs = 30'000;

  explicit LoopControl(Parts parts) : parts_(std::move(parts)) {}

  [[nodiscard]] api::Answer<api::StatusView> status() override;
  [[nodiscard]] api::Answer<std::vector<api::VrfView>> vrfs() override;
  [[nodiscard]] api::Answer<std::vector<api::AttachmentView>> attachments() override;
  [[nodiscard]] api::Answer<api::AllCountersView> counters() override;
  [[nodiscard]] api::Answer<api::LeasePageView> leases(const api::LeaseQuery& query) override;
  // Not on the loop: the caller's thread waits.
  [[nodiscard]] api::Answer<api::LeaseWatchView> lease_changes(const api::LeaseWatchQuery& query) override;
  [[nodiscard]] api::Answer<api::LeaseDeletedView> delete_lease(
      const api::LeaseDeleteRequest& request) override;
  [[nodiscard]] api::Answer<std::vector<api::PoolView>> pools(const std::string& vrf) override;
  [[nodiscard]] api::Answer<std::vector<api::PauseView>> pauses(const std::string& vrf) override;
  [[nodiscard]] api::Answer<std::vector<api::PauseView>> pause(const api::PauseRequest& request) override;
  [[nodiscard]] api::Answer<std::vector<api::PauseView>> resume(const api::PauseRequest& request) override;
  // Changes wait for the store on the caller's thread, one after the other.
  [[nodiscard]] api::Answer<api::StaticPageView> static_leases(const api::StaticQuery& query) override;
  [[nodiscard]] api::Answer<api::StaticDoneView> add_static_leases(
      const api::StaticRequest& request) override;
  [[nodiscard]] api::Answer<api::StaticDoneView> delete_static_leases(
      const api::StaticRequest& request) override;
  [[nodiscard]] api::Answer<std::vector<api::KeaView>> keas() override;
  [[nodiscard]] api::Answer<std::vector<api::NativeView>> natives() override;
  [[nodiscard]] api::Answer<std::vector<api::ServerView>> servers() override;
  [[nodiscard]] api::Answer<std::string> kea_command(const std::string& vrf,
                                                     const std::string& json) override;
  [[nodiscard]] api::Answer<std::string> config_show() override;
  [[nodiscard]] api::Answer<api::ExplainView> explain(const std::string& interface,
                                                      const std::string& vlan) override;
  // Not on the loop: the caller's thread waits.
  [[nodiscard]] api::Answer<api::EventsView> events(const api::EventsQuery& query) override;
  [[nodiscard]] api::Answer<api::ConfigDiffView> config_diff(
      const std::optional<api::ConfigText>& text) override;
  [[nodiscard]] api::Answer<api::ReloadView> reload() override;
  [[nodiscard]] api::Answer<api::ReloadView> act_on_vrf(const std::string& vrf, api::VrfAction action,
                                                        bool purge) override;
  // On the caller's thread.
  [[nodiscard]] api::Answer<api::HaDoneView> hand_over(const std::string& vrf, bool to_us) override;
  [[nodiscard]] api::Answer<api::TeardownView> teardown() override;

  [[nodiscard]] api::Answer<std::string> metrics() override;
  [[nodiscard]] api::Answer<bool> alive() override;
  [[nodiscard]] api::Answer<api::ReadyView> ready() override;

 private:
  template <typename T>
  [[nodiscard]] api::Answer<T> on_loop(std::function<api::Answer<T>()> call) {
    return on_loop<T>(parts_.answer_wait, std::move(call));
  }
  // What the loop has not begun by then is not done.
  template <typename T>
  [[nodiscard]] api::Answer<T> on_loop(std::chrono::milliseconds at_most,
                                       std::function<api::Answer<T>()> call);
  [[nodiscard]] std::vector<api::VrfView> shown_vrfs(const Views& views) const;
  [[nodiscard]] std::vector<api::NativeView> shown_natives(const Views& views) const;
  // Of a VRF with a Kea; of one with leases of ours, which a Kea or the native engine has made.
  [[nodiscard]] api::Answer<VrfId> kea_of(const std::string& vrf) const;
  [[nodiscard]] api::Answer<VrfId> lessor_of(const std::string& vrf) const;
  [[nodiscard]] api::Answer<std::vector<std::string>> lessors(const std::string& vrf);
  // One page of a VRF's leases, and where the next one starts (0: that was all).
  struct Page;
  [[nodiscard]] api::Answer<Page> kea_page(const std::string& vrf, Ip4 from);
  [[nodiscard]] api::Answer<Page> stored_page(const std::string& vrf, Ip4 from, std::size_t limit);
  // What a lease is, and the places where it may be.
  struct Held;
  [[nodiscard]] api::Answer<Held> held(const api::LeaseDeleteRequest& request);
  [[nodiscard]] api::Answer<bool> erase_in_kea(VrfId vrf, Ip4 address);
  // Has the engine forget it, and waits until the store knows.
  [[nodiscard]] api::Answer<api::LeaseDeletedView> delete_in_native(const std::string& name,
                                                                    const Held& held);
  // On the loop.
  [[nodiscard]] std::vector<api::PoolView> pools_now(const std::string& vrf) const;
  [[nodiscard]] api::Answer<std::vector<api::PauseView>> act_on_pause(const api::PauseRequest& request,
                                                                      bool pause);
  [[nodiscard]] static std::unexpected<api::Failure> failure(int status, std::string message);
  [[nodiscard]] static std::unexpected<api::Failure> too_late(std::chrono::milliseconds waited, bool begun);

  // Which of the addresses wanted are leased by Kea's clients now.
  [[nodiscard]] api::Answer<StaticService::Leased> leased_now(const api::StaticRequest& request);
  struct RawPage;
  [[nodiscard]] api::Answer<RawPage> raw_lease_page(const std::string& vrf, Ip4 from, std::uint32_t limit);
  [[nodiscard]] api::Answer<bool> look_at_stored_leases(const std::string& vrf, const std::set<Ip4>& wanted,
                                                        StaticService::Leased& leased);
  [[nodiscard]] api::Answer<bool> look_at_leases(const std::string& vrf, const std::set<Ip4>& wanted,
                                                 StaticService::Leased& leased);

  Parts parts_;
  std::mutex static_mutex_;  // held through a change of static leases
  std::mutex pause_mutex_;   // held through a change of what is paused
};

}  // namespace xk::kead
