#include "bench/gen/mailbox.h"

#include <string_view>

namespace xk::gen {

std::unique_ptr<Mailbox> open_mailbox(const std::string& wire) {
  constexpr std::string_view kMemif = "memif:";
  return wire.starts_with(kMemif) ? open_memif(wire.substr(kMemif.size())) : open_xdp(wire);
}

}  // namespace xk::gen
