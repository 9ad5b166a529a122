#include <time.h>

#include <cerrno>
#include <cmath>
#include <memory>
#include <optional>

#include "controlplane/cli/commands.h"
#include "controlplane/cli/table.h"
#include "controlplane/cli/text.h"
#include "controlplane/cli/yaml.h"

namespace xk::cli {
namespace {

using api::AllCountersView;
using api::CountersView;

struct CountersOptions {
  std::string vrf;
  bool watch = false;
  double seconds = 1;
  std::uint64_t count = 0;  // 0: for ever
};

std::uint64_t sum(const std::vector<std::pair<std::string, std::uint64_t>>& counts) {
  std::uint64_t total = 0;
  for (const auto& [name, count] : counts) total += count;
  return total;
}

// Nothing is lost without a name: rx + copies = tx + drops, but for packets that are in a queue while
// the counters are read.
void print_law(const CountersView& counters, const std::string& name, std::ostream& out) {
  const std::uint64_t in = counters.rx + counters.copies;
  const std::uint64_t gone = counters.tx + sum(counters.drops);
  out << safe_text(name) << ": rx " << counters.rx << " + copies " << counters.copies << " = tx "
      << counters.tx << " + drops " << sum(counters.drops) << "  ";
  if (in == gone) {
    out << "\u2713\n";
  } else if (in > gone) {
    out << in - gone << " in flight\n";
  } else {
    out << gone - in << " more out than in\n";
  }
}

void print_named(const AllCountersView& view, const char* title,
                 std::vector<std::pair<std::string, std::uint64_t>> CountersView::* member,
                 std::ostream& out) {
  Table table({{"VRF"}, {title}, {"PACKETS", Align::right}}, "");
  bool any = false;
  for (const CountersView& counters : view.vrfs) {
    for (const auto& [name, count] : counters.*member) {
      if (count == 0) continue;
      table.row({counters.vrf, name, std::to_string(count)});
      any = true;
    }
  }
  if (!any) return;
  out << '\n';
  table.print(out);
}

void print_counters(const AllCountersView& view, bool all, std::ostream& out) {
  Table table({{"VRF"},
               {"RX", Align::right},
               {"COPIES", Align::right},
               {"TX", Align::right},
               {"DROPS", Align::right},
               {"REQUESTS", Align::right},
               {"REPLIES", Align::right},
               {"ARP", Align::right},
               {"EXCEPTIONS", Align::right},
               {"QUEUE", Align::right},
               {"QUEUE MAX", Align::right}},
              "no counters: no dataplane has connected yet");
  const auto add = [&table](const CountersView& c, const std::string& name) {
    table.row({name, std::to_string(c.rx), std::to_string(c.copies), std::to_string(c.tx),
               std::to_string(sum(c.drops)), std::to_string(c.requests), std::to_string(c.replies),
               std::to_string(c.arp), std::to_string(c.exceptions), std::to_string(c.queue_depth),
               std::to_string(c.queue_high_water)});
  };
  for (const CountersView& counters : view.vrfs) add(counters, counters.vrf);
  if (all && !view.vrfs.empty()) add(view.total, "total");
  table.print(out);
  print_named(view, "DROP", &CountersView::drops, out);
  print_named(view, "NOTE", &CountersView::notes, out);
  if (all && sum(view.xdp) > 0) {
    Table xdp({{"XDP"}, {"PACKETS", Align::right}}, "");
    for (const auto& [name, count] : view.xdp) {
      if (count > 0) xdp.row({name, std::to_string(count)});
    }
    out << '\n';
    xdp.print(out);
  }
  if (view.vrfs.empty()) return;
  out << '\n';
  for (const CountersView& counters : view.vrfs) print_law(counters, counters.vrf, out);
  if (all) print_law(view.total, "total", out);
}

// What changed since the look before, per second.
void print_rates(const AllCountersView& now, const AllCountersView& before, double seconds,
                 std::ostream& out) {
  Table table({{"VRF"}, {"RX/S", Align::right}, {"TX/S", Align::right}, {"DROPS/S", Align::right}}, "");
  const auto rate = [seconds](std::uint64_t later, std::uint64_t earlier) {
    const double change = later >= earlier ? static_cast<double>(later - earlier) : 0;
    return std::to_string(std::llround(change / seconds));
  };
  for (const CountersView& counters : now.vrfs) {
    for (const CountersView& earlier : before.vrfs) {
      if (earlier.vrf != counters.vrf) continue;
      table.row({counters.vrf, rate(counters.rx, earlier.rx), rate(counters.tx, earlier.tx),
                 rate(sum(counters.drops), sum(earlier.drops))});
    }
  }
  out << '\n';
  table.print(out);
}

void wait_seconds(double seconds) {
  timespec left{};
  left.tv_sec = static_cast<time_t>(seconds);
  left.tv_nsec = static_cast<long>((seconds - static_cast<double>(left.tv_sec)) * 1e9);
  while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
  }
}

// One JSON object a line, or one YAML document, so that a pipe can read a watch.
void print_one_of_many(const Context& context, const api::Json& json) {
  if (context.format == Format::json) {
    context.out() << api::dump_json(json) << '\n';
  } else {
    context.out() << "---\n" << to_yaml(json);
  }
}

ExitCode run_counters(const Context& context, const CountersOptions& options) {
  const std::string target =
      "/v1/counters" + (options.vrf.empty() ? "" : "?vrf=" + percent_encoded(options.vrf));
  const bool all = options.vrf.empty();
  const auto print = [all](const AllCountersView& view, std::ostream& out) {
    print_counters(view, all, out);
  };
  if (!options.watch) return context.show<AllCountersView>(context.client().get(target), print);

  std::optional<AllCountersView> before;
  for (std::uint64_t n = 0;; ++n) {
    const auto answer = context.client().get(target);
    if (!answer) return context.fail(answer.error());
    auto view = api::from_json<AllCountersView>(*answer);
    if (!view) return context.fail(context.not_a_view(view.error()));
    if (context.format != Format::table) {
      print_one_of_many(context, *answer);
    } else {
      if (before) context.out() << '\n';
      print(*view, context.out());
      if (before) print_rates(*view, *before, options.seconds, context.out());
    }
    context.out().flush();
    if (!context.out() || n + 1 == options.count) return ExitCode::ok;
    before = std::move(*view);
    wait_seconds(options.seconds);
  }
}

}  // namespace

void add_counters(CLI::App& app, Context& context) {
  const auto options = std::make_shared<CountersOptions>();
  CLI::App& counters = add_command(
      app, "counters", "Packets by VRF, named drops, XDP verdicts, and the law that nothing is lost unnamed",
      "  xdp-keactl counters\n"
      "  xdp-keactl counters --vrf red\n"
      "  xdp-keactl counters --watch             every second, with rates, until Ctrl-C\n"
      "  xdp-keactl counters --watch 10 --count 6\n"
      "  xdp-keactl -o json counters | jq '.total.drops'\n"
      "The law: rx + copies = tx + drops, per VRF and in total. A difference is packets in flight while\n"
      "the counters were read. Drops by name: docs/counters.md.\n");
  counters.add_option("--vrf", options->vrf, "Only this VRF; - for what belongs to none")->type_name("VRF");
  CLI::Option* watch = counters.add_option("--watch", options->seconds, "Again every SECONDS (default 1)")
                           ->type_name("[SECONDS]")
                           ->expected(0, 1)
                           ->check(CLI::Range(0.01, 86400.0));
  counters.add_option("--count", options->count, "End after N times")->type_name("N")->needs(watch);
  counters.callback([&context, options, watch] {
    options->watch = watch->count() > 0;
    context.action = [&context, options] { return run_counters(context, *options); };
  });
}

}  // namespace xk::cli
