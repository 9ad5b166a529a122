#include "controlplane/leases/pool_figures.h"

namespace xk::leases {
namespace {

bool in_pieces(const PoolParts& pool, Ip4 address) {
  for (const Range4& piece : pool.pieces)
    if (piece.contains(address)) return true;
  return false;
}

}  // namespace

PoolFigures pool_figures(const PoolParts& pool, const std::string& vrf, const LeaseIndex& index,
                         const std::function<std::uint64_t(const Range4&)>& fixed_in,
                         const std::function<bool(Ip4)>& is_fixed, std::int64_t now_unix_s) {
  PoolFigures figures;
  figures.size = pool.size();
  figures.excluded = pool.excluded;
  figures.own = pool.own;
  for (const Range4& piece : pool.pieces) figures.fixed += fixed_in(piece);
  index.each(vrf, pool.pool, [&](Ip4 address, const LeaseIndex::Entry& entry) {
    const bool over = entry.ends_unix_s <= now_unix_s || entry.state == State::expired;
    const bool given = in_pieces(pool, address);
    if (over) {
      if (given && !is_fixed(address)) ++figures.expired;
      return;
    }
    if (entry.ends_unix_s != LeaseIndex::kNoEnd &&
        (figures.next_unix_s == 0 || entry.ends_unix_s < figures.next_unix_s)) {
      figures.next_unix_s = entry.ends_unix_s;
      figures.next = address;
    }
    if (!given) {
      ++figures.kept;
      return;
    }
    ++(entry.state == State::declined ? figures.declined : figures.leased);
    if (is_fixed(address)) --figures.fixed;
  });
  figures.used = figures.leased + figures.declined + figures.fixed;
  figures.available = figures.size - figures.excluded - figures.own - figures.used;
  return figures;
}

}  // namespace xk::leases
