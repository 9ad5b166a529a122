// The store: where leases and static leases live, with etcd's ideas. Keys are bytes in one ordered space;
// every transaction that changes something has a revision of its own, greater than all before it; changes
// can be followed from a revision on; a key may hang on a session that ends when nobody keeps it alive.
// Two backends: embedded (RocksDB) and etcd (v3). tests/store has the one suite that both pass.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/base/error.h"

namespace xk::store {

using Revision = std::int64_t;   // 0: none; the first transaction has 1 or more
using SessionId = std::int64_t;  // what etcd calls a lease; 0: none

enum class Fault : std::uint8_t {
  unavailable,  // no quorum, no connection, disk refuses: may succeed later; what was to be done is not known
  rejected,     // the request is wrong, or this user may not: will not succeed
  compacted,    // the revision is not kept any more: read everything and start from there
  corrupt,      // what is stored cannot be right
  ended,        // the store was closed, the session is over
};
struct StoreError {
  Fault fault = Fault::unavailable;
  Error error;
};
template <typename T = void>
using StoreResult = std::expected<T, StoreError>;

struct KeyValue {
  std::string key;
  std::string value;
  Revision created = 0;      // revision that put it first
  Revision modified = 0;     // revision that put it last
  std::int64_t version = 0;  // puts since it was created
  SessionId session = 0;
  friend bool operator==(const KeyValue&, const KeyValue&) = default;
};

// What must be so of a key for a transaction's `then`. Of a key that is not there created, modified and
// version are 0, and its value equals nothing.
struct Compare {
  enum class Target : std::uint8_t { value, version, created, modified };
  enum class Is : std::uint8_t { equal, not_equal, less, greater };
  std::string key;
  Target target = Target::version;
  Is is = Is::equal;
  std::int64_t number = 0;
  std::string value;
  friend bool operator==(const Compare&, const Compare&) = default;
};

struct Operation {
  enum class Kind : std::uint8_t { put, erase };
  Kind kind = Kind::put;
  std::string key;
  std::string range_end;  // erase: all keys in [key, range_end); empty: the one key
  std::string value;      // put
  SessionId session = 0;  // put: the key goes when the session ends
};

// If all of `when` holds (or it is empty) `then` is done, else `otherwise`; as a whole, or not at all.
// No key is changed twice in one.
struct Transaction {
  std::vector<Compare> when;
  std::vector<Operation> then;
  std::vector<Operation> otherwise;
};
// The revision of a change. etcd: changes that became durable by one request share one, and of changes that
// have no key in common the later commit may have the smaller one.
struct Committed {
  bool held = true;       // `then` was done
  Revision revision = 0;  // of the change; the newest there is, if nothing was changed
};
using OnCommitted = std::function<void(StoreResult<Committed>)>;

struct Range {
  std::string from;
  std::string to;         // [from, to); empty: the one key `from`
  std::size_t limit = 0;  // keys at most; 0: all
  Revision at = 0;        // as of this revision; 0: now
};
struct Page {
  std::vector<KeyValue> items;  // in the order of their keys
  bool more = false;            // there were more than the limit
  Revision revision = 0;        // as of which this is
};

struct Event {
  enum class Kind : std::uint8_t { put, erase };
  Kind kind = Kind::put;
  KeyValue item;  // erase: key, and modified is the revision that erased it
};

// What a watch tells, from a thread of the store: all events of one or several whole revisions, in order,
// none left out. An error ends the watch; it is the last call. compacted: `from` is not kept any more.
using OnEvents = std::function<void(StoreResult<std::vector<Event>>)>;

// Ends when it is destroyed: no call is made after that, and one that is under way is waited for (not to
// be destroyed from within the call).
class Watch {
 public:
  virtual ~Watch() = default;
};

struct Health {
  std::string backend;        // "embedded", "etcd"
  std::string where;          // directory, or endpoints
  bool available = true;      // the last thing asked of it was done
  std::string trouble;        // why not, or what else is wrong
  std::string repaired;       // embedded: what was cut off when it was opened, or opened again
  Revision revision = 0;      // newest known
  std::uint64_t queued = 0;   // transactions that wait to be durable
  std::uint64_t commits = 0;  // transactions made durable since the start
  std::uint64_t syncs = 0;    // syncs (embedded) or requests (etcd) that took
  std::uint64_t failures = 0;
};

// Thread-safe. Blocking calls return within call_timeout of the options (default 5 s).
class Store {
 public:
  virtual ~Store() = default;  // what is queued is answered with Fault::ended

  // Queues the transaction and returns; never blocks. done is called once, from a thread of the store,
  // when the change is on stable storage (etcd: on a quorum's), in the order of the commits. Those that
  // wait together, and compare nothing or all the same, become durable together, by one sync or request: a
  // caller that commits one by one without waiting gets the throughput of large batches. Changes of the same
  // key happen in the order of the commits, also after a failure: with Fault::unavailable the caller does not
  // know whether it was done, and may commit it again. No done may wait for the store itself
  // (commit_and_wait, open_session, ...): it runs in the thread that would answer.
  virtual void commit(Transaction transaction, OnCommitted done) = 0;
  // The same, waiting for it.
  [[nodiscard]] StoreResult<Committed> commit_and_wait(Transaction transaction);

  [[nodiscard]] virtual StoreResult<Page> range(const Range& range) = 0;

  // Follows [from_key, to_key) (to_key empty: the one key) from revision `from` on (0: from now on).
  [[nodiscard]] virtual StoreResult<std::unique_ptr<Watch>> watch(std::string from_key, std::string to_key,
                                                                  Revision from, OnEvents call) = 0;

  // A session with a time to live: its keys are erased when it was not kept alive for so long.
  [[nodiscard]] virtual StoreResult<SessionId> open_session(std::chrono::seconds time_to_live) = 0;
  // time: how long it waits for the answer, instead of call_timeout.
  [[nodiscard]] virtual StoreResult<> keep_alive(SessionId session, std::chrono::milliseconds time) = 0;
  [[nodiscard]] StoreResult<> keep_alive(SessionId session) { return keep_alive(session, call_timeout()); }
  [[nodiscard]] virtual StoreResult<> close_session(SessionId session) = 0;

  // Forgets what was before the revision: watches and ranges from there on still work.
  [[nodiscard]] virtual StoreResult<> compact(Revision revision) = 0;

  [[nodiscard]] virtual Health health() const = 0;

 protected:
  [[nodiscard]] virtual std::chrono::milliseconds call_timeout() const = 0;
};

// The first key that does not begin with the prefix: the end of the range of all that do.
[[nodiscard]] std::string end_of_prefix(std::string prefix);

struct EmbeddedOptions {
  std::string directory;                // made if it is missing, mode 0700
  Revision keep_revisions = 1'000'000;  // history kept for watches; compaction in the background
  std::chrono::milliseconds call_timeout{5000};
  // Where the files cannot be opened, to begin all the same: unavailable, for the reason that health() gives,
  // until they can be. Tried again every 2 s at the latest.
  bool begin_unavailable = false;
};
// Opens it, repairing a torn tail (said in `repaired` if not null, and in Health). An Error says what is
// wrong with the files and what to do.
[[nodiscard]] StoreResult<std::unique_ptr<Store>> open_embedded(const EmbeddedOptions& options,
                                                                std::string* repaired = nullptr);

struct EtcdOptions {
  std::vector<std::string> endpoints;  // "https://10.0.0.1:2379", "http://127.0.0.1:2379"
  std::string ca_file;                 // of https; empty: the system's
  std::string certificate_file;        // of mutual TLS, with key_file
  std::string key_file;
  std::string user;  // empty: no authentication
  std::string password;
  std::chrono::milliseconds call_timeout{5000};
  std::size_t operations_a_request = 128;  // of etcd's --max-txn-ops
  std::size_t requests_in_flight = 8;
};
// Does not wait for the first connection: health() says how it goes.
[[nodiscard]] StoreResult<std::unique_ptr<Store>> open_etcd(const EtcdOptions& options);

}  // namespace xk::store
