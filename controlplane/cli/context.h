// What every command needs: where to print, how, and whom to ask.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "controlplane/api/views_json.h"
#include "controlplane/cli/cli.h"
#include "controlplane/cli/client.h"

namespace xk::cli {

enum class Format : std::uint8_t { table, json, yaml };

struct Context {
  explicit Context(const Console& where) : console(where) {}

  Console console;
  std::string socket = kDefaultSocket;
  Format format = Format::table;
  std::function<ExitCode()> action;  // what the command line asks for; set while it is parsed

  [[nodiscard]] std::ostream& out() const { return console.out; }
  [[nodiscard]] Client client() const { return Client(socket); }

  // Prints "xdp-keactl: ..." lines to err and returns the error's code.
  ExitCode fail(const ClientError& error) const;
  // Asks at the terminal; without one, says that --yes is needed, and the answer is no.
  [[nodiscard]] bool confirm(const std::string& question) const;
  // Prints JSON or YAML; false if the format is table.
  [[nodiscard]] bool print_data(const api::Json& json) const;

  // Prints an answer: as it came for json and yaml, else by print_table(view, out). JSON that is not
  // a View is never printed.
  template <typename View, typename PrintTable>
  ExitCode show(const std::expected<api::Json, ClientError>& answer, PrintTable print_table) const {
    if (!answer) return fail(answer.error());
    const auto view = api::from_json<View>(*answer);
    if (!view) return fail(not_a_view(view.error()));
    if (!print_data(*answer)) print_table(*view, console.out);
    return ExitCode::ok;
  }
  [[nodiscard]] ClientError not_a_view(const Error& error) const;
};

}  // namespace xk::cli
