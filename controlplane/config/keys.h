// The one table of keys: what each is called, where it lands, what it may be, what it means. The
// parser, the defaults, "config show", docs/configuration.md and the checks of conf/ are made of it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "controlplane/config/file_shape.h"
#include "controlplane/config/text_checks.h"

namespace xk::config {

inline constexpr std::array<std::string_view, 5> kLogLevels{"trace", "debug", "info", "warn", "error"};
inline constexpr std::array<std::string_view, 3> kDriverNames{"af_xdp", "ethdev", "pcap"};

// Where a value lands, and so its type.
template <typename S>
using Member =
    std::variant<Given<std::string> S::*, Given<bool> S::*, Given<std::uint32_t> S::*, Given<Choice> S::*,
                 Given<Ip4> S::*, Given<Prefix4> S::*, Given<Mac> S::*, Given<VlanIds> S::*, Given<Tpid> S::*,
                 Given<FileMode> S::*, Given<Range4> S::*, Given<List<Ip4>> S::*, Given<List<Range4>> S::*,
                 Given<List<Choice>> S::*, Given<List<std::string>> S::*>;

// Engines that a key means anything to; at any other it is a mistake.
enum class Use : std::uint8_t {
  any,
  kea,
  relay,
  native,
  server,    // kea and native: those that lease addresses themselves
  upstream,  // kea and relay: those that hand requests on
};
[[nodiscard]] bool fits(Use use, Engine engine);
// "kea" or "native", each in quotes of this kind.
[[nodiscard]] std::string engines_of(Use use, char quote);

// What a key is to a person and what its value may be.
struct KeyInfo {
  std::string_view name;
  std::string_view description;        // sentences; for the reference
  std::string_view example;            // a value as TOML
  std::string_view default_text = {};  // where the default is not one value: "the subnet's gateway"
  bool required = false;
  Use use = Use::any;
  std::uint32_t min = 0;  // of a number; of a list, its items
  std::uint32_t max = 0;
  std::span<const std::string_view> words = {};  // of a choice
  TextCheck check = nullptr;                     // of a text
  std::string_view allowed = {};                 // in words, for the reference, beside type and bounds
  bool empty_allowed = false;                    // of a text: "" is the default
};

template <typename S>
struct Key {
  Member<S> member;
  KeyInfo info;
};

// A table of the file: "[appliance]" or, repeated, "[[vrf.subnet]]".
struct SectionInfo {
  std::string_view path;  // "vrf.subnet"
  bool repeated = false;
  std::span<const std::string_view> children = {};  // names of the tables inside
  std::string_view description = {};
  std::string_view example = {};  // a complete configuration that shows it
  Use use = Use::any;
  std::string_view keys_of = {};  // path of the section that has the same keys, and explains them
};

template <typename S>
struct Section {
  SectionInfo info;
  std::span<const Key<S>> keys;
};

[[nodiscard]] const Section<FileAppliance>& appliance_section();
[[nodiscard]] const Section<FileDataplane>& dataplane_section();
[[nodiscard]] const Section<FileLcore>& lcore_section();
[[nodiscard]] const Section<FileStore>& store_section();
[[nodiscard]] const Section<FileEtcd>& etcd_section();
[[nodiscard]] const Section<FileHa>& ha_section();
[[nodiscard]] const Section<FilePort>& port_section();
[[nodiscard]] const Section<FileOption82>& option82_section();
[[nodiscard]] const Section<FileDiscovery>& discovery_section();
[[nodiscard]] const Section<FileOption>& discovery_option_section();
[[nodiscard]] const Section<FileRelay>& discovery_relay_section();
[[nodiscard]] const Section<FileKea>& discovery_kea_section();
[[nodiscard]] const Section<FileNative>& discovery_native_section();
[[nodiscard]] const Section<FileOption>& global_option_section();
[[nodiscard]] const Section<FileVrf>& vrf_section();
[[nodiscard]] const Section<FileSubnet>& subnet_section();
[[nodiscard]] const Section<FileOption>& option_section();
[[nodiscard]] const Section<FilePool>& pool_section();
[[nodiscard]] const Section<FileOption>& pool_option_section();
[[nodiscard]] const Section<FileAttachment>& attachment_section();
[[nodiscard]] const Section<FileRelay>& relay_section();
[[nodiscard]] const Section<FileKea>& kea_section();
[[nodiscard]] const Section<FileNative>& native_section();
[[nodiscard]] const Section<FileClass>& class_section();
[[nodiscard]] const Section<FileMatch>& match_section();
[[nodiscard]] const Section<FileOption>& class_option_section();
[[nodiscard]] const Section<FileOption>& vrf_option_section();

// Names of the tables at the top of the file.
[[nodiscard]] std::span<const std::string_view> top_sections();

// Calls visit(section) for each section, in the order of the reference.
template <typename Visitor>
void for_each_section(Visitor&& visit) {
  visit(appliance_section());
  visit(dataplane_section());
  visit(lcore_section());
  visit(store_section());
  visit(etcd_section());
  visit(ha_section());
  visit(port_section());
  visit(option82_section());
  visit(global_option_section());
  visit(vrf_section());
  visit(vrf_option_section());
  visit(subnet_section());
  visit(option_section());
  visit(pool_section());
  visit(pool_option_section());
  visit(attachment_section());
  visit(relay_section());
  visit(kea_section());
  visit(native_section());
  visit(class_section());
  visit(match_section());
  visit(class_option_section());
  visit(discovery_section());
  visit(discovery_option_section());
  visit(discovery_relay_section());
  visit(discovery_kea_section());
  visit(discovery_native_section());
}

}  // namespace xk::config
