#include <unistd.h>

#include <fstream>
#include <iostream>
#include <memory>

#include "controlplane/cli/commands.h"
#include "controlplane/cli/lease_file.h"
#include "controlplane/cli/table.h"
#include "controlplane/cli/text.h"
#include "controlplane/cli/yaml.h"

namespace xk::cli {
namespace {

using api::LeaseFilter;
using api::LeasePageView;
using api::LeaseView;
using api::LeaseWatchView;

constexpr std::uint32_t kWatchSeconds = 25;  // of one question
constexpr unsigned kWatchPauseSeconds = 1;   // after an answer that came early, or none

struct LeaseOptions {
  LeaseFilter filter;
  std::uint64_t limit = 0;  // 0: all
  std::uint64_t count = 0;  // 0: no end
  std::string file = "-";
  std::string format;
  bool all_first = false;
  bool yes = false;
};
using SharedLease = std::shared_ptr<LeaseOptions>;

// "vrf=red&state=active"; empty: everything.
std::string query_of(const LeaseFilter& filter) {
  const std::pair<const char*, const std::string&> fields[] = {{"vrf", filter.vrf},
                                                               {"subnet", filter.subnet},
                                                               {"address", filter.address},
                                                               {"mac", filter.mac},
                                                               {"client_id", filter.client_id},
                                                               {"state", filter.state},
                                                               {"attachment", filter.attachment}};
  std::string query;
  for (const auto& [name, value] : fields)
    if (!value.empty())
      query += (query.empty() ? "" : "&") + std::string(name) + "=" + percent_encoded(value);
  return query;
}

std::string target_with(const std::string& path, const std::string& one, const std::string& two) {
  std::string target = path;
  if (!one.empty()) target += "?" + one;
  if (!two.empty()) target += (one.empty() ? "?" : "&") + two;
  return target;
}

// Calls each(page) with all pages, of which none is held longer than that; each says whether to go on.
template <typename Each>
std::expected<void, ClientError> each_lease_page(const Context& context, const LeaseFilter& filter,
                                                 Each each) {
  std::string from;
  do {
    const std::string next = from.empty() ? "" : "from=" + percent_encoded(from);
    const auto answer = context.client().get(target_with("/v1/leases", query_of(filter), next));
    if (!answer) return std::unexpected(answer.error());
    auto page = api::from_json<LeasePageView>(*answer);
    if (!page) return std::unexpected(context.not_a_view(page.error()));
    from = page->next;
    if (!each(std::move(*page))) return {};
  } while (!from.empty());
  return {};
}

std::string lease_end_text(const LeaseView& lease) {
  return lease.lease_time_s == 0xffffffffu ? "never" : utc_text(lease.expires_unix_s);
}

void print_lease_table(const std::vector<LeaseView>& leases, std::ostream& out) {
  Table table({{"VRF"},
               {"ADDRESS"},
               {"MAC"},
               {"HOSTNAME"},
               {"STATE"},
               {"ATTACHMENT"},
               {"LEASE TIME", Align::right},
               {"EXPIRES"},
               {"SERVER"}},
              "no leases");
  for (const LeaseView& lease : leases) {
    table.row({lease.vrf, lease.address, lease.mac, lease.hostname, lease.state, lease.attachment,
               duration_text(lease.lease_time_s), lease_end_text(lease), lease.server});
  }
  table.print(out);
}

// One document, or one table a page, however many leases there are.
class LeaseWriter {
 public:
  explicit LeaseWriter(const Context& context) : context_(context) {}

  void add(const std::vector<LeaseView>& leases) {
    if (leases.empty()) return;
    std::ostream& out = context_.out();
    if (context_.format == Format::table) {
      if (any_) out << '\n';
      print_lease_table(leases, out);
    }
    if (context_.format == Format::json) {
      for (const LeaseView& lease : leases) {
        out << (any_ ? ",\n" : "{\n  \"leases\": [\n") << "    " << api::dump_json(api::to_json(lease));
        any_ = true;
      }
    }
    if (context_.format == Format::yaml) {
      if (!any_) out << "leases:\n";
      for (const LeaseView& lease : leases) print_item(lease);
    }
    any_ = true;
  }

  void end() {
    if (any_) {
      if (context_.format == Format::json) context_.out() << "\n  ]\n}\n";
      return;
    }
    if (!context_.print_data(api::Json{{"leases", api::Json::array()}})) context_.out() << "no leases\n";
  }

 private:
  void print_item(const LeaseView& lease) {
    std::string lines = to_yaml(api::to_json(lease));
    std::string_view rest = lines;
    for (bool first = true; !rest.empty(); first = false) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      context_.out() << (first ? "  - " : "    ") << rest.substr(0, end) << '\n';
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }

  const Context& context_;
  bool any_ = false;
};

ExitCode list_leases(const Context& context, const LeaseOptions& options) {
  LeaseWriter writer(context);
  std::uint64_t left = options.limit;
  const auto read = each_lease_page(context, options.filter, [&](LeasePageView page) {
    if (options.limit != 0 && page.leases.size() > left) page.leases.resize(left);
    left -= options.limit == 0 ? 0 : page.leases.size();
    writer.add(page.leases);
    return context.out().good() && (options.limit == 0 || left != 0);
  });
  if (!read) return context.fail(read.error());
  writer.end();
  return ExitCode::ok;
}

void print_lease(const LeaseView& lease, std::ostream& out) {
  const std::pair<const char*, std::string> lines[] = {
      {"VRF", lease.vrf},
      {"Address", lease.address},
      {"Subnet", lease.subnet},
      {"State", lease.state},
      {"MAC", lease.mac},
      {"Client id", lease.client_id},
      {"Host name", lease.hostname},
      {"Attachment", lease.attachment},
      {"Circuit id", lease.circuit_id},
      {"Remote id", lease.remote_id},
      {"Since", utc_text(lease.start_unix_s)},
      {"Lease time", duration_text(lease.lease_time_s)},
      {"Expires", lease_end_text(lease)},
      {"Kept until", lease.lease_time_s == 0xffffffffu ? "never erased" : utc_text(lease.kept_until_unix_s)},
      {"Server", lease.server}};
  for (const auto& [name, value] : lines) {
    const std::string label = std::string(name) + ":";
    out << label << std::string(12 - label.size(), ' ') << or_dash(safe_text(value)) << '\n';
  }
}

ExitCode show_lease(const Context& context, const LeaseOptions& options) {
  const LeaseFilter& filter = options.filter;
  if (filter.address.empty() && filter.mac.empty() && filter.client_id.empty())
    return context.fail({ExitCode::usage, {"which lease? give its ADDRESS, --mac or --client-id"}});
  std::vector<LeaseView> found;
  const auto read = each_lease_page(context, filter, [&](LeasePageView page) {
    std::ranges::move(page.leases, std::back_inserter(found));
    return found.size() < api::kLeasePageMax;
  });
  if (!read) return context.fail(read.error());
  if (found.empty()) return context.fail({ExitCode::not_found, {"there is no such lease"}});
  if (context.format != Format::table) {
    LeaseWriter writer(context);
    writer.add(found);
    writer.end();
    return ExitCode::ok;
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (i != 0) context.out() << '\n';
    print_lease(found[i], context.out());
  }
  return ExitCode::ok;
}

ExitCode delete_lease(const Context& context, const LeaseOptions& options) {
  const LeaseFilter& filter = options.filter;
  if (!options.yes && !context.confirm("delete the lease of " + filter.address + " in VRF " + filter.vrf +
                                       "? Its client is refused it when it renews"))
    return ExitCode::refused;
  const api::LeaseDeleteRequest request{filter.vrf, filter.address};
  return context.show<api::LeaseDeletedView>(
      context.client().post("/v1/leases/delete", api::dump_json(api::to_json(request))),
      [](const api::LeaseDeletedView& done, std::ostream& out) {
        out << "deleted: " << safe_text(done.lease.address) << " of VRF " << safe_text(done.lease.vrf)
            << ", client " << or_dash(safe_text(done.lease.mac)) << '\n';
      });
}

// ---- export ------------------------------------------------------------------------------------------

ExitCode export_leases(const Context& context, const LeaseOptions& options) {
  const auto format = lease_file_format(options.format, options.file);
  if (format == LeaseFileFormat::kea && options.filter.vrf.empty())
    return context.fail({ExitCode::usage, {"a lease file of Kea is of one VRF: give --vrf"}});
  std::ofstream file;
  if (options.file != "-") {
    file.open(options.file, std::ios::trunc);
    if (!file) return context.fail({ExitCode::refused, {options.file + " cannot be written"}});
  }
  std::ostream& out = options.file == "-" ? context.out() : file;
  write_lease_header(out, format);
  std::uint64_t count = 0;
  const auto read = each_lease_page(context, options.filter, [&](const LeasePageView& page) {
    for (const LeaseView& lease : page.leases) write_lease(out, format, lease);
    count += page.leases.size();
    return out.good();
  });
  if (!read) return context.fail(read.error());
  out.flush();
  if (!out) return context.fail({ExitCode::refused, {options.file + " cannot be written to its end"}});
  if (options.file != "-") context.console.err << count_text(count, "lease", "leases") << " exported\n";
  return ExitCode::ok;
}

// ---- watch -------------------------------------------------------------------------------------------

class LeaseWatcher {
 public:
  LeaseWatcher(const Context& context, const LeaseOptions& options) : context_(context), options_(options) {}

  // Until Ctrl-C, over restarts of the daemon; only the first question must be answered.
  ExitCode run() {
    if (const auto begun = ask(0); !begun) return context_.fail(begun.error());
    if (options_.all_first) {
      if (const auto all = print_all(); !all) return context_.fail(all.error());
    }
    while (!done()) {
      const std::uint64_t since = since_;
      const auto asked = ask(kWatchSeconds);
      if (!asked) {
        if (asked.error().code != ExitCode::no_daemon && asked.error().code != ExitCode::bad_answer)
          return context_.fail(asked.error());
        if (!std::exchange(gone_, true))
          context_.console.err << "xdp-keactl: xdp-kead is gone; waiting for the next\n";
      }
      if (!asked || since_ <= since) sleep(kWatchPauseSeconds);
    }
    return ExitCode::ok;
  }

 private:
  [[nodiscard]] bool done() const {
    return !context_.out() || (options_.count > 0 && printed_ >= options_.count);
  }

  std::expected<void, ClientError> ask(std::uint32_t wait_s) {
    const std::string rest =
        wait_s == 0 ? "" : "since=" + std::to_string(since_) + "&wait_s=" + std::to_string(wait_s);
    const auto answer =
        context_.client().get(target_with("/v1/leases/changes", query_of(options_.filter), rest));
    if (!answer) return std::unexpected(answer.error());
    const auto view = api::from_json<LeaseWatchView>(*answer);
    if (!view) return std::unexpected(context_.not_a_view(view.error()));
    gone_ = false;
    since_ = view->last;
    if (view->resync && wait_s != 0) {
      print(api::Json{{"resync", true}}, "changes were missed; all leases follow");
      return print_all();
    }
    for (const api::LeaseChangeView& change : view->changes) {
      if (done()) break;
      print_change(change.change, change.revision, change.lease);
    }
    context_.out().flush();
    return {};
  }

  std::expected<void, ClientError> print_all() {
    return each_lease_page(context_, options_.filter, [&](const LeasePageView& page) {
      for (const LeaseView& lease : page.leases) print_change("is", 0, lease);
      context_.out().flush();
      return context_.out().good();
    });
  }

  void print_change(const std::string& change, std::uint64_t revision, const LeaseView& lease) {
    if (change != "is") ++printed_;
    std::string line = safe_text(change);
    line.resize(std::max<std::size_t>(line.size(), 7), ' ');
    line += "vrf " + safe_text(lease.vrf) + " " + safe_text(lease.address) + " " +
            or_dash(safe_text(lease.mac)) + " " + or_dash(safe_text(lease.state));
    if (lease.expires_unix_s != 0) line += " until " + lease_end_text(lease);
    if (!lease.attachment.empty()) line += " on " + safe_text(lease.attachment);
    if (!lease.hostname.empty()) line += " (" + safe_text(lease.hostname) + ")";
    print(api::to_json(api::LeaseChangeView{revision, change, lease}), line);
  }

  void print(const api::Json& json, const std::string& line) {
    if (context_.format == Format::json)
      context_.out() << api::dump_json(json) << '\n';
    else if (context_.format == Format::yaml)
      context_.out() << "---\n" << to_yaml(json);
    else
      context_.out() << line << '\n';
  }

  const Context& context_;
  const LeaseOptions& options_;
  std::uint64_t since_ = 0;
  std::uint64_t printed_ = 0;
  bool gone_ = false;
};

// ---- the command line --------------------------------------------------------------------------------

void add_filters(CLI::App& command, LeaseFilter& filter, bool states) {
  command.add_option("--vrf", filter.vrf, "Only this VRF")->type_name("VRF");
  command.add_option("--mac", filter.mac, "Only this client's")->type_name("MAC");
  command.add_option("--client-id", filter.client_id, "Only this client's (option 61)")->type_name("HEX");
  if (!states) return;
  command.add_option("--subnet", filter.subnet, "Only addresses in it")->type_name("PREFIX");
  command.add_option("--state", filter.state, "Only those")->type_name("active|declined|expired");
  command.add_option("--attachment", filter.attachment, "Only clients there, as in \"eth1 200.300\"")
      ->type_name("ATTACHMENT");
}

void set_action(CLI::App& command, Context& context, const SharedLease& options,
                ExitCode (*run)(const Context&, const LeaseOptions&)) {
  command.callback([&context, options, run] {
    context.action = [&context, options, run] { return run(context, *options); };
  });
}

void add_lease_list(CLI::App& group, Context& context) {
  const auto options = std::make_shared<LeaseOptions>();
  CLI::App& list =
      add_command(group, "list", "Leases of all VRFs, or of one",
                  "  xdp-keactl lease list\n"
                  "  xdp-keactl lease list --vrf red\n"
                  "  xdp-keactl lease list --state expired --subnet 10.0.0.0/24\n"
                  "  xdp-keactl -o json lease list | jq -r '.leases[] | [.address, .mac] | @tsv'\n"
                  "An expired lease is over, and kept for its client for a while (store.lease_grace_s).\n");
  add_filters(list, options->filter, true);
  list.add_option("--limit", options->limit, "End after N leases")->type_name("N");
  set_action(list, context, options, list_leases);
}

void add_lease_show(CLI::App& group, Context& context) {
  const auto options = std::make_shared<LeaseOptions>();
  CLI::App& show = add_command(group, "show", "All that is known of a lease",
                               "  xdp-keactl lease show 10.0.0.100 --vrf red\n"
                               "  xdp-keactl lease show --mac 02:00:00:00:00:01\n");
  show.add_option("address", options->filter.address, "Its address")->type_name("ADDRESS");
  add_filters(show, options->filter, false);
  set_action(show, context, options, show_lease);
}

void add_lease_delete(CLI::App& group, Context& context) {
  const auto options = std::make_shared<LeaseOptions>();
  CLI::App& command = add_command(
      group, "delete", "Free an address, in the store and in Kea",
      "  xdp-keactl lease delete red 10.0.0.100\n"
      "  xdp-keactl lease delete red 10.0.0.100 --yes\n"
      "The client is not told: it is refused the address (NAK) when it renews, unless it is free\n"
      "then. xdp-keactl client pause keeps it from coming back.\n");
  command.add_option("vrf", options->filter.vrf, "Its VRF")->required()->type_name("VRF");
  command.add_option("address", options->filter.address, "The address")->required()->type_name("ADDRESS");
  command.add_flag("-y,--yes", options->yes, "Do not ask");
  set_action(command, context, options, delete_lease);
}

void add_lease_export(CLI::App& group, Context& context) {
  const auto options = std::make_shared<LeaseOptions>();
  CLI::App& command = add_command(
      group, "export", "Write leases to a file, however many there are",
      "  xdp-keactl lease export leases.jsonl\n"
      "  xdp-keactl lease export --vrf red leases.csv\n"
      "  xdp-keactl lease export --vrf red --format kea kea-leases4.csv\n"
      "csv has a line a lease, jsonl an object a line. kea is a lease file of Kea: one that a VRF\n"
      "of an appliance which has never seen it takes over at its first start, in its directory.\n");
  add_filters(command, options->filter, true);
  command.add_option("file", options->file, "The file; - is standard output")->type_name("FILE");
  command.add_option("--format", options->format, "Default: by the file's name, else jsonl")
      ->type_name("csv|jsonl|kea")
      ->check(CLI::IsMember({"csv", "jsonl", "kea"}));
  set_action(command, context, options, export_leases);
}

void add_lease_watch(CLI::App& group, Context& context) {
  const auto options = std::make_shared<LeaseOptions>();
  CLI::App& watch = add_command(
      group, "watch", "Changes of leases as they happen",
      "  xdp-keactl lease watch                  until Ctrl-C, over restarts of xdp-kead\n"
      "  xdp-keactl lease watch --vrf red --all  those that are there first\n"
      "  xdp-keactl -o json lease watch | jq -r '[.change, .lease.address] | @tsv'\n"
      "put: given, renewed or declined; erased: released, deleted, or its time is over; is: there\n"
      "already. Who is too late is told so ({\"resync\": true}) and gets all leases anew.\n");
  add_filters(watch, options->filter, true);
  watch.add_flag("--all", options->all_first, "First the leases that are there");
  watch.add_option("--count", options->count, "End after N changes")->type_name("N");
  set_action(watch, context, options,
             [](const Context& where, const LeaseOptions& what) { return LeaseWatcher(where, what).run(); });
}

}  // namespace

void add_lease(CLI::App& app, Context& context) {
  CLI::App& group = add_group(app, "lease", "list, show, delete, export, watch: the leases of the clients");
  add_lease_list(group, context);
  add_lease_show(group, context);
  add_lease_delete(group, context);
  add_lease_export(group, context);
  add_lease_watch(group, context);
}

}  // namespace xk::cli
