// Who becomes active, when, and what has to be done for it: with a clock of the test's own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/ha/election.h"

namespace xk::ha {
namespace {

using Kind = Order::Kind;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr store::SessionId kOurs = 11;
constexpr store::SessionId kTheirs = 22;

class AnElection : public testing::Test {
 protected:
  AnElection() { election.set_session(kOurs, now); }

  static Ability able() { return {.fit = true, .drained = false, .has_leases = true}; }
  void ready(Ability ability = able()) {
    election.set_vrfs({{"red", ability}}, now);
    election.set_fresh("red");
    election.set_known(true, now);
  }
  std::vector<Kind> orders() {
    last = election.orders(now);
    std::vector<Kind> kinds;
    for (const Order& order : last) kinds.push_back(order.kind);
    return kinds;
  }
  Holder holder(store::SessionId session, std::uint64_t epoch) {
    return {.appliance = session == kOurs ? "us" : "them",
            .since_unix_ms = 1,
            .epoch = epoch,
            .session = session,
            .created = static_cast<store::Revision>(1000 + epoch)};
  }
  void told(store::SessionId session, std::uint64_t epoch) {
    election.set_holder("red", holder(session, epoch), now);
    election.set_epoch("red", epoch, static_cast<store::Revision>(1000 + epoch));
  }
  void told_free() { election.set_holder("red", std::nullopt, now); }
  void become_active(std::uint64_t epoch = 1) {
    ASSERT_THAT(orders(), ElementsAre(Kind::take));
    told(kOurs, epoch);
    ASSERT_THAT(orders(), ElementsAre(Kind::catch_up));
    election.caught_up("red", epoch);
    ASSERT_THAT(orders(), ElementsAre(Kind::serve));
  }
  void kea_runs() { election.set_vrfs({{"red", able()}}, now); }
  Standing standing() { return election.seats().at("red").standing; }
  void pass(std::uint64_t ns) { now += ns; }

  std::uint64_t now = 1'000'000 * kMs;
  Election election{"us"};
  std::vector<Order> last;
};

TEST_F(AnElection, TakesWhatIsFreeAndServesItOnceKeaHasCaughtUp) {
  ready();
  become_active();
  EXPECT_EQ(standing(), Standing::active);
  EXPECT_EQ(last[0].holder->created, 1001);
  EXPECT_THAT(orders(), IsEmpty());
}

// The Kea may not have been there when it was asked for: the order is given again, until it is being started.
TEST_F(AnElection, AsksForAKeaToBeStartedAnewUntilItIs) {
  ready();
  told(kTheirs, 1);
  election.set_stale("red");
  EXPECT_THAT(orders(), ElementsAre(Kind::renew));
  pass(kRenewNs - kMs);
  EXPECT_THAT(orders(), IsEmpty());
  pass(kMs);
  EXPECT_THAT(orders(), ElementsAre(Kind::renew));
  pass(kMs);
  EXPECT_THAT(orders(), IsEmpty());
  pass(kRenewNs);
  EXPECT_THAT(orders(), ElementsAre(Kind::renew));
  election.set_starting("red", now);
  pass(2 * kRenewNs);
  EXPECT_THAT(orders(), IsEmpty());
}

TEST_F(AnElection, TakesNothingBeforeItKnowsWhatTheStoreSays) {
  election.set_vrfs({{"red", able()}}, now);
  election.set_fresh("red");
  EXPECT_THAT(orders(), IsEmpty());
  election.set_known(true, now);
  EXPECT_THAT(orders(), ElementsAre(Kind::take));
}

// Its Kea may have been given its leases before anybody said that the VRF is configured.
TEST_F(AnElection, FollowsAVrfBeforeItKnowsOfIt) {
  EXPECT_TRUE(election.follows("red"));
  told(kTheirs, 1);
  EXPECT_TRUE(election.follows("red"));
}

TEST_F(AnElection, TakesNothingWithoutASession) {
  election.set_session(0, now);
  ready();
  EXPECT_THAT(orders(), IsEmpty());
}

TEST_F(AnElection, TakesNothingWhileKeaDoesNotRunOrDoesNotHaveTheLeases) {
  ready({.fit = false, .drained = false, .has_leases = true});
  EXPECT_THAT(orders(), IsEmpty());
  election.set_starting("red", now);
  election.set_vrfs({{"red", able()}}, now);
  EXPECT_THAT(orders(), IsEmpty());
  election.set_fresh("red");
  EXPECT_THAT(orders(), ElementsAre(Kind::take));
}

TEST_F(AnElection, AVrfOfServersElsewhereNeedsNoLeases) {
  election.set_vrfs({{"red", {.fit = true, .drained = false, .has_leases = false}}}, now);
  election.set_known(true, now);
  EXPECT_THAT(orders(), ElementsAre(Kind::take));
  told(kOurs, 1);
  EXPECT_THAT(orders(), ElementsAre(Kind::catch_up));
}

TEST_F(AnElection, LeavesToOthersWhatIsTheirs) {
  ready();
  told(kTheirs, 1);
  EXPECT_THAT(orders(), IsEmpty());
  EXPECT_TRUE(election.follows("red"));
  told_free();
  EXPECT_THAT(orders(), ElementsAre(Kind::take));
  EXPECT_EQ(last[0].epoch, 2u);
  EXPECT_EQ(last[0].epoch_modified, 1001);
}

TEST_F(AnElection, WhoComesSecondStaysStandby) {
  ready();
  ASSERT_THAT(orders(), ElementsAre(Kind::take));
  election.take_failed("red", now);
  told(kTheirs, 1);
  pass(kRetryNs);
  EXPECT_THAT(orders(), IsEmpty());
}

TEST_F(AnElection, AsksAgainWhenTheStoreDoesNotAnswer) {
  ready();
  ASSERT_THAT(orders(), ElementsAre(Kind::take));
  pass(kAnswerNs);
  EXPECT_THAT(orders(), IsEmpty());
  pass(kRetryNs);
  EXPECT_THAT(orders(), ElementsAre(Kind::take));
}

// The answer did not come, and it was done all the same.
TEST_F(AnElection, BelievesTheStoreMoreThanAnAnswer) {
  ready();
  ASSERT_THAT(orders(), ElementsAre(Kind::take));
  election.take_failed("red", now);
  told(kOurs, 1);
  EXPECT_THAT(orders(), ElementsAre(Kind::catch_up));
}

TEST_F(AnElection, IsSilentWhenItsSessionIsOver) {
  ready();
  become_active();
  election.set_session(0, now);
  EXPECT_THAT(orders(), ElementsAre(Kind::silence));
  EXPECT_EQ(standing(), Standing::standby);
}

TEST_F(AnElection, KnowsANewSessionsKeyThoughTheStoreToldOfItFirst) {
  ready();
  election.set_session(0, now);
  told(33, 1);
  EXPECT_THAT(orders(), IsEmpty());
  election.set_session(33, now);
  EXPECT_THAT(orders(), ElementsAre(Kind::catch_up));
}

TEST_F(AnElection, StartsKeaAnewWhenAnotherWasActiveSince) {
  ready();
  become_active();
  election.set_session(0, now);
  (void)orders();
  election.set_session(33, now);
  told(kTheirs, 2);
  EXPECT_THAT(orders(), ElementsAre(Kind::renew));
  told_free();
  EXPECT_THAT(orders(), IsEmpty()) << "its Kea has old leases";
  election.set_starting("red", now);
  election.set_fresh("red");
  EXPECT_THAT(orders(), IsEmpty()) << "its Kea does not run yet";
  kea_runs();
  EXPECT_THAT(orders(), ElementsAre(Kind::take));
}

TEST_F(AnElection, KeepsItsKeaWhenNobodyElseWasActive) {
  ready();
  become_active();
  election.set_session(0, now);
  told_free();
  EXPECT_THAT(orders(), ElementsAre(Kind::silence));
  EXPECT_FALSE(election.follows("red")) << "its Kea made the leases";
  election.set_session(33, now);
  ASSERT_THAT(orders(), ElementsAre(Kind::take));
  told(33, 2);
  ASSERT_THAT(orders(), ElementsAre(Kind::catch_up));
  election.caught_up("red", 2);
  EXPECT_THAT(orders(), ElementsAre(Kind::serve));
}

// It was not told of what happened in between: an epoch was left out.
TEST_F(AnElection, AGapInTheEpochsMeansThatAnotherWasActive) {
  ready();
  become_active();
  election.set_session(0, now);
  told_free();
  (void)orders();
  election.set_session(33, now);
  election.set_epoch("red", 2, 1002);
  ASSERT_THAT(orders(), ElementsAre(Kind::take));
  told(33, 3);
  EXPECT_THAT(orders(), ElementsAre(Kind::renew));
  election.set_starting("red", now);
  EXPECT_THAT(orders(), IsEmpty());
  election.set_fresh("red");
  kea_runs();
  EXPECT_THAT(orders(), ElementsAre(Kind::catch_up));
}

TEST_F(AnElection, AKeaThatDiedAndWasStartedFromTheStoreFollows) {
  ready();
  become_active();
  election.set_session(0, now);
  told_free();
  (void)orders();
  election.set_starting("red", now);
  EXPECT_TRUE(election.follows("red"));
}

// What it had under way may arrive in the store until the key is gone.
TEST_F(AnElection, AKeaThatDiedWhileActiveServesAgainUnderAnotherKeyOnly) {
  ready();
  become_active();
  election.set_starting("red", now);
  EXPECT_THAT(orders(), ElementsAre(Kind::silence, Kind::give_up));
  EXPECT_EQ(last[1].holder->created, 1001);
  EXPECT_TRUE(election.follows("red"));
  election.set_fresh("red");
  kea_runs();
  EXPECT_THAT(orders(), IsEmpty()) << "the key is still there";
  told_free();
  EXPECT_THAT(orders(), ElementsAre(Kind::take));
  told(kOurs, 2);
  EXPECT_THAT(orders(), ElementsAre(Kind::catch_up));
  election.caught_up("red", 2);
  EXPECT_THAT(orders(), ElementsAre(Kind::serve));
  EXPECT_FALSE(election.follows("red"));
}

TEST_F(AnElection, AnOperatorHasItLetGoAndNotTakenAtOnce) {
  ready();
  become_active();
  ASSERT_TRUE(election.release("red", now));
  EXPECT_THAT(orders(), ElementsAre(Kind::silence, Kind::give_up)) << "silent before it is let go";
  EXPECT_EQ(last[1].holder->created, 1001);
  EXPECT_FALSE(election.release("blue", now));
  told_free();
  EXPECT_THAT(orders(), IsEmpty());
  pass(kHoldOffNs);
  EXPECT_THAT(orders(), ElementsAre(Kind::take)) << "nobody else wants it";
}

TEST_F(AnElection, AsksAgainToLetGo) {
  ready();
  become_active();
  election.release("red", now);
  (void)orders();
  pass(kAnswerNs);
  EXPECT_THAT(orders(), ElementsAre(Kind::give_up));
  told(kOurs, 1);
  EXPECT_EQ(standing(), Standing::leaving);
}

TEST_F(AnElection, WhoWantsItWaitsForNothing) {
  ready();
  become_active();
  election.release("red", now);
  (void)orders();
  told_free();
  election.want("red");
  EXPECT_THAT(orders(), ElementsAre(Kind::take));
}

TEST_F(AnElection, LetsGoWhatIsDrainedIfThereIsAnother) {
  ready();
  become_active();
  Ability drained = able();
  drained.drained = true;
  election.set_vrfs({{"red", drained}}, now);
  EXPECT_THAT(orders(), IsEmpty()) << "there is no other";
  election.set_vrfs({{"red", able()}}, now);
  election.set_others(true);
  election.set_vrfs({{"red", drained}}, now);
  EXPECT_THAT(orders(), ElementsAre(Kind::silence, Kind::give_up));
  told_free();
  EXPECT_THAT(orders(), IsEmpty());
  pass(kReluctanceNs);
  EXPECT_THAT(orders(), ElementsAre(Kind::take)) << "better drained than not at all";
}

TEST_F(AnElection, LetsGoWhatCannotBeServedHere) {
  ready();
  election.set_others(true);
  become_active();
  Ability unfit = able();
  unfit.fit = false;
  election.set_vrfs({{"red", unfit}}, now);
  EXPECT_THAT(orders(), IsEmpty()) << "it may be back in a moment";
  pass(kUnfitNs);
  EXPECT_THAT(orders(), ElementsAre(Kind::silence, Kind::give_up));
}

TEST_F(AnElection, LetsGoOfAVrfThatIsNotThereAnyMore) {
  ready();
  become_active();
  election.set_vrfs({}, now);
  EXPECT_THAT(orders(), ElementsAre(Kind::silence, Kind::give_up));
  told_free();
  EXPECT_THAT(orders(), IsEmpty());
}

TEST_F(AnElection, AfterALossOfTheWatchNoStandbyKeaIsRight) {
  ready();
  told(kTheirs, 1);
  (void)orders();
  election.set_known(false, now);
  EXPECT_THAT(orders(), ElementsAre(Kind::renew));
  election.set_known(true, now);
  told_free();
  EXPECT_THAT(orders(), IsEmpty());
}

TEST_F(AnElection, AfterALossOfTheWatchTheActiveOneServesOn) {
  ready();
  become_active();
  election.set_known(false, now);
  told(kOurs, 1);
  election.set_known(true, now);
  EXPECT_THAT(orders(), IsEmpty());
  EXPECT_EQ(standing(), Standing::active);
}

TEST_F(AnElection, AKeyThatSomebodyErasedIsTakenAnew) {
  ready();
  become_active();
  told_free();
  EXPECT_THAT(orders(), ElementsAre(Kind::silence, Kind::take));
}

TEST(HaRecords, SayWhatTheyAre) {
  const Holder holder{
      .appliance = "edge-1", .since_unix_ms = 1'763'000'000'000, .epoch = 7, .session = 5, .created = 9};
  store::KeyValue item;
  item.key = active_key("red");
  item.value = active_value(holder);
  item.session = 5;
  item.created = 9;
  EXPECT_EQ(parse_active(item).value(), holder);
  EXPECT_EQ(parse_epoch(epoch_value(12)).value(), 12u);
  EXPECT_EQ(parse_name(name_value("edge-2")).value(), "edge-2");
  EXPECT_EQ(name_of_key(item.key).kind, KeyKind::active);
  EXPECT_EQ(name_of_key(item.key).name, "red");
  EXPECT_EQ(name_of_key("/xdp-kea/v1/lease/red/0a000001").kind, KeyKind::lease);
  EXPECT_EQ(name_of_key("/xdp-kea/v1/gate/x").kind, KeyKind::other);
  EXPECT_EQ(name_of_key("/xdp-kea/v1/active/").kind, KeyKind::other);
}

TEST(HaRecords, StrangersAreRefused) {
  store::KeyValue item;
  for (const char* value :
       {"", "[]", "{", R"({"v":2,"appliance":"a","since":1,"epoch":1})",
        R"({"v":1,"appliance":"","since":1,"epoch":1})", R"({"v":1,"appliance":"a","since":-1,"epoch":1})",
        R"({"v":1,"appliance":"a","since":1})", R"({"v":1,"appliance":5,"since":1,"epoch":1})"}) {
    item.value = value;
    EXPECT_FALSE(parse_active(item).has_value()) << value;
  }
  EXPECT_FALSE(parse_epoch(R"({"v":1,"epoch":"7"})").has_value());
  EXPECT_FALSE(parse_name(std::string(5000, ' ')).has_value());
}

}  // namespace
}  // namespace xk::ha
