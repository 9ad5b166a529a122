#include "controlplane/reconcile/admin.h"

#include <nlohmann/json.hpp>

#include "controlplane/reconcile/state_file.h"

namespace xk {
namespace {

using nlohmann::json;

constexpr std::size_t kAdminFileMax = 4u * 1024 * 1024;
constexpr std::size_t kVrfNameMax = 255;
constexpr std::size_t kVrfsMax = 2 * XK_VRFS_MAX;  // some of which are gone, and not forgotten yet
constexpr int kAdminVersion = 1;
constexpr const char* kDraining = "draining";
constexpr const char* kDeleted = "deleted";

}  // namespace

Result<AdminTable> AdminTable::parse(std::string_view bytes) {
  if (bytes.size() > kAdminFileMax) return std::unexpected(damaged("larger than 4 MiB"));
  const json root = json::parse(bytes, nullptr, false);
  if (root.is_discarded() || !root.is_object()) return std::unexpected(damaged("no JSON object"));
  const auto version = root.find("version");
  if (version == root.end() || *version != json(kAdminVersion))
    return std::unexpected(damaged("not version 1"));
  const auto vrfs = root.find("vrfs");
  if (vrfs == root.end() || !vrfs->is_object()) return std::unexpected(damaged("vrfs is no object"));
  if (vrfs->size() > kVrfsMax) return std::unexpected(damaged("too many VRFs"));
  AdminTable table;
  for (const auto& [name, state] : vrfs->items()) {
    if (name.empty() || name.size() > kVrfNameMax) return std::unexpected(damaged("a VRF's name"));
    if (state != json(kDraining) && state != json(kDeleted))
      return std::unexpected(damaged("the state of vrf " + name));
    table.states_[name] = state == json(kDraining) ? AdminState::draining : AdminState::deleted;
  }
  return table;
}

std::string AdminTable::to_json() const {
  json vrfs = json::object();
  for (const auto& [name, state] : states_) vrfs[name] = state == AdminState::draining ? kDraining : kDeleted;
  const json root = {{"version", kAdminVersion}, {"vrfs", std::move(vrfs)}};
  return root.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<AdminTable> AdminTable::load(const std::string& path) {
  const auto bytes = read_state_file(path, kAdminFileMax);
  if (!bytes) return std::unexpected(bytes.error());
  if (!*bytes) return AdminTable{};
  auto table = parse(**bytes);
  if (!table) {
    return std::unexpected(Error{path + ": " + table.error().message +
                                 "; put back a copy, or delete the file: every VRF is then served as it is "
                                 "configured"});
  }
  return table;
}

Result<> AdminTable::save(const std::string& path) const { return write_state_file(path, to_json()); }

std::optional<AdminState> AdminTable::find(const std::string& vrf) const {
  const auto found = states_.find(vrf);
  return found == states_.end() ? std::nullopt : std::optional(found->second);
}

std::set<std::string> AdminTable::all(AdminState state) const {
  std::set<std::string> names;
  for (const auto& [name, each] : states_) {
    if (each == state) names.insert(name);
  }
  return names;
}

void AdminTable::set(const std::string& vrf, std::optional<AdminState> state) {
  if (state) {
    states_[vrf] = *state;
  } else {
    states_.erase(vrf);
  }
}

std::set<std::string> AdminTable::names() const {
  std::set<std::string> names;
  for (const auto& [name, each] : states_) names.insert(name);
  return names;
}

void AdminTable::rename(const std::map<std::string, std::string>& names) {
  const std::map<std::string, AdminState> before = states_;
  for (const auto& [from, to] : names) {
    states_.erase(from);
    states_.erase(to);
  }
  for (const auto& [from, to] : names) {
    if (const auto state = before.find(from); state != before.end()) states_[to] = state->second;
  }
}

bool AdminTable::keep_only(const std::set<std::string>& vrfs) {
  return std::erase_if(states_, [&vrfs](const auto& entry) { return !vrfs.contains(entry.first); }) > 0;
}

}  // namespace xk
