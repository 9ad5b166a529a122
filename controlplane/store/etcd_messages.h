// Between the store's requests and etcd's messages. What comes from etcd is checked.
#pragma once

#include <string>
#include <vector>

#include "controlplane/store/store.h"

namespace etcdserverpb {
class KeyValue;
class TxnRequest;
class WatchResponse;
}  // namespace etcdserverpb

namespace xk::store {

// Appends the operations to what is done if the comparisons hold (or, otherwise, if not).
void add_operations(const std::vector<Operation>& operations, bool otherwise, etcdserverpb::TxnRequest& out);
void add_compare(const Compare& compare, etcdserverpb::TxnRequest& out);

// The pair, if it is one: with a key, and revisions that can be.
[[nodiscard]] StoreResult<KeyValue> read_pair(const etcdserverpb::KeyValue& pair);
// The events from this revision on.
[[nodiscard]] StoreResult<std::vector<Event>> read_events(const etcdserverpb::WatchResponse& response,
                                                          Revision from);

}  // namespace xk::store
