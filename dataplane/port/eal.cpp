#include "dataplane/port/eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <sstream>

namespace xk {
namespace {

// "0@(0,2,3)": lcore 0 on every CPU this thread may use, or EAL would pin it to the first.
std::string lcore_map() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) CPU_SET(0, &allowed);
  std::string cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    if (!cpus.empty()) cpus += ',';
    cpus += std::to_string(cpu);
  }
  return "--lcores=0@(" + cpus + ")";
}

std::uint64_t meminfo_number(const std::string& key) {
  std::ifstream file("/proc/meminfo");
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with(key + ":")) continue;
    std::istringstream fields(line.substr(key.size() + 1));
    std::uint64_t number = 0;
    fields >> number;
    return number;
  }
  return 0;
}

}  // namespace

bool is_pci_device(const std::string& device) {
  const std::string name = device.substr(0, device.find(','));
  const auto is_address_character = [](unsigned char c) {
    return std::isxdigit(c) != 0 || c == ':' || c == '.';
  };
  return name.starts_with("pci:") ||
         (name.find(':') != std::string::npos && std::ranges::all_of(name, is_address_character));
}

bool hugepages_free(std::uint32_t memory_mib) {
  const std::uint64_t page_kib = meminfo_number("Hugepagesize");
  return meminfo_number("HugePages_Free") * page_kib >= std::uint64_t{memory_mib} * 1024 && page_kib != 0;
}

std::expected<void, Error> init_eal(const EalOptions& options) {
  std::vector<std::string> arguments = {"xdp-kea-dataplane", "--no-shconf",        "--no-telemetry",
                                        "--iova-mode=va",    "--log-level=notice", lcore_map()};
  arguments.push_back("--log-level=lib.eal:error");  // it warns of every hugepage size it does not find
  // --no-huge implies legacy memory, which --in-memory refuses; without hugepages and shared
  // configuration nothing is left in files either way.
  if (hugepages_free(options.memory_mib))
    arguments.emplace_back("--in-memory");
  else
    arguments.insert(arguments.end(), {"--no-huge", "-m", std::to_string(options.memory_mib)});
  bool pci = false;
  for (const std::string& device : options.devices) {
    if (!is_pci_device(device)) continue;
    pci = true;
    arguments.insert(arguments.end(), {"-a", device});
  }
  if (!pci) arguments.emplace_back("--no-pci");

  // EAL permutes the array of pointers and keeps them: both live as long as the process.
  static std::vector<std::string> kept;
  static std::vector<char*> argv;
  kept = std::move(arguments);
  argv.clear();
  for (std::string& argument : kept) argv.push_back(argument.data());
  argv.push_back(nullptr);
  if (rte_eal_init(static_cast<int>(kept.size()), argv.data()) < 0) {
    std::string text;
    for (const std::string& argument : kept) text += " " + argument;
    return std::unexpected(
        Error{"cannot initialize DPDK's EAL: " + std::string(rte_strerror(rte_errno)) + " (with" + text + ")",
              rte_errno});
  }
  return {};
}

void cleanup_eal() { rte_eal_cleanup(); }

}  // namespace xk
