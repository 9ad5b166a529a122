#include "controlplane/api/routes.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include "controlplane/api/views_json.h"

namespace xk::api {
namespace {

template <typename Body>
ApiReply json_reply(const Body& body) {
  return ApiReply{200, dump_json(to_json(body)), {}};
}

// The value of a query parameter, or empty.
std::string query_value(const ApiRequest& request, std::string_view name) {
  for (const auto& [key, value] : request.query) {
    if (key == name) return value;
  }
  return {};
}

// Digits only, at most max; empty counts as zero.
std::optional<std::uint64_t> number_value(const ApiRequest& request, std::string_view name,
                                          std::uint64_t max) {
  const std::string text = query_value(request, name);
  std::uint64_t value = 0;
  if (text.empty()) return value;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

std::expected<VrfView, Failure> find_vrf(Control& control, const std::string& name) {
  auto vrfs = control.vrfs();
  if (!vrfs) return std::unexpected(std::move(vrfs.error()));
  for (auto& vrf : *vrfs) {
    if (vrf.name == name) return std::move(vrf);
  }
  return std::unexpected(Failure{404, {"there is no VRF '" + name + "'"}});
}

// All zero if it has not counted yet.
CountersView counters_of(AllCountersView all, const std::string& vrf) {
  const auto own = std::ranges::find(all.vrfs, vrf, &CountersView::vrf);
  if (own != all.vrfs.end()) return std::move(*own);
  CountersView none;
  none.vrf = vrf;
  return none;
}

ApiReply get_status(Control& control, const ApiRequest&, const std::string&) {
  auto status = control.status();
  return status ? json_reply(*status) : failure_reply(std::move(status.error()));
}

ApiReply get_vrfs(Control& control, const ApiRequest&, const std::string&) {
  auto vrfs = control.vrfs();
  return vrfs ? json_reply(VrfsBody{std::move(*vrfs)}) : failure_reply(std::move(vrfs.error()));
}

ApiReply get_vrf(Control& control, const ApiRequest&, const std::string& name) {
  auto vrf = find_vrf(control, name);
  if (!vrf) return failure_reply(std::move(vrf.error()));
  auto attachments = control.attachments();
  if (!attachments) return failure_reply(std::move(attachments.error()));
  auto keas = control.keas();
  if (!keas) return failure_reply(std::move(keas.error()));
  auto natives = control.natives();
  if (!natives) return failure_reply(std::move(natives.error()));
  auto servers = control.servers();
  if (!servers) return failure_reply(std::move(servers.error()));

  auto counters = control.counters();
  if (!counters) return failure_reply(std::move(counters.error()));

  VrfBody body{std::move(*vrf), std::move(*attachments), std::nullopt,
               std::nullopt,    std::move(*servers),     counters_of(std::move(*counters), name)};
  std::erase_if(body.servers, [&name](const ServerView& s) { return s.vrf != name; });
  std::erase_if(body.attachments, [&name](const AttachmentView& a) { return a.vrf != name; });
  const auto kea = std::ranges::find(*keas, name, &KeaView::vrf);
  if (kea != keas->end()) body.kea = std::move(*kea);
  const auto native = std::ranges::find(*natives, name, &NativeView::vrf);
  if (native != natives->end()) body.native = std::move(*native);
  return json_reply(body);
}

ApiReply get_attachments(Control& control, const ApiRequest&, const std::string&) {
  auto attachments = control.attachments();
  return attachments ? json_reply(AttachmentsBody{std::move(*attachments)})
                     : failure_reply(std::move(attachments.error()));
}

ApiReply get_counters(Control& control, const ApiRequest& request, const std::string&) {
  const std::string vrf = query_value(request, "vrf");
  if (!vrf.empty() && vrf != "-") {
    auto found = find_vrf(control, vrf);
    if (!found) return failure_reply(std::move(found.error()));
  }
  auto counters = control.counters();
  if (!counters) return failure_reply(std::move(counters.error()));
  if (!vrf.empty()) {
    CountersView own = counters_of(*counters, vrf);
    counters->vrfs = {std::move(own)};
  }
  return json_reply(*counters);
}

LeaseFilter lease_filter(const ApiRequest& request) {
  return {.vrf = query_value(request, "vrf"),
          .subnet = query_value(request, "subnet"),
          .address = query_value(request, "address"),
          .mac = query_value(request, "mac"),
          .client_id = query_value(request, "client_id"),
          .state = query_value(request, "state"),
          .attachment = query_value(request, "attachment")};
}

ApiReply get_leases(Control& control, const ApiRequest& request, const std::string&) {
  const auto limit = number_value(request, "limit", kLeasePageMax);
  if (!limit) return error_reply(400, {"limit is no number from 0 to " + std::to_string(kLeasePageMax)});
  auto page = control.leases({.filter = lease_filter(request),
                              .from = query_value(request, "from"),
                              .limit = static_cast<std::uint32_t>(*limit)});
  return page ? json_reply(*page) : failure_reply(std::move(page.error()));
}

ApiReply get_lease_changes(Control& control, const ApiRequest& request, const std::string&) {
  const auto since = number_value(request, "since", std::numeric_limits<std::int64_t>::max());
  if (!since) return error_reply(400, {"since is no revision"});
  const auto wait_s = number_value(request, "wait_s", kEventsWaitMax);
  if (!wait_s) return error_reply(400, {"wait_s is no number from 0 to " + std::to_string(kEventsWaitMax)});
  auto changes = control.lease_changes(
      {.filter = lease_filter(request), .since = *since, .wait_s = static_cast<std::uint32_t>(*wait_s)});
  return changes ? json_reply(*changes) : failure_reply(std::move(changes.error()));
}

ApiReply post_lease_delete(Control& control, const ApiRequest& request, const std::string&) {
  const auto json = parse_json(request.body, kRequestBytesMax);
  if (!json) return error_reply(400, {"the body is " + json.error().message});
  const auto wish = from_json<LeaseDeleteRequest>(*json);
  if (!wish)
    return error_reply(400,
                       {R"(the body must be {"vrf": "...", "address": "..."}: )" + wish.error().message});
  auto done = control.delete_lease(*wish);
  return done ? json_reply(*done) : failure_reply(std::move(done.error()));
}

ApiReply get_pools(Control& control, const ApiRequest& request, const std::string&) {
  auto pools = control.pools(query_value(request, "vrf"));
  return pools ? json_reply(PoolsBody{std::move(*pools)}) : failure_reply(std::move(pools.error()));
}

ApiReply get_pauses(Control& control, const ApiRequest& request, const std::string&) {
  auto pauses = control.pauses(query_value(request, "vrf"));
  return pauses ? json_reply(PausesBody{std::move(*pauses)}) : failure_reply(std::move(pauses.error()));
}

// What is left out says nothing.
std::expected<PauseRequest, Error> pause_request(const ApiRequest& request) {
  const auto json = parse_json(request.body, kRequestBytesMax);
  if (!json) return std::unexpected(json.error());
  if (!json->is_object()) return std::unexpected(Error{R"(it must be {"vrf": "...", "pool": "..."})"});
  Json whole = to_json(PauseRequest{});
  for (const auto& [name, value] : json->items()) {
    if (!whole.contains(name)) return std::unexpected(Error{"there is no field '" + name + "'"});
    whole[name] = value;
  }
  return from_json<PauseRequest>(whole);
}

ApiReply act_on_pause(const ApiRequest& request, auto&& act) {
  const auto wish = pause_request(request);
  if (!wish) return error_reply(400, {"the body says nothing to pause: " + wish.error().message});
  auto pauses = act(*wish);
  return pauses ? json_reply(PausesBody{std::move(*pauses)}) : failure_reply(std::move(pauses.error()));
}

ApiReply post_pause(Control& control, const ApiRequest& request, const std::string&) {
  return act_on_pause(request, [&](const PauseRequest& wish) { return control.pause(wish); });
}

ApiReply post_pause_delete(Control& control, const ApiRequest& request, const std::string&) {
  return act_on_pause(request, [&](const PauseRequest& wish) { return control.resume(wish); });
}

ApiReply get_static(Control& control, const ApiRequest& request, const std::string&) {
  const auto limit = number_value(request, "limit", kStaticPageMax);
  if (!limit) return error_reply(400, {"limit is no number from 0 to " + std::to_string(kStaticPageMax)});
  auto page = control.static_leases({.vrf = query_value(request, "vrf"),
                                     .from = query_value(request, "from"),
                                     .limit = static_cast<std::uint32_t>(*limit)});
  return page ? json_reply(*page) : failure_reply(std::move(page.error()));
}

// What is left out says nothing.
std::expected<StaticRequest, Error> static_request(const ApiRequest& request) {
  auto json = parse_json(request.body, kRequestBytesMax);
  if (!json) return std::unexpected(std::move(json.error()));
  if (!json->is_object() || !json->contains("leases") || !(*json)["leases"].is_array())
    return std::unexpected(Error{R"(it must be {"leases": [{"vrf": "...", "mac": "...", ...}, ...]})"});
  for (Json& lease : (*json)["leases"]) {
    if (!lease.is_object()) continue;
    Json whole = to_json(StaticTexts{});
    for (const auto& [name, value] : lease.items()) {
      if (!whole.contains(name)) return std::unexpected(Error{"a static lease has no field '" + name + "'"});
      whole[name] = value;
    }
    lease = std::move(whole);
  }
  for (const char* flag : {"force", "check"}) {
    if (!json->contains(flag)) (*json)[flag] = false;
  }
  auto wish = from_json<StaticRequest>(*json);
  if (wish && wish->leases.size() > kStaticRequestMax)
    return std::unexpected(
        Error{"more than " + std::to_string(kStaticRequestMax) + " leases in one request"});
  return wish;
}

ApiReply post_static(Control& control, const ApiRequest& request, const std::string&) {
  const auto wish = static_request(request);
  if (!wish) return error_reply(400, {"the body is no request for static leases: " + wish.error().message});
  auto done = control.add_static_leases(*wish);
  return done ? json_reply(*done) : failure_reply(std::move(done.error()));
}

ApiReply post_static_delete(Control& control, const ApiRequest& request, const std::string&) {
  const auto wish = static_request(request);
  if (!wish) return error_reply(400, {"the body is no request for static leases: " + wish.error().message});
  auto done = control.delete_static_leases(*wish);
  return done ? json_reply(*done) : failure_reply(std::move(done.error()));
}

ApiReply get_kea(Control& control, const ApiRequest&, const std::string&) {
  auto keas = control.keas();
  return keas ? json_reply(KeasBody{std::move(*keas)}) : failure_reply(std::move(keas.error()));
}

ApiReply post_kea_command(Control& control, const ApiRequest& request, const std::string& vrf) {
  const auto command = parse_json(request.body, kRequestBytesMax);
  if (!command) return error_reply(400, {"the body is no Kea command: " + command.error().message});
  if (!command->is_object() || !command->contains("command") || !(*command)["command"].is_string()) {
    return error_reply(400,
                       {R"(the body is no Kea command: it must be {"command": "...", "arguments": {...}})"});
  }
  auto found = find_vrf(control, vrf);
  if (!found) return failure_reply(std::move(found.error()));
  auto reply = control.kea_command(vrf, dump_json(*command));
  if (!reply) return failure_reply(std::move(reply.error()));
  const auto checked = parse_json(*reply, kAnswerBytesMax);
  if (!checked) return error_reply(502, {"Kea of VRF " + vrf + " answered " + checked.error().message});
  return ApiReply{200, dump_json(*checked), {}};
}

ApiReply get_config(Control& control, const ApiRequest&, const std::string&) {
  auto toml = control.config_show();
  return toml ? json_reply(ConfigBody{std::move(*toml)}) : failure_reply(std::move(toml.error()));
}

ApiReply get_events(Control& control, const ApiRequest& request, const std::string&) {
  const auto since = number_value(request, "since", std::numeric_limits<std::uint64_t>::max());
  if (!since) return error_reply(400, {"since is no event's number"});
  const auto wait_s = number_value(request, "wait_s", kEventsWaitMax);
  if (!wait_s) return error_reply(400, {"wait_s is no number from 0 to " + std::to_string(kEventsWaitMax)});
  auto events = control.events(
      {.since = *since, .wait_s = static_cast<std::uint32_t>(*wait_s), .vrf = query_value(request, "vrf")});
  return events ? json_reply(*events) : failure_reply(std::move(events.error()));
}

ApiReply get_explain(Control& control, const ApiRequest& request, const std::string&) {
  const std::string interface = query_value(request, "interface");
  if (interface.empty()) return error_reply(400, {"interface is missing: /v1/explain?interface=eth1"});
  auto found = control.explain(interface, query_value(request, "vlan"));
  return found ? json_reply(*found) : failure_reply(std::move(found.error()));
}

ApiReply act(Control& control, const std::string& name, VrfAction action, bool purge) {
  auto done = control.act_on_vrf(name, action, purge);
  return done ? json_reply(*done) : failure_reply(std::move(done.error()));
}

ApiReply post_drain(Control& control, const ApiRequest&, const std::string& name) {
  return act(control, name, VrfAction::drain, false);
}

ApiReply post_resume(Control& control, const ApiRequest&, const std::string& name) {
  return act(control, name, VrfAction::resume, false);
}

ApiReply post_delete(Control& control, const ApiRequest& request, const std::string& name) {
  DeleteRequest wish;
  if (!request.body.empty()) {
    const auto json = parse_json(request.body, kRequestBytesMax);
    if (!json) return error_reply(400, {"the body is " + json.error().message});
    const auto given = from_json<DeleteRequest>(*json);
    if (!given)
      return error_reply(400, {R"(the body must be empty or {"purge": true}: )" + given.error().message});
    wish = *given;
  }
  return act(control, name, VrfAction::remove, wish.purge);
}

ApiReply hand_over(Control& control, const ApiRequest& request, bool to_us) {
  HaRequest wish;
  if (!request.body.empty()) {
    const auto json = parse_json(request.body, kRequestBytesMax);
    if (!json) return error_reply(400, {"the body is " + json.error().message});
    auto given = from_json<HaRequest>(*json);
    if (!given)
      return error_reply(400, {R"(the body must be empty or {"vrf": "..."}: )" + given.error().message});
    wish = std::move(*given);
  }
  auto done = control.hand_over(wish.vrf, to_us);
  return done ? json_reply(*done) : failure_reply(std::move(done.error()));
}

ApiReply post_ha_takeover(Control& control, const ApiRequest& request, const std::string&) {
  return hand_over(control, request, true);
}

ApiReply post_ha_release(Control& control, const ApiRequest& request, const std::string&) {
  return hand_over(control, request, false);
}

ApiReply post_teardown(Control& control, const ApiRequest&, const std::string&) {
  auto done = control.teardown();
  return done ? json_reply(*done) : failure_reply(std::move(done.error()));
}

ApiReply post_config_diff(Control& control, const ApiRequest& request, const std::string&) {
  std::optional<ConfigText> text;
  if (!request.body.empty()) {
    const auto json = parse_json(request.body, kRequestBytesMax);
    if (!json) return error_reply(400, {"the body is " + json.error().message});
    auto given = from_json<ConfigText>(*json);
    if (!given) {
      return error_reply(
          400, {R"(the body must be empty or {"name": "...", "toml": "..."}: )" + given.error().message});
    }
    text = std::move(*given);
  }
  auto diff = control.config_diff(text);
  return diff ? json_reply(*diff) : failure_reply(std::move(diff.error()));
}

ApiReply post_reload(Control& control, const ApiRequest&, const std::string&) {
  auto done = control.reload();
  return done ? json_reply(*done) : failure_reply(std::move(done.error()));
}

// The text where the route has its variable, empty if it has none; nothing if the path is another's.
std::optional<std::string> match(std::string_view pattern, std::string_view path) {
  const std::size_t open = pattern.find('{');
  if (open == std::string_view::npos) return pattern == path ? std::optional("") : std::nullopt;
  const std::string_view head = pattern.substr(0, open);
  const std::string_view tail = pattern.substr(pattern.find('}') + 1);
  if (path.size() <= head.size() + tail.size() || !path.starts_with(head) || !path.ends_with(tail)) {
    return std::nullopt;
  }
  const std::string_view variable = path.substr(head.size(), path.size() - head.size() - tail.size());
  if (variable.contains('/')) return std::nullopt;
  return std::string(variable);
}

std::optional<std::string> bad_query(const Route& route, const ApiRequest& request) {
  for (auto it = request.query.begin(); it != request.query.end(); ++it) {
    if (std::ranges::find(route.query, it->first) == route.query.end()) {
      return "unknown query parameter '" + it->first + "'";
    }
    if (std::any_of(request.query.begin(), it, [&](const auto& q) { return q.first == it->first; })) {
      return "query parameter '" + it->first + "' given twice";
    }
  }
  return std::nullopt;
}

}  // namespace

const std::vector<Route>& routes() {
  static const std::vector<Route> table = {
      {"GET", "/v1/status", {}, get_status},
      {"GET", "/v1/vrfs", {}, get_vrfs},
      {"GET", "/v1/vrfs/{name}", {}, get_vrf},
      {"POST", "/v1/vrfs/{name}/drain", {}, post_drain},
      {"POST", "/v1/vrfs/{name}/resume", {}, post_resume},
      {"POST", "/v1/vrfs/{name}/delete", {}, post_delete},
      {"POST", "/v1/ha/takeover", {}, post_ha_takeover},
      {"POST", "/v1/ha/release", {}, post_ha_release},
      {"POST", "/v1/teardown", {}, post_teardown},
      {"GET", "/v1/attachments", {}, get_attachments},
      {"GET", "/v1/counters", {"vrf"}, get_counters},
      {"GET",
       "/v1/leases",
       {"vrf", "subnet", "address", "mac", "client_id", "state", "attachment", "from", "limit"},
       get_leases},
      {"GET",
       "/v1/leases/changes",
       {"vrf", "subnet", "address", "mac", "client_id", "state", "attachment", "since", "wait_s"},
       get_lease_changes},
      {"POST", "/v1/leases/delete", {}, post_lease_delete},
      {"GET", "/v1/pools", {"vrf"}, get_pools},
      {"GET", "/v1/pauses", {"vrf"}, get_pauses},
      {"POST", "/v1/pauses", {}, post_pause},
      {"POST", "/v1/pauses/delete", {}, post_pause_delete},
      {"GET", "/v1/static", {"vrf", "from", "limit"}, get_static},
      {"POST", "/v1/static", {}, post_static},
      {"POST", "/v1/static/delete", {}, post_static_delete},
      {"GET", "/v1/kea", {}, get_kea},
      {"POST", "/v1/kea/{vrf}/command", {}, post_kea_command},
      {"GET", "/v1/events", {"since", "wait_s", "vrf"}, get_events},
      {"GET", "/v1/explain", {"interface", "vlan"}, get_explain},
      {"GET", "/v1/config", {}, get_config},
      {"POST", "/v1/config/diff", {}, post_config_diff},
      {"POST", "/v1/reload", {}, post_reload},
  };
  return table;
}

ApiReply error_reply(int status, std::vector<std::string> messages) {
  return ApiReply{status, dump_json(to_json(ErrorsBody{std::move(messages)})), {}};
}

ApiReply failure_reply(Failure failure) { return error_reply(failure.status, std::move(failure.messages)); }

ApiReply answer(Control& control, const ApiRequest& request) {
  if (request.path.size() > kPathBytesMax) {
    return error_reply(414, {"the path is longer than " + std::to_string(kPathBytesMax) + " bytes"});
  }
  const std::string_view method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
  std::string allow;
  for (const Route& route : routes()) {
    const auto variable = match(route.path, request.path);
    if (!variable) continue;
    if (route.method != method) {
      allow += (allow.empty() ? "" : ", ") + std::string(route.method);
      continue;
    }
    if (const auto bad = bad_query(route, request)) return error_reply(400, {*bad});
    return route.handle(control, request, *variable);
  }
  if (allow.empty()) return error_reply(404, {"there is no '" + request.path + "' here"});
  ApiReply reply = error_reply(405, {request.path + " takes " + allow + ", not " + request.method});
  reply.allow = allow;
  return reply;
}

}  // namespace xk::api
