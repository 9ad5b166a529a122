// Changes of the static leases while the loops look them up: the parts of Pipeline that make them.
#include "dataplane/pipeline/pipeline.h"

namespace xk {
namespace {

std::expected<void, Error> apply(StaticTable& table, std::span<const StaticChange> changes) {
  for (const StaticChange& change : changes) {
    const StaticLease& lease = change.lease;
    if (!change.erase) {
      if (auto put = table.put(lease); !put) return put;
      continue;
    }
    const Bytes identity(reinterpret_cast<const std::uint8_t*>(lease.identity.data()), lease.identity.size());
    table.erase(lease.vrf, lease.kind, identity);
  }
  return {};
}

}  // namespace

std::expected<void, Error> Pipeline::change_static_leases(std::span<const StaticChange> changes) {
  if (static_leases_ == nullptr) {
    static_leases_ = std::make_unique<StaticTable>();
    shared_.static_leases.store(static_leases_.get(), std::memory_order_release);
    quiesce();
  }
  auto applied = apply(*static_leases_, changes);
  if (static_leases_->has_retired()) {
    quiesce();
    static_leases_->reclaim();
  }
  return applied;
}

void Pipeline::begin_static_leases() { loading_ = std::make_unique<StaticTable>(); }

std::expected<void, Error> Pipeline::load_static_leases(std::span<const StaticChange> changes) {
  if (loading_ == nullptr) return std::unexpected(Error{"static leases of a table that was not begun"});
  auto applied = apply(*loading_, changes);
  if (!applied) loading_.reset();
  if (applied) loading_->reclaim();  // nobody reads it yet
  return applied;
}

std::expected<void, Error> Pipeline::finish_static_leases() {
  if (loading_ == nullptr) return std::unexpected(Error{"static leases of a table that was not begun"});
  const std::unique_ptr<StaticTable> old = std::exchange(static_leases_, std::move(loading_));
  shared_.static_leases.store(static_leases_.get(), std::memory_order_release);
  quiesce();
  return {};
}

std::size_t Pipeline::static_lease_count() const {
  return static_leases_ == nullptr ? 0 : static_leases_->size();
}

std::size_t Pipeline::static_lease_bytes() const {
  return static_leases_ == nullptr ? 0 : static_leases_->bytes();
}

}  // namespace xk
