#include "dataplane/port/pcap_port.h"

#include <pcap/pcap.h>
#include <sys/eventfd.h>
#include <sys/time.h>

#include <array>
#include <cstdint>

#include "dataplane/base/fd.h"
#include "dataplane/port/mbuf.h"

namespace xk {
namespace {

constexpr int kSnapLength = static_cast<int>(kMbufFrameMax);

struct PcapClose {
  void operator()(pcap_t* pcap) const { pcap_close(pcap); }
  void operator()(pcap_dumper_t* dumper) const { pcap_dump_close(dumper); }
};
using Pcap = std::unique_ptr<pcap_t, PcapClose>;
using Dumper = std::unique_ptr<pcap_dumper_t, PcapClose>;

class PcapQueue final : public PortQueue {
 public:
  PcapQueue(Pcap in, Pcap out_handle, Dumper out, Fd readable, rte_mempool* pool)
      : in_(std::move(in)),
        out_handle_(std::move(out_handle)),
        out_(std::move(out)),
        readable_(std::move(readable)),
        pool_(pool) {}

  [[nodiscard]] std::uint16_t rx_burst(std::span<rte_mbuf*> out) override;
  [[nodiscard]] std::uint16_t tx_burst(std::span<rte_mbuf*> packets) override;
  [[nodiscard]] bool flush() override {
    if (out_ != nullptr) (void)pcap_dump_flush(out_.get());
    return true;
  }
  [[nodiscard]] int wait_fd() const override { return readable_.get(); }
  [[nodiscard]] bool arm() override { return in_ == nullptr; }
  [[nodiscard]] std::uint64_t buffer_none() const override { return 0; }

 private:
  Pcap in_;
  Pcap out_handle_;
  Dumper out_;
  Fd readable_;  // never readable: after the file's end there is nothing to wait for
  rte_mempool* pool_;
};

std::uint16_t PcapQueue::rx_burst(std::span<rte_mbuf*> out) {
  std::uint16_t count = 0;
  while (in_ != nullptr && count < out.size()) {
    // The file waits where a wire would not: no mbuf, no reading.
    rte_mbuf* mbuf = rte_pktmbuf_alloc(pool_);
    if (mbuf == nullptr) break;
    pcap_pkthdr* header = nullptr;
    const std::uint8_t* bytes = nullptr;
    if (pcap_next_ex(in_.get(), &header, &bytes) != 1) {
      rte_pktmbuf_free(mbuf);
      in_.reset();
      break;
    }
    if (header->caplen > kMbufFrameMax) {
      rte_pktmbuf_free(mbuf);
      continue;
    }
    std::copy(bytes, bytes + header->caplen, rte_pktmbuf_mtod(mbuf, std::uint8_t*));
    set_frame_length(mbuf, header->caplen);
    out[count++] = mbuf;
  }
  return count;
}

std::uint16_t PcapQueue::tx_burst(std::span<rte_mbuf*> packets) {
  for (const rte_mbuf* mbuf : packets) {
    if (out_ == nullptr) break;
    const Bytes frame = frame_of(mbuf);
    pcap_pkthdr header{};
    gettimeofday(&header.ts, nullptr);
    header.caplen = header.len = static_cast<bpf_u_int32>(frame.size());
    pcap_dump(reinterpret_cast<std::uint8_t*>(out_.get()), &header, frame.data());
  }
  free_all(packets);
  return static_cast<std::uint16_t>(packets.size());
}

}  // namespace

std::expected<std::unique_ptr<PortQueue>, Error> open_pcap(const std::string& device, rte_mempool* pool) {
  std::string in_path;
  std::string out_path;
  for (std::size_t at = 0; at < device.size();) {
    const std::size_t end = std::min(device.find(',', at), device.size());
    const std::string part = device.substr(at, end - at);
    if (part.starts_with("in=") && in_path.empty())
      in_path = part.substr(3);
    else if (part.starts_with("out=") && out_path.empty())
      out_path = part.substr(4);
    else
      return std::unexpected(
          Error{"pcap device '" + device + "': '" + part + "' is neither in=FILE nor out=FILE"});
    at = end + 1;
  }
  std::array<char, PCAP_ERRBUF_SIZE> text{};
  Pcap in;
  if (!in_path.empty()) {
    in.reset(pcap_open_offline(in_path.c_str(), text.data()));
    if (in == nullptr) return std::unexpected(Error{"pcap device: " + std::string(text.data())});
    if (pcap_datalink(in.get()) != DLT_EN10MB)
      return std::unexpected(Error{"pcap device: " + in_path + " holds no Ethernet frames"});
  }
  Pcap out_handle;
  Dumper out;
  if (!out_path.empty()) {
    out_handle.reset(pcap_open_dead(DLT_EN10MB, kSnapLength));
    if (out_handle != nullptr) out.reset(pcap_dump_open(out_handle.get(), out_path.c_str()));
    if (out == nullptr)
      return std::unexpected(Error{"pcap device: " + std::string(pcap_geterr(out_handle.get()))});
  }
  Fd readable(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!readable) return std::unexpected(errno_error("pcap device: eventfd"));
  return std::make_unique<PcapQueue>(std::move(in), std::move(out_handle), std::move(out),
                                     std::move(readable), pool);
}

}  // namespace xk
