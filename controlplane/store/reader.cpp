#include "controlplane/store/reader.h"

#include "controlplane/store/check.h"
#include "controlplane/store/encoding.h"

namespace xk::store {
namespace {

constexpr std::size_t kEventsAPageMax = 1024;
constexpr Revision kRevisionsAPageMax = 65536;

// Keys of the range as of the revision, whatever is compacted meanwhile.
StoreResult<Page> read_at(const Disk& disk, const Range& range, Revision revision) {
  Page page;
  page.revision = revision;
  const auto versions = range.to.empty() ? disk.versions_of_keys() : disk.all(disk.data());
  const std::string first = data_key(range.from, revision);
  const std::string end = range.to.empty() ? std::string() : data_prefix(range.to);
  const auto prefix = rocksdb::Slice(first.data(), first.size() - kRevisionBytes);
  std::string done;  // prefix of the key that has been decided
  for (versions->Seek(range.to.empty() ? rocksdb::Slice(first) : prefix); versions->Valid();
       versions->Next()) {
    const auto key = versions->key();
    if (range.to.empty() ? !key.starts_with(prefix) : key.compare(end) >= 0) break;
    if (key.size() > kRevisionBytes && key.size() - kRevisionBytes == done.size() && key.starts_with(done))
      continue;
    auto at = read_data_key(key.ToStringView());
    if (!at) return std::unexpected(corrupt_record("a key after " + printable(done)));
    if (at->modified > revision) continue;
    const auto version = read_version(versions->value().ToStringView());
    if (!version) return std::unexpected(corrupt_record("a version of " + printable(at->key)));
    done.assign(key.data(), key.size() - kRevisionBytes);
    if (version->erased) continue;
    if (range.limit != 0 && page.items.size() == range.limit) {
      page.more = true;
      break;
    }
    page.items.push_back({std::move(at->key), std::string(version->value), version->created, at->modified,
                          version->version, version->session});
  }
  if (!versions->status().ok()) return std::unexpected(disk_error("read a range", versions->status()));
  return page;
}

StoreResult<Event> read_event(const Disk& disk, const Horizon& horizon, Revision revision,
                              const LogRecord& entry) {
  Event event;
  event.kind = entry.kind;
  event.item.key = entry.key;
  event.item.modified = revision;
  if (entry.kind == Event::Kind::erase) return event;
  rocksdb::PinnableSlice bytes;
  const auto status = disk.db().Get({}, disk.data(), data_key(entry.key, revision), &bytes);
  if (status.IsNotFound() && horizon.compacted > revision) {
    return std::unexpected(compacted_error(revision, horizon.compacted));
  }
  if (status.IsNotFound()) {
    return std::unexpected(corrupt_record("the version " + std::to_string(revision) + " of " +
                                          printable(entry.key) + " is in the log and nowhere else"));
  }
  if (!status.ok()) return std::unexpected(disk_error("read " + printable(entry.key), status));
  const auto version = read_version(bytes.ToStringView());
  if (!version || version->erased) {
    return std::unexpected(
        corrupt_record("the version " + std::to_string(revision) + " of " + printable(entry.key)));
  }
  event.item.value = version->value;
  event.item.created = version->created;
  event.item.version = version->version;
  event.item.session = version->session;
  return event;
}

}  // namespace

StoreError compacted_error(Revision asked, Revision compacted) {
  return {Fault::compacted,
          {"the revision " + std::to_string(asked) + " is not kept any more: the oldest is " +
           std::to_string(compacted)}};
}

StoreResult<Page> read_range(const Disk& disk, const Horizon& horizon, const Range& range) {
  while (true) {
    const Revision newest = horizon.newest;
    const Revision revision = range.at == 0 ? newest : range.at;
    if (revision > newest) {
      return std::unexpected(StoreError{Fault::rejected,
                                        {"the revision " + std::to_string(revision) +
                                         " is not there yet: the newest is " + std::to_string(newest)}});
    }
    if (range.at != 0 && range.at < horizon.compacted) {
      return std::unexpected(compacted_error(range.at, horizon.compacted));
    }
    auto page = read_at(disk, range, revision);
    if (!page) return page;
    // What was erased of this revision while it was read may be missing: then it is not as of it.
    if (horizon.compacted <= revision) return page;
  }
}

StoreResult<LogPage> read_events(const Disk& disk, const Horizon& horizon, Revision from, const Span& span) {
  const Revision newest = horizon.newest;
  if (from < horizon.compacted) return std::unexpected(compacted_error(from, horizon.compacted));
  LogPage page;
  page.next = newest + 1;
  const auto log = disk.all(disk.log());
  for (log->Seek(log_key(from, 0)); log->Valid(); log->Next()) {
    const auto at = read_log_key(log->key().ToStringView());
    const auto entry = read_log(log->value().ToStringView());
    if (!at || !entry)
      return std::unexpected(corrupt_record("the log after revision " + std::to_string(from)));
    if (at->revision > newest) break;
    if (at->place == 0 &&
        (page.events.size() >= kEventsAPageMax || at->revision - from > kRevisionsAPageMax)) {
      page.next = at->revision;
      break;
    }
    if (!in_span(std::string(entry->key), span.from, span.to)) continue;
    auto event = read_event(disk, horizon, at->revision, *entry);
    if (!event) return std::unexpected(std::move(event.error()));
    page.events.push_back(std::move(*event));
  }
  if (!log->status().ok()) return std::unexpected(disk_error("read the log", log->status()));
  // Entries that were erased while they were read may be missing.
  if (from < horizon.compacted) return std::unexpected(compacted_error(from, horizon.compacted));
  return page;
}

}  // namespace xk::store
