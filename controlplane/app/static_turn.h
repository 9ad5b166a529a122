// Whose turn it is to change static leases, where several appliances share the store: one at a time, for two
// that change at once could give one address to two clients. The turn is a key that hangs on a session of its
// own, and every change is made on the condition that it is still there.
#pragma once

#include <functional>
#include <memory>

#include "controlplane/reconcile/ports.h"
#include "controlplane/store/store.h"

namespace xk::kead {

// Among the static leases, so that whoever follows those sees it in its place between their changes.
inline constexpr const char* kTurnKey = "/xdp-kea/v1/static/.turn";

class StaticTurn {
 public:
  // Waits for others, and then until `arrived` (all changes up to a revision are known here): 10 s at most.
  [[nodiscard]] static Result<std::unique_ptr<StaticTurn>> take(
      store::Store& store, const std::function<bool(store::Revision)>& arrived);
  ~StaticTurn();
  StaticTurn(const StaticTurn&) = delete;
  StaticTurn& operator=(const StaticTurn&) = delete;

  // What every change is to compare.
  [[nodiscard]] store::Compare condition() const;

 private:
  StaticTurn(store::Store& store, store::SessionId session) : store_(store), session_(session) {}
  store::Store& store_;
  store::SessionId session_;
  store::Revision created_ = 0;
};

}  // namespace xk::kead
