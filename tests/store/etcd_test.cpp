// What only etcd can do to a store: members that die, hang and come back, no quorum, accounts, certificates.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <fstream>
#include <future>
#include <latch>
#include <map>
#include <set>
#include <thread>

#include "tests/store/etcd_server.h"

namespace xk::store {
namespace {

std::unique_ptr<Store> must_open(const EtcdOptions& options) {
  auto opened = open_etcd(options);
  EXPECT_TRUE(opened) << message_of(opened.error());
  return opened ? std::move(*opened) : nullptr;
}

// Commits until it is done: what a caller does whose change is to be done, and may be done twice.
Committed insist(Store& store, const Transaction& transaction) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (true) {
    const auto done = store.commit_and_wait(transaction);
    if (done) return *done;
    EXPECT_EQ(done.error().fault, Fault::unavailable) << message_of(done.error());
    if (std::chrono::steady_clock::now() > deadline) {
      ADD_FAILURE() << "not done in time: " << message_of(done.error());
      return {};
    }
  }
}

// The same for a read.
std::vector<KeyValue> insist(Store& store, const Range& range) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (true) {
    auto page = store.range(range);
    if (page) return std::move(page->items);
    EXPECT_EQ(page.error().fault, Fault::unavailable) << message_of(page.error());
    if (std::chrono::steady_clock::now() > deadline) {
      ADD_FAILURE() << "not read in time: " << message_of(page.error());
      return {};
    }
  }
}

std::string value_of(Store& store, const std::string& key) {
  const auto items = insist(store, {key, {}, 0, 0});
  return items.empty() ? "" : items[0].value;
}

// Waits for what the store looks after itself.
template <typename IsSo>
Health health_when(const Store& store, IsSo is_so) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  Health health = store.health();
  while (!is_so(health) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    health = store.health();
  }
  return health;
}
bool is_available(const Health& health) { return health.available; }

// Has a member stand still for as long as this lives.
class Frozen {
 public:
  Frozen(EtcdServers& servers, std::size_t node) : servers_(servers), node_(node) {
    servers_.send(node_, SIGSTOP);
  }
  ~Frozen() { servers_.send(node_, SIGCONT); }
  Frozen(const Frozen&) = delete;
  Frozen& operator=(const Frozen&) = delete;

 private:
  EtcdServers& servers_;
  std::size_t node_;
};

TEST(Etcd, LeaderKilledUnderLoad) {
  EtcdServers servers(3);
  const auto store = must_open(servers.options());
  Seen seen;
  const auto watch = store->watch("k", "l", 0, seen.call());
  ASSERT_TRUE(watch);
  constexpr int kCount = 4000;
  std::mutex mutex;
  std::map<std::string, Revision> answered;
  std::atomic<int> unavailable = 0;
  std::latch all_done(kCount);
  for (int i = 0; i < kCount; ++i) {
    if (i == kCount / 2) servers.kill(servers.leader());
    const std::string key = "k" + std::to_string(i);
    store->commit(just({put(key, std::to_string(i))}), [&, key](StoreResult<Committed> result) {
      if (result) {
        const std::lock_guard guard(mutex);
        answered[key] = result->revision;
      } else {
        EXPECT_EQ(result.error().fault, Fault::unavailable) << message_of(result.error());
        ++unavailable;
      }
      all_done.count_down();
    });
  }
  all_done.wait();
  const Revision last = insist(*store, just({put("kend", "")})).revision;
  std::map<std::string, Revision> there;
  for (const auto& item : insist(*store, {"k", "l", 0, 0})) there[item.key] = item.modified;
  for (const auto& [key, revision] : answered) ASSERT_EQ(there[key], revision) << key;
  EXPECT_GT(answered.size(), static_cast<std::size_t>(kCount / 4));
  // The watch saw each of them, once, in order, whichever member it was with.
  std::vector<Event> events;
  for (std::size_t count = 1; events.empty() || events.back().item.modified < last;
       count = events.size() + 1) {
    events = seen.events(count);
    ASSERT_FALSE(HasFailure());
  }
  std::map<std::string, Revision> told;
  Revision before = 0;
  for (const auto& event : events) {
    ASSERT_GE(event.item.modified, before);
    before = event.item.modified;
    ASSERT_TRUE(told.emplace(event.item.key, event.item.modified).second)
        << event.item.key << " was told twice";
  }
  EXPECT_EQ(told, there);
}

TEST(Etcd, WithoutQuorumIsSaidAndPasses) {
  EtcdServers servers(3);
  EtcdOptions options = servers.options();
  options.call_timeout = std::chrono::milliseconds(2000);
  const auto store = must_open(options);
  insist(*store, just({put("a", "1")}));
  servers.kill(0);
  servers.kill(1);
  const auto began = std::chrono::steady_clock::now();
  const auto refused = store->commit_and_wait(just({put("a", "2")}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fault, Fault::unavailable);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
  const auto page = store->range({"a", {}, 0, 0});
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().fault, Fault::unavailable) << message_of(page.error());
  const auto health = store->health();
  EXPECT_FALSE(health.available);
  EXPECT_NE(health.trouble.find("etcd at http://127."), std::string::npos) << health.trouble;
  EXPECT_EQ(health.queued, 0U);
  servers.start(1);
  insist(*store, just({put("a", "3")}));
  EXPECT_EQ(value_of(*store, "a"), "3");
  // A look at it that began before may say only now that it failed.
  const auto well = health_when(*store, is_available);
  EXPECT_TRUE(well.available) << well.trouble;
}

// The request of "old" reaches a member that is frozen; when it thaws, "new" is there since long.
TEST(Etcd, WhatArrivesLateUndoesNothing) {
  EtcdServers servers(3);
  std::unique_ptr<Store> store;
  std::string endpoint;
  std::optional<Frozen> frozen;
  // A store turns away from a member that is slow, and has "old" done by another: then once more.
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  for (bool sent = false; !sent;) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "none was frozen with the request";
    // One that is no leader and is asked first: it would pass the request on when it thaws.
    const std::size_t asked = (servers.leader() + 1) % 3;
    EtcdOptions options = servers.options();
    options.call_timeout = std::chrono::seconds(4);
    std::swap(options.endpoints[0], options.endpoints[asked]);
    endpoint = options.endpoints[0];
    store = must_open(options);
    insist(*store, just({put("k", "first")}));
    frozen.emplace(servers, asked);
    const auto old = store->commit_and_wait(just({put("k", "old")}));
    sent = !old && old.error().error.message.find(endpoint + ": cannot commit") != std::string::npos;
    if (!old) {
      EXPECT_EQ(old.error().fault, Fault::unavailable) << message_of(old.error());
    }
    if (!sent) frozen.reset();
  }
  insist(*store, just({put("k", "new")}));
  frozen.reset();
  // The member is well again when it answers what needs the others.
  EtcdOptions thawed = servers.options();
  thawed.endpoints = {endpoint};
  const auto through = must_open(thawed);
  insist(*through, just({put("other", "x")}));
  EXPECT_EQ(value_of(*through, "k"), "new");
}

// What a writer begins with is done, but the answer comes too late: when it asks again, it is there already.
TEST(Etcd, BeginsToWriteThoughTheAnswerWasLost) {
  EtcdServers servers(3);
  const std::size_t leader = servers.leader();
  EtcdOptions options = servers.options();
  options.call_timeout = std::chrono::seconds(4);
  options.endpoints = {options.endpoints[leader],
                       options.endpoints[leader]};  // one is left early for another
  const auto store = must_open(options);
  EXPECT_TRUE(health_when(*store, is_available).available);
  // The leader alone takes what is asked, and does it when one of the others is back.
  std::optional<Frozen> one(std::in_place, servers, (leader + 1) % 3);
  std::optional<Frozen> other(std::in_place, servers, (leader + 2) % 3);
  std::promise<StoreResult<Committed>> promise;
  store->commit(just({put("k", "1")}),
                [&](StoreResult<Committed> result) { promise.set_value(std::move(result)); });
  EXPECT_FALSE(health_when(*store, [](const Health& health) { return !health.available; }).available);
  one.reset();
  other.reset();
  const auto done = promise.get_future().get();
  if (!done) {
    EXPECT_EQ(done.error().fault, Fault::unavailable) << message_of(done.error());
  }
  insist(*store, just({put("k", "2")}));
  EXPECT_EQ(value_of(*store, "k"), "2");
}

TEST(Etcd, WatchGoesOnOverARestart) {
  EtcdServers servers(1);
  const auto store = must_open(servers.options());
  Seen seen;
  const auto watch = store->watch("k", "l", 0, seen.call());
  ASSERT_TRUE(watch);
  insist(*store, just({put("k1", "1")}));
  seen.events(1);
  servers.kill(0);
  servers.start(0);
  insist(*store, just({put("k2", "2")}));
  insist(*store, just({put("k3", "3")}));
  std::set<std::string> keys;
  std::size_t count = 3;
  std::vector<Event> events;
  while (!keys.contains("k3") && !HasFailure()) {
    events = seen.events(count);
    for (const auto& event : events) keys.insert(event.item.key);
    count = events.size() + 1;
  }
  EXPECT_EQ(keys, (std::set<std::string>{"k1", "k2", "k3"}));
  for (std::size_t i = 1; i < events.size(); ++i)
    EXPECT_GT(events[i].item.modified, events[i - 1].item.modified);
}

TEST(Etcd, OneThatIsRefusedRefusesNoOther) {
  EtcdServers servers(1);
  const auto store = must_open(servers.options());
  insist(*store, just({put("begin", "")}));
  constexpr int kCount = 500;
  std::latch all_done(kCount);
  std::vector<int> order;
  std::vector<int> refused;
  std::optional<Frozen> frozen(std::in_place, servers, 0);  // all are in the queue when it goes on
  for (int i = 0; i < kCount; ++i) {
    store->commit(just({put("k" + std::to_string(i), "v", i % 100 == 50 ? SessionId{12345} : 0)}),
                  [&, i](StoreResult<Committed> result) {
                    order.push_back(i);
                    if (!result) {
                      EXPECT_EQ(result.error().fault, Fault::ended) << message_of(result.error());
                      refused.push_back(i);
                    }
                    all_done.count_down();
                  });
  }
  frozen.reset();
  all_done.wait();
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_EQ(refused, (std::vector<int>{50, 150, 250, 350, 450}));
  EXPECT_EQ(insist(*store, {"k", "l", 0, 0}).size(), static_cast<std::size_t>(kCount - 5));
  EXPECT_LT(store->health().syncs, 75U) << "most of them went together";
}

TEST(Etcd, WhatIsUnderOneConditionGoesTogether) {
  EtcdServers servers(1);
  const auto store = must_open(servers.options());
  insist(*store, just({put("owner", "us")}));
  const auto owner = insist(*store, {"owner", {}, 0, 0});
  ASSERT_EQ(owner.size(), 1U);
  constexpr int kCount = 1000;
  std::latch all_done(kCount);
  std::atomic<int> held = 0;
  const std::uint64_t before = store->health().syncs;
  std::optional<Frozen> frozen(std::in_place, servers, 0);  // all are in the queue when it goes on
  for (int i = 0; i < kCount; ++i) {
    const Compare ours{"owner", Compare::Target::created, Compare::Is::equal, owner[0].created, {}};
    store->commit({{ours}, {put("k" + std::to_string(i), "v")}, {}}, [&](StoreResult<Committed> result) {
      if (result && result->held) ++held;
      all_done.count_down();
    });
  }
  frozen.reset();
  all_done.wait();
  EXPECT_EQ(held, kCount);
  EXPECT_LT(store->health().syncs - before, 50U) << "most of them went together";
}

TEST(Etcd, GoesOnWhenItsFenceIsTakenAway) {
  EtcdServers servers(1);
  const auto store = must_open(servers.options());
  insist(*store, just({put("a", "1")}));
  EXPECT_EQ(servers.etcdctl("del --prefix /xdp-kea/v1/writer/"), "1\n");
  const auto done = store->commit_and_wait(just({put("a", R"({"v":1})")}));
  ASSERT_TRUE(done) << message_of(done.error());
  EXPECT_EQ(servers.etcdctl("get a"), "a\n{\"v\":1}\n");
}

TEST(Etcd, CertificatesAndAccounts) {
  EtcdServers servers(1, true);
  for (const char* command : {"user add root:secret", "user grant-role root root", "role add appliance",
                              "role grant-permission appliance readwrite --prefix=true /xdp-kea/",
                              "user add kea:word", "user grant-role kea appliance", "auth enable"}) {
    servers.etcdctl(command);
  }
  EtcdOptions options = servers.options();
  options.user = "kea";
  options.password = "word";
  const auto store = must_open(options);
  const Transaction change = just({put("/xdp-kea/v1/a", "1")});
  const auto done = store->commit_and_wait(change);
  ASSERT_TRUE(done) << message_of(done.error());
  Seen seen;
  const auto watch = store->watch("/xdp-kea/v1/a", {}, 0, seen.call());
  ASSERT_TRUE(watch) << message_of(watch.error());

  const auto forbidden = store->commit_and_wait(just({put("/elsewhere", "1")}));
  ASSERT_FALSE(forbidden);
  EXPECT_EQ(forbidden.error().fault, Fault::rejected) << message_of(forbidden.error());
  Seen outside;
  const auto elsewhere = store->watch("/elsewhere", {}, 1, outside.call());
  ASSERT_TRUE(elsewhere);
  EXPECT_EQ(outside.error().fault, Fault::rejected);

  // A server that was started again does not know the token any more.
  servers.kill(0);
  servers.start(0);
  insist(*store, change);
  seen.events(1);

  const auto fault_of = [](const EtcdOptions& with) {
    const auto other = must_open(with);
    const auto answer = other->range({"/xdp-kea/v1/a", {}, 0, 0});
    EXPECT_FALSE(answer);
    EXPECT_FALSE(other->health().available);
    EXPECT_FALSE(other->health().trouble.empty());
    return answer ? Fault::ended : answer.error().fault;
  };
  EtcdOptions wrong = options;
  wrong.password = "wrong";
  EXPECT_EQ(fault_of(wrong), Fault::rejected);
  EtcdOptions stranger = options;
  stranger.call_timeout = std::chrono::milliseconds(1000);
  stranger.certificate_file.clear();
  stranger.key_file.clear();
  EXPECT_EQ(fault_of(stranger), Fault::unavailable);
  EtcdOptions other_ca = options;
  other_ca.call_timeout = std::chrono::milliseconds(1000);
  other_ca.ca_file = servers.file("client.pem");
  EXPECT_EQ(fault_of(other_ca), Fault::unavailable);
}

TEST(Etcd, HealthKnowsBeforeAnythingIsAsked) {
  EtcdOptions nobody;
  nobody.endpoints = {"http://127.0.0.1:1"};
  const auto none = must_open(nobody);
  EXPECT_FALSE(none->health().available);
  EXPECT_FALSE(none->health().trouble.empty());
  EtcdServers servers(1);
  const auto store = must_open(servers.options());
  const auto well = health_when(*store, is_available);
  EXPECT_TRUE(well.available) << well.trouble;
  const auto names_it = [](const Health& health) {
    return health.trouble.find("http://127.0.0.1:1") != std::string::npos;
  };
  const auto ill = health_when(*none, names_it);
  EXPECT_TRUE(names_it(ill)) << ill.trouble;
}

TEST(Etcd, OptionsThatCannotBe) {
  const auto message_with = [](const EtcdOptions& options) {
    const auto opened = open_etcd(options);
    EXPECT_FALSE(opened);
    return opened ? std::string() : opened.error().error.message;
  };
  for (const char* endpoint :
       {"10.0.0.1:2379", "http://10.0.0.1", "http://:2379", "https://a b:1", "http://h:1/path"}) {
    EXPECT_NE(message_with({{endpoint}, {}, {}, {}, {}, {}}).find(endpoint), std::string::npos) << endpoint;
  }
  EXPECT_NE(message_with({}).find("no endpoints"), std::string::npos);
  EtcdOptions half;
  half.endpoints = {"https://127.0.0.1:1"};
  half.certificate_file = "/c";
  EXPECT_NE(message_with(half).find("key_file"), std::string::npos);
  half.key_file = "/nowhere";
  EXPECT_NE(message_with(half).find("/c: No such file"), std::string::npos) << message_with(half);
}

}  // namespace
}  // namespace xk::store
