// TOML text -> validated Model, or every mistake at once.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/model/model.h"

namespace xk {

// One mistake: "file:line:col: what is wrong; what is allowed".
struct ConfigError {
  Origin at;
  std::string message;
  [[nodiscard]] std::string text() const;
};

// Parses and validates. Unknown keys, wrong types, out-of-range values, dangling references,
// duplicates and overlaps are all reported together, in the order of the file.
[[nodiscard]] std::expected<Model, std::vector<ConfigError>> parse_config(std::string_view toml,
                                                                          const std::string& file_name);
[[nodiscard]] std::expected<Model, std::vector<ConfigError>> load_config(const std::string& path);

// The model back as TOML with every default spelled out ("config show").
[[nodiscard]] std::string show_config(const Model& model);

// The same in its parts: "[appliance]", "[dataplane]", "[[port]] eth1", "[[vrf]] red".
struct ConfigSection {
  std::string name;
  std::string toml;
};
[[nodiscard]] std::vector<ConfigSection> config_sections(const Model& model);

// What differs between two models, by section: those changed or removed in the order of the first, then
// those added in the order of the second.
struct ConfigChange {
  std::string section;             // ConfigSection::name
  std::string change;              // "added", "removed", "changed"
  std::vector<std::string> lines;  // "- " gone, "+ " new, "  " where that is, of a changed section
};
[[nodiscard]] std::vector<ConfigChange> diff_config(const Model& before, const Model& after);

// The reference of every key (docs/configuration.md) from the same table as the parser.
[[nodiscard]] std::string config_reference_markdown();

}  // namespace xk
