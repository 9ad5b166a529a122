#include "controlplane/store/etcd_messages.h"

#include "controlplane/store/check.h"
#include "etcd.pb.h"

namespace xk::store {
namespace {

namespace pb = etcdserverpb;

StoreError impossible(const std::string& what) {
  return {Fault::corrupt, {"etcd answered what cannot be: " + what}};
}

}  // namespace

void add_operations(const std::vector<Operation>& operations, bool otherwise, pb::TxnRequest& out) {
  for (const auto& operation : operations) {
    pb::RequestOp& request = otherwise ? *out.add_failure() : *out.add_success();
    if (operation.kind == Operation::Kind::put) {
      auto& put = *request.mutable_request_put();
      put.set_key(operation.key);
      put.set_value(operation.value);
      put.set_lease(operation.session);
    } else {
      auto& erase = *request.mutable_request_delete_range();
      erase.set_key(operation.key);
      erase.set_range_end(operation.range_end);
    }
  }
}

void add_compare(const Compare& compare, pb::TxnRequest& out) {
  pb::Compare& to = *out.add_compare();
  to.set_key(compare.key);
  switch (compare.is) {
    case Compare::Is::equal:
      to.set_result(pb::Compare::EQUAL);
      break;
    case Compare::Is::not_equal:
      to.set_result(pb::Compare::NOT_EQUAL);
      break;
    case Compare::Is::less:
      to.set_result(pb::Compare::LESS);
      break;
    case Compare::Is::greater:
      to.set_result(pb::Compare::GREATER);
      break;
  }
  switch (compare.target) {
    case Compare::Target::value:
      to.set_target(pb::Compare::VALUE);
      to.set_value(compare.value);
      break;
    case Compare::Target::version:
      to.set_target(pb::Compare::VERSION);
      to.set_version(compare.number);
      break;
    case Compare::Target::created:
      to.set_target(pb::Compare::CREATE);
      to.set_create_revision(compare.number);
      break;
    case Compare::Target::modified:
      to.set_target(pb::Compare::MOD);
      to.set_mod_revision(compare.number);
      break;
  }
}

StoreResult<KeyValue> read_pair(const pb::KeyValue& pair) {
  if (pair.key().empty()) return std::unexpected(impossible("a key that is empty"));
  if (pair.version() <= 0 || pair.create_revision() <= 0 || pair.mod_revision() < pair.create_revision()) {
    return std::unexpected(impossible("the revisions of " + printable(pair.key())));
  }
  return KeyValue{pair.key(),          pair.value(),   pair.create_revision(),
                  pair.mod_revision(), pair.version(), pair.lease()};
}

StoreResult<std::vector<Event>> read_events(const pb::WatchResponse& response, Revision from) {
  std::vector<Event> out;
  Revision last = 0;
  for (const auto& event : response.events()) {
    const auto& pair = event.kv();
    if (pair.mod_revision() <= 0 || pair.mod_revision() < last) {
      return std::unexpected(
          impossible("events that are not in order, at revision " + std::to_string(pair.mod_revision())));
    }
    last = pair.mod_revision();
    if (last < from) continue;
    if (event.type() == pb::Event::DELETE) {
      if (pair.key().empty()) return std::unexpected(impossible("a key that is empty"));
      Event erased;
      erased.kind = Event::Kind::erase;
      erased.item.key = pair.key();
      erased.item.modified = last;
      out.push_back(std::move(erased));
      continue;
    }
    auto item = read_pair(pair);
    if (!item) return std::unexpected(std::move(item.error()));
    out.push_back({Event::Kind::put, std::move(*item)});
  }
  return out;
}

}  // namespace xk::store
