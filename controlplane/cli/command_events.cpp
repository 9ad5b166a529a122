#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>

#include "controlplane/cli/commands.h"
#include "controlplane/cli/text.h"
#include "controlplane/cli/yaml.h"

namespace xk::cli {
namespace {

using api::EventsView;
using api::EventView;

constexpr std::uint32_t kWaitSeconds = 25;  // of one question while following
constexpr unsigned kPauseSeconds = 1;       // after an answer that came early, or none

struct EventsOptions {
  bool follow = false;
  std::uint64_t since = 0;
  std::uint64_t count = 0;  // 0: no end
  std::string vrf;
};

// "2026-01-31 23:59:59.123Z"
std::string time_text(std::uint64_t unix_ms) {
  std::string text = utc_text(unix_ms / 1000);
  std::array<char, 8> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%03u", static_cast<unsigned>(unix_ms % 1000));
  if (text.ends_with('Z')) text.insert(text.size() - 1, fraction.data());
  return text;
}

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

// Lines of one shape, whatever else comes: a log may be followed without end.
void print_event(const EventView& event, std::ostream& out) {
  const std::string number = std::to_string(event.number);
  out << std::string(number.size() < 6 ? 6 - number.size() : 0, ' ') << number << "  "
      << time_text(event.unix_ms) << "  " << padded(safe_text(event.level), 7) << "  "
      << padded(safe_text(event.kind), 20) << "  ";
  if (!event.vrf.empty()) out << "vrf " << safe_text(event.vrf) << ' ';
  if (!event.interface.empty()) out << safe_text(event.interface) << ' ';
  out << (event.vrf.empty() && event.interface.empty() ? "" : "- ") << safe_text(event.text) << '\n';
}

std::string lost_text(std::uint64_t lost) {
  return count_text(lost, "event is", "events are") + " lost: no longer kept when asked for";
}

void print_events(const EventsView& view, std::ostream& out) {
  if (view.lost > 0) out << lost_text(view.lost) << '\n';
  for (const EventView& event : view.events) print_event(event, out);
  if (view.events.empty()) out << "no events\n";
}

// One answer of many: events as lines, objects of a line, or documents.
void print_more(const Context& context, const EventsView& view) {
  if (context.format == Format::table) {
    if (view.lost > 0) context.out() << lost_text(view.lost) << '\n';
    for (const EventView& event : view.events) print_event(event, context.out());
    return;
  }
  const auto print = [&context](const api::Json& json) {
    if (context.format == Format::json) {
      context.out() << api::dump_json(json) << '\n';
    } else {
      context.out() << "---\n" << to_yaml(json);
    }
  };
  if (view.lost > 0) print(api::Json{{"lost", view.lost}});
  for (const EventView& event : view.events) print(api::to_json(event));
}

std::string target_of(const EventsOptions& options, std::uint64_t since, std::uint32_t wait_s) {
  std::string target = "/v1/events?since=" + std::to_string(since);
  if (wait_s > 0) target += "&wait_s=" + std::to_string(wait_s);
  if (!options.vrf.empty()) target += "&vrf=" + percent_encoded(options.vrf);
  return target;
}

// Until Ctrl-C, over restarts of the daemon; only the first question must be answered.
ExitCode follow(const Context& context, const EventsOptions& options) {
  std::uint64_t since = options.since;
  std::uint64_t log = 0;  // 0: not known yet
  std::uint64_t printed = 0;
  bool gone = false;
  for (;;) {
    const auto answer = context.client().get(target_of(options, since, log == 0 ? 0 : kWaitSeconds));
    if (!answer) {
      const bool away =
          answer.error().code == ExitCode::no_daemon || answer.error().code == ExitCode::bad_answer;
      if (log == 0 || !away) return context.fail(answer.error());
      if (!gone) context.console.err << "xdp-keactl: xdp-kead is gone; waiting for the next\n";
      gone = true;
      sleep(kPauseSeconds);
      continue;
    }
    auto view = api::from_json<EventsView>(*answer);
    if (!view) return context.fail(context.not_a_view(view.error()));
    gone = false;
    if (log != 0 && view->log != log) {
      context.console.err << "xdp-keactl: xdp-kead was started anew: its events count from 1 again\n";
      since = 0;
      log = view->log;
      continue;
    }
    if (options.count > 0 && view->events.size() > options.count - printed)
      view->events.resize(options.count - printed);
    printed += view->events.size();
    print_more(context, *view);
    context.out().flush();
    if (!context.out() || (options.count > 0 && printed == options.count)) return ExitCode::ok;
    // Nothing, and nothing looked at: too many wait, or there is less than was asked for.
    if (log != 0 && view->last <= since) sleep(kPauseSeconds);
    since = view->last;
    log = view->log;
  }
}

}  // namespace

void add_events(CLI::App& app, Context& context) {
  const auto options = std::make_shared<EventsOptions>();
  CLI::App& events =
      add_command(app, "events", "What happened to the appliance, oldest first",
                  "  xdp-keactl events\n"
                  "  xdp-keactl events --vrf red --since 1200\n"
                  "  xdp-keactl events --follow              until Ctrl-C, over restarts of xdp-kead\n"
                  "  xdp-keactl -o json events --follow | jq -r 'select(.level != \"info\") | .text'\n"
                  "The newest 4,096 events are kept. A reader who is late is told how many he lost:\n"
                  "a line, or an object {\"lost\": N}.\n");
  events.add_flag("-f,--follow", options->follow,
                  "Print what happens as it happens; JSON: one object a line");
  events.add_option("--since", options->since, "Only events with a higher number")->type_name("N");
  events.add_option("--vrf", options->vrf, "Only events of this VRF")->type_name("VRF");
  CLI::Option* count = events.add_option("--count", options->count, "End after N events")->type_name("N");
  count->needs("--follow")->check(CLI::PositiveNumber);
  events.callback([&context, options] {
    context.action = [&context, options] {
      if (options->follow) return follow(context, *options);
      return context.show<EventsView>(context.client().get(target_of(*options, options->since, 0)),
                                      print_events);
    };
  });
}

}  // namespace xk::cli
