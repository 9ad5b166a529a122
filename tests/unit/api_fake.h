// A daemon's answers without a daemon, and a unix socket's place, for the tests of API and CLI.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "controlplane/api/control.h"
#include "dataplane/base/fd.h"

namespace xk::api {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char pattern[] = "/tmp/xkt-api-XXXXXX";
    path_ = mkdtemp(pattern);
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline Fd connect_to(const std::string& path) {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return Fd();
  return fd;
}

// Sends what it can and reads to the end.
inline std::string ask(const std::string& path, std::string_view bytes) {
  const Fd fd = connect_to(path);
  if (!fd) return "no connection";
  while (!bytes.empty()) {
    const ssize_t sent = send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) break;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  shutdown(fd.get(), SHUT_WR);
  std::string answer;
  char buffer[4096];
  for (ssize_t got = 0; (got = recv(fd.get(), buffer, sizeof buffer, 0)) > 0;) {
    answer.append(buffer, static_cast<std::size_t>(got));
  }
  return answer;
}

// Two VRFs with the same addresses, one healthy and one not; set failure to refuse everything.
class FakeControl : public Control {
 public:
  std::optional<Failure> failure;
  bool empty = false;  // a daemon that has just started, with nothing configured
  std::string kea_answer = R"([{"result": 0, "text": "done", "arguments": ["lease4-get"]}])";
  std::string last_kea_command;
  std::string hostname = "laptop";
  std::atomic<int> reloads = 0;
  std::uint64_t extra_rx = 0;

  Answer<StatusView> status() override {
    if (failure) return std::unexpected(*failure);
    StatusView view;
    view.version = "0.1.0";
    view.configuration = "/etc/xdp-kea/xdp-kea.toml";
    view.dataplane_state = "not connected";
    if (empty) return view;
    view.generation = 7;
    view.uptime_s = 7530;
    view.dataplane_state = "running";
    view.dataplane_pid = 4242;
    view.dataplane_generation = 7;
    view.warnings = {"eth1: XDP in generic mode: the driver has no native XDP"};
    view.store = {"embedded", "/var/lib/xdp-kea/store", "available", "", 4711, 0, 812, 97, 0};
    view.ports = {{"eth1", 5, "af_xdp", "generic", "serving", "no native XDP"},
                  {"eth9", 0, "af_xdp", "-", "pending", ""}};
    view.vrfs = two_vrfs();
    view.keas = two_keas();
    view.natives = {native()};
    return view;
  }
  Answer<std::vector<VrfView>> vrfs() override {
    if (failure) return std::unexpected(*failure);
    return empty ? std::vector<VrfView>{} : two_vrfs();
  }
  Answer<std::vector<AttachmentView>> attachments() override {
    if (failure) return std::unexpected(*failure);
    if (empty) return std::vector<AttachmentView>{};
    return std::vector<AttachmentView>{
        {1, "red", "eth1", 5, "-", "client", "configured", "", "10.0.0.0/24", "serving", ""},
        {2, "red", "xkh1", 12, "-", "handoff", "", "", "", "serving", ""},
        {3, "blue", "eth1", 5, "200.300", "client", "discovered", "br0.200", "10.0.0.0/24", "serving", ""},
        {4, "blue", "eth9", 0, "100", "client", "configured", "", "10.0.0.0/24", "pending",
         "there is no interface eth9"}};
  }
  Answer<AllCountersView> counters() override {
    if (failure) return std::unexpected(*failure);
    AllCountersView view;
    view.total.vrf = "total";
    if (empty) return view;
    CountersView none{"-", 3, 0, 0, 0, 0, 0, 0, 0, 0, {{"unmapped", 3}}, {}};
    CountersView red{"red",
                     1000 + extra_rx,
                     10,
                     1005 + extra_rx,
                     500,
                     500,
                     2,
                     0,
                     17,
                     4,
                     {{"hops_exceeded", 5}},
                     {{"reply_fallback", 1}}};
    view.vrfs = {none, red};
    view.total = {"total",
                  1003 + extra_rx,
                  10,
                  1005 + extra_rx,
                  500,
                  500,
                  2,
                  0,
                  17,
                  4,
                  {{"hops_exceeded", 5}, {"unmapped", 3}},
                  {{"reply_fallback", 1}}};
    view.xdp = {{"pass_not_dhcp", 123456}, {"redirect_dhcp4", 1003}, {"redirect_arp", 0}};
    return view;
  }
  LeaseQuery last_lease_query;
  // Two leases; a page each if `paged`.
  bool paged = false;
  std::vector<LeaseView> all_leases() const {
    return {{"red", "10.0.0.100", "02:00:00:00:00:01", "01020000000001", hostname, "active", "10.0.0.0/24",
             "eth1 -", 3600, 1767225599, "kea", 1767221999, 1767229199, "eth1:0.0", "edge1:red"},
            {"blue", "10.0.0.100", "02:00:00:00:00:01", "", "", "declined", "10.0.0.0/24", "eth1 200.300", 60,
             1767225599, "kea", 1767225539, 1767225599, "", ""}};
  }
  Answer<LeasePageView> leases(const LeaseQuery& query) override {
    if (failure) return std::unexpected(*failure);
    last_lease_query = query;
    LeasePageView page;
    if (empty) return page;
    page.leases = all_leases();
    std::erase_if(page.leases, [&query](const LeaseView& lease) {
      const LeaseFilter& filter = query.filter;
      return (!filter.vrf.empty() && lease.vrf != filter.vrf) ||
             (!filter.address.empty() && lease.address != filter.address) ||
             (!filter.mac.empty() && lease.mac != filter.mac);
    });
    if (filter_unknown(query.filter.vrf))
      return std::unexpected(Failure{404, {"there is no VRF '" + query.filter.vrf + "'"}});
    if (!paged) return page;
    if (query.from.empty()) {
      page.next = "red/0a000064";
      page.leases.resize(std::min<std::size_t>(page.leases.size(), 1));
    } else {
      page.leases.erase(page.leases.begin());
    }
    return page;
  }
  static bool filter_unknown(const std::string& vrf) { return !vrf.empty() && vrf != "red" && vrf != "blue"; }
  std::vector<LeaseWatchView> watch_answers;  // one for each question
  std::vector<LeaseWatchQuery> watch_queries;
  Answer<LeaseWatchView> lease_changes(const LeaseWatchQuery& query) override {
    if (failure) return std::unexpected(*failure);
    watch_queries.push_back(query);
    if (watch_answers.empty()) return LeaseWatchView{false, 7, {{7, "put", all_leases()[0]}}};
    LeaseWatchView view = watch_answers.front();
    watch_answers.erase(watch_answers.begin());
    return view;
  }
  LeaseDeleteRequest last_delete;
  Answer<LeaseDeletedView> delete_lease(const LeaseDeleteRequest& request) override {
    if (failure) return std::unexpected(*failure);
    last_delete = request;
    if (request.address != "10.0.0.100")
      return std::unexpected(Failure{404, {"there is no lease of " + request.address}});
    return LeaseDeletedView{all_leases()[0], true};
  }
  Answer<std::vector<PoolView>> pools(const std::string& vrf) override {
    if (failure) return std::unexpected(*failure);
    if (empty) return std::vector<PoolView>{};
    std::vector<PoolView> all{
        {"red", "10.0.0.0/24", "10.0.0.100-10.0.0.199", "part", true, 100, 10, 1, 40, 30, 2, 8, 49, 5, 3,
         1767225599, "10.0.0.107"},
        {"blue", "10.0.0.0/24", "10.0.0.100-10.0.0.199", "", false, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ""}};
    std::erase_if(all, [&vrf](const PoolView& pool) { return !vrf.empty() && pool.vrf != vrf; });
    return all;
  }
  PauseRequest last_pause;
  Answer<std::vector<PauseView>> pauses(const std::string& vrf) override {
    if (failure) return std::unexpected(*failure);
    if (empty) return std::vector<PauseView>{};
    std::vector<PauseView> all{{"red", "pool", "10.0.0.100-10.0.0.199", 1767225000, "allow"},
                               {"blue", "mac", "02:00:00:00:00:01", 1767225001, "deny"}};
    std::erase_if(all, [&vrf](const PauseView& pause) { return !vrf.empty() && pause.vrf != vrf; });
    return all;
  }
  Answer<std::vector<PauseView>> pause(const PauseRequest& request) override {
    if (failure) return std::unexpected(*failure);
    last_pause = request;
    return std::vector<PauseView>{{request.vrf, request.pool.empty() ? "mac" : "pool",
                                   request.pool.empty() ? request.mac : request.pool, 1767225000, "allow"}};
  }
  Answer<std::vector<PauseView>> resume(const PauseRequest& request) override { return pause(request); }
  // Whatever is asked to be added is there from then on, but for 10.0.0.1.
  std::vector<StaticTexts> statics{{.vrf = "red",
                                    .mac = "02:00:00:00:00:01",
                                    .client_id = {},
                                    .circuit_id = {},
                                    .remote_id = {},
                                    .address = "10.0.0.50",
                                    .hostname = "printer",
                                    .options = {"ntp-servers=10.0.0.9"}},
                                   {.vrf = "blue",
                                    .mac = {},
                                    .client_id = {},
                                    .circuit_id = "eth1:100.0",
                                    .remote_id = "edge",
                                    .address = {},
                                    .hostname = {},
                                    .options = {}}};
  Answer<StaticPageView> static_leases(const StaticQuery& query) override {
    if (failure) return std::unexpected(*failure);
    StaticPageView page;
    for (const StaticTexts& lease : statics)
      if (!empty && (query.vrf.empty() || lease.vrf == query.vrf)) page.leases.push_back(lease);
    page.total = page.leases.size();
    return page;
  }
  Answer<StaticDoneView> add_static_leases(const StaticRequest& request) override {
    if (failure) return std::unexpected(*failure);
    StaticDoneView done;
    for (std::size_t i = 0; i < request.leases.size(); ++i)
      if (request.leases[i].address == "10.0.0.1")
        done.problems.push_back({i, "mac " + request.leases[i].mac + ": 10.0.0.1 is the gateway"});
    if (request.check) return done;
    if (!done.problems.empty()) return std::unexpected(Failure{409, {done.problems[0].text}});
    done.added = request.leases.size();
    statics.insert(statics.end(), request.leases.begin(), request.leases.end());
    return done;
  }
  Answer<StaticDoneView> delete_static_leases(const StaticRequest& request) override {
    if (failure) return std::unexpected(*failure);
    StaticDoneView done;
    done.deleted = request.leases.size();
    return done;
  }
  Answer<std::vector<NativeView>> natives() override {
    if (failure) return std::unexpected(*failure);
    return empty ? std::vector<NativeView>{} : std::vector{native()};
  }
  Answer<std::vector<KeaView>> keas() override {
    if (failure) return std::unexpected(*failure);
    return empty ? std::vector<KeaView>{} : two_keas();
  }
  Answer<std::vector<ServerView>> servers() override {
    if (failure) return std::unexpected(*failure);
    if (empty) return std::vector<ServerView>{};
    return std::vector<ServerView>{
        {"blue", "192.0.2.10", "failover", "dead", 1767225000, 120, 80, 1767224990, 2},
        {"blue", "192.0.2.11", "failover", "live", 1767220000, 60, 58, 1767225599, 0},
        {"blue", "192.0.2.12", "failover", "unknown", 0, 0, 0, 0, 0}};
  }
  Answer<std::string> kea_command(const std::string& vrf, const std::string& json) override {
    if (failure) return std::unexpected(*failure);
    last_kea_command = vrf + " " + json;
    return kea_answer;
  }
  Answer<std::string> config_show() override {
    if (failure) return std::unexpected(*failure);
    return std::string("[appliance]\nname = \"xdp-kea\"\n");
  }
  Answer<ExplainView> explain(const std::string& interface, const std::string& vlan) override {
    if (failure) return std::unexpected(*failure);
    return ExplainView{interface,
                       vlan.empty() ? "-" : vlan,
                       "served: VRF red, subnet 10.0.0.0/24",
                       "red",
                       "kea",
                       "10.0.0.0/24",
                       "keep",
                       "eth1:0.0",
                       "",
                       {{"interface", "ok", "eth1, index 5"},
                        {"interface", "note", "eth1 is down: no packet comes until it is up"},
                        {"engine", "ok", "Kea 2.2.0, pid 4300, giaddr 169.254.0.2"}}};
  }
  EventsQuery last_events_query;
  Answer<EventsView> events(const EventsQuery& query) override {
    if (failure) return std::unexpected(*failure);
    last_events_query = query;
    EventsView view{1767225599000, 41, 0, {}};
    if (empty) return view;
    view.events = {{40, 1767225599004, "warning", "attachment_pending", "blue", "eth9 vlan 100",
                    "interface eth9 does not exist"},
                   {41, 1767225599123, "info", "dataplane_connected", "", "", "pid 4242"}};
    std::erase_if(view.events, [&query](const EventView& event) { return event.number <= query.since; });
    return view;
  }
  Answer<ConfigDiffView> config_diff(const std::optional<ConfigText>& text) override {
    if (failure) return std::unexpected(*failure);
    ConfigDiffView view;
    view.generation = 7;
    if (empty) return view;
    view.changes = {
        {"[[vrf]] blue", "removed", {}},
        {"[[vrf]] red",
         "changed",
         {"  [[vrf.subnet]]", "  prefix = \"10.0.0.0/24\"", "- lease_time_s = 3600", "+ lease_time_s = 600"}},
        {"[[vrf]] green", "added", {}}};
    if (text) view.changes[2].section = "[[vrf]] " + text->toml;
    view.steps = {"vrf red: apply Kea's configuration", "publish the forwarding state"};
    return view;
  }
  std::string last_action;
  Answer<ReloadView> act_on_vrf(const std::string& vrf, VrfAction action, bool purge) override {
    if (failure) return std::unexpected(*failure);
    if (vrf != "red" && vrf != "blue")
      return std::unexpected(Failure{404, {"there is no VRF '" + vrf + "'"}});
    last_action = (action == VrfAction::drain    ? "drain "
                   : action == VrfAction::resume ? "resume "
                                                 : "delete ") +
                  vrf + (purge ? " purge" : "");
    return ReloadView{9, {"publish the forwarding state"}};
  }
  Answer<HaDoneView> hand_over(const std::string& vrf, bool to_us) override {
    if (failure) return std::unexpected(*failure);
    last_action = (to_us ? "takeover " : "release ") + vrf;
    return HaDoneView{{vrf.empty() ? "red" : vrf}};
  }
  Answer<TeardownView> teardown() override {
    if (failure) return std::unexpected(*failure);
    last_action = "teardown";
    return TeardownView{{"remove handoff xkh1", "remove namespace xdp-kea-1"}, teardown_failures};
  }
  std::vector<std::string> teardown_failures;
  Answer<ReloadView> reload() override {
    if (failure) return std::unexpected(*failure);
    ++reloads;
    return ReloadView{8, {"blue: start Kea", "publish generation 8"}};
  }

 private:
  static std::vector<VrfView> two_vrfs() {
    return {{"red",
             1,
             "configured",
             "",
             0,
             "kea",
             "serving",
             "",
             "xdp-kea-1",
             "xkh1",
             "169.254.0.2",
             1,
             1,
             {"10.0.0.0/24", "10.1.0.0/24"},
             {"169.254.0.3"},
             512},
            {"blue",
             2,
             "discovered",
             "vrf-blue",
             1002,
             "kea",
             "degraded",
             "1 attachment is pending",
             "xdp-kea-2",
             "xkh2",
             "169.254.0.4",
             2,
             1,
             {"10.0.0.0/24"},
             {"169.254.0.5"},
             256}};
  }
  static NativeView native() {
    return {"green",
            "failing",
            "local",
            1200,
            3,
            262144,
            7,
            5000,
            true,
            4990,
            10,
            "cannot write journal-0000000000000007: No space left on device",
            "/var/lib/xdp-kea/native/green"};
  }
  static std::vector<KeaView> two_keas() {
    return {{"red", "running", 4300, 7500, 0, 1204, "strict", true, 812, 3, 0, "2.2.0", "", "xdp-kea-1",
             "/var/lib/xdp-kea/kea/1"},
            {"blue", "backoff", 0, 0, 3, 0, "available", false, 0, 0, 2, "2.2.0", "exit status 1",
             "xdp-kea-2", "/var/lib/xdp-kea/kea/2"}};
  }
};

}  // namespace xk::api
