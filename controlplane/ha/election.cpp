#include "controlplane/ha/election.h"

#include <algorithm>
#include <utility>

namespace xk::ha {

const char* to_string(Standing standing) {
  switch (standing) {
    case Standing::standby:
      return "standby";
    case Standing::taking:
      return "taking";
    case Standing::catching_up:
      return "catching up";
    case Standing::active:
      return "active";
    case Standing::leaving:
      return "leaving";
  }
  return "?";
}

void Election::order(Order::Kind kind, const std::string& vrf, const Seat& seat) {
  orders_.push_back({.kind = kind,
                     .vrf = vrf,
                     .epoch = seat.epoch + 1,
                     .epoch_modified = seat.epoch_modified,
                     .holder = seat.holder});
}

// Its Kea has leases that may be old.
void Election::renew(const std::string& vrf, Seat& seat) {
  if (!std::exchange(seat.fresh, false)) return;
  seat.stale = true;
  seat.renew_asked_ns = 0;
  order(Order::Kind::renew, vrf, seat);
}

// Until it is being started: it may not have been there yet when that was asked for.
void Election::ask_for_renewal(const std::string& vrf, Seat& seat, std::uint64_t now_ns) {
  if (!seat.stale || !seat.wanted || !seat.ability.has_leases) return;
  if (seat.renew_asked_ns == 0) {
    seat.renew_asked_ns = now_ns;
  } else if (now_ns >= seat.renew_asked_ns + kRenewNs) {
    seat.renew_asked_ns = now_ns;
    order(Order::Kind::renew, vrf, seat);
  }
}

void Election::set_vrfs(const std::map<std::string, Ability>& vrfs, std::uint64_t now_ns) {
  for (auto& [name, seat] : seats_) {
    if (vrfs.contains(name)) continue;
    seat.wanted = false;
    seat.fresh = seat.stale = false;
    leave(name, seat, now_ns);
  }
  for (const auto& [name, ability] : vrfs) {
    Seat& seat = seats_[name];
    const bool newly_drained = seat.wanted && ability.drained && !seat.ability.drained;
    seat.wanted = true;
    seat.ability = ability;
    if (ability.fit)
      seat.unfit_since_ns = 0;
    else if (seat.unfit_since_ns == 0)
      seat.unfit_since_ns = now_ns;
    if (newly_drained && others_) leave(name, seat, now_ns);
  }
}

void Election::set_session(store::SessionId session, std::uint64_t now_ns) {
  if (session == session_) return;
  session_ = session;
  for (auto& [name, seat] : seats_) lose(name, seat, now_ns);
  // The store may have told of keys of this session before we know of it ourselves.
  for (auto& [name, seat] : seats_)
    if (ours(seat)) set_holder(name, seat.holder, now_ns);
}

void Election::set_known(bool known, std::uint64_t now_ns) {
  known_ = known;
  if (known) return;
  for (auto& [name, seat] : seats_) {
    // What this appliance's own Kea has made stays right as long as nobody else is active.
    if (seat.standing == Standing::active) continue;
    lose(name, seat, now_ns);
    seat.holder.reset();
    seat.served_epoch = 0;
    renew(name, seat);
  }
}

// It is not active here any more, whatever it was.
void Election::lose(const std::string& vrf, Seat& seat, std::uint64_t /*now_ns*/) {
  const Standing before = std::exchange(seat.standing, Standing::standby);
  if (before == Standing::catching_up || before == Standing::active) order(Order::Kind::silence, vrf, seat);
}

void Election::set_holder(const std::string& vrf, std::optional<Holder> holder, std::uint64_t now_ns) {
  Seat& seat = seats_[vrf];
  const bool same = seat.holder == holder;
  seat.holder = std::move(holder);
  if (!seat.holder) {
    seat.free_since_ns = now_ns;
    // One that was being taken is asked for again: the key came and went.
    lose(vrf, seat, now_ns);
    return;
  }
  if (!ours(seat)) {
    lose(vrf, seat, now_ns);
    if (seat.served_epoch != 0 && seat.holder->session != 0) {
      seat.served_epoch = 0;
      renew(vrf, seat);
    }
    return;
  }
  if (same && (seat.standing == Standing::catching_up || seat.standing == Standing::active)) return;
  if (seat.standing == Standing::leaving) return;
  seat.standing = Standing::catching_up;
  // Somebody else was active since this Kea made its leases.
  if (seat.served_epoch != 0 && seat.served_epoch + 1 != seat.holder->epoch &&
      seat.served_epoch != seat.holder->epoch) {
    seat.served_epoch = 0;
    renew(vrf, seat);
  }
  seat.asked_ns = 0;
}

void Election::set_epoch(const std::string& vrf, std::uint64_t epoch, store::Revision modified) {
  Seat& seat = seats_[vrf];
  seat.epoch = epoch;
  seat.epoch_modified = modified;
}

void Election::set_starting(const std::string& vrf, std::uint64_t now_ns) {
  Seat& seat = seats_[vrf];
  seat.fresh = seat.stale = false;
  seat.served_epoch = 0;
  seat.asked_ns = 0;
  // Until set_vrfs() says that it runs: what was said before was of the Kea before.
  if (std::exchange(seat.ability.fit, false)) seat.unfit_since_ns = now_ns;
  // What the Kea before had under way may still arrive in the store, and the new one would not be told of it:
  // with the key it was sent under gone it is refused, or has been told of before another key is made.
  if (seat.standing == Standing::active) leave(vrf, seat, now_ns);
}

void Election::set_fresh(const std::string& vrf) { seats_[vrf].fresh = true; }

void Election::set_stale(const std::string& vrf) {
  Seat& seat = seats_[vrf];
  if (seat.served_epoch != 0) return;  // its own
  renew(vrf, seat);
}

void Election::take_failed(const std::string& vrf, std::uint64_t now_ns) {
  Seat& seat = seats_[vrf];
  if (seat.standing != Standing::taking) return;
  seat.standing = Standing::standby;
  seat.not_before_ns = std::max(seat.not_before_ns, now_ns + kRetryNs);
}

void Election::caught_up(const std::string& vrf, std::uint64_t epoch) {
  Seat& seat = seats_[vrf];
  if (seat.standing != Standing::catching_up || !ours(seat) || seat.holder->epoch != epoch || !seat.fresh)
    return;
  seat.standing = Standing::active;
  if (seat.ability.has_leases) seat.served_epoch = epoch;
  order(Order::Kind::serve, vrf, seat);
}

void Election::leave(const std::string& vrf, Seat& seat, std::uint64_t now_ns) {
  if (!ours(seat) || seat.standing == Standing::leaving) return;
  order(Order::Kind::silence, vrf, seat);
  order(Order::Kind::give_up, vrf, seat);
  seat.standing = Standing::leaving;
  seat.asked_ns = now_ns;
}

bool Election::release(const std::string& vrf, std::uint64_t now_ns) {
  const auto found = seats_.find(vrf);
  if (found == seats_.end() || !ours(found->second)) return false;
  leave(vrf, found->second, now_ns);
  found->second.not_before_ns = now_ns + kHoldOffNs;
  return true;
}

void Election::want(const std::string& vrf) {
  Seat& seat = seats_[vrf];
  seat.not_before_ns = 0;
  seat.free_since_ns = 0;
}

bool Election::follows(const std::string& vrf) const {
  const auto found = seats_.find(vrf);
  return found == seats_.end() || found->second.served_epoch == 0;
}

bool Election::may_take(const Seat& seat, std::uint64_t now_ns) const {
  if (!known_ || session_ == 0 || seat.holder || !seat.wanted || !seat.ability.fit) return false;
  if (seat.ability.has_leases && !seat.fresh) return false;
  if (seat.ability.drained && others_ && now_ns < seat.free_since_ns + kReluctanceNs) return false;
  return now_ns >= seat.not_before_ns;
}

bool Election::must_leave(const Seat& seat, std::uint64_t now_ns) const {
  return others_ && seat.unfit_since_ns != 0 && now_ns >= seat.unfit_since_ns + kUnfitNs;
}

void Election::look(const std::string& vrf, Seat& seat, std::uint64_t now_ns) {
  switch (seat.standing) {
    case Standing::standby:
      if (!may_take(seat, now_ns)) return;
      seat.standing = Standing::taking;
      seat.asked_ns = now_ns;
      return order(Order::Kind::take, vrf, seat);
    case Standing::taking:
      if (now_ns >= seat.asked_ns + kAnswerNs) take_failed(vrf, now_ns);
      return;
    case Standing::catching_up:
      if (!seat.wanted || must_leave(seat, now_ns)) return leave(vrf, seat, now_ns);
      if (!seat.ability.has_leases) seat.fresh = true;
      if (!seat.fresh || !seat.ability.fit || (seat.asked_ns != 0 && now_ns < seat.asked_ns + kAnswerNs))
        return;
      seat.asked_ns = now_ns;
      return order(Order::Kind::catch_up, vrf, seat);
    case Standing::active:
      if (!seat.wanted || must_leave(seat, now_ns)) return leave(vrf, seat, now_ns);
      return;
    case Standing::leaving:
      if (!ours(seat)) {
        seat.standing = Standing::standby;
      } else if (now_ns >= seat.asked_ns + kAnswerNs) {
        seat.asked_ns = now_ns;
        order(Order::Kind::give_up, vrf, seat);
      }
      return;
  }
}

std::vector<Order> Election::orders(std::uint64_t now_ns) {
  for (auto& [name, seat] : seats_) {
    ask_for_renewal(name, seat, now_ns);
    look(name, seat, now_ns);
  }
  return std::exchange(orders_, {});
}

}  // namespace xk::ha
