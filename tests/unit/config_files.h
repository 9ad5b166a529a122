// Small helpers of the tests of the configuration.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/config.h"

namespace xk {

// The mistakes as the user sees them, "f:line:col: text"; empty: the text is a good configuration.
inline std::vector<std::string> mistakes_in(std::string_view toml) {
  std::vector<std::string> texts;
  const auto model = parse_config(toml, "f");
  if (model) return texts;
  for (const ConfigError& error : model.error()) texts.push_back(error.text());
  return texts;
}

// The model of a good configuration; a test fails with the mistakes otherwise.
inline Model model_of(std::string_view toml) {
  const auto model = parse_config(toml, "f");
  if (model) return *model;
  for (const ConfigError& error : model.error()) ADD_FAILURE() << error.text();
  return {};
}

// A file of the source tree.
inline std::string source_file(const std::string& path) {
  std::ifstream file(XK_SOURCE_DIR "/" + path);
  EXPECT_TRUE(file.good()) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// A VRF with one subnet and one attachment of either engine.
inline constexpr std::string_view kKeaVrf = R"([[vrf]]
name = "red"
[[vrf.subnet]]
prefix = "10.0.0.0/24"
gateway = "10.0.0.1"
[[vrf.attachment]]
interface = "eth1"
)";
inline constexpr std::string_view kRelayVrf = R"([[vrf]]
name = "blue"
engine = "relay"
[[vrf.subnet]]
prefix = "10.0.0.0/24"
gateway = "10.0.0.1"
[[vrf.attachment]]
interface = "eth2"
[vrf.relay]
servers = ["192.0.2.10"]
)";

}  // namespace xk
