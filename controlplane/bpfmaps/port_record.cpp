#include "controlplane/bpfmaps/port_record.h"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include <nlohmann/json.hpp>

namespace xk::bpfmaps {
namespace {

std::string boot_id() {
  std::string id;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id") >> std::ws, id);
  return id;
}

constexpr std::string_view kSuffix = ".json";

}  // namespace

std::vector<IfIndex> numbered_files(const std::string& directory, std::string_view suffix) {
  std::vector<IfIndex> found;
  std::error_code unreadable;
  for (const auto& entry : std::filesystem::directory_iterator(directory, unreadable)) {
    const std::string file = entry.path().filename();
    IfIndex ifindex;
    const auto [end, bad] = std::from_chars(file.data(), file.data() + file.size(), ifindex.value);
    const std::string_view rest(end, static_cast<std::size_t>(file.data() + file.size() - end));
    if (bad == std::errc{} && rest == suffix) found.push_back(ifindex);
  }
  return found;
}

std::vector<IfIndex> PortRecords::list() const { return numbered_files(directory_, kSuffix); }

std::string PortRecords::path(IfIndex ifindex) const {
  return directory_ + "/" + std::to_string(ifindex.value).append(kSuffix);
}

Result<> PortRecords::put(const PortRecord& record) const {
  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  if (error) return std::unexpected(errno_error("making directory " + directory_, error.value()));
  const nlohmann::json json = {{"boot_id", boot_id()},      {"ifindex", record.ifindex.value},
                               {"name", record.name},       {"offloads", record.offloads},
                               {"warning", record.warning}, {"forced_generic", record.forced_generic}};
  const std::string file = path(record.ifindex);
  const std::string fresh = file + ".new";
  {
    std::ofstream out(fresh, std::ios::trunc);
    out << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
    out.flush();
    if (!out) return std::unexpected(Error{"writing " + fresh + " failed"});
  }
  std::filesystem::rename(fresh, file, error);
  if (error) return std::unexpected(errno_error("renaming " + fresh, error.value()));
  return {};
}

std::optional<PortRecord> PortRecords::get(IfIndex ifindex) const {
  std::ifstream in(path(ifindex));
  if (!in) return std::nullopt;
  std::ostringstream text;
  text << in.rdbuf();
  try {
    const nlohmann::json json = nlohmann::json::parse(text.str());
    if (json.at("boot_id").get<std::string>() != boot_id()) return std::nullopt;
    PortRecord record;
    record.ifindex = ifindex;
    record.name = json.at("name").get<std::string>();
    record.offloads = json.at("offloads").get<std::vector<std::string>>();
    record.warning = json.at("warning").get<std::string>();
    record.forced_generic = json.at("forced_generic").get<bool>();
    return record;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

void PortRecords::remove(IfIndex ifindex) const {
  std::error_code ignored;
  std::filesystem::remove(path(ifindex), ignored);
}

}  // namespace xk::bpfmaps
