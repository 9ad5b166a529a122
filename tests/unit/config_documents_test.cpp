// The table of keys, the shipped files and the documentation say the same.
#include <gmock/gmock.h>

#include <filesystem>
#include <map>
#include <regex>
#include <set>

#include "controlplane/config/keys.h"
#include "tests/unit/config_files.h"

namespace xk {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// A commented-out setting or table of conf/xdp-kea.toml, "#key = value" or "#[table]".
const std::regex kCommentedOut("^#(?=[a-z[])");

std::string uncommented(const std::string& text) {
  std::stringstream in(text);
  std::string out;
  for (std::string line; std::getline(in, line);) out += std::regex_replace(line, kCommentedOut, "") + "\n";
  return out;
}

TEST(ConfigDocuments, ReferenceIsTheGeneratedOne) {
  EXPECT_EQ(source_file("docs/configuration.md"), config_reference_markdown())
      << "run: xdp-kea-config-reference > docs/configuration.md";
}

// The blocks of TOML in a document.
std::vector<std::string> examples_in(const std::string& text) {
  constexpr std::string_view kFence = "```toml\n";
  std::vector<std::string> examples;
  for (std::size_t at = text.find(kFence); at != std::string::npos; at = text.find(kFence, at)) {
    at += kFence.size();
    examples.push_back(text.substr(at, text.find("```", at) - at));
  }
  return examples;
}

TEST(ConfigDocuments, EveryExampleOfTheReferenceParses) {
  const std::vector<std::string> examples = examples_in(config_reference_markdown());
  EXPECT_GE(examples.size(), 14u);
  for (const std::string& example : examples) EXPECT_THAT(mistakes_in(example), IsEmpty()) << example;
}

TEST(ConfigDocuments, EveryExampleOfTheOtherDocumentsParses) {
  std::vector<std::string> paths{"README.md"};
  for (const auto& entry : std::filesystem::directory_iterator(XK_SOURCE_DIR "/docs")) {
    if (entry.path().extension() == ".md") paths.push_back("docs/" + entry.path().filename().string());
  }
  for (const std::string& path : paths) {
    for (const std::string& example : examples_in(source_file(path))) {
      EXPECT_THAT(mistakes_in(example), IsEmpty()) << path << "\n" << example;
    }
  }
}

TEST(ConfigDocuments, DemoIsThreeVrfsWithTheSameSubnet) {
  const Model model = model_of(source_file("conf/demo.toml"));
  ASSERT_EQ(model.vrfs.size(), 3u);
  const Vrf& red = model.vrfs[0];
  const Vrf& blue = model.vrfs[1];
  EXPECT_EQ(red.name, "red");
  EXPECT_EQ(blue.name, "blue");
  EXPECT_EQ(red.subnets.at(0).prefix, blue.subnets.at(0).prefix);
  ASSERT_EQ(red.attachments.size(), 2u);
  EXPECT_EQ(red.attachments[0].interface, "xkl-red0");
  EXPECT_EQ(red.attachments[0].outer.vid, Vid{0});
  EXPECT_EQ(red.attachments[1].interface, "xkl-trunk");
  EXPECT_EQ(red.attachments[1].outer, (VlanTag{Vid{200}, 0x88a8}));
  EXPECT_EQ(red.attachments[1].inner, (VlanTag{Vid{300}, 0x8100}));
  ASSERT_EQ(blue.attachments.size(), 1u);
  EXPECT_EQ(blue.attachments[0].interface, "xkl-trunk");
  EXPECT_EQ(blue.attachments[0].outer, (VlanTag{Vid{100}, 0x8100}));
  const Vrf& green = model.vrfs[2];
  EXPECT_EQ(green.name, "green");
  EXPECT_EQ(green.engine, Engine::native);
  EXPECT_EQ(green.subnets.at(0).prefix, red.subnets.at(0).prefix);
  EXPECT_EQ(green.attachments.at(0).outer, (VlanTag{Vid{300}, 0x8100}));
}

TEST(ConfigDocuments, ShippedFileIsAllComments) {
  EXPECT_EQ(model_of(source_file("conf/xdp-kea.toml")), Model{});
}

TEST(ConfigDocuments, ShippedFileIsGoodWhenUncommented) {
  const std::string text = uncommented(source_file("conf/xdp-kea.toml"));
  const Model model = model_of(text);
  EXPECT_EQ(model.appliance, Model{}.appliance);
  DataplaneSettings dataplane = model.dataplane;
  EXPECT_EQ(dataplane.lcores.size(), 1u);
  dataplane.lcores.clear();
  EXPECT_EQ(dataplane, Model{}.dataplane);
  ASSERT_EQ(model.vrfs.size(), 3u);
  EXPECT_EQ(model.vrfs[0].kea, KeaSettings{});
  EXPECT_EQ(model.vrfs[0].queue_depth, Vrf{}.queue_depth);
  EXPECT_EQ(model.vrfs[0].subnets.at(0).lease_time_s, Subnet{}.lease_time_s);
  EXPECT_EQ(model.vrfs[1].native, NativeSettings{});
  EXPECT_EQ(model.vrfs[1].classes.size(), 1u);
  EXPECT_EQ(model.vrfs[2].relay.hops_max, RelaySettings{}.hops_max);
}

// The keys written in each table of a file: "vrf.subnet" -> {"prefix", ...}.
std::map<std::string, std::set<std::string>> keys_by_section(const std::string& text) {
  std::map<std::string, std::set<std::string>> keys;
  std::stringstream in(text);
  std::string section;
  std::smatch match;
  for (std::string line; std::getline(in, line);) {
    if (std::regex_match(line, match, std::regex(R"(\[+([a-z0-9_.]+)\]+)"))) section = match[1];
    if (std::regex_search(line, match, std::regex("^([a-z0-9_]+) = "))) keys[section].insert(match[1]);
  }
  return keys;
}

TEST(ConfigDocuments, ShippedFileHasEveryKeyWithAComment) {
  const std::string shipped = source_file("conf/xdp-kea.toml");
  const auto keys = keys_by_section(uncommented(shipped));
  config::for_each_section([&](const auto& section) {
    const std::string path(section.info.path);
    if (!section.info.keys_of.empty()) return;
    for (const auto& key : section.keys) {
      EXPECT_TRUE(keys.contains(path) && keys.at(path).contains(std::string(key.info.name)))
          << path << "." << key.info.name << " is not in conf/xdp-kea.toml";
    }
  });
  for (const auto& [path, names] : keys) {
    for (const std::string& name : names) EXPECT_THAT(shipped, HasSubstr("\n#" + name + " = ")) << path;
  }
}

TEST(ConfigDocuments, EveryKeyIsDescribed) {
  config::for_each_section([](const auto& section) {
    EXPECT_FALSE(section.info.description.empty()) << section.info.path;
    EXPECT_FALSE(section.info.example.empty()) << section.info.path;
    std::set<std::string_view> names;
    for (const auto& key : section.keys) {
      EXPECT_TRUE(names.insert(key.info.name).second) << section.info.path << "." << key.info.name;
      EXPECT_FALSE(key.info.description.empty()) << section.info.path << "." << key.info.name;
      EXPECT_FALSE(key.info.example.empty()) << section.info.path << "." << key.info.name;
    }
  });
}

// A complete configuration of which the section's table is the last, with what the key needs beside
// it; the key itself is to be added.
std::string context_of(std::string_view section, std::string_view key) {
  const std::string kea(kKeaVrf);
  const std::string relay(kRelayVrf);
  const bool names_itself =
      key == "name" || key == "interface" || key == "prefix" || key == "cpu" || key == "loops";
  if (section == "dataplane.lcore") {
    const std::string all =
        "[[dataplane.lcore]]\ncpu = 9\nloops = [\"rx\", \"vrf\", \"tx\"]\n[[dataplane.lcore]]\n";
    return all + (key == "cpu" ? "loops = [\"rx\"]\n" : "cpu = 8\n");
  }
  if (section == "dataplane" && key == "buffers") return "[dataplane]\nmemory_mib = 1024\n";
  if (section == "port") {
    std::string text = names_itself ? "[[port]]\n" : "[[port]]\nname = \"up\"\n";
    if (key == "driver") text += "device = \"net_tap9\"\n";
    if (key == "device") text += "driver = \"ethdev\"\n";
    if (key.starts_with("exception")) text += "driver = \"ethdev\"\ndevice = \"net_tap9\"\n";
    if (key == "exception") text += "exception_device = \"net_tap8\"\n";
    if (key == "exception_device") text += "exception = \"port\"\n";
    return text;
  }
  if (section == "vrf" && key == "discover") return "[[vrf]]\nname = \"x\"\ndevice = \"vrf-x\"\n";
  if (section == "vrf") return names_itself ? "[[vrf]]\n" : "[[vrf]]\nname = \"x\"\n";
  const bool native_key =
      key == "lease_time_max_s" || key == "network" || key == "next_server" || key == "boot_file";
  const std::string native = "[[vrf]]\nname = \"x\"\nengine = \"native\"\n";
  if (section == "vrf.native") return native + "[vrf.native]\n";
  if (section == "vrf.class") {
    return native + "[[vrf.class]]\nmatch = [{key = \"mac\", begins = \"02\"}]\n" +
           (key == "name" ? "" : "name = \"c\"\n");
  }
  if (section == "vrf.class.match") {
    const std::string match = native + "[[vrf.class]]\nname = \"c\"\n[[vrf.class.match]]\n";
    if (key == "key") return match + "present = true\n";
    if (key == "code") return match + "key = \"option\"\npresent = true\n";
    return match + "key = \"vendor_class\"\n";
  }
  if (section == "vrf.subnet.pool") {
    return native + "[[vrf.class]]\nname = \"phones\"\nmatch = [{key = \"mac\", begins = \"02\"}]\n" +
           "[[vrf.subnet]]\nprefix = \"10.0.0.0/24\"\ngateway = \"10.0.0.1\"\n[[vrf.subnet.pool]]\n" +
           (key == "range" ? "" : "range = \"10.0.0.9\"\n");
  }
  const std::string subnet =
      (native_key ? native : "[[vrf]]\nname = \"x\"\n") + std::string("[[vrf.subnet]]\n");
  if (section == "vrf.subnet") {
    return subnet + (names_itself ? "" : "prefix = \"10.0.0.0/24\"\n") +
           (key == "gateway" ? "" : "gateway = \"10.0.0.1\"\n");
  }
  if (section == "vrf.subnet.options") {
    const std::string other = key == "data"   ? "code = 26\n"
                              : key == "hex"  ? "code = 224\n"
                              : key == "type" ? "code = 224\ndata = \"10.0.0.9\"\n"
                              : key == "name" ? "data = \"1400\"\n"
                                              : "hex = \"00\"\n";
    return subnet + "prefix = \"10.0.0.0/24\"\ngateway = \"10.0.0.1\"\n[[vrf.subnet.options]]\n" + other;
  }
  if (section == "vrf.attachment") {
    if (key == "address") return relay.substr(0, relay.find("[vrf.relay]"));
    if (names_itself) return kea.substr(0, kea.find("interface"));
    return kea + (key.ends_with("_tpid") ? "vlan = \"1.2\"\n" : "");
  }
  if (section == "vrf.relay") {
    std::string text = key == "servers" ? relay.substr(0, relay.find("servers")) : relay;
    if (key == "server_vlan" || key == "next_hop") text += "server_interface = \"eth9\"\n";
    if (key.ends_with("_tpid")) text += "server_interface = \"eth9\"\nserver_vlan = \"1.2\"\n";
    return text;
  }
  if (section == "vrf.kea") return kea + "[vrf.kea]\n";
  if (section == "ha" && key == "enabled") {
    return "[store]\nbackend = \"etcd\"\n[store.etcd]\nendpoints = [\"http://127.0.0.1:2379\"]\n[ha]\n";
  }
  if (section == "store.etcd") {
    const std::string text = "[store.etcd]\n";
    if (key == "certificate_file") return text + "key_file = \"/etc/xdp-kea/etcd-client.key\"\n";
    if (key == "key_file") return text + "certificate_file = \"/etc/xdp-kea/etcd-client.pem\"\n";
    if (key == "user") return text + "password_file = \"/etc/xdp-kea/etcd-password\"\n";
    if (key == "password_file") return text + "user = \"xdp-kea\"\n";
    return text;
  }
  return "[" + std::string(section) + "]\n";
}

// What an example needs behind it.
std::string rest_of(std::string_view section, std::string_view key) {
  if (section == "store" && key == "backend")
    return "[store.etcd]\nendpoints = [\"http://127.0.0.1:2379\"]\n";
  if (section == "vrf.attachment" && key == "address") return "[vrf.relay]\nservers = [\"192.0.2.10\"]\n";
  if (section == "vrf.relay" && key == "server_vrf") return "[[vrf]]\nname = \"red\"\n";
  return "";
}

TEST(ConfigDocuments, EveryKeysExampleParses) {
  config::for_each_section([](const auto& section) {
    if (!section.info.keys_of.empty()) return;
    for (const auto& key : section.keys) {
      const std::string text = context_of(section.info.path, key.info.name) + std::string(key.info.name) +
                               " = " + std::string(key.info.example) + "\n" +
                               rest_of(section.info.path, key.info.name);
      EXPECT_THAT(mistakes_in(text), IsEmpty()) << text;
    }
  });
}

}  // namespace
}  // namespace xk
