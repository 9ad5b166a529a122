// ids.json: reading and writing.
#include <array>

#include <nlohmann/json.hpp>

#include "controlplane/reconcile/ids.h"
#include "controlplane/reconcile/state_file.h"

namespace xk {
namespace {

using nlohmann::json;

constexpr std::size_t kIdsFileMax = 64u * 1024 * 1024;
constexpr std::size_t kIdNameMax = 255;
constexpr int kIdsVersion = 1;

constexpr std::array<std::string_view, 3> kRoles{"client", "server", "handoff"};

Result<std::uint32_t> number(const json& object, const char* key, std::uint32_t min, std::uint32_t max) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_unsigned()) {
    return std::unexpected(damaged(std::string(key) + " is no number"));
  }
  const auto value = found->get<std::uint64_t>();
  if (value < min || value > max) {
    return std::unexpected(damaged(std::string(key) + " " + std::to_string(value) + " is not in " +
                                   std::to_string(min) + ".." + std::to_string(max)));
  }
  return static_cast<std::uint32_t>(value);
}

Result<std::string> text(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string() ||
      found->get_ref<const std::string&>().size() > kIdNameMax) {
    return std::unexpected(damaged(std::string(key) + " is no text of at most 255 bytes"));
  }
  return found->get<std::string>();
}

Result<const json*> list(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) {
    return std::unexpected(damaged(std::string(key) + " is no list"));
  }
  for (const json& entry : *found) {
    if (!entry.is_object()) return std::unexpected(damaged(std::string(key) + " holds what is no object"));
  }
  return &*found;
}

Result<std::pair<AttachmentName, AttachmentId>> attachment_of(const json& entry) {
  const auto id = number(entry, "id", 1, XK_ATTACHMENTS_MAX);
  const auto vrf = text(entry, "vrf");
  const auto interface = text(entry, "interface");
  const auto role = text(entry, "role");
  const auto outer = number(entry, "outer", 0, XK_VID_RESERVED - 1);
  const auto inner = number(entry, "inner", 0, XK_VID_RESERVED - 1);
  if (!id) return std::unexpected(id.error());
  if (!vrf) return std::unexpected(vrf.error());
  if (!interface) return std::unexpected(interface.error());
  if (!role) return std::unexpected(role.error());
  if (!outer) return std::unexpected(outer.error());
  if (!inner) return std::unexpected(inner.error());
  for (std::size_t i = 0; i < kRoles.size(); ++i) {
    if (kRoles.at(i) != *role) continue;
    return std::pair{
        AttachmentName{*vrf, static_cast<AttachmentRole>(i), *interface,
                       Vid{static_cast<std::uint16_t>(*outer)}, Vid{static_cast<std::uint16_t>(*inner)}},
        AttachmentId{*id}};
  }
  return std::unexpected(damaged("role " + *role));
}

Result<std::pair<std::string, PortIds>> port_of(const json& entry) {
  const auto name = text(entry, "name");
  const auto id = number(entry, "id", 0, 65535);
  const auto base = number(entry, "xsk_base", 0, XK_XSKS_MAX);
  const auto count = number(entry, "xsk_count", 0, XK_XSKS_MAX);
  if (!name) return std::unexpected(name.error());
  if (!id) return std::unexpected(id.error());
  if (!base) return std::unexpected(base.error());
  if (!count) return std::unexpected(count.error());
  if (*base + *count > XK_XSKS_MAX) return std::unexpected(damaged("xsk_base + xsk_count of " + *name));
  return std::pair{
      *name, PortIds{PortId{static_cast<std::uint16_t>(*id)}, *base, static_cast<std::uint16_t>(*count)}};
}

// Whether every id, and every socket index, belongs to one name only.
template <typename Map, typename IdOf>
bool unique_ids(const Map& map, IdOf id_of) {
  std::set<std::uint32_t> seen;
  for (const auto& [name, value] : map) {
    if (!seen.insert(id_of(value)).second) return false;
  }
  return true;
}

bool stretches_apart(const std::map<std::string, PortIds>& ports) {
  std::map<std::uint32_t, std::uint32_t> stretches;
  for (const auto& [name, port] : ports) {
    if (port.xsk_count == 0) continue;
    if (!stretches.emplace(port.xsk_base, port.xsk_base + port.xsk_count).second) return false;
  }
  std::uint32_t end = 0;
  for (const auto& [first, last] : stretches) {
    if (first < end) return false;
    end = last;
  }
  return true;
}

}  // namespace

Result<IdTable> IdTable::parse(std::string_view bytes) {
  if (bytes.size() > kIdsFileMax) return std::unexpected(damaged("larger than 64 MiB"));
  const json root = json::parse(bytes, nullptr, false);
  if (root.is_discarded() || !root.is_object()) return std::unexpected(damaged("no JSON object"));
  if (const auto version = number(root, "version", kIdsVersion, kIdsVersion); !version) {
    return std::unexpected(version.error());
  }
  IdTable table;
  const auto next_vrf = number(root, "next_vrf", 1, XK_VRFS_MAX);
  const auto next_attachment = number(root, "next_attachment", 1, XK_ATTACHMENTS_MAX);
  if (!next_vrf) return std::unexpected(next_vrf.error());
  if (!next_attachment) return std::unexpected(next_attachment.error());
  table.next_vrf_ = *next_vrf;
  table.next_attachment_ = *next_attachment;

  const auto vrfs = list(root, "vrfs");
  const auto attachments = list(root, "attachments");
  const auto ports = list(root, "ports");
  if (!vrfs) return std::unexpected(vrfs.error());
  if (!attachments) return std::unexpected(attachments.error());
  if (!ports) return std::unexpected(ports.error());
  for (const json& entry : **vrfs) {
    const auto name = text(entry, "name");
    const auto id = number(entry, "id", 1, XK_VRFS_MAX);
    if (!name) return std::unexpected(name.error());
    if (!id) return std::unexpected(id.error());
    if (!table.vrfs_.emplace(*name, VrfId{*id}).second)
      return std::unexpected(damaged("vrf " + *name + " twice"));
    if (!entry.contains("directory")) continue;
    const auto directory = text(entry, "directory");
    if (!directory) return std::unexpected(directory.error());
    if (directory->empty() || directory->front() == '.' || directory->contains('/'))
      return std::unexpected(damaged("directory of vrf " + *name));
    table.directories_[*name] = *directory;
  }
  for (const json& entry : **attachments) {
    auto attachment = attachment_of(entry);
    if (!attachment) return std::unexpected(attachment.error());
    if (!table.attachments_.insert(std::move(*attachment)).second) {
      return std::unexpected(damaged("an attachment twice"));
    }
  }
  for (const json& entry : **ports) {
    auto port = port_of(entry);
    if (!port) return std::unexpected(port.error());
    if (!table.ports_.insert(std::move(*port)).second) return std::unexpected(damaged("a port twice"));
  }
  std::set<std::string> directories;
  for (const auto& [name, id] : table.vrfs_) {
    if (!directories.insert(table.directory(name)).second)
      return std::unexpected(damaged("vrf " + name + " has another's directory"));
  }
  const auto value_of = [](auto id) { return std::uint32_t{id.value}; };
  if (!unique_ids(table.vrfs_, value_of) || !unique_ids(table.attachments_, value_of) ||
      !unique_ids(table.ports_, [](const PortIds& port) { return std::uint32_t{port.id.value}; }) ||
      !stretches_apart(table.ports_)) {
    return std::unexpected(damaged("an id belongs to two names"));
  }
  table.find_taken();
  table.all_idle();
  return table;
}

std::string IdTable::to_json() const {
  json vrfs = json::array();
  for (const auto& [name, id] : vrfs_) {
    json& entry = vrfs.emplace_back(json{{"name", name}, {"id", id.value}});
    if (const auto own = directories_.find(name); own != directories_.end()) entry["directory"] = own->second;
  }
  json attachments = json::array();
  for (const auto& [name, id] : attachments_) {
    attachments.push_back({{"id", id.value},
                           {"vrf", name.vrf},
                           {"role", kRoles.at(static_cast<std::size_t>(name.role))},
                           {"interface", name.interface},
                           {"outer", name.outer.value},
                           {"inner", name.inner.value}});
  }
  json ports = json::array();
  for (const auto& [name, port] : ports_) {
    ports.push_back(
        {{"name", name}, {"id", port.id.value}, {"xsk_base", port.xsk_base}, {"xsk_count", port.xsk_count}});
  }
  const json root = {{"version", kIdsVersion},
                     {"next_vrf", next_vrf_},
                     {"next_attachment", next_attachment_},
                     {"vrfs", std::move(vrfs)},
                     {"attachments", std::move(attachments)},
                     {"ports", std::move(ports)}};
  return root.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<IdTable> IdTable::load(const std::string& path) {
  const auto bytes = read_state_file(path, kIdsFileMax);
  if (!bytes) return std::unexpected(bytes.error());
  if (!*bytes) return IdTable{};
  auto table = parse(**bytes);
  if (!table) {
    return std::unexpected(Error{path + ": " + table.error().message +
                                 "; put back a copy, or stop with --teardown and delete the file: new ids "
                                 "are handed out then"});
  }
  return table;
}

Result<> IdTable::save(const std::string& path) const { return write_state_file(path, to_json()); }

}  // namespace xk
