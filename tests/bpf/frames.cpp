#include "tests/bpf/frames.h"

#include "dataplane/base/bytes.h"

namespace xk::test {
namespace {

constexpr std::size_t kFrameMax = 16 * 1024;

// Writes a frame front to back; what does not fit kFrameMax is a mistake of the test.
class Builder {
 public:
  Builder() : frame_(kFrameMax), out(frame_) {}
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;

  void ethernet(const std::vector<Tag>& tags, std::uint16_t ether_type) {
    out.bytes(std::array<std::uint8_t, 6>{0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
    out.bytes(std::array<std::uint8_t, 6>{0x02, 0, 0, 0, 0, 0x01});
    for (const Tag& tag : tags) {
      out.u16(tag.tpid);
      out.u16(tag.tci);
    }
    out.u16(ether_type);
  }
  void udp(std::uint16_t source_port, std::uint16_t destination_port, std::size_t payload) {
    out.u16(source_port);
    out.u16(destination_port);
    out.u16(static_cast<std::uint16_t>(8 + payload));
    out.u16(0);
    for (std::size_t i = 0; i < payload; ++i) out.u8(static_cast<std::uint8_t>(i * 7 + 1));
  }
  [[nodiscard]] Frame done() {
    frame_.resize(out.written().size());
    return std::move(frame_);
  }

 private:
  Frame frame_;

 public:
  ByteWriter out;
};

}  // namespace

Frame frame_of(const Udp4& udp) {
  Builder builder;
  builder.ethernet(udp.tags, 0x0800);
  const std::size_t header = std::size_t{udp.header_words} * 4;
  builder.out.u8(static_cast<std::uint8_t>(udp.version << 4 | udp.header_words));
  builder.out.u8(0);
  builder.out.u16(static_cast<std::uint16_t>(header + 8 + udp.payload));
  builder.out.u16(0x1234);
  builder.out.u16(udp.fragment);
  builder.out.u8(64);
  builder.out.u8(udp.protocol);
  builder.out.u16(0);
  builder.out.bytes(Address4{10, 0, 0, 77});
  builder.out.bytes(udp.destination);
  for (std::size_t i = 20; i < header; ++i) builder.out.u8(1);
  builder.udp(udp.source_port, udp.destination_port, udp.payload);
  return builder.done();
}

Frame frame_of(const Udp6& udp) {
  Builder builder;
  builder.ethernet(udp.tags, 0x86dd);
  std::size_t payload = 8 + udp.payload;
  for (const Extension& extension : udp.extensions) payload += 8u * (1u + extension.extra);
  builder.out.u32(std::uint32_t{udp.version} << 28);
  builder.out.u16(static_cast<std::uint16_t>(payload));
  builder.out.u8(udp.extensions.empty() ? udp.protocol : udp.extensions.front().type);
  builder.out.u8(1);
  builder.out.bytes(Address6{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x77});
  builder.out.bytes(udp.destination);
  for (std::size_t i = 0; i < udp.extensions.size(); ++i) {
    const Extension& extension = udp.extensions[i];
    builder.out.u8(i + 1 < udp.extensions.size() ? udp.extensions[i + 1].type : udp.protocol);
    builder.out.u8(extension.extra);
    builder.out.u16(extension.fragment);
    builder.out.zeros(4 + std::size_t{extension.extra} * 8);
  }
  builder.udp(udp.source_port, udp.destination_port, udp.payload);
  return builder.done();
}

Frame frame_of(const Arp& arp) {
  Builder builder;
  builder.ethernet(arp.tags, 0x0806);
  builder.out.u16(arp.hardware);
  builder.out.u16(arp.protocol);
  builder.out.u8(arp.hardware_length);
  builder.out.u8(arp.protocol_length);
  builder.out.u16(arp.operation);
  builder.out.bytes(std::array<std::uint8_t, 6>{0x02, 0, 0, 0, 0, 0x01});
  builder.out.bytes(Address4{10, 0, 0, 77});
  builder.out.zeros(6);
  builder.out.bytes(arp.target);
  builder.out.zeros(18);  // Ethernet's minimum
  return builder.done();
}

Frame frame_of_type(std::uint16_t ether_type, const std::vector<Tag>& tags) {
  Builder builder;
  builder.ethernet(tags, ether_type);
  builder.out.zeros(46);
  return builder.done();
}

}  // namespace xk::test
