// What etcd answers is bytes of others: pairs and events are what they can be, or an error.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "controlplane/store/etcd_messages.h"
#include "etcd.pb.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto must = [](bool so) {
    if (!so) std::abort();
  };
  etcdserverpb::WatchResponse watched;
  if (watched.ParseFromArray(data, static_cast<int>(size))) {
    constexpr xk::store::Revision kFrom = 3;
    if (const auto events = xk::store::read_events(watched, kFrom)) {
      xk::store::Revision last = kFrom;
      for (const auto& event : *events) {
        must(!event.item.key.empty() && event.item.modified >= last);
        last = event.item.modified;
      }
    }
  }
  etcdserverpb::RangeResponse ranged;
  if (ranged.ParseFromArray(data, static_cast<int>(size))) {
    for (const auto& pair : ranged.kvs()) {
      const auto item = xk::store::read_pair(pair);
      must(!item ||
           (!item->key.empty() && item->version > 0 && item->modified >= item->created && item->created > 0));
    }
  }
  return 0;
}
