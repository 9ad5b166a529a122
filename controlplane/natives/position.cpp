#include "controlplane/natives/position.h"

#include <simdjson.h>

#include "dataplane/base/hex.h"

namespace xk::natives {
namespace {

constexpr std::string_view kPrefix = "/xdp-kea/v1/vrf/";
constexpr std::string_view kSuffix = "/native";

void number(std::string& out, const char* name, std::uint64_t value) {
  out += std::string(",\"") + name + "\":" + std::to_string(value);
}

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      append_hex(out, {&c, 1});
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace

std::string position_key(std::string_view vrf) {
  return std::string(kPrefix) + std::string(vrf) + std::string(kSuffix);
}

std::optional<std::string> vrf_of_position_key(std::string_view key) {
  if (!key.starts_with(kPrefix) || !key.ends_with(kSuffix) || key.size() <= kPrefix.size() + kSuffix.size())
    return std::nullopt;
  const std::string_view vrf = key.substr(kPrefix.size(), key.size() - kPrefix.size() - kSuffix.size());
  if (vrf.find('/') != vrf.npos) return std::nullopt;
  return std::string(vrf);
}

std::string to_json(const Position& position) {
  std::string out = "{\"v\":1,\"machine\":" + json_text(position.machine) +
                    ",\"directory\":" + json_text(position.directory);
  if (position.ended) out += ",\"ended\":true";
  number(out, "revision", position.tail.revision);
  number(out, "journal", position.tail.journal);
  number(out, "at", position.tail.at);
  number(out, "sum", position.tail.sum);
  if (position.tail.missed != 0) number(out, "missed", position.tail.missed);
  out += ",\"ahead_ms\":" + std::to_string(position.ahead_ms) + "}";
  return out;
}

std::expected<Position, Error> parse_position(std::string_view json) {
  const auto refuse = [](const char* what) {
    return std::unexpected(Error{std::string("the place in a journal has no good '") + what + "'"});
  };
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(json.data(), json.size()).get(object) != simdjson::SUCCESS)
    return std::unexpected(Error{"the place in a journal is no JSON object"});
  Position position;
  std::uint64_t version = 0;
  if (object["v"].get(version) != simdjson::SUCCESS || version != 1) return refuse("v");
  std::string_view directory;
  if (object["directory"].get(directory) != simdjson::SUCCESS) return refuse("directory");
  position.directory = directory;
  std::string_view machine;
  if (object["machine"].get(machine) != simdjson::SUCCESS) return refuse("machine");
  position.machine = machine;
  if (const auto ended = object["ended"]; ended.error() == simdjson::SUCCESS)
    if (ended.get(position.ended) != simdjson::SUCCESS) return refuse("ended");
  std::uint64_t sum = 0;
  if (object["revision"].get(position.tail.revision) != simdjson::SUCCESS) return refuse("revision");
  if (object["journal"].get(position.tail.journal) != simdjson::SUCCESS) return refuse("journal");
  if (object["at"].get(position.tail.at) != simdjson::SUCCESS) return refuse("at");
  if (object["sum"].get(sum) != simdjson::SUCCESS || sum > 0xffffffffu) return refuse("sum");
  position.tail.sum = static_cast<std::uint32_t>(sum);
  if (const auto missed = object["missed"]; missed.error() == simdjson::SUCCESS)
    if (missed.get(position.tail.missed) != simdjson::SUCCESS) return refuse("missed");
  if (object["ahead_ms"].get(position.ahead_ms) != simdjson::SUCCESS) return refuse("ahead_ms");
  return position;
}

store::StoreResult<std::optional<Position>> read_position(store::Store& store, const std::string& vrf) {
  const auto found = store.range({.from = position_key(vrf), .to = {}});
  if (!found) return std::unexpected(found.error());
  if (found->items.empty()) return std::optional<Position>();
  auto position = parse_position(found->items.front().value);
  return position ? std::optional(std::move(*position)) : std::nullopt;
}

store::Operation put_position(const std::string& vrf, const Position& position) {
  store::Operation put;
  put.key = position_key(vrf);
  put.value = to_json(position);
  return put;
}

store::StoreResult<> write_position(store::Store& store, const std::string& vrf, const Position& position) {
  auto done = store.commit_and_wait({.when = {}, .then = {put_position(vrf, position)}, .otherwise = {}});
  if (!done) return std::unexpected(std::move(done.error()));
  return {};
}

store::StoreResult<> erase_position(store::Store& store, const std::string& vrf) {
  store::Operation erase;
  erase.kind = store::Operation::Kind::erase;
  erase.key = position_key(vrf);
  auto done = store.commit_and_wait({.when = {}, .then = {std::move(erase)}, .otherwise = {}});
  if (!done) return std::unexpected(std::move(done.error()));
  return {};
}

}  // namespace xk::natives
