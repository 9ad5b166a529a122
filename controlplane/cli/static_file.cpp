#include "controlplane/cli/static_file.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <unordered_map>

#include "controlplane/api/views_json.h"
#include "controlplane/cli/csv.h"

namespace xk::cli {
namespace {

constexpr std::size_t kLineMax = 64 * 1024;
constexpr std::array<std::string_view, 8> kFields{"vrf",       "mac",     "client_id", "circuit_id",
                                                  "remote_id", "address", "hostname",  "options"};

std::unexpected<Error> wrong(std::string message) { return std::unexpected(Error{std::move(message)}); }

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t at = text.find(separator);
    if (at != 0) parts.emplace_back(text.substr(0, at));
    text = at == std::string_view::npos ? std::string_view{} : text.substr(at + 1);
  }
  return parts;
}

std::expected<void, Error> set_field(StaticTexts& texts, std::string_view name, std::string value) {
  const std::map<std::string_view, std::string*> members{{"vrf", &texts.vrf},
                                                         {"mac", &texts.mac},
                                                         {"client_id", &texts.client_id},
                                                         {"circuit_id", &texts.circuit_id},
                                                         {"remote_id", &texts.remote_id},
                                                         {"address", &texts.address},
                                                         {"hostname", &texts.hostname}};
  if (name == "options") {
    texts.options = split(value, ';');
    return {};
  }
  const auto member = members.find(name);
  if (member == members.end()) return wrong("there is no field '" + std::string(name) + "'");
  *member->second = std::move(value);
  return {};
}

// RFC 4180, one line.
std::expected<std::vector<std::string>, Error> csv_fields(std::string_view line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
      fields.back() += '"';
      ++i;
    } else if (c == '"' && (quoted || fields.back().empty())) {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  if (quoted) return wrong("a quote is not closed");
  return fields;
}

class CsvReader {
 public:
  // nullopt: the line was the header, or it said nothing.
  std::expected<std::optional<StaticTexts>, Error> read(std::string_view line) {
    auto fields = csv_fields(line);
    if (!fields) return std::unexpected(std::move(fields.error()));
    if (header_.empty()) return read_header(std::move(*fields));
    if (fields->size() != header_.size())
      return wrong("it has " + std::to_string(fields->size()) + " fields, the first line has " +
                   std::to_string(header_.size()));
    StaticTexts texts;
    for (std::size_t i = 0; i < header_.size(); ++i)
      if (auto set = set_field(texts, header_[i], std::move((*fields)[i])); !set)
        return std::unexpected(std::move(set.error()));
    return texts;
  }

 private:
  std::expected<std::optional<StaticTexts>, Error> read_header(std::vector<std::string> names) {
    for (const std::string& name : names) {
      if (std::ranges::find(kFields, name) == kFields.end())
        return wrong("the first line names the fields, and '" + name +
                     "' is none of vrf, mac, client_id, circuit_id, remote_id, address, hostname, options");
      if (std::ranges::count(names, name) != 1) return wrong("field '" + name + "' is there twice");
    }
    header_ = std::move(names);
    return std::nullopt;
  }
  std::vector<std::string> header_;
};

std::expected<std::optional<StaticTexts>, Error> read_json(std::string_view line) {
  const auto json = api::parse_json(line, kLineMax);
  if (!json) return std::unexpected(json.error());
  if (!json->is_object()) return wrong("it is no JSON object");
  StaticTexts texts;
  for (const auto& [name, value] : json->items()) {
    if (name == "options") {
      if (!value.is_array()) return wrong("options are no list of texts");
      for (const api::Json& option : value) {
        if (!option.is_string()) return wrong("options are no list of texts");
        texts.options.push_back(option.get<std::string>());
      }
      continue;
    }
    if (!value.is_string()) return wrong(name + " is no text");
    if (auto set = set_field(texts, name, value.get<std::string>()); !set)
      return std::unexpected(std::move(set.error()));
  }
  return texts;
}

// What was there before, by line.
struct Seen {
  std::unordered_map<std::string, std::size_t> names, addresses;
};

std::optional<std::string> twice(std::unordered_map<std::string, std::size_t>& seen, const std::string& what,
                                 const std::string& text, std::size_t line) {
  const auto [at, first] = seen.try_emplace(what, line);
  if (first) return std::nullopt;
  return text + " is there already, in line " + std::to_string(at->second);
}

std::optional<std::string> fault_of(const StaticTexts& texts, std::size_t line, Seen& seen) {
  const auto entry = parse_static(texts);
  if (!entry) return entry.error().message;
  const std::string who = entry->vrf + "/" + std::string(kind_word(entry->kind)) + "/" + entry->identity;
  if (auto again = twice(seen.names, who, identity_text(*entry), line)) return again;
  if (entry->address.is_zero()) return std::nullopt;
  return twice(seen.addresses, entry->vrf + "/" + texts.address, texts.address, line);
}

}  // namespace

StaticFile read_static_file(std::istream& file, StaticFormat format) {
  StaticFile read;
  CsvReader csv;
  Seen seen;
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || line.front() == '#') continue;
    if (line.size() > kLineMax) {
      read.bad.push_back({number, "it is over 64 KiB long"});
      continue;
    }
    auto texts = format == StaticFormat::csv ? csv.read(line) : read_json(line);
    if (!texts) {
      read.bad.push_back({number, texts.error().message});
    } else if (*texts) {
      if (auto fault = fault_of(**texts, number, seen))
        read.bad.push_back({number, std::move(*fault)});
      else
        read.leases.push_back({number, std::move(**texts)});
    }
  }
  return read;
}

void write_static_header(std::ostream& file, StaticFormat format) {
  if (format == StaticFormat::csv)
    file << "vrf,mac,client_id,circuit_id,remote_id,address,hostname,options\n";
}

void write_static(std::ostream& file, StaticFormat format, const StaticTexts& texts) {
  if (format == StaticFormat::jsonl) {
    api::Json object = api::Json::object();
    const api::Json whole = api::to_json(texts);
    for (const auto& [name, value] : whole.items())
      if (!value.empty() && value != "") object[name] = value;
    file << api::dump_json(object) << '\n';
    return;
  }
  std::string options;
  for (const std::string& option : texts.options) options += (options.empty() ? "" : ";") + option;
  const std::array<const std::string*, 8> fields{&texts.vrf,        &texts.mac,       &texts.client_id,
                                                 &texts.circuit_id, &texts.remote_id, &texts.address,
                                                 &texts.hostname,   &options};
  for (std::size_t i = 0; i < fields.size(); ++i) file << (i == 0 ? "" : ",") << csv_field(*fields[i]);
  file << '\n';
}

}  // namespace xk::cli
