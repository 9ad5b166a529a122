// Which backends the suite runs against.
#pragma once

#include "tests/store/backends.h"
#include "tests/store/etcd_server.h"

namespace xk::store {

inline const BackendKind kKinds[] = {
    {"embedded", make_embedded}, {"etcd_one", make_etcd_one}, {"etcd_three", make_etcd_three}};
inline std::string kind_name(const testing::TestParamInfo<BackendKind>& info) { return info.param.name; }

}  // namespace xk::store
