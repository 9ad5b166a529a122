// What was counted.
#include <algorithm>
#include <set>

#include "controlplane/app/views.h"
#include "dataplane/base/outcome.h"

namespace xk::kead {
namespace {

using api::AllCountersView;
using api::CountersView;

void add_outcomes(const std::vector<std::uint64_t>& outcomes, CountersView& view) {
  for (std::size_t i = 0; i < std::min(outcomes.size(), kOutcomes.size()); ++i) {
    if (outcomes[i] == 0) continue;
    auto& list = kOutcomes[i].kind == OutcomeKind::note ? view.notes : view.drops;
    list.emplace_back(kOutcomes[i].name, outcomes[i]);
  }
}

}  // namespace

Result<AllCountersView> Views::counters() const {
  const auto xdp = machine_.classifier.counters();
  if (!xdp) return std::unexpected(xdp.error());
  AllCountersView all;
  all.total.vrf = "total";
  std::vector<std::uint64_t> total(kOutcomes.size());
  const auto add = [&](const VrfCounts& counts) {
    CountersView view{.vrf = vrf_name(counts.vrf),
                      .rx = counts.rx,
                      .copies = counts.copies,
                      .tx = counts.tx,
                      .requests = counts.requests,
                      .replies = counts.replies,
                      .arp = counts.arp,
                      .exceptions = counts.exceptions,
                      .queue_high_water = counts.queue_high_water,
                      .queue_depth = counts.queue_depth,
                      .drops = {},
                      .notes = {}};
    add_outcomes(counts.outcomes, view);
    for (std::size_t i = 0; i < std::min(counts.outcomes.size(), total.size()); ++i)
      total[i] += counts.outcomes[i];
    all.total.rx += counts.rx;
    all.total.copies += counts.copies;
    all.total.tx += counts.tx;
    all.total.requests += counts.requests;
    all.total.replies += counts.replies;
    all.total.arp += counts.arp;
    all.total.exceptions += counts.exceptions;
    all.total.queue_high_water = std::max(all.total.queue_high_water, counts.queue_high_water);
    all.total.queue_depth += counts.queue_depth;
    all.vrfs.push_back(std::move(view));
  };
  const std::vector<VrfCounts> counted = machine_.dataplane.counters();
  std::set<VrfId> seen;
  for (const VrfCounts& counts : counted) {
    add(counts);
    seen.insert(counts.vrf);
  }
  for (const VrfEntry& vrf : desired_.snapshot.vrfs) {
    if (seen.contains(vrf.id)) continue;
    VrfCounts none;
    none.vrf = vrf.id;
    add(none);
  }
  add_outcomes(total, all.total);
  for (std::size_t i = 0; i < std::min(xdp->size(), kOutcomes.size()); ++i) {
    const bool verdict = kOutcomes[i].kind == OutcomeKind::pass || kOutcomes[i].kind == OutcomeKind::redirect;
    if (verdict || i == XK_FIRST_FRAGMENT || (*xdp)[i] != 0)
      all.xdp.emplace_back(kOutcomes[i].name, (*xdp)[i]);
  }
  return all;
}

}  // namespace xk::kead
