// Files of static leases: CSV with a header line, or one JSON object a line. Reading tells of every bad line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <istream>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/model/static_entry.h"

namespace xk::cli {

enum class StaticFormat : std::uint8_t { csv, jsonl };

struct NumberedLease {
  std::size_t line = 0;  // from 1
  StaticTexts texts;
};
struct BadLine {
  std::size_t line = 0;
  std::string text;
};
struct StaticFile {
  std::vector<NumberedLease> leases;
  std::vector<BadLine> bad;  // in the order of the lines
};

// Fields of CSV are named by the first line, in any order: vrf, mac, client_id, circuit_id, remote_id,
// address, hostname, options (with ; between them). Quotes as in RFC 4180, but no line break in a field.
// Empty lines and those that begin with # say nothing. Each lease is checked as far as that can be done here:
// fields, addresses, options, and that no identity and no address of a VRF is there twice.
[[nodiscard]] StaticFile read_static_file(std::istream& file, StaticFormat format);

void write_static_header(std::ostream& file, StaticFormat format);
void write_static(std::ostream& file, StaticFormat format, const StaticTexts& texts);

}  // namespace xk::cli
