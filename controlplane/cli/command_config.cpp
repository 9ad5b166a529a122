#include <array>
#include <fstream>
#include <memory>

#include "controlplane/cli/commands.h"
#include "controlplane/cli/text.h"
#include "controlplane/config/config.h"

namespace xk::cli {
namespace {

constexpr std::size_t kFileBytesMax = 8u << 20;  // as the daemon takes them

std::expected<std::string, Error> read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text;
  std::array<char, 65536> chunk{};
  while (in && text.size() <= kFileBytesMax) {
    in.read(chunk.data(), chunk.size());
    text.append(chunk.data(), static_cast<std::size_t>(in.gcount()));
  }
  if (!in.eof() && text.size() <= kFileBytesMax)
    return std::unexpected(errno_error(path + " cannot be read"));
  if (text.size() > kFileBytesMax)
    return std::unexpected(Error{path + " is longer than " + std::to_string(kFileBytesMax) + " bytes", 0});
  return text;
}

// A check is its own view: {"file", "ok", "vrfs", "attachments", "errors"}.
ExitCode check(const Context& context, const std::string& file) {
  const auto model = load_config(file);
  std::size_t vrfs = 0;
  std::size_t attachments = 0;
  std::vector<std::string> errors;
  if (model) {
    vrfs = model->vrfs.size();
    for (const Vrf& vrf : model->vrfs) attachments += vrf.attachments.size();
  } else {
    for (const ConfigError& error : model.error()) errors.push_back(error.text());
  }
  const api::Json json = {{"file", file},
                          {"ok", model.has_value()},
                          {"vrfs", vrfs},
                          {"attachments", attachments},
                          {"errors", errors}};
  if (!context.print_data(json)) {
    for (const std::string& error : errors) context.console.err << safe_text(error) << '\n';
    if (model) {
      context.out() << safe_text(file) << ": ok, " << count_text(vrfs, "VRF", "VRFs") << ", "
                    << count_text(attachments, "attachment", "attachments") << '\n';
    } else {
      context.console.err << "xdp-keactl: " << safe_text(file) << ": "
                          << count_text(errors.size(), "mistake", "mistakes") << '\n';
    }
  }
  return model ? ExitCode::ok : ExitCode::refused;
}

void print_diff(const api::ConfigDiffView& diff, std::ostream& out) {
  for (const api::ConfigChangeView& change : diff.changes) {
    out << safe_text(change.change) << ' ' << safe_text(change.section) << '\n';
    for (const std::string& line : change.lines) out << "  " << safe_text(line) << '\n';
  }
  if (diff.changes.empty() && diff.steps.empty()) {
    out << "nothing would change\n";
    return;
  }
  if (diff.changes.empty()) out << "the configuration is the same\n";
  if (diff.steps.empty()) {
    out << "no step would be needed\n";
    return;
  }
  out << count_text(diff.steps.size(), "step", "steps") << " would be taken:\n";
  for (const std::string& step : diff.steps) out << "  " << safe_text(step) << '\n';
}

// The daemon's own file, or the text of one that only we may be able to read.
ExitCode diff(const Context& context, const std::string& file) {
  std::string body;
  if (!file.empty()) {
    const auto text = read_text(file);
    if (!text) return context.fail({ExitCode::refused, {text.error().message}});
    body = api::dump_json(api::to_json(api::ConfigText{file, *text}));
  }
  const auto answer = context.client().post("/v1/config/diff", body);
  const ExitCode shown = context.show<api::ConfigDiffView>(answer, print_diff);
  if (shown != ExitCode::ok) return shown;
  const bool same = (*answer)["changes"].empty() && (*answer)["steps"].empty();
  return same ? ExitCode::ok : ExitCode::differs;
}

}  // namespace

void add_config(CLI::App& app, Context& context) {
  CLI::App& group = add_group(app, "config", "check, diff, show: the configuration");
  const auto file = std::make_shared<std::string>();
  CLI::App& checked =
      add_command(group, "check", "Read a configuration file and report every mistake; needs no daemon",
                  "  xdp-keactl config check /etc/xdp-kea/xdp-kea.toml\n"
                  "  xdp-keactl -o json config check new.toml | jq -r '.errors[]'\n");
  checked.add_option("FILE", *file, "The TOML file")->required();
  checked.callback([&context, file] { context.action = [&context, file] { return check(context, *file); }; });

  add_command(group, "show", "The configuration in force as TOML, defaults spelled out",
              "  xdp-keactl config show\n"
              "  xdp-keactl config show | diff - <(ssh other xdp-keactl config show)\n")
      .callback([&context] {
        context.action = [&context] {
          return context.show<api::ConfigBody>(
              context.client().get("/v1/config"),
              [](const api::ConfigBody& body, std::ostream& out) { out << body.toml; });
        };
      });

  CLI::App& compared = add_command(
      group, "diff", "What a reload would change and the steps it would take, without taking them",
      "  xdp-keactl config diff\n"
      "  xdp-keactl config diff new.toml\n"
      "  xdp-keactl -o json config diff new.toml | jq -r '.steps[]'\n"
      "Exit code: 0 if nothing would change, 7 if something would, 1 if it would be refused.\n");
  compared.add_option("FILE", *file, "Compare with this file instead of the daemon's own");
  compared.callback([&context, file] { context.action = [&context, file] { return diff(context, *file); }; });
}

}  // namespace xk::cli
