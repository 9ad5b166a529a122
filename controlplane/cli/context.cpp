#include "controlplane/cli/context.h"

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
