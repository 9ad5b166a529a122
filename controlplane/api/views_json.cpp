#include "controlplane/api/views_json.h"

#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "controlplane/api/scrape_server.h"

namespace xk::api {
namespace {

template <typename T, typename View>
concept Is = std::same_as<std::remove_const_t<T>, View>;

// ---- the one table: every view's fields, in the order they are shown -----------------------------

void each_field(Is<PortView> auto& v, auto&& f) {
  f("name", v.name);
  f("ifindex", v.ifindex);
  f("kind", v.kind);
  f("mode", v.mode);
  f("state", v.state);
  f("warning", v.warning);
}

void each_field(Is<KeaView> auto& v, auto&& f) {
  f("vrf", v.vrf);
  f("state", v.state);
  f("pid", v.pid);
  f("uptime_s", v.uptime_s);
  f("restarts", v.restarts);
  f("socket_drops", v.socket_drops);
  f("durability", v.durability);
  f("gated", v.gated);
  f("lease_changes", v.lease_changes);
  f("acks_withheld", v.acks_withheld);
  f("leases_queued", v.leases_queued);
  f("version", v.version);
  f("last_error", v.last_error);
  f("netns", v.netns);
  f("directory", v.directory);
}

void each_field(Is<NativeView> auto& v, auto&& f) {
  f("vrf", v.vrf);
  f("state", v.state);
  f("durability", v.durability);
  f("leases", v.leases);
  f("declined", v.declined);
  f("table_bytes", v.table_bytes);
  f("journal", v.journal);
  f("durable_revision", v.durable_revision);
  f("followed", v.followed);
  f("stored_revision", v.stored_revision);
  f("behind", v.behind);
  f("last_error", v.last_error);
  f("directory", v.directory);
}

void each_field(Is<ServerView> auto& v, auto&& f) {
  f("vrf", v.vrf);
  f("address", v.address);
  f("mode", v.mode);
  f("state", v.state);
  f("since_unix_s", v.since_unix_s);
  f("requests", v.requests);
  f("replies", v.replies);
  f("last_reply_unix_s", v.last_reply_unix_s);
  f("deaths", v.deaths);
}

void each_field(Is<AttachmentView> auto& v, auto&& f) {
  f("id", v.id);
  f("vrf", v.vrf);
  f("interface", v.interface);
  f("ifindex", v.ifindex);
  f("vlan", v.vlan);
  f("role", v.role);
  f("origin", v.origin);
  f("on", v.on);
  f("subnet", v.subnet);
  f("state", v.state);
  f("reason", v.reason);
}

void each_field(Is<CountersView> auto& v, auto&& f) {
  f("vrf", v.vrf);
  f("rx", v.rx);
  f("copies", v.copies);
  f("tx", v.tx);
  f("requests", v.requests);
  f("replies", v.replies);
  f("arp", v.arp);
  f("exceptions", v.exceptions);
  f("queue_high_water", v.queue_high_water);
  f("queue_depth", v.queue_depth);
  f("drops", v.drops);
  f("notes", v.notes);
}

void each_field(Is<AllCountersView> auto& v, auto&& f) {
  f("vrfs", v.vrfs);
  f("total", v.total);
  f("xdp", v.xdp);
}

void each_field(Is<LeaseView> auto& v, auto&& f) {
  f("vrf", v.vrf);
  f("address", v.address);
  f("mac", v.mac);
  f("client_id", v.client_id);
  f("hostname", v.hostname);
  f("state", v.state);
  f("subnet", v.subnet);
  f("attachment", v.attachment);
  f("lease_time_s", v.lease_time_s);
  f("expires_unix_s", v.expires_unix_s);
  f("server", v.server);
  f("start_unix_s", v.start_unix_s);
  f("kept_until_unix_s", v.kept_until_unix_s);
  f("circuit_id", v.circuit_id);
  f("remote_id", v.remote_id);
}

void each_field(Is<LeasePageView> auto& v, auto&& f) {
  f("leases", v.leases);
  f("next", v.next);
}

void each_field(Is<LeaseChangeView> auto& v, auto&& f) {
  f("revision", v.revision);
  f("change", v.change);
  f("lease", v.lease);
}

void each_field(Is<LeaseWatchView> auto& v, auto&& f) {
  f("resync", v.resync);
  f("last", v.last);
  f("changes", v.changes);
}

void each_field(Is<LeaseDeleteRequest> auto& v, auto&& f) {
  f("vrf", v.vrf);
  f("address", v.address);
}

void each_field(Is<LeaseDeletedView> auto& v, auto&& f) {
  f("lease", v.lease);
  f("kea", v.kea);
  f("native", v.native);
}

void each_field(Is<PoolView> auto& v, auto&& f) {
  f("vrf", v.vrf);
  f("subnet", v.subnet);
  f("pool", v.pool);
  f("paused", v.paused);
  f("counted", v.counted);
  f("size", v.size);
  f("excluded", v.excluded);
  f("own", v.own);
  f("used", v.used);
  f("leased", v.leased);
  f("declined", v.declined);
  f("static", v.fixed);
  f("available", v.available);
  f("expired", v.expired);
  f("kept", v.kept);
  f("next_expires_unix_s", v.next_expires_unix_s);
  f("next_expires", v.next_expires);
}

void each_field(Is<PauseView> auto& v, auto&& f) {
  f("vrf", v.vrf);
  f("kind", v.kind);
  f("who", v.who);
  f("since_unix_s", v.since_unix_s);
  f("renewals", v.renewals);
}

void each_field(Is<PauseRequest> auto& v, auto&& f) {
  f("vrf", v.vrf);
  f("pool", v.pool);
  f("mac", v.mac);
  f("client_id", v.client_id);
}

void each_field(Is<StaticTexts> auto& v, auto&& f) {
  f("vrf", v.vrf);
  f("mac", v.mac);
  f("client_id", v.client_id);
  f("circuit_id", v.circuit_id);
  f("remote_id", v.remote_id);
  f("address", v.address);
  f("hostname", v.hostname);
  f("options", v.options);
}

void each_field(Is<StaticPageView> auto& v, auto&& f) {
  f("leases", v.leases);
  f("next", v.next);
  f("total", v.total);
}

void each_field(Is<StaticRequest> auto& v, auto&& f) {
  f("leases", v.leases);
  f("force", v.force);
  f("check", v.check);
}

void each_field(Is<StaticProblemView> auto& v, auto&& f) {
  f("index", v.index);
  f("text", v.text);
}

void each_field(Is<StaticDoneView> auto& v, auto&& f) {
  f("added", v.added);
  f("changed", v.changed);
  f("unchanged", v.unchanged);
  f("deleted", v.deleted);
  f("notes", v.notes);
  f("problems", v.problems);
}

void each_field(Is<VrfView> auto& v, auto&& f) {
  f("name", v.name);
  f("id", v.id);
  f("origin", v.origin);
  f("device", v.device);
  f("table", v.table);
  f("engine", v.engine);
  f("state", v.state);
  f("reason", v.reason);
  f("netns", v.netns);
  f("handoff", v.handoff);
  f("giaddr", v.giaddr);
  f("attachments", v.attachments);
  f("attachments_serving", v.attachments_serving);
  f("subnets", v.subnets);
  f("servers", v.servers);
  f("queue_capacity", v.queue_capacity);
  f("standing", v.standing);
  f("active_on", v.active_on);
  f("active_since_unix_s", v.active_since_unix_s);
  f("standby_reason", v.standby_reason);
}

void each_field(Is<HaView> auto& v, auto&& f) {
  f("enabled", v.enabled);
  f("name", v.name);
  f("state", v.state);
  f("silent_since_unix_s", v.silent_since_unix_s);
  f("trouble", v.trouble);
  f("appliances", v.appliances);
  f("takeovers", v.takeovers);
}

void each_field(Is<HaRequest> auto& v, auto&& f) { f("vrf", v.vrf); }
void each_field(Is<HaDoneView> auto& v, auto&& f) { f("vrfs", v.vrfs); }

void each_field(Is<StoreView> auto& v, auto&& f) {
  f("backend", v.backend);
  f("where", v.where);
  f("state", v.state);
  f("trouble", v.trouble);
  f("revision", v.revision);
  f("queued", v.queued);
  f("commits", v.commits);
  f("syncs", v.syncs);
  f("failures", v.failures);
}

void each_field(Is<StatusView> auto& v, auto&& f) {
  f("version", v.version);
  f("generation", v.generation);
  f("configuration", v.configuration);
  f("uptime_s", v.uptime_s);
  f("dataplane_state", v.dataplane_state);
  f("dataplane_pid", v.dataplane_pid);
  f("dataplane_generation", v.dataplane_generation);
  f("store", v.store);
  f("ha", v.ha);
  f("warnings", v.warnings);
  f("ports", v.ports);
  f("vrfs", v.vrfs);
  f("keas", v.keas);
  f("natives", v.natives);
}

void each_field(Is<ReloadView> auto& v, auto&& f) {
  f("generation", v.generation);
  f("steps", v.steps);
}

void each_field(Is<ConfigChangeView> auto& v, auto&& f) {
  f("section", v.section);
  f("change", v.change);
  f("lines", v.lines);
}

void each_field(Is<ConfigDiffView> auto& v, auto&& f) {
  f("generation", v.generation);
  f("changes", v.changes);
  f("steps", v.steps);
}

void each_field(Is<FindingView> auto& v, auto&& f) {
  f("stage", v.stage);
  f("result", v.result);
  f("text", v.text);
}

void each_field(Is<ExplainView> auto& v, auto&& f) {
  f("interface", v.interface);
  f("vlan", v.vlan);
  f("verdict", v.verdict);
  f("vrf", v.vrf);
  f("engine", v.engine);
  f("subnet", v.subnet);
  f("option82_policy", v.option82_policy);
  f("circuit_id", v.circuit_id);
  f("remote_id", v.remote_id);
  f("findings", v.findings);
}

void each_field(Is<EventView> auto& v, auto&& f) {
  f("number", v.number);
  f("unix_ms", v.unix_ms);
  f("level", v.level);
  f("kind", v.kind);
  f("vrf", v.vrf);
  f("interface", v.interface);
  f("text", v.text);
}

void each_field(Is<EventsView> auto& v, auto&& f) {
  f("log", v.log);
  f("last", v.last);
  f("lost", v.lost);
  f("events", v.events);
}

void each_field(Is<DeleteRequest> auto& v, auto&& f) { f("purge", v.purge); }

void each_field(Is<TeardownView> auto& v, auto&& f) {
  f("removed", v.removed);
  f("failures", v.failures);
}

void each_field(Is<NotReadyView> auto& v, auto&& f) {
  f("vrf", v.vrf);
  f("state", v.state);
  f("reason", v.reason);
}

void each_field(Is<ReadyView> auto& v, auto&& f) {
  f("ready", v.ready);
  f("not_ready", v.not_ready);
}

void each_field(Is<ConfigText> auto& v, auto&& f) {
  f("name", v.name);
  f("toml", v.toml);
}

void each_field(Is<VrfsBody> auto& v, auto&& f) { f("vrfs", v.vrfs); }
void each_field(Is<VrfBody> auto& v, auto&& f) {
  f("vrf", v.vrf);
  f("attachments", v.attachments);
  f("kea", v.kea);
  f("native", v.native);
  f("servers", v.servers);
  f("counters", v.counters);
}
void each_field(Is<AttachmentsBody> auto& v, auto&& f) { f("attachments", v.attachments); }
void each_field(Is<PoolsBody> auto& v, auto&& f) { f("pools", v.pools); }
void each_field(Is<PausesBody> auto& v, auto&& f) { f("pauses", v.pauses); }
void each_field(Is<KeasBody> auto& v, auto&& f) { f("keas", v.keas); }
void each_field(Is<ConfigBody> auto& v, auto&& f) { f("toml", v.toml); }
void each_field(Is<ErrorsBody> auto& v, auto&& f) { f("errors", v.errors); }

// ---- writing -------------------------------------------------------------------------------------

using Count = std::pair<std::string, std::uint64_t>;

template <std::integral T>  // bool too
Json encode(T value) {
  return value;
}
Json encode(const std::string& value) { return value; }
Json encode(const std::vector<Count>& counts) {
  Json object = Json::object();
  for (const auto& [name, count] : counts) object[name] = count;
  return object;
}
template <typename View>
  requires std::is_class_v<View>
Json encode(const View& view);
template <typename T>
Json encode(const std::vector<T>& items) {
  Json array = Json::array();
  for (const auto& item : items) array.push_back(encode(item));
  return array;
}
template <typename T>
Json encode(const std::optional<T>& item) {
  return item ? encode(*item) : Json(nullptr);
}
template <typename View>
  requires std::is_class_v<View>
Json encode(const View& view) {
  Json object = Json::object();
  each_field(view, [&object](const char* name, const auto& field) { object[name] = encode(field); });
  return object;
}

// ---- reading -------------------------------------------------------------------------------------

// Where in the document the reader is, and the first thing that was wrong.
class Reader {
 public:
  template <std::integral T>
  void decode(const Json& json, T& value) {
    using Limits = std::numeric_limits<T>;
    bool fits = false;
    if (json.is_number_unsigned()) {
      fits = std::in_range<T>(json.get<std::uint64_t>());
    } else if (json.is_number_integer()) {
      fits = std::in_range<T>(json.get<std::int64_t>());
    }
    if (!fits) {
      return fail("not a number from " + std::to_string(Limits::min()) + " to " +
                  std::to_string(Limits::max()));
    }
    value = json.get<T>();
  }

  void decode(const Json& json, bool& value) {
    if (!json.is_boolean()) return fail("not true or false");
    value = json.get<bool>();
  }

  void decode(const Json& json, std::string& value) {
    if (!json.is_string()) return fail("not a string");
    value = json.get<std::string>();
  }

  void decode(const Json& json, std::vector<Count>& counts) {
    if (!json.is_object()) return fail("not an object");
    for (const auto& [name, count] : json.items()) {
      Count item{name, 0};
      within("." + name, [&] { decode(count, item.second); });
      counts.push_back(std::move(item));
    }
  }

  template <typename T>
  void decode(const Json& json, std::vector<T>& items) {
    if (!json.is_array()) return fail("not an array");
    for (std::size_t i = 0; i < json.size() && !error_; ++i) {
      within("[" + std::to_string(i) + "]", [&] { decode(json[i], items.emplace_back()); });
    }
  }

  template <typename T>
  void decode(const Json& json, std::optional<T>& item) {
    if (!json.is_null()) decode(json, item.emplace());
  }

  template <typename View>
    requires std::is_class_v<View>
  void decode(const Json& json, View& view) {
    if (!json.is_object()) return fail("not an object");
    each_field(view, [this, &json](const char* name, auto& field) {
      if (error_) return;
      within("." + std::string(name), [&] {
        const auto found = json.find(name);
        if (found == json.end()) return fail("missing");
        decode(*found, field);
      });
    });
  }

  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  void fail(const std::string& what) {
    if (error_) return;
    const std::string_view path = path_;
    error_ = Error{
        (path.empty() ? "the document" : std::string(path.substr(path.front() == '.' ? 1 : 0))) + ": " + what,
        0};
  }
  void within(const std::string& step, auto&& read) {
    const std::size_t before = path_.size();
    path_ += step;
    read();
    path_.resize(before);
  }

  std::string path_;
  std::optional<Error> error_;
};

// The library's writer and destructor recurse, so depth is limited before anything is built.
std::optional<std::size_t> too_deep_at(std::string_view text) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kJsonDepthMax) return i;
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return std::nullopt;
}

}  // namespace

std::expected<Json, Error> parse_json(std::string_view text, std::size_t bytes_max) {
  if (text.size() > bytes_max) {
    return std::unexpected(Error{"JSON of " + std::to_string(text.size()) + " bytes; at most " +
                                     std::to_string(bytes_max) + " are read",
                                 0});
  }
  if (const auto at = too_deep_at(text)) {
    return std::unexpected(Error{
        "JSON nested deeper than " + std::to_string(kJsonDepthMax) + " levels at byte " + std::to_string(*at),
        0});
  }
  try {  // the library says where only by exception
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    return std::unexpected(Error{"not JSON, from byte " + std::to_string(error.byte), 0});
  } catch (const Json::exception&) {  // a number beyond what a double holds
    return std::unexpected(Error{"JSON with a number out of range", 0});
  }
}

std::string dump_json(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

template <typename View>
Json to_json(const View& view) {
  return encode(view);
}

template <typename View>
std::expected<View, Error> from_json(const Json& json) {
  View view;
  Reader reader;
  reader.decode(json, view);
  if (reader.error()) return std::unexpected(*reader.error());
  return view;
}

#define XK_API_VIEW(View)                   \
  template Json to_json<View>(const View&); \
  template std::expected<View, Error> from_json<View>(const Json&);
XK_API_VIEW(PortView)
XK_API_VIEW(KeaView)
XK_API_VIEW(NativeView)
XK_API_VIEW(ServerView)
XK_API_VIEW(AttachmentView)
XK_API_VIEW(CountersView)
XK_API_VIEW(AllCountersView)
XK_API_VIEW(LeaseView)
XK_API_VIEW(LeasePageView)
XK_API_VIEW(LeaseChangeView)
XK_API_VIEW(LeaseWatchView)
XK_API_VIEW(LeaseDeleteRequest)
XK_API_VIEW(LeaseDeletedView)
XK_API_VIEW(PoolView)
XK_API_VIEW(PauseView)
XK_API_VIEW(PauseRequest)
XK_API_VIEW(StaticTexts)
XK_API_VIEW(StaticPageView)
XK_API_VIEW(StaticRequest)
XK_API_VIEW(StaticProblemView)
XK_API_VIEW(StaticDoneView)
XK_API_VIEW(VrfView)
XK_API_VIEW(StatusView)
XK_API_VIEW(ReloadView)
XK_API_VIEW(ConfigChangeView)
XK_API_VIEW(ConfigDiffView)
XK_API_VIEW(HaRequest)
XK_API_VIEW(HaDoneView)
XK_API_VIEW(DeleteRequest)
XK_API_VIEW(TeardownView)
XK_API_VIEW(ReadyView)
XK_API_VIEW(ConfigText)
XK_API_VIEW(FindingView)
XK_API_VIEW(ExplainView)
XK_API_VIEW(EventView)
XK_API_VIEW(EventsView)
XK_API_VIEW(VrfsBody)
XK_API_VIEW(VrfBody)
XK_API_VIEW(AttachmentsBody)
XK_API_VIEW(PoolsBody)
XK_API_VIEW(PausesBody)
XK_API_VIEW(KeasBody)
XK_API_VIEW(ConfigBody)
XK_API_VIEW(ErrorsBody)
#undef XK_API_VIEW

}  // namespace xk::api
