// Any bytes are a good configuration or a list of mistakes; a good one survives "config show".
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "controlplane/config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto model = xk::parse_config(text, "fuzz");
  if (!model) {
    if (model.error().empty()) std::abort();
    for (const xk::ConfigError& error : model.error()) {
      if (error.message.empty() || error.text().find('\n') != std::string::npos) std::abort();
    }
    return 0;
  }
  const auto again = xk::parse_config(xk::show_config(*model), "shown");
  if (!again || *again != *model) std::abort();
  return 0;
}
