#include "dataplane/ipc/messages.h"

#include "bpf/shared/limits.h"
#include "dataplane/ipc/wire.h"

namespace xk::ipc {
namespace {

// In front of every datagram: magic, version, kind (the message's place in the variant).
constexpr std::uint16_t kMagic = 0x786b;  // "xk"

constexpr std::uint32_t kFramesMax = 1u << 20;
constexpr std::uint32_t kRingMax = 1u << 16;

template <typename Wire>
void ring(Wire& wire, auto& size) {
  wire.number(size);
  wire.check(std::has_single_bit(size) && size <= kRingMax, "ring size is no power of two in bounds");
}

template <typename Wire>
void describe(Wire& wire, auto& geometry)
  requires std::same_as<std::remove_cvref_t<decltype(geometry)>, UmemGeometry>
{
  wire.number(geometry.frame_size);
  // The kernel's rule for aligned frames: a power of two from 2 KiB to a page (net/xdp/xdp_umem.c).
  wire.check(geometry.frame_size == 2048 || geometry.frame_size == 4096, "frame size");
  wire.number(geometry.frame_count);
  wire.check(geometry.frame_count >= 1 && geometry.frame_count <= kFramesMax, "frame count");
  wire.number(geometry.rx_frames);
  wire.check(geometry.rx_frames <= geometry.frame_count, "more receive frames than frames");
  ring(wire, geometry.fill_size);
  ring(wire, geometry.completion_size);
  ring(wire, geometry.rx_size);
  ring(wire, geometry.tx_size);
}

template <typename M, typename T>
concept Is = std::same_as<std::remove_cvref_t<M>, T>;

void describe(auto& wire, Is<Hello> auto& hello) {
  wire.number(hello.version);
  wire.number(hello.pid);
  wire.number(hello.generation);
  wire.list(hello.held_ports, kPortsMax, 4, [](auto& w, auto& ifindex) { w.number(ifindex); });
}

void describe(auto& wire, Is<Settings> auto& settings) {
  wire.text(settings.user, kNameMax);
  wire.list(settings.lcores, kLcoreSettingsMax, 5, [](auto& w, auto& lcore) {
    w.number(lcore.cpu);
    w.number(lcore.loops);
    w.check(lcore.loops != 0 && lcore.loops <= (kLoopRx | kLoopVrf | kLoopTx), "loops of an lcore");
  });
  wire.number(settings.buffers);
  wire.number(settings.idle_spin_us);
  wire.number(settings.memory_mib);
  wire.list(settings.ethdevs, kEthdevsMax, 6, [](auto& w, auto& ethdev) {
    w.text(ethdev.name, kNameMax);
    w.text(ethdev.device, kDeviceMax);
    w.text(ethdev.exception_device, kDeviceMax);
  });
}

void describe(auto& wire, Is<PortSockets> auto& port) {
  wire.number(port.ifindex);
  wire.text(port.name, kNameMax);
  wire.number(port.queues);
  wire.check(port.queues >= 1 && port.queues <= kDescriptorsMax / 2, "number of queues");
  wire.flag(port.zero_copy);
  describe(wire, port.geometry);
}

void describe(auto& wire, Is<ReleasePorts> auto& release) {
  wire.list(release.ifindexes, kPortsMax, 4, [](auto& w, auto& ifindex) { w.number(ifindex); });
}

void describe(auto& wire, Is<Publish> auto& publish) {
  wire.number(publish.generation);
  wire.number(publish.bytes);
  wire.check(publish.bytes <= kSnapshotMax, "snapshot too big");
}

void describe(auto& wire, Is<Applied> auto& applied) {
  wire.number(applied.generation);
  wire.text(applied.error, kErrorTextMax);
}

void describe(auto& wire, Is<StaticUpdate> auto& update) {
  wire.number(update.serial);
  wire.choice(update.kind, StaticUpdateKind::finish);
  wire.number(update.bytes);
  wire.check(update.bytes <= kStaticBytesMax, "too many static leases at once");
}

void describe(auto& wire, Is<StaticApplied> auto& applied) {
  wire.number(applied.serial);
  wire.text(applied.error, kErrorTextMax);
}

void vrf_of_report(auto& wire, auto& vrf) {
  wire.number(vrf);
  wire.check(vrf.value != 0 && vrf.value <= XK_VRFS_MAX, "VRF id");
}

void describe(auto& wire, Is<NativeReport> auto& report) {
  vrf_of_report(wire, report.vrf);
  wire.choice(report.state, NativeState::broken);
  wire.number(report.revision);
  wire.number(report.journal);
  wire.number(report.clock_ms);
  wire.number(report.leases);
  wire.number(report.declined);
  wire.number(report.bytes);
  wire.text(report.error, kErrorTextMax);
}

void describe(auto& wire, Is<NativeStored> auto& stored) {
  vrf_of_report(wire, stored.vrf);
  wire.number(stored.revision);
}

void describe(auto& wire, Is<NativeForget> auto& forget) {
  vrf_of_report(wire, forget.vrf);
  wire.address(forget.address);
}

void describe(auto& wire, Is<Ping> auto& ping) { wire.number(ping.token); }
void describe(auto& wire, Is<Pong> auto& pong) { wire.number(pong.token); }
void describe(auto& /*wire*/, Is<FenceMade> auto& /*made*/) {}

template <typename M>
std::expected<Message, Error> decode_as(WireReader& wire) {
  M message;
  describe(wire, message);
  wire.check(wire.left() == 0, "bytes past the end");
  if (!wire.ok()) return std::unexpected(wire.error("malformed message between the daemons"));
  return Message{std::move(message)};
}

template <std::size_t... I>
std::expected<Message, Error> decode_kind(WireReader& wire, std::uint8_t kind, std::index_sequence<I...>) {
  std::expected<Message, Error> result =
      std::unexpected(Error{"message of unknown kind " + std::to_string(kind)});
  static_cast<void>((
      (kind == I ? (result = decode_as<std::variant_alternative_t<I, Message>>(wire), true) : false) || ...));
  return result;
}

}  // namespace

std::vector<std::uint8_t> encode(const Message& message) {
  const auto* applied = std::get_if<Applied>(&message);
  if (applied != nullptr && applied->error.size() > kErrorTextMax)
    return encode(Applied{applied->generation, applied->error.substr(0, kErrorTextMax)});
  const auto* static_applied = std::get_if<StaticApplied>(&message);
  if (static_applied != nullptr && static_applied->error.size() > kErrorTextMax)
    return encode(StaticApplied{static_applied->serial, static_applied->error.substr(0, kErrorTextMax)});
  if (const auto* report = std::get_if<NativeReport>(&message);
      report != nullptr && report->error.size() > kErrorTextMax) {
    NativeReport cut = *report;
    cut.error.resize(kErrorTextMax);
    return encode(cut);
  }
  WireWriter wire;
  wire.number(kMagic);
  wire.number(static_cast<std::uint8_t>(kVersion));
  wire.number(static_cast<std::uint8_t>(message.index()));
  std::visit([&wire](const auto& m) { describe(wire, m); }, message);
  if (wire.why() != nullptr) return {};
  std::vector<std::uint8_t> bytes = wire.take();
  if (bytes.size() > kMessageMax) return {};
  return bytes;
}

std::expected<Message, Error> decode(Bytes datagram) {
  if (datagram.size() > kMessageMax) return std::unexpected(Error{"message between the daemons too long"});
  WireReader wire(datagram);
  std::uint16_t magic = 0;
  std::uint8_t version = 0;
  std::uint8_t kind = 0;
  wire.number(magic);
  wire.number(version);
  wire.number(kind);
  if (!wire.ok()) return std::unexpected(wire.error("malformed message between the daemons"));
  if (magic != kMagic) return std::unexpected(Error{"not a message of the other daemon"});
  if (version != kVersion)
    return std::unexpected(Error{"the other daemon speaks version " + std::to_string(version) +
                                 ", this one " + std::to_string(kVersion) +
                                 ": install both from one release"});
  return decode_kind(wire, kind, std::make_index_sequence<std::variant_size_v<Message>>{});
}

std::size_t descriptors_of(const Message& message) {
  if (const auto* port = std::get_if<PortSockets>(&message)) return std::size_t{2} * port->queues;
  const bool one = std::holds_alternative<Hello>(message) || std::holds_alternative<Publish>(message) ||
                   std::holds_alternative<StaticUpdate>(message) ||
                   std::holds_alternative<FenceMade>(message);
  return one ? 1 : 0;
}

}  // namespace xk::ipc
