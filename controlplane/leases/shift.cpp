#include "controlplane/leases/shift.h"

#include "controlplane/leases/conditional.h"
#include "controlplane/leases/record.h"

namespace xk::leases {
namespace {
constexpr std::size_t kShiftPageKeys = 10'000;
}  // namespace

std::expected<std::uint64_t, Error> shift_leases(store::Store& store, const std::string& vrf,
                                                 std::int64_t by_s,
                                                 const std::function<std::int64_t()>& now) {
  RecordReader reader;
  std::uint64_t shifted = 0;
  const std::string prefix = lease_prefix(vrf);
  store::Range range{.from = prefix, .to = store::end_of_prefix(prefix), .limit = kShiftPageKeys};
  for (;;) {
    const auto page = store.range(range);
    if (!page) return std::unexpected(Error(page.error().error).in("cannot read the leases"));
    // After the page: what it has began before.
    const ClockStep step{.by_s = by_s, .now_unix_s = now()};
    std::vector<Conditional> changes;
    for (const store::KeyValue& item : page->items) {
      auto record = reader.read(item.value);
      if (!record) continue;
      const auto start = shifted_start(record->start_unix_s, step);
      if (!start) continue;
      record->start_unix_s = *start;
      changes.push_back({item.key, item.modified, to_json(*record)});
    }
    const auto held = commit_unchanged(store, changes);
    if (!held) return std::unexpected(Error(held.error().error).in("cannot move the leases with the clock"));
    shifted += *held;
    if (!page->more || page->items.empty()) return shifted;
    range.from = page->items.back().key + '\0';
  }
}

}  // namespace xk::leases
