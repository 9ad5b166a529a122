// Which backends the suite runs against.
#pragma once

#include "tests/store/backends.h"

namespace xk::store {

inline const BackendKind kKinds[] = {{"embedded", make_embedded}};
inline std::string kind_name(const testing::TestParamInfo<BackendKind>& info) { return info.param.name; }

}  // namespace xk::store
