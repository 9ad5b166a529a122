#include "controlplane/cli/lease_file.h"

#include <array>

#include "controlplane/api/views_json.h"
#include "controlplane/cli/csv.h"

namespace xk::cli {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

// Kea writes a separator inside a field as "&#x2c".
std::string kea_field(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == ',' || c == '\n' || c == '\r' || c == '&') {
      out += "&#x";
      out += kHexDigits[static_cast<std::uint8_t>(c) >> 4];
      out += kHexDigits[static_cast<std::uint8_t>(c) & 15];
    } else {
      out += c;
    }
  }
  return out;
}

std::string with_colons(const std::string& hex) {
  std::string out;
  for (std::size_t i = 0; i < hex.size(); ++i) {
    if (i != 0 && i % 2 == 0) out += ':';
    out += hex[i];
  }
  return out;
}

// Kea's id of a subnet is its network address as a number.
std::uint32_t subnet_id(const std::string& subnet) {
  const auto prefix = parse_prefix4(subnet);
  return prefix ? prefix->network.value : 0;
}

void write_csv(std::ostream& out, const api::LeaseView& lease) {
  const std::array<std::string, 13> fields{lease.vrf,
                                           lease.address,
                                           lease.mac,
                                           lease.client_id,
                                           lease.hostname,
                                           lease.state,
                                           lease.subnet,
                                           lease.attachment,
                                           std::to_string(lease.start_unix_s),
                                           std::to_string(lease.lease_time_s),
                                           std::to_string(lease.expires_unix_s),
                                           lease.circuit_id,
                                           lease.remote_id};
  for (std::size_t i = 0; i < fields.size(); ++i) out << (i == 0 ? "" : ",") << csv_field(fields.at(i));
  out << '\n';
}

void write_kea(std::ostream& out, const api::LeaseView& lease) {
  out << lease.address << ',' << lease.mac << ',' << with_colons(lease.client_id) << ',' << lease.lease_time_s
      << ',' << lease.expires_unix_s << ',' << subnet_id(lease.subnet) << ",0,0," << kea_field(lease.hostname)
      << ',' << (lease.state == "declined" ? 1 : 0) << ",\n";
}

}  // namespace

LeaseFileFormat lease_file_format(std::string_view format, std::string_view file) {
  if (format == "kea") return LeaseFileFormat::kea;
  if (format == "csv" || (format.empty() && file.ends_with(".csv"))) return LeaseFileFormat::csv;
  return LeaseFileFormat::jsonl;
}

void write_lease_header(std::ostream& out, LeaseFileFormat format) {
  if (format == LeaseFileFormat::csv)
    out << "vrf,address,mac,client_id,hostname,state,subnet,attachment,start_unix_s,lease_time_s,"
           "expires_unix_s,circuit_id,remote_id\n";
  if (format == LeaseFileFormat::kea)
    out << "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_"
           "context\n";
}

void write_lease(std::ostream& out, LeaseFileFormat format, const api::LeaseView& lease) {
  if (format == LeaseFileFormat::csv) return write_csv(out, lease);
  if (format == LeaseFileFormat::kea) return write_kea(out, lease);
  out << api::dump_json(api::to_json(lease)) << '\n';
}

}  // namespace xk::cli
