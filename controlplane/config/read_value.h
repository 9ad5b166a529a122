// One TOML value -> one typed value, or a mistake at its place.
#pragma once

#include <toml++/toml.h>

#include "controlplane/config/file_shape.h"
#include "controlplane/config/keys.h"
#include "controlplane/config/mistakes.h"

namespace xk::config {

[[nodiscard]] Position position_of(const toml::source_region& region);

// "an integer", "a table": what a node is, for messages.
[[nodiscard]] std::string_view kind_text(const toml::node& node);

// Sets the value and where it stands. A value that is refused is marked bad and reported.
void read_value(const toml::node& node, const KeyInfo& key, Given<std::string>& out, Mistakes& mistakes);
void read_value(const toml::node& node, const KeyInfo& key, Given<bool>& out, Mistakes& mistakes);
void read_value(const toml::node& node, const KeyInfo& key, Given<std::uint32_t>& out, Mistakes& mistakes);
void read_value(const toml::node& node, const KeyInfo& key, Given<Choice>& out, Mistakes& mistakes);
void read_value(const toml::node& node, const KeyInfo& key, Given<Ip4>& out, Mistakes& mistakes);
void read_value(const toml::node& node, const KeyInfo& key, Given<Prefix4>& out, Mistakes& mistakes);
void read_value(const toml::node& node, const KeyInfo& key, Given<Range4>& out, Mistakes& mistakes);
void read_value(const toml::node& node, const KeyInfo& key, Given<Mac>& out, Mistakes& mistakes);
void read_value(const toml::node& node, const KeyInfo& key, Given<VlanIds>& out, Mistakes& mistakes);
void read_value(const toml::node& node, const KeyInfo& key, Given<Tpid>& out, Mistakes& mistakes);
void read_value(const toml::node& node, const KeyInfo& key, Given<FileMode>& out, Mistakes& mistakes);
void read_value(const toml::node& node, const KeyInfo& key, Given<List<Ip4>>& out, Mistakes& mistakes);
void read_value(const toml::node& node, const KeyInfo& key, Given<List<Range4>>& out, Mistakes& mistakes);
void read_value(const toml::node& node, const KeyInfo& key, Given<List<Choice>>& out, Mistakes& mistakes);
void read_value(const toml::node& node, const KeyInfo& key, Given<List<std::string>>& out,
                Mistakes& mistakes);

}  // namespace xk::config
