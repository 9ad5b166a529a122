#include "controlplane/bpfmaps/vlan_offload.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

namespace xk::bpfmaps {
namespace {

// The kernel's names of NETIF_F_HW_VLAN_CTAG_RX and NETIF_F_HW_VLAN_STAG_RX, and of the two _FILTER.
constexpr std::array<std::string_view, 2> kStrips = {"rx-vlan-hw-parse", "rx-vlan-stag-hw-parse"};
constexpr std::array<std::string_view, 2> kFilters = {"rx-vlan-filter", "rx-vlan-stag-filter"};

// An ethtool command and the array that follows it, in words so that it is aligned.
class Command {
 public:
  Command(std::uint32_t cmd, std::size_t bytes) : words_((bytes + 3) / 4) { words_[0] = cmd; }
  template <typename T>
  [[nodiscard]] T* as() {
    return reinterpret_cast<T*>(words_.data());
  }

 private:
  std::vector<std::uint32_t> words_;
};

// One interface, asked by its present name.
class Ethtool {
 public:
  [[nodiscard]] static Result<Ethtool> open(IfIndex ifindex) {
    Ethtool ethtool;
    if (::if_indextoname(ifindex.value, ethtool.name_.data()) == nullptr)
      return std::unexpected(errno_error("interface " + std::to_string(ifindex.value)));
    ethtool.socket_ = Fd{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    if (!ethtool.socket_) return std::unexpected(errno_error("socket"));
    return ethtool;
  }

  // The ioctl's value, which for ETHTOOL_SFEATURES tells what was not done.
  [[nodiscard]] Result<int> run(Command& command, const char* what) {
    ifreq request{};
    std::memcpy(request.ifr_name, name_.data(), name_.size());
    request.ifr_data = command.as<char>();
    const int value = ::ioctl(socket_.get(), SIOCETHTOOL, &request);
    if (value < 0) return std::unexpected(errno_error(std::string(what) + " of " + name_.data()));
    return value;
  }

 private:
  Fd socket_;
  std::array<char, IFNAMSIZ> name_{};
};

// All feature names of the kernel, in the order of their bits.
Result<std::vector<std::string>> feature_names(Ethtool& ethtool) {
  Command info(ETHTOOL_GSSET_INFO, sizeof(ethtool_sset_info) + sizeof(std::uint32_t));
  info.as<ethtool_sset_info>()->sset_mask = 1ull << ETH_SS_FEATURES;
  if (auto done = ethtool.run(info, "feature count"); !done) return std::unexpected(std::move(done.error()));
  const std::uint32_t count = info.as<ethtool_sset_info>()->data[0];

  Command strings(ETHTOOL_GSTRINGS, sizeof(ethtool_gstrings) + std::size_t{count} * ETH_GSTRING_LEN);
  strings.as<ethtool_gstrings>()->string_set = ETH_SS_FEATURES;
  strings.as<ethtool_gstrings>()->len = count;
  if (auto done = ethtool.run(strings, "feature names"); !done)
    return std::unexpected(std::move(done.error()));
  std::vector<std::string> names;
  for (std::uint32_t i = 0; i < count; ++i) {
    const char* at = reinterpret_cast<const char*>(strings.as<ethtool_gstrings>()->data) +
                     std::size_t{i} * ETH_GSTRING_LEN;
    names.emplace_back(at, ::strnlen(at, ETH_GSTRING_LEN));
  }
  return names;
}

std::size_t block_count(const std::vector<std::string>& names) { return (names.size() + 31) / 32; }

Result<std::vector<bool>> active_features(Ethtool& ethtool, const std::vector<std::string>& names) {
  const std::size_t blocks = block_count(names);
  Command get(ETHTOOL_GFEATURES, sizeof(ethtool_gfeatures) + blocks * sizeof(ethtool_get_features_block));
  get.as<ethtool_gfeatures>()->size = static_cast<std::uint32_t>(blocks);
  if (auto done = ethtool.run(get, "features"); !done) return std::unexpected(std::move(done.error()));
  std::vector<bool> active(names.size());
  for (std::size_t bit = 0; bit < names.size(); ++bit)
    active[bit] = (get.as<ethtool_gfeatures>()->features[bit / 32].active >> (bit % 32) & 1u) != 0;
  return active;
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

Result<VlanOffloads> active_vlan_offloads(IfIndex ifindex) {
  auto ethtool = Ethtool::open(ifindex);
  if (!ethtool) return std::unexpected(std::move(ethtool.error()));
  auto names = feature_names(*ethtool);
  if (!names) return std::unexpected(std::move(names.error()));
  auto active = active_features(*ethtool, *names);
  if (!active) return std::unexpected(std::move(active.error()));
  VlanOffloads found;
  for (std::size_t bit = 0; bit < names->size(); ++bit) {
    const std::string& name = (*names)[bit];
    if (!(*active)[bit]) continue;
    if (std::ranges::find(kStrips, name) != kStrips.end()) found.strips.push_back(name);
    if (std::ranges::find(kFilters, name) != kFilters.end()) found.filters.push_back(name);
  }
  return found;
}

Result<> set_vlan_offloads(IfIndex ifindex, const std::vector<std::string>& wanted, bool on) {
  if (wanted.empty()) return {};
  auto ethtool = Ethtool::open(ifindex);
  if (!ethtool) return std::unexpected(std::move(ethtool.error()));
  auto names = feature_names(*ethtool);
  if (!names) return std::unexpected(std::move(names.error()));
  const std::size_t blocks = block_count(*names);
  Command set(ETHTOOL_SFEATURES, sizeof(ethtool_sfeatures) + blocks * sizeof(ethtool_set_features_block));
  set.as<ethtool_sfeatures>()->size = static_cast<std::uint32_t>(blocks);
  for (std::size_t bit = 0; bit < names->size(); ++bit) {
    if (!contains(wanted, (*names)[bit])) continue;
    ethtool_set_features_block& block = set.as<ethtool_sfeatures>()->features[bit / 32];
    block.valid |= 1u << (bit % 32);
    if (on) block.requested |= 1u << (bit % 32);
  }
  if (auto done = ethtool->run(set, "setting features"); !done)
    return std::unexpected(std::move(done.error()));

  auto active = active_features(*ethtool, *names);
  if (!active) return std::unexpected(std::move(active.error()));
  std::string stubborn;
  for (std::size_t bit = 0; bit < names->size(); ++bit)
    if (contains(wanted, (*names)[bit]) && (*active)[bit] != on) stubborn += " " + (*names)[bit];
  if (stubborn.empty()) return {};
  return std::unexpected(Error{std::string("the driver keeps") + stubborn + (on ? " off" : " on")});
}

}  // namespace xk::bpfmaps
