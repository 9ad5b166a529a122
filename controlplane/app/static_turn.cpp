#include "controlplane/app/static_turn.h"

#include <chrono>
#include <thread>

namespace xk::kead {
namespace {

using namespace std::chrono_literals;

constexpr auto kTurnWait = 10s;
constexpr auto kTurnRetry = 20ms;
constexpr auto kTurnTtl = 60s;  // of a turn whose appliance has died

}  // namespace

Result<std::unique_ptr<StaticTurn>> StaticTurn::take(store::Store& store,
                                                     const std::function<bool(store::Revision)>& arrived) {
  const auto session = store.open_session(kTurnTtl);
  if (!session) return std::unexpected(session.error().error);
  std::unique_ptr<StaticTurn> turn(new StaticTurn(store, *session));
  const auto until = std::chrono::steady_clock::now() + kTurnWait;
  for (;;) {
    const store::Compare free{kTurnKey, store::Compare::Target::created, store::Compare::Is::equal, 0, {}};
    const auto done =
        store.commit_and_wait({.when = {free},
                               .then = {{store::Operation::Kind::put, kTurnKey, {}, R"({"v":1})", *session}},
                               .otherwise = {}});
    if (!done) return std::unexpected(done.error().error);
    if (done->held) {
      turn->created_ = done->revision;
      break;
    }
    if (std::chrono::steady_clock::now() >= until)
      return std::unexpected(
          Error{"another appliance has been changing static leases for 10 s: try again later", EBUSY});
    std::this_thread::sleep_for(kTurnRetry);
  }
  if (!arrived(turn->created_))
    return std::unexpected(
        Error{"the static leases of the other appliances have not arrived here: try again later", EBUSY});
  return turn;
}

// With its session it goes.
StaticTurn::~StaticTurn() { (void)store_.close_session(session_); }

store::Compare StaticTurn::condition() const {
  return {kTurnKey, store::Compare::Target::created, store::Compare::Is::equal, created_, {}};
}

}  // namespace xk::kead
