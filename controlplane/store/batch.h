// Transactions that become durable together: each is evaluated against what is stored and what those before
// it in the batch did, and writes its changes to one WriteBatch.
#pragma once

#include <rocksdb/write_batch.h>

#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "controlplane/store/disk.h"
#include "controlplane/store/store.h"

namespace xk::store {

class Batch {
 public:
  // Revisions after `newest`. events: whether they are wanted.
  Batch(const Disk& disk, Revision newest, bool events);

  // An error changes nothing. A transaction that erases a range sees of this batch only single keys: it has
  // to be the first of its batch.
  [[nodiscard]] StoreResult<Committed> add(const Transaction& transaction,
                                           const std::set<SessionId>& sessions);
  void add_session(SessionId session, std::int64_t time_to_live_s);
  // Ends the session and erases its keys, in one revision. Has to be the first of its batch.
  [[nodiscard]] StoreResult<Committed> end_session(SessionId session);

  [[nodiscard]] rocksdb::WriteBatch& writes() { return writes_; }
  [[nodiscard]] Revision newest() const { return newest_; }
  [[nodiscard]] std::vector<Event>& events() { return events_; }
  [[nodiscard]] bool wants_events() const { return wants_events_; }

 private:
  struct Head {  // the key as it is now
    bool there = false;
    KeyValue item;
  };
  StoreResult<Head*> head(const std::string& key);
  StoreResult<std::vector<std::string>> keys_of_range(const std::string& from, const std::string& to) const;
  StoreResult<std::vector<std::string>> attached_keys(SessionId session) const;
  // Appends the keys that the operation erases and that are there.
  StoreResult<> collect_erased(const Operation& operation, std::vector<std::string>& keys);
  StoreResult<Committed> apply(const std::vector<Operation>& operations, bool held);
  void put(const Operation& operation, std::uint32_t place);
  void erase(const std::string& key, std::uint32_t place);
  void write(Event::Kind kind, const Head& head, Revision previous, std::uint32_t place);

  const Disk& disk_;
  std::unique_ptr<rocksdb::Iterator> versions_;
  std::unordered_map<std::string, Head> heads_;
  rocksdb::WriteBatch writes_;
  Revision newest_;
  bool wants_events_;
  std::vector<Event> events_;
  std::string record_;
};

}  // namespace xk::store
