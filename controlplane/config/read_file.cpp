#include "controlplane/config/read_file.h"

#include <algorithm>
#include <string>
#include <vector>

#include "bpf/shared/limits.h"
#include "controlplane/config/keys.h"
#include "controlplane/config/read_value.h"

namespace xk::config {
namespace {

// The section that does have a key of this name, for those who put it in the wrong place.
std::string belongs_to(std::string_view key, std::string_view not_in) {
  std::string places;
  for_each_section([&](const auto& section) {
    if (section.info.path == not_in || !section.info.keys_of.empty()) return;
    for (const auto& candidate : section.keys) {
      if (candidate.info.name != key) continue;
      const std::string path(section.info.path);
      places +=
          (places.empty() ? "" : ", ") + (section.info.repeated ? "[[" + path + "]]" : "[" + path + "]");
    }
  });
  return places.empty() ? "" : "; there is one in " + places;
}

template <typename S>
void unknown_key(const toml::key& key, const Section<S>& section, Mistakes& mistakes) {
  if (mistakes.full()) return mistakes.add({}, "");
  std::vector<std::string_view> names;
  for (const Key<S>& known : section.keys) names.push_back(known.info.name);
  names.insert(names.end(), section.info.children.begin(), section.info.children.end());
  std::string allowed;
  for (const std::string_view name : names) allowed += (allowed.empty() ? "" : ", ") + std::string(name);
  const std::string guess = did_you_mean(key.str(), names);
  mistakes.add(position_of(key.source()),
               "unknown key " + quoted(key.str()) + " in [" + std::string(section.info.path) + "]" + guess +
                   (guess.empty() ? belongs_to(key.str(), section.info.path) : "") + "; allowed: " + allowed);
}

template <typename S>
bool read_key(const toml::key& name, const toml::node& node, const Section<S>& section, S& out,
              Mistakes& mistakes) {
  for (const Key<S>& key : section.keys) {
    if (key.info.name != name.str()) continue;
    std::visit([&](auto member) { read_value(node, key.info, out.*member, mistakes); }, key.member);
    return true;
  }
  return false;
}

// The keys of one table; tables inside are the caller's.
template <typename S>
void read_keys(const toml::table& table, const Section<S>& section, S& out, Mistakes& mistakes) {
  out.at = position_of(table.source());
  for (auto&& [name, node] : table) {
    if (read_key(name, node, section, out, mistakes)) continue;
    if (std::ranges::find(section.info.children, name.str()) != section.info.children.end()) continue;
    unknown_key(name, section, mistakes);
  }
  for (const Key<S>& key : section.keys) {
    const bool given = std::visit([&](auto member) { return (out.*member).given(); }, key.member);
    if (key.info.required && !given) {
      mistakes.add(out.at, "[[" + std::string(section.info.path) + "]] has no " + std::string(key.info.name) +
                               ", which it needs, as in " + std::string(key.info.name) + " = " +
                               std::string(key.info.example));
    }
  }
}

std::string_view last_part(std::string_view path) { return path.substr(path.rfind('.') + 1); }

// The table of a section that is there once at most; nullptr: not there, or reported.
template <typename S>
const toml::table* one_table(const toml::table& parent, const Section<S>& section, Mistakes& mistakes) {
  const toml::node* node = parent.get(last_part(section.info.path));
  if (node == nullptr) return nullptr;
  if (const toml::table* table = node->as_table()) return table;
  mistakes.add(position_of(node->source()),
               std::string(last_part(section.info.path)) + ": found " + std::string(kind_text(*node)) +
                   "; it is one table, written [" + std::string(section.info.path) + "]");
  return nullptr;
}

// The tables of a section that repeats; what is no table is reported.
template <typename S>
std::vector<const toml::table*> tables_of(const toml::table& parent, const Section<S>& section,
                                          std::size_t max, Mistakes& mistakes) {
  std::vector<const toml::table*> tables;
  const std::string name(last_part(section.info.path));
  const toml::node* node = parent.get(name);
  if (node == nullptr) return tables;
  const std::string written =
      "; it is a list of tables, each written [[" + std::string(section.info.path) + "]]";
  const toml::array* array = node->as_array();
  if (array == nullptr) {
    mistakes.add(position_of(node->source()), name + ": found " + std::string(kind_text(*node)) + written);
    return tables;
  }
  for (const toml::node& item : *array) {
    if (tables.size() == max) {
      mistakes.add(position_of(item.source()), name + " number " + std::to_string(max + 1) + "; at most " +
                                                   std::to_string(max) + " are allowed");
      break;
    }
    if (const toml::table* table = item.as_table()) {
      tables.push_back(table);
    } else {
      mistakes.add(position_of(item.source()), name + ": found " + std::string(kind_text(item)) + written);
    }
  }
  return tables;
}

constexpr std::size_t kLcoresMax = 64;
constexpr std::size_t kPortsMax = 4096;
constexpr std::size_t kSubnetsMax = 4096;  // of one VRF
constexpr std::size_t kOptionsMax = 254;   // of one level: every code once
constexpr std::size_t kPoolsMax = 1024;    // of one subnet

std::vector<FileOption> read_options(const toml::table& table, const Section<FileOption>& section,
                                     Mistakes& mistakes) {
  std::vector<FileOption> options;
  for (const toml::table* one : tables_of(table, section, kOptionsMax, mistakes))
    read_keys(*one, section, options.emplace_back(), mistakes);
  return options;
}

FileClass read_class(const toml::table& table, Mistakes& mistakes) {
  FileClass one;
  read_keys(table, class_section(), one, mistakes);
  for (const toml::table* match : tables_of(table, match_section(), kNativeConditionsMax, mistakes))
    read_keys(*match, match_section(), one.matches.emplace_back(), mistakes);
  one.options = read_options(table, class_option_section(), mistakes);
  return one;
}

FileSubnet read_subnet(const toml::table& table, Mistakes& mistakes) {
  FileSubnet subnet;
  read_keys(table, subnet_section(), subnet, mistakes);
  subnet.options = read_options(table, option_section(), mistakes);
  for (const toml::table* one : tables_of(table, pool_section(), kPoolsMax, mistakes)) {
    FilePool& pool = subnet.pool_tables.emplace_back();
    read_keys(*one, pool_section(), pool, mistakes);
    pool.options = read_options(*one, pool_option_section(), mistakes);
  }
  return subnet;
}

FileDiscovery read_discovery(const toml::table& table, Mistakes& mistakes) {
  FileDiscovery discovery;
  read_keys(table, discovery_section(), discovery, mistakes);
  discovery.options = read_options(table, discovery_option_section(), mistakes);
  if (const auto* one = one_table(table, discovery_relay_section(), mistakes)) {
    read_keys(*one, discovery_relay_section(), discovery.relay, mistakes);
  }
  if (const auto* one = one_table(table, discovery_kea_section(), mistakes)) {
    read_keys(*one, discovery_kea_section(), discovery.kea, mistakes);
  }
  if (const auto* one = one_table(table, discovery_native_section(), mistakes))
    read_keys(*one, discovery_native_section(), discovery.native, mistakes);
  return discovery;
}

FileVrf read_vrf(const toml::table& table, Mistakes& mistakes) {
  FileVrf vrf;
  read_keys(table, vrf_section(), vrf, mistakes);
  vrf.options = read_options(table, vrf_option_section(), mistakes);
  for (const toml::table* one : tables_of(table, class_section(), kNativeClassesMax, mistakes))
    vrf.classes.push_back(read_class(*one, mistakes));
  for (const toml::table* one : tables_of(table, subnet_section(), kSubnetsMax, mistakes)) {
    vrf.subnets.push_back(read_subnet(*one, mistakes));
  }
  for (const toml::table* one : tables_of(table, attachment_section(), XK_ATTACHMENTS_MAX, mistakes)) {
    read_keys(*one, attachment_section(), vrf.attachments.emplace_back(), mistakes);
  }
  if (const auto* one = one_table(table, relay_section(), mistakes)) {
    read_keys(*one, relay_section(), vrf.relay, mistakes);
  }
  if (const auto* one = one_table(table, kea_section(), mistakes)) {
    read_keys(*one, kea_section(), vrf.kea, mistakes);
  }
  if (const auto* one = one_table(table, native_section(), mistakes))
    read_keys(*one, native_section(), vrf.native, mistakes);
  return vrf;
}

void unknown_section(const toml::key& key, Mistakes& mistakes) {
  if (mistakes.full()) return mistakes.add({}, "");
  const std::vector<std::string_view> names(top_sections().begin(), top_sections().end());
  const std::string guess = did_you_mean(key.str(), names);
  mistakes.add(position_of(key.source()), "unknown key " + quoted(key.str()) + " at the top of the file" +
                                              guess + (guess.empty() ? belongs_to(key.str(), "") : "") +
                                              "; allowed: [appliance], [dataplane], [store], [ha], [[port]], "
                                              "[option82], [[options]], [discovery], "
                                              "[[vrf]]");
}

}  // namespace

FileConfig read_file(const toml::table& root, Mistakes& mistakes) {
  FileConfig file;
  for (auto&& [name, node] : root) {
    if (std::ranges::find(top_sections(), name.str()) == top_sections().end())
      unknown_section(name, mistakes);
  }
  if (const auto* one = one_table(root, appliance_section(), mistakes)) {
    read_keys(*one, appliance_section(), file.appliance, mistakes);
  }
  if (const auto* one = one_table(root, dataplane_section(), mistakes)) {
    read_keys(*one, dataplane_section(), file.dataplane, mistakes);
    for (const toml::table* lcore : tables_of(*one, lcore_section(), kLcoresMax, mistakes)) {
      read_keys(*lcore, lcore_section(), file.dataplane.lcores.emplace_back(), mistakes);
    }
  }
  if (const auto* one = one_table(root, store_section(), mistakes)) {
    read_keys(*one, store_section(), file.store, mistakes);
    if (const auto* etcd = one_table(*one, etcd_section(), mistakes))
      read_keys(*etcd, etcd_section(), file.store.etcd, mistakes);
  }
  if (const auto* one = one_table(root, ha_section(), mistakes))
    read_keys(*one, ha_section(), file.ha, mistakes);
  for (const toml::table* one : tables_of(root, port_section(), kPortsMax, mistakes)) {
    read_keys(*one, port_section(), file.ports.emplace_back(), mistakes);
  }
  if (const auto* one = one_table(root, option82_section(), mistakes)) {
    read_keys(*one, option82_section(), file.option82, mistakes);
  }
  file.options = read_options(root, global_option_section(), mistakes);
  if (const auto* one = one_table(root, discovery_section(), mistakes)) {
    file.discovery = read_discovery(*one, mistakes);
  }
  for (const toml::table* one : tables_of(root, vrf_section(), XK_VRFS_MAX, mistakes)) {
    file.vrfs.push_back(read_vrf(*one, mistakes));
  }
  return file;
}

}  // namespace xk::config
