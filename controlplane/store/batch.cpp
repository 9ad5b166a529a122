#include "controlplane/store/batch.h"

#include <algorithm>

#include "controlplane/store/check.h"
#include "controlplane/store/encoding.h"

namespace xk::store {

Batch::Batch(const Disk& disk, Revision newest, bool events)
    : disk_(disk), newest_(newest), wants_events_(events) {}

StoreResult<Batch::Head*> Batch::head(const std::string& key) {
  const auto [found, is_new] = heads_.try_emplace(key);
  if (!is_new) return &found->second;
  const auto fail = [&](StoreError error) {
    heads_.erase(found);
    return std::unexpected(std::move(error));
  };
  if (!versions_) versions_ = disk_.versions_of_keys();
  const std::string first = data_key(key, INT64_MAX);
  versions_->Seek(first);
  if (!versions_->status().ok()) return fail(disk_error("read " + printable(key), versions_->status()));
  const std::string_view prefix = std::string_view(first).substr(0, first.size() - kRevisionBytes);
  if (!versions_->Valid() || !versions_->key().starts_with({prefix.data(), prefix.size()}))
    return &found->second;
  const auto at = read_data_key(versions_->key().ToStringView());
  const auto version = read_version(versions_->value().ToStringView());
  if (!at || !version) return fail(corrupt_record("the newest version of " + printable(key)));
  if (version->erased) return &found->second;
  found->second.there = true;
  found->second.item = {
      key, std::string(version->value), version->created, at->modified, version->version, version->session};
  return &found->second;
}

StoreResult<Committed> Batch::add(const Transaction& transaction, const std::set<SessionId>& sessions) {
  bool held = true;
  for (const auto& compare : transaction.when) {
    const auto now = head(compare.key);
    if (!now) return std::unexpected(now.error());
    held = held && holds(compare, (*now)->there ? &(*now)->item : nullptr);
  }
  const auto& operations = held ? transaction.then : transaction.otherwise;
  for (const auto& operation : operations) {
    if (operation.session != 0 && !sessions.contains(operation.session)) {
      return std::unexpected(StoreError{
          Fault::ended, {"the session " + std::to_string(operation.session) + " is over: open another one"}});
    }
  }
  return apply(operations, held);
}

StoreResult<> Batch::collect_erased(const Operation& operation, std::vector<std::string>& keys) {
  if (operation.range_end.empty()) {
    const auto now = head(operation.key);
    if (!now) return std::unexpected(now.error());
    if ((*now)->there) keys.push_back(operation.key);
    return {};
  }
  auto found = keys_of_range(operation.key, operation.range_end);
  if (!found) return std::unexpected(found.error());
  for (auto& key : *found) {
    if (const auto now = head(key); !now) return std::unexpected(now.error());
    keys.push_back(std::move(key));
  }
  return {};
}

StoreResult<Committed> Batch::apply(const std::vector<Operation>& operations, bool held) {
  // Everything that can fail comes first: a transaction is done as a whole or not at all.
  std::vector<std::vector<std::string>> erased(operations.size());
  bool changes = false;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    if (operations[i].kind == Operation::Kind::erase) {
      if (auto done = collect_erased(operations[i], erased[i]); !done) return std::unexpected(done.error());
      changes = changes || !erased[i].empty();
    } else {
      if (auto now = head(operations[i].key); !now) return std::unexpected(now.error());
      changes = true;
    }
  }
  if (!changes) return Committed{held, newest_};
  ++newest_;
  std::uint32_t place = 0;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    if (operations[i].kind == Operation::Kind::put) {
      put(operations[i], place++);
      continue;
    }
    for (const auto& key : erased[i]) {
      if (heads_.at(key).there) erase(key, place++);  // ranges may overlap
    }
  }
  return Committed{held, newest_};
}

void Batch::put(const Operation& operation, std::uint32_t place) {
  Head& now = heads_.at(operation.key);
  const Revision previous = now.there ? now.item.modified : 0;
  if (now.there && now.item.session != 0 && now.item.session != operation.session) {
    writes_.Delete(disk_.meta(), attached_key(now.item.session, operation.key)).PermitUncheckedError();
  }
  if (operation.session != 0) {
    writes_.Put(disk_.meta(), attached_key(operation.session, operation.key), {}).PermitUncheckedError();
  }
  now.item = {operation.key,
              operation.value,
              now.there ? now.item.created : newest_,
              newest_,
              (now.there ? now.item.version : 0) + 1,
              operation.session};
  now.there = true;
  write(Event::Kind::put, now, previous, place);
}

void Batch::erase(const std::string& key, std::uint32_t place) {
  Head& now = heads_.at(key);
  const Revision previous = now.item.modified;
  if (now.item.session != 0) {
    writes_.Delete(disk_.meta(), attached_key(now.item.session, key)).PermitUncheckedError();
  }
  now.there = false;
  now.item = {};
  now.item.key = key;
  now.item.modified = newest_;
  write(Event::Kind::erase, now, previous, place);
}

void Batch::write(Event::Kind kind, const Head& head, Revision previous, std::uint32_t place) {
  const KeyValue& item = head.item;
  write_version({!head.there, item.created, item.version, item.session, item.value}, record_);
  writes_.Put(disk_.data(), data_key(item.key, newest_), record_).PermitUncheckedError();
  write_log({kind, previous, item.key}, record_);
  writes_.Put(disk_.log(), log_key(newest_, place), record_).PermitUncheckedError();
  if (wants_events_) events_.push_back({kind, item});
}

StoreResult<std::vector<std::string>> Batch::keys_of_range(const std::string& from,
                                                           const std::string& to) const {
  std::vector<std::string> keys;
  const auto all = disk_.all(disk_.data());
  const std::string end = data_prefix(to);
  std::string last;
  for (all->Seek(data_prefix(from)); all->Valid() && all->key().compare(end) < 0; all->Next()) {
    auto at = read_data_key(all->key().ToStringView());
    const auto version = read_version(all->value().ToStringView());
    if (!at || !version) return std::unexpected(corrupt_record("a version after " + printable(last)));
    if (at->key == last) continue;
    last = at->key;
    if (!version->erased) keys.push_back(std::move(at->key));
  }
  if (!all->status().ok()) return std::unexpected(disk_error("read a range", all->status()));
  return keys;
}

StoreResult<std::vector<std::string>> Batch::attached_keys(SessionId session) const {
  std::vector<std::string> keys;
  const auto all = disk_.all(disk_.meta());
  const std::string prefix = attached_key(session, {});
  for (all->Seek(prefix); all->Valid() && all->key().starts_with(prefix); all->Next()) {
    const auto key = read_attached_key(all->key().ToStringView());
    if (!key) return std::unexpected(corrupt_record("what hangs on a session"));
    keys.emplace_back(*key);
  }
  if (!all->status().ok()) return std::unexpected(disk_error("read the keys of a session", all->status()));
  return keys;
}

void Batch::add_session(SessionId session, std::int64_t time_to_live_s) {
  writes_.Put(disk_.meta(), session_key(session), write_number(time_to_live_s)).PermitUncheckedError();
}

StoreResult<Committed> Batch::end_session(SessionId session) {
  auto keys = attached_keys(session);
  if (!keys) return std::unexpected(keys.error());
  std::vector<Operation> operations;
  for (auto& key : *keys) operations.push_back({Operation::Kind::erase, std::move(key), {}, {}, 0});
  auto done = apply(operations, true);
  if (done) writes_.Delete(disk_.meta(), session_key(session)).PermitUncheckedError();
  return done;
}

}  // namespace xk::store
