#include "bpf/shared/limits.h"
#include "dataplane/ipc/messages.h"
#include "dataplane/ipc/wire.h"

namespace xk::ipc {
namespace {

constexpr std::uint32_t kStaticMagic = 0x786b6c31;  // "xkl1": changes with the format
constexpr std::size_t kChangeMin = 15;              // bytes of the shortest

void static_change(auto& wire, auto& change) {
  wire.flag(change.erase);
  wire.number(change.lease.vrf);
  wire.choice(change.lease.kind, StaticKind::circuit);
  wire.text(change.lease.identity, static_cast<std::uint16_t>(kStaticIdentityMax));
  wire.address(change.lease.address);
  wire.text(change.lease.options, static_cast<std::uint16_t>(kStaticOptionsMax));
  wire.check(!change.erase || (change.lease.address.is_zero() && change.lease.options.empty()),
             "an erased static lease with an address or options");
  if constexpr (std::remove_cvref_t<decltype(wire)>::kReading) {
    if (!wire.ok()) return;
  }
  wire.check(wrong_with_static_lease(change.lease).empty(), "a static lease that is none");
}

}  // namespace

std::vector<std::uint8_t> encode_static_changes(const std::vector<StaticChange>& changes) {
  WireWriter wire;
  wire.number(kStaticMagic);
  wire.list(changes, kStaticChangesMax, kChangeMin,
            [](auto& w, const StaticChange& change) { static_change(w, change); });
  if (wire.why() != nullptr) return {};
  std::vector<std::uint8_t> bytes = wire.take();
  if (bytes.size() > kStaticBytesMax) return {};
  return bytes;
}

std::expected<std::vector<StaticChange>, Error> decode_static_changes(Bytes bytes) {
  if (bytes.size() > kStaticBytesMax) return std::unexpected(Error{"static leases: too many at once"});
  WireReader wire(bytes);
  std::uint32_t magic = 0;
  wire.number(magic);
  wire.check(magic == kStaticMagic, "of another format or none");
  std::vector<StaticChange> changes;
  if (wire.ok())
    wire.list(changes, kStaticChangesMax, kChangeMin,
              [](auto& w, StaticChange& change) { static_change(w, change); });
  wire.check(wire.left() == 0, "bytes past the end");
  if (!wire.ok()) return std::unexpected(wire.error("static leases"));
  return changes;
}

}  // namespace xk::ipc
