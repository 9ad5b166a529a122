#include <memory>

#include "controlplane/cli/commands.h"
#include "controlplane/cli/tables.h"
#include "controlplane/cli/text.h"

namespace xk::cli {
namespace {

constexpr int kKeaEmpty = 3;  // Kea's result code: fine, and there is no such thing

// Kea's own verdict decides the exit code; its answer is printed in any case.
ExitCode print_kea_answer(const Context& context, const api::Json& answer) {
  const api::Json& first = answer.is_array() && !answer.empty() ? answer.front() : answer;
  if (!context.print_data(answer)) context.out() << api::dump_json(answer, 2) << '\n';
  if (!first.is_object() || !first.contains("result") || !first["result"].is_number_integer()) {
    return context.fail({ExitCode::bad_answer, {"Kea's answer has no result code"}});
  }
  const auto result = first["result"].get<std::int64_t>();
  if (result == 0) return ExitCode::ok;
  const bool has_text = first.contains("text") && first["text"].is_string();
  return context.fail({result == kKeaEmpty ? ExitCode::not_found : ExitCode::refused,
                       {"Kea answered with result " + std::to_string(result) +
                        (has_text ? ": " + first["text"].get<std::string>() : "")}});
}

ExitCode send_command(const Context& context, const std::string& vrf, const std::string& text) {
  const auto command = api::parse_json(text, api::kRequestBytesMax);
  if (!command) return context.fail({ExitCode::usage, {"the command is " + command.error().message}});
  const auto answer = context.client().post("/v1/kea/" + percent_encoded(vrf) + "/command", text);
  return answer ? print_kea_answer(context, *answer) : context.fail(answer.error());
}

}  // namespace

void add_kea(CLI::App& app, Context& context) {
  CLI::App& group = add_group(app, "kea", "status, command: the Kea servers, one in each VRF's namespace");
  add_command(group, "status", "Every Kea: state, process, restarts, last error",
              "  xdp-keactl kea status\n"
              "  xdp-keactl -o json kea status | jq '.keas[] | select(.restarts > 0)'\n")
      .callback([&context] {
        context.action = [&context] {
          return context.show<api::KeasBody>(
              context.client().get("/v1/kea"),
              [](const api::KeasBody& body, std::ostream& out) { print_keas(body.keas, out); });
        };
      });

  const auto vrf = std::make_shared<std::string>();
  const auto text = std::make_shared<std::string>();
  CLI::App& command =
      add_command(group, "command", "Send a command to a VRF's Kea and print its answer",
                  "  xdp-keactl kea command red '{\"command\": \"list-commands\"}'\n"
                  "  xdp-keactl kea command red '{\"command\": \"lease4-get\", \"arguments\": "
                  "{\"ip-address\": \"10.0.0.100\"}}'\n"
                  "Exit code: 0 if Kea's result is 0, 4 if it is 3 (empty), 1 for any other.\n");
  command.add_option("VRF", *vrf, "The VRF's name")->required();
  command.add_option("JSON", *text, "{\"command\": \"...\", \"arguments\": {...}}")->required();
  command.callback([&context, vrf, text] {
    context.action = [&context, vrf, text] { return send_command(context, *vrf, *text); };
  });
}

}  // namespace xk::cli
