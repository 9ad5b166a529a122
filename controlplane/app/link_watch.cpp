#include "controlplane/app/link_watch.h"

#include <utility>

namespace xk::kead {

LinkWatch::News LinkWatch::drain(Links& links) {
  const auto relevant = links.drain_events();
  const std::uint64_t overruns = links.overruns();
  News news{.look = !relevant || *relevant, .lost = overruns != overruns_seen_, .error = {}};
  news.look = news.look || news.lost;
  if (!relevant) news.error = relevant.error().message;
  overruns_seen_ = overruns;
  return news;
}

}  // namespace xk::kead
