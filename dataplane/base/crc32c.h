// CRC-32C (Castagnoli; RFC 3720 B.4), by the processor's instruction where it has one.
#pragma once

#include <cstdint>

#include "dataplane/base/bytes.h"

namespace xk {

[[nodiscard]] std::uint32_t crc32c(Bytes bytes, std::uint32_t before = 0);

}  // namespace xk
