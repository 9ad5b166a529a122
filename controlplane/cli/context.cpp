#include "controlplane/cli/context.h"

#include <unistd.h>

#include <iostream>

#include "controlplane/cli/text.h"
#include "controlplane/cli/yaml.h"

namespace xk::cli {

ExitCode Context::fail(const ClientError& error) const {
  const char* prefix = "xdp-keactl: ";
  for (const std::string& message : error.messages) {
    console.err << prefix << safe_text(message) << '\n';
    prefix = "            ";
  }
  return error.code;
}

bool Context::confirm(const std::string& question) const {
  if (::isatty(STDIN_FILENO) == 0) {
    console.err << "xdp-keactl: nothing was done: standard input is no terminal to ask at; give --yes\n";
    return false;
  }
  console.err << safe_text(question) << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return true;
  console.err << "xdp-keactl: nothing was done\n";
  return false;
}

bool Context::print_data(const api::Json& json) const {
  switch (format) {
    case Format::json:
      console.out << api::dump_json(json, 2) << '\n';
      return true;
    case Format::yaml:
      console.out << to_yaml(json);
      return true;
    case Format::table:
      break;
  }
  return false;
}

ClientError Context::not_a_view(const Error& error) const {
  return ClientError{ExitCode::bad_answer,
                     {"no usable answer from " + socket + ": " + error.message,
                      "is an xdp-kead of this version listening there?"}};
}

}  // namespace xk::cli
