#include "controlplane/kea/dialect.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <vector>

namespace xk::kea {

namespace {

// The number at the front of text, which it is taken off with the dot behind it; 0 if there is none.
unsigned take_number(std::string_view& text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return 0;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text.starts_with('.')) text.remove_prefix(1);
  return number;
}

}  // namespace

Dialect dialect_of(std::string_view version) {
  const unsigned major = take_number(version);
  const unsigned minor = take_number(version);
  // 2.7 is the development series of 3.0.
  if (major > 2 || (major == 2 && minor >= 7))
    return Dialect{.control_sockets = true, .output_options = "output-options"};
  return Dialect{};
}

std::string find_hook(const std::string& binary, const std::string& library) {
  namespace fs = std::filesystem;
  std::error_code error;
  // /usr/sbin/kea-dhcp4 -> /usr/lib
  const fs::path lib = fs::path(binary).parent_path().parent_path() / "lib";
  std::vector<fs::path> folders{lib / "kea" / "hooks"};
  for (fs::directory_iterator entry(lib, error), end; !error && entry != end; entry.increment(error))
    folders.push_back(entry->path() / "kea" / "hooks");
  std::sort(folders.begin(), folders.end());
  for (const fs::path& folder : folders) {
    if (fs::is_regular_file(folder / library, error)) return (folder / library).string();
  }
  return {};
}

}  // namespace xk::kea
