// What the replies of static leases and those of the native engine have in common: what is said whether it is
// asked for or not, and what the levels of the configuration have to say.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "dataplane/base/bytes.h"
#include "dataplane/serve/native_plan.h"
#include "dataplane/serve/reply_message.h"
#include "dataplane/serve/server_request.h"

namespace xk {

inline constexpr std::size_t kEchoedMax = 2 + 255 + 2 + 4;  // bytes

// Whole options that come back to who sent them: the client's FQDN (RFC 4702) and its subnet selection (RFC
// 3011 3).
void write_echoed(const ServerRequest& request, ByteWriter& more);

// The largest message that who asks takes (RFC 2132 9.10); BOOTP clients take 300 bytes, or as many as they
// sent (RFC 1542 2.1).
[[nodiscard]] std::size_t reply_max(const ServerRequest& request);

// The layers of a reply in a VRF of the native engine, each in the place of those before it: subnet, pool
// (may be null), the client's classes, the first one last. Borrows from the plan.
class ReplyLayers {
 public:
  ReplyLayers(const NativePlan& plan, const SubnetEntry& subnet, const NativePool* pool,
              std::uint32_t classes);
  void add(Bytes options) {
    if (!options.empty()) layers_[count_++] = options;
  }
  [[nodiscard]] std::span<const Bytes> all() const { return std::span(layers_).first(count_); }
  Ip4 next_server{};
  std::string_view boot_file;

 private:
  // The client's own are behind those of its classes.
  static_assert(kReplyLayersMax >= 3 + kNativeClassesMax);
  std::array<Bytes, kReplyLayersMax> layers_;
  std::size_t count_ = 0;
};

}  // namespace xk
