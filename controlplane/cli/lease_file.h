// Leases in a file: lines of CSV or JSON, or a lease file of Kea.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

#include "controlplane/api/control.h"

namespace xk::cli {

enum class LeaseFileFormat : std::uint8_t { csv, jsonl, kea };

// By its name, or by the file's if none is given.
[[nodiscard]] LeaseFileFormat lease_file_format(std::string_view format, std::string_view file);
void write_lease_header(std::ostream& out, LeaseFileFormat format);
void write_lease(std::ostream& out, LeaseFileFormat format, const api::LeaseView& lease);

}  // namespace xk::cli
