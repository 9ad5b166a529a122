// docs/openapi.yaml against the code: the same routes, parameters and fields, both ways.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <string>

#include <yaml-cpp/yaml.h>

#include "controlplane/api/routes.h"
#include "controlplane/api/views_json.h"

namespace xk::api {
namespace {

using Names = std::set<std::string>;

class OpenApi : public testing::Test {
 protected:
  const YAML::Node document = YAML::LoadFile(XK_OPENAPI);

  void expect_schema(const std::string& name, const Json& example) const {
    const YAML::Node schema = document["components"]["schemas"][name];
    ASSERT_TRUE(schema.IsDefined()) << name << " is not described";
    Names described;
    for (const auto& property : schema["properties"]) described.insert(property.first.as<std::string>());
    Names sent;
    for (const auto& [key, value] : example.items()) {
      sent.insert(key);
      expect_type(name + "." + key, schema["properties"][key], value);
    }
    EXPECT_EQ(described, sent) << name;
  }

 private:
  static void expect_type(const std::string& where, const YAML::Node& property, const Json& value) {
    if (!property.IsDefined() || !property["type"].IsDefined()) return;  // missing: said above; a reference
    const auto type = property["type"].as<std::string>();
    const bool fits = (type == "string" && value.is_string()) || (type == "array" && value.is_array()) ||
                      (type == "integer" && value.is_number_integer()) ||
                      (type == "object" && value.is_object()) || (type == "boolean" && value.is_boolean());
    EXPECT_TRUE(fits) << where << " is no " << type;
  }
};

TEST_F(OpenApi, DescribesEveryRouteAndNoOther) {
  Names described;
  for (const auto& path : document["paths"]) {
    for (const auto& operation : path.second) {
      auto method = operation.first.as<std::string>();
      std::ranges::transform(method, method.begin(),
                             [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
      described.insert(method + " " + path.first.as<std::string>());
    }
  }
  Names served;
  for (const Route& route : routes())
    served.insert(std::string(route.method) + " " + std::string(route.path));
  EXPECT_EQ(described, served);
}

TEST_F(OpenApi, DescribesEveryParameterAndNoOther) {
  for (const Route& route : routes()) {
    const std::string path(route.path);
    const YAML::Node operation = document["paths"][path][route.method == "GET" ? "get" : "post"];
    Names query;
    Names in_path;
    for (const auto& parameter : operation["parameters"]) {
      (parameter["in"].as<std::string>() == "query" ? query : in_path)
          .insert(parameter["name"].as<std::string>());
    }
    EXPECT_EQ(query, Names(route.query.begin(), route.query.end())) << path;
    const std::size_t open = path.find('{');
    const Names variable =
        open == std::string::npos ? Names{} : Names{path.substr(open + 1, path.find('}') - open - 1)};
    EXPECT_EQ(in_path, variable) << path;
    EXPECT_TRUE(operation["responses"]["200"].IsDefined()) << path;
    EXPECT_TRUE(operation["responses"]["default"].IsDefined()) << path;
  }
}

TEST_F(OpenApi, DescribesEveryField) {
  expect_schema("Errors", to_json(ErrorsBody{}));
  expect_schema("Port", to_json(PortView{}));
  expect_schema("Vrf", to_json(VrfView{}));
  expect_schema("Kea", to_json(KeaView{}));
  expect_schema("Native", to_json(NativeView{}));
  expect_schema("Server", to_json(ServerView{}));
  expect_schema("Attachment", to_json(AttachmentView{}));
  expect_schema("Counters", to_json(CountersView{}));
  expect_schema("Lease", to_json(LeaseView{}));
  expect_schema("StaticLease", to_json(StaticTexts{}));
  expect_schema("StaticPage", to_json(StaticPageView{}));
  expect_schema("StaticRequest", to_json(StaticRequest{}));
  expect_schema("StaticProblem", to_json(StaticProblemView{}));
  expect_schema("StaticDone", to_json(StaticDoneView{}));
  expect_schema("Status", to_json(StatusView{}));
  expect_schema("Vrfs", to_json(VrfsBody{}));
  expect_schema("VrfDetail", to_json(VrfBody{}));
  expect_schema("Attachments", to_json(AttachmentsBody{}));
  expect_schema("AllCounters", to_json(AllCountersView{}));
  expect_schema("LeasePage", to_json(LeasePageView{}));
  expect_schema("LeaseChange", to_json(LeaseChangeView{}));
  expect_schema("LeaseChanges", to_json(LeaseWatchView{}));
  expect_schema("LeaseDelete", to_json(LeaseDeleteRequest{}));
  expect_schema("LeaseDeleted", to_json(LeaseDeletedView{}));
  expect_schema("Pool", to_json(PoolView{}));
  expect_schema("Pools", to_json(PoolsBody{}));
  expect_schema("Pause", to_json(PauseView{}));
  expect_schema("Pauses", to_json(PausesBody{}));
  expect_schema("PauseRequest", to_json(PauseRequest{}));
  expect_schema("Keas", to_json(KeasBody{}));
  expect_schema("Config", to_json(ConfigBody{}));
  expect_schema("Finding", to_json(FindingView{}));
  expect_schema("Explain", to_json(ExplainView{}));
  expect_schema("Event", to_json(EventView{}));
  expect_schema("Events", to_json(EventsView{}));
  expect_schema("Ha", to_json(StatusView{}).at("ha"));
  expect_schema("HaRequest", to_json(HaRequest{}));
  expect_schema("HaDone", to_json(HaDoneView{}));
  expect_schema("DeleteRequest", to_json(DeleteRequest{}));
  expect_schema("Teardown", to_json(TeardownView{}));
  expect_schema("ConfigText", to_json(ConfigText{}));
  expect_schema("ConfigChange", to_json(ConfigChangeView{}));
  expect_schema("ConfigDiff", to_json(ConfigDiffView{}));
  expect_schema("Reload", to_json(ReloadView{}));
}

TEST_F(OpenApi, RefersOnlyToWhatItHas) {
  const auto check = [this](const auto& self, const YAML::Node& node) -> void {
    if (node.IsMap()) {
      for (const auto& entry : node) {
        if (entry.first.as<std::string>() == "$ref") {
          const auto reference = entry.second.as<std::string>();
          const std::size_t slash = reference.rfind('/');
          const std::string kind = reference.substr(13, slash - 13);  // after "#/components/"
          EXPECT_TRUE(document["components"][kind][reference.substr(slash + 1)].IsDefined()) << reference;
        }
        self(self, entry.second);
      }
    } else if (node.IsSequence()) {
      for (const auto& item : node) self(self, item);
    }
  };
  check(check, document);
}

}  // namespace
}  // namespace xk::api
