// Static leases as operators' files have them (CSV, a JSON object a line), and as the store has them (key,
// line break, value): what is read is written and read again as the same.
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>
#include <string_view>

#include "controlplane/cli/static_file.h"
#include "controlplane/statics/record.h"

namespace {

using xk::cli::StaticFormat;

void must(bool so) {
  if (!so) std::abort();
}

void read_file(std::string_view text, StaticFormat format) {
  std::istringstream in{std::string(text)};
  const auto file = xk::cli::read_static_file(in, format);
  std::ostringstream out;
  xk::cli::write_static_header(out, format);
  for (const auto& lease : file.leases) xk::cli::write_static(out, format, lease.texts);
  std::istringstream back(out.str());
  const auto again = xk::cli::read_static_file(back, format);
  must(again.bad.empty() && again.leases.size() == file.leases.size());
  for (std::size_t i = 0; i < again.leases.size(); ++i) {
    must(again.leases[i].texts == file.leases[i].texts);
    // What is taken from a file can be kept in the store.
    const auto entry = xk::parse_static(file.leases[i].texts);
    must(entry.has_value());
    const auto kept = xk::statics::parse_record(xk::statics::key_of(*entry), xk::statics::value_of(*entry));
    must(kept && *kept == *entry);
  }
}

void read_record(std::string_view text) {
  const std::size_t end = text.find('\n');
  if (end == text.npos) return;
  const auto entry = xk::statics::parse_record(text.substr(0, end), text.substr(end + 1));
  if (!entry) return;
  const auto again = xk::statics::parse_record(xk::statics::key_of(*entry), xk::statics::value_of(*entry));
  must(again && *again == *entry);
  (void)xk::render_static(*entry, xk::VrfId{1});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  read_file(text, StaticFormat::csv);
  read_file(text, StaticFormat::jsonl);
  read_record(text);
  return 0;
}
