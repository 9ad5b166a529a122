// What an operator has decided about VRFs, beside the configuration: kept over reloads and restarts in
// <state_dir>/admin.json, until it is taken back, or the VRF was there and is neither configured nor
// discovered any more.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "controlplane/reconcile/ports.h"

namespace xk {

enum class AdminState : std::uint8_t {
  draining,  // takes no new clients; those it knows are served
  deleted,   // not served, whatever configuration and discovery say
};

class AdminTable {
 public:
  // A missing file is an empty table; a damaged one is an error that says what to do about it.
  [[nodiscard]] static Result<AdminTable> load(const std::string& path);
  [[nodiscard]] Result<> save(const std::string& path) const;
  [[nodiscard]] static Result<AdminTable> parse(std::string_view json);
  [[nodiscard]] std::string to_json() const;

  [[nodiscard]] std::optional<AdminState> find(const std::string& vrf) const;
  [[nodiscard]] std::set<std::string> all(AdminState state) const;
  // nullopt: as configured.
  void set(const std::string& vrf, std::optional<AdminState> state);
  [[nodiscard]] std::set<std::string> names() const;
  // VRFs that have other names now (before -> now), all at once: two may change theirs with one another.
  // What else had one of the new names is forgotten.
  void rename(const std::map<std::string, std::string>& names);
  // Forgets all others; true if there were any.
  bool keep_only(const std::set<std::string>& vrfs);

  friend bool operator==(const AdminTable&, const AdminTable&) = default;

 private:
  std::map<std::string, AdminState> states_;
};

}  // namespace xk
