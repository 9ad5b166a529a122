#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <memory>

#include "controlplane/cli/commands.h"
#include "controlplane/cli/static_file.h"
#include "controlplane/cli/table.h"
#include "controlplane/cli/text.h"

namespace xk::cli {
namespace {

constexpr std::size_t kBatch = 20'000;  // leases of one request

struct Options {
  StaticTexts texts;
  std::string file = "-";
  std::string format;
  bool force = false;
  bool keep_going = false;
};
using Shared = std::shared_ptr<Options>;

StaticFormat format_of(const Options& options) {
  if (!options.format.empty()) return options.format == "csv" ? StaticFormat::csv : StaticFormat::jsonl;
  return options.file.ends_with(".jsonl") || options.file.ends_with(".json") ? StaticFormat::jsonl
                                                                             : StaticFormat::csv;
}

std::string who_of(const StaticTexts& texts) {
  if (!texts.mac.empty()) return "mac " + texts.mac;
  if (!texts.client_id.empty()) return "client-id " + texts.client_id;
  return "circuit-id " + texts.circuit_id + (texts.remote_id.empty() ? "" : " remote-id " + texts.remote_id);
}

void print_page(const api::StaticPageView& page, std::ostream& out) {
  Table table({{"VRF"}, {"CLIENT"}, {"ADDRESS"}, {"HOSTNAME"}, {"OPTIONS"}}, "no static leases");
  for (const StaticTexts& lease : page.leases) {
    std::string options;
    for (const std::string& option : lease.options) options += (options.empty() ? "" : " ") + option;
    table.row({lease.vrf, who_of(lease), lease.address.empty() ? "from a pool" : lease.address,
               lease.hostname, options});
  }
  table.print(out);
}

void print_done(const api::StaticDoneView& done, std::ostream& out) {
  out << "added " << done.added << ", changed " << done.changed << ", unchanged " << done.unchanged
      << ", deleted " << done.deleted << '\n';
  for (const std::string& note : done.notes) out << "note: " << safe_text(note) << '\n';
}

api::Json body_of(std::span<const StaticTexts> leases, bool force, bool check) {
  api::StaticRequest request;
  request.leases.assign(leases.begin(), leases.end());
  request.force = force;
  request.check = check;
  return api::to_json(request);
}

// Calls each with all pages of the VRF's, or all, static leases.
template <typename Each>
std::expected<void, ClientError> each_page(const Context& context, const std::string& vrf, Each each) {
  std::string from;
  do {
    const std::string query = "?limit=" + std::to_string(api::kStaticPageMax) +
                              (vrf.empty() ? "" : "&vrf=" + percent_encoded(vrf)) +
                              (from.empty() ? "" : "&from=" + percent_encoded(from));
    const auto answer = context.client().get("/v1/static" + query);
    if (!answer) return std::unexpected(answer.error());
    auto page = api::from_json<api::StaticPageView>(*answer);
    if (!page) return std::unexpected(context.not_a_view(page.error()));
    from = page->next;
    each(std::move(*page));
  } while (!from.empty());
  return {};
}

ExitCode list(const Context& context, const std::string& vrf) {
  api::StaticPageView all;
  const auto read = each_page(context, vrf, [&](api::StaticPageView page) {
    all.total = page.total;
    std::ranges::move(page.leases, std::back_inserter(all.leases));
  });
  if (!read) return context.fail(read.error());
  if (!context.print_data(api::to_json(all))) print_page(all, context.out());
  return ExitCode::ok;
}

ExitCode export_all(const Context& context, const Options& options) {
  std::ofstream file;
  if (options.file != "-") {
    file.open(options.file, std::ios::trunc);
    if (!file) return context.fail({ExitCode::refused, {options.file + " cannot be written"}});
  }
  std::ostream& out = options.file == "-" ? context.out() : file;
  const StaticFormat format = format_of(options);
  write_static_header(out, format);
  const auto read = each_page(context, options.texts.vrf, [&](const api::StaticPageView& page) {
    for (const StaticTexts& lease : page.leases) write_static(out, format, lease);
  });
  if (!read) return context.fail(read.error());
  out.flush();
  if (!out) return context.fail({ExitCode::refused, {options.file + " cannot be written to its end"}});
  return ExitCode::ok;
}

// ---- import ------------------------------------------------------------------------------------------

class Import {
 public:
  Import(const Context& context, const Options& options) : context_(context), options_(options) {}

  ExitCode run() {
    if (auto read = read_file(); !read) return context_.fail(read.error());
    if (auto checked = each_batch("checked", true); !checked) return context_.fail(checked.error());
    std::ranges::sort(read_.bad, {}, &BadLine::line);
    for (const BadLine& bad : read_.bad)
      context_.console.err << options_.file << ":" << bad.line << ": " << safe_text(bad.text) << '\n';
    if (!read_.bad.empty() && !options_.keep_going)
      return context_.fail({ExitCode::refused,
                            {count_text(read_.bad.size(), "bad line", "bad lines") +
                             ": nothing was imported; --keep-going imports the others"}});
    drop_bad();
    if (auto added = each_batch("imported", false); !added) return context_.fail(added.error());
    for (const BadLine& bad : read_.bad) done_.problems.push_back({bad.line, bad.text});
    if (!context_.print_data(api::to_json(done_))) print_done(done_, context_.out());
    return read_.bad.empty() ? ExitCode::ok : ExitCode::refused;
  }

 private:
  std::expected<void, ClientError> read_file() {
    std::ifstream file;
    if (options_.file != "-") {
      file.open(options_.file);
      if (!file) return std::unexpected(ClientError{ExitCode::usage, {options_.file + " cannot be read"}});
    }
    read_ = read_static_file(options_.file == "-" ? std::cin : file, format_of(options_));
    return {};
  }

  std::expected<void, ClientError> each_batch(const char* verb, bool check) {
    std::vector<StaticTexts> batch;
    for (std::size_t at = 0; at < read_.leases.size(); at += batch.size()) {
      batch.clear();
      for (std::size_t i = at; i < std::min(at + kBatch, read_.leases.size()); ++i)
        batch.push_back(read_.leases[i].texts);
      const auto answer =
          context_.client().post("/v1/static", api::dump_json(body_of(batch, options_.force, check)));
      if (!answer) return std::unexpected(not_all(answer.error(), at, check));
      auto done = api::from_json<api::StaticDoneView>(*answer);
      if (!done) return std::unexpected(context_.not_a_view(done.error()));
      for (api::StaticProblemView& problem : done->problems)
        read_.bad.push_back({read_.leases[at + problem.index].line, std::move(problem.text)});
      if (!check) sum(*done);
      progress(verb, at + batch.size());
    }
    return {};
  }

  static ClientError not_all(ClientError error, std::size_t done, bool check) {
    if (!check && done != 0)
      error.messages.push_back("the first " + std::to_string(done) +
                               " are in force; importing the file again goes on from there");
    return error;
  }

  // What the server's state is against.
  void drop_bad() {
    std::erase_if(read_.leases, [&](const NumberedLease& lease) {
      return std::ranges::binary_search(read_.bad, lease.line, {}, &BadLine::line);
    });
  }

  void sum(const api::StaticDoneView& done) {
    done_.added += done.added;
    done_.changed += done.changed;
    done_.unchanged += done.unchanged;
    done_.deleted += done.deleted;
    done_.notes.insert(done_.notes.end(), done.notes.begin(), done.notes.end());
  }

  // A line that is written over at a terminal; elsewhere one for each tenth.
  void progress(const char* verb, std::size_t done) {
    const std::size_t all = read_.leases.size();
    const bool terminal = ::isatty(STDERR_FILENO) != 0;
    const std::size_t tenth = done * 10 / all;
    if (!terminal && (all <= kBatch || tenth == shown_)) return;
    shown_ = done == all ? 0 : tenth;
    context_.console.err << (terminal ? "\r" : "") << verb << " " << done << " of " << all
                         << (terminal && done != all ? "" : "\n") << std::flush;
  }

  const Context& context_;
  const Options& options_;
  StaticFile read_;
  api::StaticDoneView done_;
  std::size_t shown_ = 0;
};

// ---- command line ------------------------------------------------------------------------------------

void add_identity(CLI::App& command, const Shared& options) {
  command.add_option("VRF", options->texts.vrf, "The VRF's name")->required();
  command.add_option("--mac", options->texts.mac, "By MAC address")->type_name("MAC");
  command.add_option("--client-id", options->texts.client_id, "By client id (option 61), in hex")
      ->type_name("HEX");
  command
      .add_option("--circuit-id", options->texts.circuit_id, "By line: option 82's circuit-id, text or 0xHEX")
      ->type_name("TEXT");
  command.add_option("--remote-id", options->texts.remote_id, "With this remote-id only")->type_name("TEXT");
}

ExitCode post(const Context& context, const char* path, const Options& options) {
  const api::Json body = body_of({&options.texts, 1}, options.force, false);
  return context.show<api::StaticDoneView>(context.client().post(path, api::dump_json(body)), print_done);
}

void add_add(CLI::App& group, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      group, "add", "Give a client an address, or pin its identity",
      "  xdp-keactl static add red --mac 02:00:00:00:00:01 --address 10.0.0.50 --hostname printer\n"
      "  xdp-keactl static add red --circuit-id eth1:100.0 --address 10.0.0.51 --option "
      "ntp-servers=10.0.0.9\n"
      "  xdp-keactl static add red --client-id 0102000000000a       the address comes from a pool\n"
      "It is in force when the command returns. An address that another has is refused; --force takes it: a\n"
      "static lease that had it is deleted, a client that leased it is refused it when it renews.\n");
  add_identity(command, options);
  command.add_option("--address", options->texts.address, "Its address; without, it comes from a pool")
      ->type_name("ADDRESS");
  command.add_option("--hostname", options->texts.hostname, "Its host name (option 12)")->type_name("NAME");
  command
      .add_option("--option", options->texts.options,
                  "A further option, NAME=DATA, CODE=DATA or CODE=hex:BYTES; several times for several")
      ->type_name("OPTION")
      ->allow_extra_args(false);
  command.add_flag("--force", options->force, "Take the address from whoever has it; replace what is there");
  command.callback([&context, options] {
    context.action = [&context, options] { return post(context, "/v1/static", *options); };
  });
}

void add_delete(CLI::App& group, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App& command =
      add_command(group, "delete", "Delete a client's static lease",
                  "  xdp-keactl static delete red --mac 02:00:00:00:00:01\n"
                  "The client keeps the address until it renews; then the VRF's server decides.\n");
  add_identity(command, options);
  command.add_flag("--force", options->force, "One that is not there is no error");
  command.callback([&context, options] {
    context.action = [&context, options] { return post(context, "/v1/static/delete", *options); };
  });
}

void add_format(CLI::App& command, const Shared& options) {
  command
      .add_option("--format", options->format,
                  "csv or jsonl; by the file's name otherwise, csv if it says nothing")
      ->type_name("csv|jsonl")
      ->check([](const std::string& given) {
        return given == "csv" || given == "jsonl" ? std::string() : "'" + given + "' is none of csv, jsonl";
      });
}

void add_import(CLI::App& group, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      group, "import", "Add the static leases of a file",
      "  xdp-keactl static import leases.csv\n"
      "  xdp-keactl static import --format jsonl --keep-going - < leases.jsonl\n"
      "CSV: the first line names the fields: "
      "vrf,mac,client_id,circuit_id,remote_id,address,hostname,options\n"
      "(in any order, options with ; between them). JSON lines: an object a line with the same fields.\n"
      "All lines are checked first, and every bad one is told of as FILE:LINE: what. If there is one, "
      "nothing is\n"
      "imported, unless --keep-going is given. Importing a file again does no harm.\n"
      "Exit code: 1 if a line was bad.\n");
  command.add_option("FILE", options->file, "The file; - is standard input")->required();
  add_format(command, options);
  command.add_flag("--force", options->force, "Take addresses from whoever has them; replace what is there");
  command.add_flag("--keep-going", options->keep_going, "Leave bad lines out, import the others");
  command.callback([&context, options] {
    context.action = [&context, options] { return Import(context, *options).run(); };
  });
}

}  // namespace

void add_static(CLI::App& app, Context& context) {
  CLI::App& group =
      add_group(app, "static", "list, add, delete, import, export: addresses that are bound to clients");
  const auto listed = std::make_shared<Options>();
  CLI::App& listing =
      add_command(group, "list", "Static leases of all VRFs, or of one",
                  "  xdp-keactl static list\n"
                  "  xdp-keactl static list --vrf red\n"
                  "  xdp-keactl -o json static list | jq -r '.leases[] | [.address, .mac] | @tsv'\n");
  listing.add_option("--vrf", listed->texts.vrf, "Only this VRF")->type_name("VRF");
  listing.callback([&context, listed] {
    context.action = [&context, listed] { return list(context, listed->texts.vrf); };
  });
  add_add(group, context);
  add_delete(group, context);
  add_import(group, context);
  const auto exported = std::make_shared<Options>();
  CLI::App& exporting = add_command(group, "export", "Write static leases to a file that import reads",
                                    "  xdp-keactl static export leases.csv\n"
                                    "  xdp-keactl static export --vrf red --format jsonl > red.jsonl\n");
  exporting.add_option("FILE", exported->file, "The file; - is standard output")->capture_default_str();
  exporting.add_option("--vrf", exported->texts.vrf, "Only this VRF")->type_name("VRF");
  add_format(exporting, exported);
  exporting.callback([&context, exported] {
    context.action = [&context, exported] { return export_all(context, *exported); };
  });
}

}  // namespace xk::cli
