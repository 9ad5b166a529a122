#include "controlplane/statics/kea_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <set>

#include "controlplane/model/option_bytes.h"

namespace xk::statics {
namespace {

constexpr std::string_view kHead = "xdp-kea-static 1\n";
constexpr std::string_view kEnding = ".leases";
constexpr std::size_t kKeaPage = 4096;
constexpr std::size_t kLinesExtra = 10'000;  // so many more than leases, and the file is made anew

std::string hex_or_dash(std::string_view bytes) { return bytes.empty() ? "-" : hex_of_bytes(bytes); }

std::string who_of(const StaticEntry& entry) {
  return std::string(kind_word(entry.kind)) + " " + hex_of_bytes(entry.identity);
}

std::string line_of(const StaticEntry& entry) {
  const auto lease = render_static(entry, VrfId{1});
  if (!lease) return {};  // it was rendered when it was taken
  std::string address;
  for (int shift = 24; shift >= 0 && !entry.address.is_zero(); shift -= 8)
    address.push_back(static_cast<char>(entry.address.value >> shift & 0xff));
  return "+ " + who_of(entry) + " " + hex_or_dash(address) + " " + hex_or_dash(lease->options) + "\n";
}

Result<> write_whole(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return std::unexpected(errno_error("cannot write " + path));
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

std::string KeaFiles::path_of(const std::string& directory, const std::string& vrf) {
  return directory + "/" + vrf + std::string(kEnding);
}

Result<> KeaFiles::make_directory() const {
  if (::mkdir(directory_.c_str(), 0755) == 0 || errno == EEXIST) return {};
  return std::unexpected(errno_error("cannot make " + directory_));
}

Result<> KeaFiles::write_all() {
  if (auto made = make_directory(); !made) return made;
  files_.clear();
  std::set<std::string> kept;
  for (const std::string& vrf : leases_.vrfs()) {
    if (auto written = write_vrf(vrf); !written) return written;
    kept.insert(path_of(directory_, vrf));
  }
  std::error_code failed;
  for (const auto& file : std::filesystem::directory_iterator(directory_, failed)) {
    if (!kept.contains(file.path().string())) ::unlink(file.path().c_str());
  }
  return {};
}

// Complete before it has its name.
Result<> KeaFiles::write_vrf(const std::string& vrf) {
  const std::string path = path_of(directory_, vrf);
  const std::string fresh = path + ".new";
  File file{Fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640)),
            0};
  if (!file.fd) return std::unexpected(errno_error("cannot write " + fresh));
  if (::fchown(file.fd.get(), static_cast<uid_t>(-1), group_of_(vrf)) != 0)
    return std::unexpected(errno_error("cannot let Kea's user read " + fresh));
  if (auto written = write_whole(file.fd.get(), kHead, fresh); !written) return written;
  std::vector<StaticEntry> page = leases_.page(vrf, nullptr, kKeaPage);
  while (!page.empty()) {
    std::string text;
    for (const StaticEntry& entry : page) text += line_of(entry);
    if (auto written = write_whole(file.fd.get(), text, fresh); !written) return written;
    file.lines += page.size();
    const StaticEntry last = std::move(page.back());
    page = leases_.page(vrf, &last, kKeaPage);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0)
    return std::unexpected(errno_error("cannot replace " + path));
  files_.insert_or_assign(vrf, std::move(file));
  return {};
}

Result<> KeaFiles::changed(const std::vector<Change>& changes) {
  std::map<std::string, std::string> added;  // by VRF
  std::map<std::string, std::size_t> lines;
  // As the dataplane is told: what goes makes room for what comes.
  for (const Change& change : changes) {
    if (!change.before || change.after) continue;
    added[change.before->vrf] += "- " + who_of(*change.before) + "\n";
    ++lines[change.before->vrf];
  }
  for (const Change& change : changes) {
    if (!change.after) continue;
    added[change.after->vrf] += line_of(*change.after);
    ++lines[change.after->vrf];
  }
  for (const auto& [vrf, text] : added) {
    const auto file = files_.find(vrf);
    const bool whole =
        file == files_.end() || file->second.lines + lines[vrf] > 2 * leases_.size(vrf) + kLinesExtra;
    if (whole) {
      if (auto made = make_directory(); !made) return made;
      if (auto written = write_vrf(vrf); !written) return written;
      continue;
    }
    if (auto written = write_whole(file->second.fd.get(), text, path_of(directory_, vrf)); !written) {
      files_.erase(file);  // it is made anew next time
      return written;
    }
    file->second.lines += lines[vrf];
  }
  return {};
}

}  // namespace xk::statics
