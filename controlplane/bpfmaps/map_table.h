// Reading a whole hash map.
#pragma once

#include <bpf/bpf.h>

#include <vector>

#include "controlplane/reconcile/ports.h"

namespace xk::bpfmaps {

template <typename Key, typename Value>
struct MapEntry {
  Key key{};
  Value value{};
};

// All entries of the map, in no order. Entries that come or go meanwhile may be missed or met;
// this daemon is the maps' only writer.
template <typename Key, typename Value>
[[nodiscard]] Result<std::vector<MapEntry<Key, Value>>> read_map(int map) {
  std::vector<MapEntry<Key, Value>> entries;
  Key key{};
  int result = bpf_map_get_next_key(map, nullptr, &key);
  while (result == 0) {
    MapEntry<Key, Value> entry{key, {}};
    if (bpf_map_lookup_elem(map, &key, &entry.value) == 0) entries.push_back(entry);
    result = bpf_map_get_next_key(map, &key, &key);
  }
  if (result != -ENOENT) return std::unexpected(errno_error("reading the map", -result));
  return entries;
}

}  // namespace xk::bpfmaps
