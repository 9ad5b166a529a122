#include <string>

#include "controlplane/config/config.h"
#include "controlplane/config/keys.h"
#include "controlplane/config/reference_text.h"
#include "controlplane/config/write_value.h"
#include "controlplane/model/kea_options.h"

namespace xk {
namespace config {
namespace {

struct TypeName {
  template <typename S>
  std::string operator()(Given<std::string> S::*) const {
    return "text";
  }
  template <typename S>
  std::string operator()(Given<bool> S::*) const {
    return "true or false";
  }
  template <typename S>
  std::string operator()(Given<std::uint32_t> S::*) const {
    return "integer";
  }
  template <typename S>
  std::string operator()(Given<Choice> S::*) const {
    return "word";
  }
  template <typename S>
  std::string operator()(Given<Ip4> S::*) const {
    return "IPv4 address";
  }
  template <typename S>
  std::string operator()(Given<Prefix4> S::*) const {
    return "IPv4 prefix";
  }
  template <typename S>
  std::string operator()(Given<Mac> S::*) const {
    return "MAC address";
  }
  template <typename S>
  std::string operator()(Given<VlanIds> S::*) const {
    return "VLAN";
  }
  template <typename S>
  std::string operator()(Given<Tpid> S::*) const {
    return "tag protocol";
  }
  template <typename S>
  std::string operator()(Given<FileMode> S::*) const {
    return "octal text";
  }
  template <typename S>
  std::string operator()(Given<Range4> S::*) const {
    return "IPv4 range";
  }
  template <typename S>
  std::string operator()(Given<List<Ip4>> S::*) const {
    return "list of IPv4 addresses";
  }
  template <typename S>
  std::string operator()(Given<List<Range4>> S::*) const {
    return "list of IPv4 ranges";
  }
  template <typename S>
  std::string operator()(Given<List<Choice>> S::*) const {
    return "list of words";
  }
  template <typename S>
  std::string operator()(Given<List<std::string>> S::*) const {
    return "list of texts";
  }
};

template <typename S>
bool is_a(const Key<S>& key, std::string_view type) {
  return std::visit(TypeName{}, key.member) == type;
}

template <typename S>
std::string default_of(const Key<S>& key) {
  if (key.info.required) return "*needed*";
  if (!key.info.default_text.empty()) return std::string(key.info.default_text);
  const S defaults{};
  return "`" +
         std::visit([&](auto member) { return write_value((defaults.*member).value, key.info); },
                    key.member) +
         "`";
}

template <typename S>
std::string allowed_of(const Key<S>& key) {
  std::string text;
  const auto add = [&text](std::string_view more) { text += (text.empty() ? "" : "; ") + std::string(more); };
  for (const std::string_view word : key.info.words) {
    text += (text.empty() ? "`\"" : ", `\"") + std::string(word) + "\"`";
  }
  if (is_a(key, "integer")) add(std::to_string(key.info.min) + " to " + std::to_string(key.info.max));
  if (is_a(key, "tag protocol")) add("`\"0x8100\"`, `\"0x88a8\"`");
  if (is_a(key, "octal text")) add("`\"0000\"` to `\"0777\"`");
  if (key.info.max != 0 && !is_a(key, "integer")) {
    add((key.info.min == 0 ? "at most " : std::to_string(key.info.min) + " to ") +
        std::to_string(key.info.max) + " items");
  }
  if (!key.info.allowed.empty()) add(key.info.allowed);
  if (key.info.use != Use::any) {
    const bool several = key.info.use == Use::server || key.info.use == Use::upstream;
    add("engine " + engines_of(key.info.use, '`') + (several ? "" : " only"));
  }
  return text;
}

template <typename S>
void write_section_reference(const Section<S>& section, std::string& out) {
  const std::string path(section.info.path);
  out += "## " + (section.info.repeated ? "`[[" + path + "]]`" : "`[" + path + "]`") + "\n\n";
  out += std::string(section.info.description) + "\n\n";
  if (!section.info.keys_of.empty()) {
    const std::string other(section.info.keys_of);
    std::string anchor;
    for (const char c : other) {
      if (c != '.') anchor += c;
    }
    out += "The keys are those of [`" + other + "`](#" + anchor + ").\n\n```toml\n" +
           std::string(section.info.example) + "```\n\n";
    return;
  }
  out += "| key | type | default | allowed | meaning | example |\n|---|---|---|---|---|---|\n";
  for (const Key<S>& key : section.keys) {
    out += "| `" + std::string(key.info.name) + "` | " + std::visit(TypeName{}, key.member) + " | " +
           default_of(key) + " | " + allowed_of(key) + " | " + std::string(key.info.description) + " | `" +
           std::string(key.info.example) + "` |\n";
  }
  out += "\n```toml\n" + std::string(section.info.example) + "```\n\n";
}

}  // namespace
}  // namespace config

namespace config {
namespace {

std::string example_of(OptionType type) {
  switch (type) {
    case OptionType::address:
      return "`10.0.0.1`";
    case OptionType::addresses:
      return "`10.0.0.1, 10.0.0.2`";
    case OptionType::u8:
      return "a number to 255";
    case OptionType::u16:
      return "a number to 65535";
    case OptionType::u32:
      return "a number to 4294967295";
    case OptionType::u8s:
    case OptionType::u16s:
      return "numbers: `68, 296`";
    case OptionType::i32:
      return "a number, also below 0";
    case OptionType::flag:
      return "`true` or `false`";
    case OptionType::text:
      return "text; `\\,` for a comma";
    case OptionType::domain:
      return "`example.net`";
    case OptionType::domains:
    case OptionType::search:
      return "`example.net, lab.example.net`";
    case OptionType::routes:
      return "`10.8.0.0/16 10.0.0.254, 0.0.0.0/0 10.0.0.1`";
    case OptionType::bytes:
      return "bytes in hex";
    case OptionType::defined:
    case OptionType::other:
      break;
  }
  return "only as `hex`";
}

void write_option_names(std::string& out) {
  out +=
      "\n## Names of options\n\nWhat `name` may be, and what `data` is then. Options that only the server "
      "itself "
      "makes are left out.\n\n| code | name | data |\n|---|---|---|\n";
  const auto line = [&out](const KeaOption& option) {
    if (!has_subnet_key(option.code) && !reserved_option(option.code).empty()) return;
    out += "| " + std::to_string(option.code) + " | `" + std::string(option.name) + "` | " +
           example_of(option.type) + " |\n";
  };
  for (const KeaOption& option : kea_options()) line(option);
  for (const KeaOption& option : further_options()) line(option);
}

}  // namespace
}  // namespace config

std::string config_reference_markdown() {
  std::string out(config::reference_introduction());
  config::for_each_section([&out](const auto& section) { config::write_section_reference(section, out); });
  out += config::reference_explanations();
  config::write_option_names(out);
  return out;
}

}  // namespace xk
