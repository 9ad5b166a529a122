// xdp-keactl against a real API server: every command in every format (golden files), exit codes,
// and daemons that are absent, refuse, or are something else.
#include "controlplane/cli/cli.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <sstream>
#include <thread>

#include <nlohmann/json.hpp>
#include <yaml-cpp/yaml.h>

#include "controlplane/api/api_server.h"
#include "controlplane/api/views_json.h"
#include "controlplane/cli/client.h"
#include "controlplane/cli/text.h"
#include "controlplane/cli/yaml.h"
#include "tests/unit/api_fake.h"

namespace xk::cli {
namespace {

using api::FakeControl;
using api::TemporaryDirectory;
using testing::HasSubstr;
using testing::StartsWith;

struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
};

Outcome call(std::vector<std::string> args) {
  std::ostringstream out;
  std::ostringstream err;
  const ExitCode code = run(std::move(args), {out, err});
  return {static_cast<int>(code), out.str(), err.str()};
}

class CliTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto started = server.start({path, 0666, ""});
    ASSERT_TRUE(started.has_value()) << started.error().message;
  }
  [[nodiscard]] Outcome keactl(std::vector<std::string> args) const {
    args.insert(args.begin(), {"-s", path});
    return call(std::move(args));
  }

  TemporaryDirectory directory;
  std::string path = directory.file("api.sock");
  FakeControl control;
  api::ApiServer server{control};
};

// The expected text is tests/unit/golden/cli/NAME.FORMAT; XK_GOLDEN_WRITE=1 writes it anew.
void expect_golden(const std::string& name, const std::string& text) {
  const std::string file = std::string(XK_GOLDEN_DIR) + "/" + name;
  if (getenv("XK_GOLDEN_WRITE") != nullptr) std::ofstream(file) << text;
  std::ifstream in(file);
  ASSERT_TRUE(in) << "there is no " << file;
  std::stringstream expected;
  expected << in.rdbuf();
  EXPECT_EQ(text, expected.str()) << file;
}

struct GoldenCase {
  std::string name;
  std::vector<std::string> args;
};
const std::vector<GoldenCase> kGolden = {
    {"status", {"status"}},
    {"vrf_list", {"vrf", "list"}},
    {"vrf_show", {"vrf", "show", "blue"}},
    {"attachment_list", {"attachment", "list"}},
    {"counters", {"counters"}},
    {"counters_red", {"counters", "--vrf", "red"}},
    {"lease_list", {"lease", "list"}},
    {"lease_list_blue", {"lease", "list", "--vrf", "blue"}},
    {"lease_show", {"lease", "show", "10.0.0.100", "--vrf", "red"}},
    {"lease_delete", {"lease", "delete", "red", "10.0.0.100", "--yes"}},
    {"lease_watch", {"lease", "watch", "--count", "1"}},
    {"pool_list", {"pool", "list"}},
    {"pool_show", {"pool", "show", "red"}},
    {"pool_pause", {"pool", "pause", "red", "10.0.0.0/24"}},
    {"client_list", {"client", "list"}},
    {"client_resume", {"client", "resume", "red", "--mac", "02:00:00:00:00:01"}},
    {"static_list", {"static", "list"}},
    {"static_list_red", {"static", "list", "--vrf", "red"}},
    {"static_delete", {"static", "delete", "red", "--mac", "02:00:00:00:00:01"}},
    {"kea_status", {"kea", "status"}},
    {"kea_command", {"kea", "command", "red", R"({"command": "list-commands"})"}},
    {"config_show", {"config", "show"}},
    {"events", {"events"}},
    {"explain", {"explain", "--interface", "eth1", "--vlan", "200.300"}},
    {"reload", {"reload"}},
    {"vrf_drain", {"vrf", "drain", "red"}},
    {"vrf_resume", {"vrf", "resume", "red"}},
    {"vrf_delete", {"vrf", "delete", "red", "--purge", "--yes"}},
    {"teardown", {"teardown", "--yes"}},
};
const std::vector<std::string> kFormats = {"table", "json", "yaml"};

TEST_F(CliTest, EveryCommandInEveryFormat) {
  for (const GoldenCase& c : kGolden) {
    for (const std::string& format : kFormats) {
      std::vector<std::string> args = c.args;
      args.insert(args.end(), {"-o", format});  // options may follow the command
      const Outcome outcome = keactl(args);
      EXPECT_EQ(outcome.code, 0) << c.name;
      EXPECT_EQ(outcome.err, "") << c.name;
      expect_golden(c.name + "." + format, outcome.out);
    }
  }
}

TEST_F(CliTest, StaticLeasesAreExportedAndImportedAlike) {
  for (const std::string format : {"csv", "jsonl"}) {
    const std::string file = directory.file("leases." + format);
    control.statics.push_back({.vrf = "red",
                               .mac = {},
                               .client_id = "01ff",
                               .circuit_id = {},
                               .remote_id = {},
                               .address = "10.0.0.60",
                               .hostname = {},
                               .options = {"43=hex:0102", "domain-name=a\\,\"b\""}});
    const auto before = control.statics;
    EXPECT_EQ(keactl({"static", "export", file}).code, 0);
    control.statics.clear();
    const Outcome imported = keactl({"static", "import", file});
    EXPECT_EQ(imported.code, 0) << imported.err;
    EXPECT_EQ(imported.out,
              "added " + std::to_string(before.size()) + ", changed 0, unchanged 0, deleted 0\n");
    EXPECT_TRUE(control.statics == before) << format;
    control.statics.pop_back();
  }
}

TEST_F(CliTest, EveryBadLineOfAnImportIsTold) {
  control.statics.clear();
  const std::string file = directory.file("bad.csv");
  std::ofstream(file) << "vrf,mac,address,options\n"
                         "red,02:00:00:00:00:01,10.0.0.10,\n"
                         "red,02:00:00:00:00:0g,10.0.0.11,\n"
                         "\n"
                         "red,02:00:00:00:00:02,10.0.0.1,\n"
                         "red,02:00:00:00:00:03\n"
                         "# a remark\n"
                         "red,02:00:00:00:00:04,10.0.0.10,\n"
                         "red,02:00:00:00:00:01,10.0.0.13,\n"
                         "red,02:00:00:00:00:05,10.0.0.14,99=text\n";
  const Outcome refused = keactl({"static", "import", file});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr(file + ":3: "));
  EXPECT_THAT(refused.err, HasSubstr(file + ":5: mac 02:00:00:00:00:02: 10.0.0.1 is the gateway\n"));
  EXPECT_THAT(refused.err, HasSubstr(file + ":6: it has 2 fields, the first line has 4\n"));
  EXPECT_THAT(refused.err, HasSubstr(file + ":8: 10.0.0.10 is there already, in line 2\n"));
  EXPECT_THAT(refused.err, HasSubstr(file + ":9: mac 02:00:00:00:00:01 is there already, in line 2\n"));
  EXPECT_THAT(refused.err, HasSubstr(file + ":10: option 99: "));
  EXPECT_THAT(refused.err, HasSubstr("6 bad lines: nothing was imported; --keep-going imports the others\n"));
  EXPECT_TRUE(control.statics.empty());
  const Outcome rest = keactl({"static", "import", "--keep-going", file});
  EXPECT_EQ(rest.code, 1);
  EXPECT_EQ(rest.out, "added 1, changed 0, unchanged 0, deleted 0\n");
  ASSERT_EQ(control.statics.size(), 1u);
  EXPECT_EQ(control.statics[0].address, "10.0.0.10");
}

TEST_F(CliTest, StaticAddSendsWhatIsGiven) {
  control.statics.clear();
  const Outcome added = keactl({"static", "add", "red", "--client-id", "01:02", "--address", "10.0.0.9",
                                "--option", "43=hex:00", "--option", "ntp-servers=10.0.0.1,10.0.0.2"});
  EXPECT_EQ(added.code, 0) << added.err;
  ASSERT_EQ(control.statics.size(), 1u);
  EXPECT_EQ(control.statics[0].client_id, "01:02");
  EXPECT_EQ(control.statics[0].options,
            (std::vector<std::string>{"43=hex:00", "ntp-servers=10.0.0.1,10.0.0.2"}));
  EXPECT_EQ(keactl({"static", "add", "red", "--mac", "02:00:00:00:00:09", "--address", "10.0.0.1"}).code, 1);
}

TEST_F(CliTest, EventsAreFollowedOverARestart) {
  // Three answers of one log, then one of another, which is asked for from its start.
  class Restarted : public FakeControl {
   public:
    std::vector<api::EventsQuery> asked;
    api::Answer<api::EventsView> events(const api::EventsQuery& query) override {
      asked.push_back(query);
      switch (asked.size()) {
        case 1:
          return api::EventsView{7, 2, 1, {{2, 1767225599004, "info", "started", "", "", "one"}}};
        case 2:
          return api::EventsView{7, 3, 0, {{3, 1767225599005, "error", "kea_died", "red", "", "two"}}};
        case 3:
          return api::EventsView{8, 1, 0, {}};
        default:
          return api::EventsView{8, 1, 0, {{1, 1767225599006, "info", "started", "", "", "three"}}};
      }
    }
  } restarted;
  const std::string socket = directory.file("restarted.sock");
  api::ApiServer other(restarted);
  ASSERT_TRUE(other.start({socket, 0600, ""}).has_value());
  const Outcome lines = call({"-s", socket, "-o", "json", "events", "--follow", "--count", "3"});
  EXPECT_EQ(lines.code, 0);
  EXPECT_THAT(lines.out, StartsWith("{\"lost\":1}\n{\"number\":2,"));
  EXPECT_THAT(lines.out, HasSubstr("\n{\"number\":1,\"unix_ms\":1767225599006,"));
  EXPECT_THAT(lines.err, HasSubstr("started anew"));
  ASSERT_EQ(restarted.asked.size(), 4u);
  EXPECT_EQ(restarted.asked[0].wait_s, 0u);
  EXPECT_EQ(restarted.asked[1].since, 2u);
  EXPECT_GT(restarted.asked[1].wait_s, 0u);
  EXPECT_EQ(restarted.asked[3].since, 0u);

  EXPECT_EQ(keactl({"events", "--since", "40", "--vrf", "a b"}).code, 0);
  EXPECT_EQ(control.last_events_query.since, 40u);
  EXPECT_EQ(control.last_events_query.vrf, "a b");
  EXPECT_EQ(call({"-s", directory.file("none"), "events", "--follow"}).code, 3);
  EXPECT_EQ(keactl({"events", "--count", "2"}).code, 2) << "only of use when following";
}

TEST_F(CliTest, WhatHurtsIsAskedForFirst) {
  const int terminal = dup(STDIN_FILENO);
  const int nothing = open("/dev/null", O_RDONLY);
  ASSERT_EQ(dup2(nothing, STDIN_FILENO), STDIN_FILENO);
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"vrf", "delete", "red"}, std::vector<std::string>{"teardown"}}) {
    const Outcome outcome = keactl(args);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("give --yes"));
  }
  EXPECT_EQ(control.last_action, "");
  if (terminal >= 0) dup2(terminal, STDIN_FILENO);
  close(nothing);
  close(terminal);

  EXPECT_EQ(keactl({"vrf", "delete", "red", "--yes"}).code, 0);
  EXPECT_EQ(control.last_action, "delete red");
  EXPECT_EQ(keactl({"vrf", "delete", "red", "--yes", "--purge"}).code, 0);
  EXPECT_EQ(control.last_action, "delete red purge");
  EXPECT_EQ(keactl({"vrf", "drain", "blue"}).code, 0);
  EXPECT_EQ(control.last_action, "drain blue");
  EXPECT_EQ(keactl({"vrf", "drain", "green"}).code, 4);
  control.teardown_failures = {"namespace xdp-kea-1: busy"};
  const Outcome left = keactl({"teardown", "--yes"});
  EXPECT_EQ(left.code, 1);
  EXPECT_THAT(left.out, HasSubstr("still there: namespace xdp-kea-1: busy\n"));
  EXPECT_THAT(call({"-s", directory.file("none"), "teardown", "--yes"}).err, HasSubstr("--teardown"));
}

TEST_F(CliTest, DifferencesAreSeven) {
  for (const std::string& format : kFormats) {
    const Outcome own = keactl({"config", "diff", "-o", format});
    EXPECT_EQ(own.code, 7);
    EXPECT_EQ(own.err, "");
    expect_golden("config_diff." + format, own.out);
  }
  std::ofstream(directory.file("new.toml")) << "its text";
  EXPECT_THAT(keactl({"config", "diff", directory.file("new.toml")}).out,
              HasSubstr("added [[vrf]] its text\n"));
  const Outcome missing = keactl({"config", "diff", directory.file("none.toml")});
  EXPECT_EQ(missing.code, 1);
  EXPECT_THAT(missing.err, HasSubstr("none.toml cannot be read: No such file"));
  EXPECT_EQ(keactl({"config", "diff", directory.file("")}).code, 1) << "a directory";
  std::ofstream(directory.file("big.toml")) << std::string((8u << 20) + 1, ' ');
  EXPECT_THAT(keactl({"config", "diff", directory.file("big.toml")}).err, HasSubstr("is longer than"));

  control.empty = true;
  const Outcome same = keactl({"config", "diff"});
  EXPECT_EQ(same.code, 0);
  EXPECT_EQ(same.out, "nothing would change\n");
  control.failure = api::Failure{409, {"xdp-kea.toml:3:1: unknown key 'nmae'"}};
  EXPECT_EQ(keactl({"config", "diff"}).code, 1);
}

TEST_F(CliTest, TablesWithoutRowsSaySo) {
  control.empty = true;
  for (const GoldenCase& c : kGolden) {
    if (c.name == "vrf_show" || c.name.ends_with("_red") || c.name.ends_with("_blue") ||
        c.name == "kea_command" || c.name == "config_show" || c.name == "explain" || c.name == "reload" ||
        c.name == "teardown" || c.name == "static_delete" || c.name == "lease_show" ||
        c.name == "lease_delete" || c.name == "lease_watch" || c.name == "pool_show" ||
        c.name == "pool_pause" || c.name == "client_resume" ||
        (c.name.starts_with("vrf_") && c.name != "vrf_list")) {
      continue;  // without VRFs there is nothing of theirs
    }
    const Outcome outcome = keactl(c.args);
    EXPECT_EQ(outcome.code, 0) << c.name;
    expect_golden("empty_" + c.name + ".table", outcome.out);
  }
}

// The tree in a form that does not know how it was written.
std::string structure(const YAML::Node& node) {
  std::string text;
  if (node.IsMap()) {
    for (const auto& entry : node)
      text += entry.first.as<std::string>() + ":" + structure(entry.second) + ",";
    return "{" + text + "}";
  }
  if (node.IsSequence()) {
    for (const auto& item : node) text += structure(item) + ",";
    return "[" + text + "]";
  }
  return node.IsNull() ? "null" : "'" + node.as<std::string>() + "'";
}

TEST_F(CliTest, JsonAndYamlSayTheSame) {
  for (const GoldenCase& c : kGolden) {
    std::vector<std::string> args = c.args;
    args.insert(args.begin(), {"-o", "json"});
    const std::string json = structure(YAML::Load(keactl(args).out));  // JSON is YAML
    args[1] = "yaml";
    EXPECT_EQ(structure(YAML::Load(keactl(args).out)), json) << c.name;
  }
}

TEST_F(CliTest, TheLawShowsWhatIsInFlight) {
  EXPECT_THAT(keactl({"counters"}).out, HasSubstr("red: rx 1000 + copies 10 = tx 1005 + drops 5  \u2713\n"));
  class InFlight : public FakeControl {
   public:
    api::Answer<api::AllCountersView> counters() override {
      auto view = FakeControl::counters();
      view->vrfs[1].tx -= 4;
      view->total.tx += 2;
      return view;
    }
  } late;
  api::ApiServer other(late);
  ASSERT_TRUE(other.start({directory.file("late.sock"), 0600, ""}).has_value());
  const std::string out = call({"-s", directory.file("late.sock"), "counters"}).out;
  EXPECT_THAT(out, HasSubstr("red: rx 1000 + copies 10 = tx 1001 + drops 5  4 in flight\n"));
  EXPECT_THAT(out, HasSubstr("total: rx 1003 + copies 10 = tx 1007 + drops 8  2 more out than in\n"));
}

TEST_F(CliTest, WatchShowsRates) {
  class Growing : public FakeControl {
   public:
    api::Answer<api::AllCountersView> counters() override {
      extra_rx += 50;
      return FakeControl::counters();
    }
  } growing;
  const std::string socket = directory.file("growing.sock");
  api::ApiServer other(growing);
  ASSERT_TRUE(other.start({socket, 0600, ""}).has_value());
  const Outcome table = call({"-s", socket, "counters", "--watch", "0.05", "--count", "2"});
  EXPECT_EQ(table.code, 0);
  EXPECT_THAT(table.out, HasSubstr("VRF  RX/S  TX/S  DROPS/S\n"));
  EXPECT_THAT(table.out, HasSubstr("red  1000  1000        0\n")) << "50 packets in 0.05 s";
  const Outcome lines = call({"-s", socket, "-o", "json", "counters", "--watch", "0.01", "--count", "3"});
  std::istringstream in(lines.out);
  int count = 0;
  for (std::string line; std::getline(in, line); ++count)
    EXPECT_TRUE(api::parse_json(line, 1u << 20).has_value());
  EXPECT_EQ(count, 3);
  const Outcome yaml = call({"-s", socket, "-o", "yaml", "counters", "--watch", "0.01", "--count", "2"});
  EXPECT_EQ(YAML::LoadAll(yaml.out).size(), 2u);
}

TEST_F(CliTest, HelpHasExamplesForEveryCommand) {
  for (const GoldenCase& c : kGolden) {
    const bool in_group = c.args.size() > 1 && !c.args[1].starts_with("-");
    std::vector<std::string> args(c.args.begin(), c.args.begin() + (in_group ? 2 : 1));
    args.emplace_back("--help");
    const Outcome outcome = call(args);
    EXPECT_EQ(outcome.code, 0);
    EXPECT_THAT(outcome.out, HasSubstr("Examples:\n  xdp-keactl")) << c.name;
  }
  const Outcome top = call({"--help"});
  EXPECT_EQ(top.code, 0);
  EXPECT_THAT(top.out, HasSubstr("Exit codes:\n  0  done\n"));
  EXPECT_EQ(call({"config", "check", "--help"}).code, 0);
  EXPECT_THAT(call({"config", "diff", "--help"}).out, HasSubstr("Examples:\n  xdp-keactl"));
  EXPECT_THAT(call({"--version"}).out, StartsWith("xdp-keactl "));
}

TEST_F(CliTest, WrongUsageIsTwo) {
  const struct {
    std::vector<std::string> args;
    const char* error;
  } cases[] = {
      {{}, "xdp-keactl: a command is missing\n            see: xdp-keactl --help\n"},
      {{"bogus"}, "xdp-keactl: unknown command 'bogus'\n            see: xdp-keactl --help\n"},
      {{"vrf"}, "xdp-keactl: a command is missing\n            see: xdp-keactl vrf --help\n"},
      {{"vrf", "lst"}, "xdp-keactl: unknown command 'lst'\n            see: xdp-keactl vrf --help\n"},
      {{"vrf", "show"}, "xdp-keactl: NAME is required\n            see: xdp-keactl vrf show --help\n"},
      {{"status", "--bogus"}, "xdp-keactl: "},
      {{"-o", "xml", "status"}, "xdp-keactl: --output: 'xml' is none of table, json, yaml\n"},
      {{"counters", "--watch", "0"}, "xdp-keactl: --watch: "},
      {{"counters", "--count", "2"}, "xdp-keactl: --count requires --watch\n"},
      {{"kea", "command", "red", "{junk"}, "xdp-keactl: the command is not JSON, from byte 2\n"},
  };
  for (const auto& c : cases) {
    const Outcome outcome = keactl(c.args);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.err, StartsWith(c.error));
    EXPECT_EQ(outcome.out, "");
  }
  EXPECT_EQ(call({"-s", std::string(108, 'a'), "status"}).code, 2);
}

TEST_F(CliTest, PagesOfLeasesAreOneDocument) {
  const std::string whole = keactl({"-o", "json", "lease", "list"}).out;
  const std::string table = keactl({"lease", "list"}).out;
  control.paged = true;
  EXPECT_EQ(keactl({"-o", "json", "lease", "list"}).out, whole);
  EXPECT_EQ(control.last_lease_query.from, "red/0a000064");
  EXPECT_THAT(keactl({"lease", "list"}).out, HasSubstr("blue"));
  EXPECT_EQ(nlohmann::json::parse(whole)["leases"].size(), 2u);
  EXPECT_EQ(
      nlohmann::json::parse(keactl({"-o", "json", "lease", "list", "--limit", "1"}).out)["leases"].size(),
      1u);
}

TEST_F(CliTest, LeasesAreExported) {
  EXPECT_EQ(
      keactl({"lease", "export", "--format", "csv", "--vrf", "red"}).out,
      "vrf,address,mac,client_id,hostname,state,subnet,attachment,start_unix_s,lease_time_s,expires_unix_s,"
      "circuit_id,remote_id\nred,10.0.0.100,02:00:00:00:00:01,01020000000001," +
          control.hostname + ",active,10.0.0.0/24,eth1 -,1767221999,3600,1767225599,eth1:0.0,edge1:red\n");
  EXPECT_EQ(keactl({"lease", "export", "--format", "kea", "--vrf", "red"}).out,
            "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_"
            "context\n"
            "10.0.0.100,02:00:00:00:00:01,01:02:00:00:00:00:01,3600,1767225599,167772160,0,0," +
                control.hostname + ",0,\n");
  EXPECT_EQ(keactl({"lease", "export", "--format", "kea"}).code, 2);
  const std::string file = directory.file("leases.jsonl");
  EXPECT_EQ(keactl({"lease", "export", file}).err, "2 leases exported\n");
  EXPECT_EQ(keactl({"lease", "export", directory.file("no/where")}).code, 1);
}

TEST_F(CliTest, AWatchThatMissedChangesGetsAllLeases) {
  control.watch_answers = {
      {false, 5, {}}, {true, 9, {}}, {false, 11, {{11, "erased", control.all_leases()[1]}}}};
  const Outcome outcome = keactl({"-o", "json", "lease", "watch", "--count", "1"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, StartsWith("{\"resync\":true}\n{\"revision\":0,\"change\":\"is\""));
  EXPECT_THAT(outcome.out, HasSubstr("{\"revision\":11,\"change\":\"erased\""));
  ASSERT_EQ(control.watch_queries.size(), 3u);
  EXPECT_EQ(control.watch_queries[1].since, 5u);
  EXPECT_EQ(control.watch_queries[2].since, 9u);
}

TEST_F(CliTest, WhatIsNotThereIsFour) {
  EXPECT_EQ(keactl({"lease", "show", "10.9.9.9"}).code, 4);
  EXPECT_EQ(keactl({"lease", "show"}).code, 2);
  EXPECT_EQ(keactl({"lease", "delete", "red", "10.9.9.9", "--yes"}).code, 4);
  EXPECT_EQ(keactl({"lease", "delete", "red", "10.0.0.100"}).code, 1) << "nobody to ask";
  EXPECT_EQ(control.last_delete.address, "10.9.9.9");
  EXPECT_EQ(keactl({"pool", "show", "red", "10.9.9.0/24"}).code, 4);
  EXPECT_EQ(keactl({"pool", "pause", "red"}).code, 2);
  EXPECT_EQ(keactl({"client", "pause", "red", "--mac", "x", "--client-id", "y"}).code, 2);
}

TEST_F(CliTest, NotFoundIsFour) {
  for (const std::vector<std::string>& args : {std::vector<std::string>{"vrf", "show", "green"},
                                               {"counters", "--vrf", "green"},
                                               {"lease", "list", "--vrf", "green"},
                                               {"kea", "command", "green", R"({"command": "x"})"}}) {
    const Outcome outcome = keactl(args);
    EXPECT_EQ(outcome.code, 4);
    EXPECT_EQ(outcome.err, "xdp-keactl: there is no VRF 'green'\n");
  }
  EXPECT_EQ(keactl({"vrf", "show", "../kea"}).code, 4);
  EXPECT_EQ(keactl({"vrf", "show", "a b/c?d"}).err, "xdp-keactl: there is no '/v1/vrfs/a b/c?d' here\n");
}

TEST_F(CliTest, KeasVerdictIsTheExitCode) {
  const auto answered = [this](const std::string& answer) {
    control.kea_answer = answer;
    return keactl({"kea", "command", "red", R"({"command": "x"})"});
  };
  EXPECT_EQ(answered(R"([{"result": 0}])").code, 0);
  EXPECT_EQ(answered(R"({"result": 0})").code, 0);
  const Outcome refused = answered(R"([{"result": 1, "text": "no such subnet"}])");
  EXPECT_EQ(refused.code, 1);
  EXPECT_EQ(refused.err, "xdp-keactl: Kea answered with result 1: no such subnet\n");
  EXPECT_THAT(refused.out, HasSubstr("no such subnet")) << "its answer is printed all the same";
  EXPECT_EQ(answered(R"([{"result": 2}])").code, 1);
  EXPECT_EQ(answered(R"([{"result": 3}])").code, 4);
  EXPECT_EQ(answered("[]").code, 6);
  EXPECT_EQ(answered("7").code, 6);
  EXPECT_EQ(answered("junk").code, 1) << "502 from the daemon";
}

TEST_F(CliTest, RefusalsShowEveryMessage) {
  control.failure =
      api::Failure{409, {"xdp-kea.toml:3:1: unknown key 'nmae'", "xdp-kea.toml:9:5: not an address"}};
  const Outcome outcome = keactl({"reload"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(
      outcome.err,
      "xdp-keactl: xdp-kea.toml:3:1: unknown key 'nmae'\n            xdp-kea.toml:9:5: not an address\n");
  EXPECT_EQ(outcome.out, "");
}

TEST_F(CliTest, TheEnvironmentNamesTheSocket) {
  setenv("XDP_KEA_API_SOCKET", path.c_str(), 1);
  EXPECT_EQ(call({"config", "show"}).code, 0);
  EXPECT_EQ(call({"-s", directory.file("none"), "config", "show"}).code, 3) << "the option wins";
  unsetenv("XDP_KEA_API_SOCKET");
}

TEST_F(CliTest, HostNamesCannotWriteOnTheTerminal) {
  control.hostname = "\x1b[2Jevil\n\xc2\x9bm\xff\u00e9";
  const Outcome outcome = keactl({"lease", "list", "--vrf", "red"});
  EXPECT_THAT(outcome.out, HasSubstr("  \\x1b[2Jevil\\x0a\\x9bm\ufffd\u00e9  "));
  EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos);
}

TEST(CliAlone, ADaemonThatIsNotThereIsThree) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("api.sock");
  const Outcome absent = call({"-s", path, "status"});
  EXPECT_EQ(absent.code, 3);
  EXPECT_EQ(
      absent.err,
      "xdp-keactl: xdp-kead is not running: there is no socket " + path +
          "\n            start it: systemctl start xdp-kead, or: xdp-kead --config /etc/xdp-kea/xdp-kea.toml"
          "\n            if it listens elsewhere: -s SOCKET, or XDP_KEA_API_SOCKET=SOCKET\n");
  {
    const Fd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    ASSERT_EQ(bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  const Outcome stale = call({"-s", path, "status"});
  EXPECT_EQ(stale.code, 3);
  EXPECT_THAT(stale.err, HasSubstr("nobody listens on " + path + " any more"));
  std::ofstream(directory.file("file")) << "x";
  EXPECT_THAT(call({"-s", directory.file("file"), "status"}).err, HasSubstr(" is no socket\n"));
}

TEST_F(CliTest, NoPermissionIsFive) {
  const group* nogroup = getgrnam("nogroup");
  ASSERT_NE(nogroup, nullptr);
  ASSERT_EQ(chown(path.c_str(), 0, nogroup->gr_gid), 0);
  ASSERT_EQ(chmod(path.c_str(), 0660), 0);
  ASSERT_EQ(chmod(directory.file("").c_str(), 0755), 0);
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  if (child == 0) {  // as a user who is in no group of the socket's
    if (setgroups(0, nullptr) != 0 || setgid(12345) != 0 || setuid(12345) != 0) _exit(99);
    const Outcome outcome = call({"-s", path, "status"});
    const ssize_t written = write(ends[1], outcome.err.data(), outcome.err.size());
    _exit(written > 0 ? outcome.code : 98);
  }
  close(ends[1]);
  std::string err;
  std::array<char, 1024> buffer{};
  for (ssize_t got = 0; (got = read(ends[0], buffer.data(), buffer.size())) > 0;) {
    err.append(buffer.data(), static_cast<std::size_t>(got));
  }
  close(ends[0]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 5);
  EXPECT_THAT(err, StartsWith("xdp-keactl: no permission to use " + path +
                              "\n            run it as root (sudo), or as a member of group nogroup\n"));
}

// Answers one connection after another with the same bytes, whatever is asked.
class Impostor {
 public:
  Impostor(std::string path, std::string bytes)
      : listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    if (bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        listen(listener_.get(), 8) != 0) {
      std::abort();
    }
    thread_ = std::thread([this, bytes = std::move(bytes)] { serve(bytes); });
  }
  ~Impostor() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  Impostor(const Impostor&) = delete;
  Impostor& operator=(const Impostor&) = delete;

 private:
  void serve(const std::string& bytes) const {
    for (;;) {
      const Fd peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!peer) return;
      std::array<char, 4096> request{};
      if (recv(peer.get(), request.data(), request.size(), 0) <= 0) continue;  // the tool's probe
      std::size_t sent = 0;
      while (sent < bytes.size()) {
        const ssize_t n = send(peer.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (n <= 0) break;
        sent += static_cast<std::size_t>(n);
      }
    }
  }
  Fd listener_;
  std::thread thread_;
};

std::string http(const std::string& status, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST(CliAlone, WhatIsNoDaemonIsNotBelieved) {
  const struct {
    std::string bytes;
    int code;
    const char* error;
  } cases[] = {
      {"", 6, "the connection ended or took too long"},
      {"SSH-2.0-OpenSSH_9.2\r\n", 6, "the connection ended or took too long"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", 6, "the connection ended or took too long"},
      {http("200 OK", "<html>hello</html>"), 6, "not JSON, from byte 1"},
      {http("200 OK", "\"\xff\""), 6, "not JSON, from byte 2"},
      {http("200 OK", "[]"), 6, "the document: not an object"},
      {http("200 OK", "{}"), 6, "version: missing"},
      {http("200 OK", std::string(100, '[')), 6, "JSON nested deeper than 64 levels"},
      {http("500 Oops", "<html>"), 1, "the daemon answered with HTTP status 500"},
      {http("404 No", "{\"errors\": [7]}"), 4, "the daemon answered with HTTP status 404"},
      {http("503 Busy", "{\"errors\": [\"not \x1b ready\"]}"), 1, "the daemon answered with HTTP status 503"},
      {http("503 Busy", "{\"errors\": [\"not \\u001b ready\"]}"), 1, "not \\x1b ready"},
  };
  for (const auto& c : cases) {
    const TemporaryDirectory directory;
    const std::string path = directory.file("api.sock");
    const Impostor impostor(path, c.bytes);
    const Outcome outcome = call({"-s", path, "status"});
    EXPECT_EQ(outcome.code, c.code) << c.bytes;
    EXPECT_THAT(outcome.err, HasSubstr(c.error)) << c.bytes;
    EXPECT_EQ(outcome.out, "");
  }
}

TEST(CliAlone, AnswersWithoutEndAreCutOff) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("api.sock");
  const Impostor impostor(path, "HTTP/1.1 200 OK\r\n\r\n" + std::string(api::kAnswerBytesMax + 4096, ' '));
  const Outcome outcome = call({"-s", path, "status"});
  EXPECT_EQ(outcome.code, 6);
  EXPECT_THAT(outcome.err, HasSubstr("longer than 67108864 bytes"));
}

TEST(CliAlone, CheckingAConfigurationNeedsNoDaemon) {
  const TemporaryDirectory directory;
  const std::string bad = directory.file("bad.toml");
  std::ofstream(bad) << "bogus = 1\n\n[appliance]\nnmae = \"x\"\n";
  const Outcome refused = call({"-s", directory.file("none"), "config", "check", bad});
  EXPECT_EQ(refused.code, 1);
  EXPECT_EQ(refused.out, "");
  EXPECT_THAT(refused.err, HasSubstr(bad + ":1:"));
  EXPECT_THAT(refused.err, HasSubstr(bad + ":4:"));
  EXPECT_THAT(refused.err, HasSubstr("xdp-keactl: " + bad + ": 2 mistakes\n"));

  const Outcome json = call({"-o", "json", "config", "check", bad});
  EXPECT_EQ(json.code, 1);
  const auto parsed = api::parse_json(json.out, 1u << 20);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ((*parsed)["ok"], false);
  EXPECT_EQ((*parsed)["errors"].size(), 2u);

  const std::string good = directory.file("good.toml");
  std::ofstream(good) << "[[vrf]]\nname = \"red\"\n[[vrf.subnet]]\nprefix = \"10.0.0.0/24\"\n"
                         "pools = [\"10.0.0.100-10.0.0.199\"]\ngateway = \"10.0.0.1\"\n"
                         "[[vrf.attachment]]\ninterface = \"eth1\"\n";
  const Outcome accepted = call({"config", "check", good});
  EXPECT_EQ(accepted.code, 0) << accepted.err;
  EXPECT_EQ(accepted.out, good + ": ok, 1 VRF, 1 attachment\n");

  const Outcome missing = call({"config", "check", directory.file("none.toml")});
  EXPECT_EQ(missing.code, 1);
  EXPECT_THAT(missing.err, HasSubstr(directory.file("none.toml")));
}

TEST(Text, Durations) {
  EXPECT_EQ(duration_text(0), "0s");
  EXPECT_EQ(duration_text(59), "59s");
  EXPECT_EQ(duration_text(60), "1m 0s");
  EXPECT_EQ(duration_text(3599), "59m 59s");
  EXPECT_EQ(duration_text(3600), "1h 0m");
  EXPECT_EQ(duration_text(86399), "23h 59m");
  EXPECT_EQ(duration_text(86400), "1d 0h");
}

TEST(Text, Times) {
  EXPECT_EQ(utc_text(0), "1970-01-01 00:00:00Z");
  EXPECT_EQ(utc_text(1767225599), "2025-12-31 23:59:59Z");
  EXPECT_EQ(utc_text(253402300799), "9999-12-31 23:59:59Z");
  EXPECT_EQ(utc_text(253402300800), "never");
}

TEST(Text, OnlyWellFormedUtf8IsShown) {
  EXPECT_EQ(safe_text("a\u00e9\u20ac\U0001f600"), "a\u00e9\u20ac\U0001f600");
  EXPECT_EQ(safe_text("\xc0\xaf"), "\\xc0\\xaf") << "overlong";
  EXPECT_EQ(safe_text("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "surrogate";
  EXPECT_EQ(safe_text("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "beyond U+10FFFF";
  EXPECT_EQ(safe_text("\xe2\x82"), "\\xe2\\x82") << "cut";
  EXPECT_EQ(display_width("a\u00e9\u20ac"), 3u);
}

TEST(Yaml, StringsReadBackAsStrings) {
  for (const std::string text :
       {"",        "100", "200.300",    "1e3", "0x10",        "true",  "No",     "null",
        "~",       "-",   "a: b",       "# x", "10.0.0.0/24", " lead", "trail ", "two\nlines\n",
        "quote\"", "é",   "2026-01-01", "[x]"}) {
    const std::string yaml = to_yaml(api::Json{{"v", text}});
    const YAML::Node node = YAML::Load(yaml);
    EXPECT_EQ(node["v"].as<std::string>(), text) << yaml;
    const bool quoted = node["v"].Tag() == "!";  // what is quoted can be taken for nothing else
    double number = 0;
    const bool is_number = YAML::convert<double>::decode(node["v"], number);
    EXPECT_TRUE(quoted || !is_number) << yaml;
  }
}

TEST(PercentEncoding, LeavesOnlyUnreservedCharacters) {
  EXPECT_EQ(percent_encoded("red-1._~"), "red-1._~");
  EXPECT_EQ(percent_encoded("a b/c?d%\xff"), "a%20b%2Fc%3Fd%25%FF");
}

}  // namespace
}  // namespace xk::cli
