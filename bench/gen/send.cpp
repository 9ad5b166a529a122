#include "bench/gen/send.h"

#include <sys/socket.h>

#include <array>

#include "bench/gen/packet_socket.h"

namespace xk::gen {
namespace {

constexpr std::size_t kBatch = 32;

// Sends frames[from, from + kBatch) in a circle; returns how many the kernel took.
std::size_t send_batch(int socket, const std::vector<std::vector<std::uint8_t>>& frames, std::size_t from) {
  std::array<mmsghdr, kBatch> messages{};
  std::array<iovec, kBatch> parts{};
  for (std::size_t i = 0; i < kBatch; ++i) {
    const std::vector<std::uint8_t>& frame = frames[(from + i) % frames.size()];
    parts[i] = {const_cast<std::uint8_t*>(frame.data()), frame.size()};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  const int sent = sendmmsg(socket, messages.data(), kBatch, 0);
  return sent > 0 ? static_cast<std::size_t>(sent) : 0;
}

}  // namespace

SendResult send_discovers(const Population& population, double rate_pps, double seconds) {
  std::vector<std::vector<std::uint8_t>> frames;
  frames.reserve(population.clients);
  for (std::uint32_t i = 0; i < population.clients; ++i)
    frames.push_back(client_frame({MessageType::discover, population.first_client + i, {}, {}},
                                  population.vlans[i % population.vlans.size()], population.message_bytes));
  const Fd socket = open_packet_socket(population.interface);
  SendResult result;
  const std::uint64_t start = now_ns();
  const auto end = start + static_cast<std::uint64_t>(seconds * 1e9);
  const double batch_ns = rate_pps > 0 ? 1e9 * kBatch / rate_pps : 0;
  for (std::uint64_t batch = 0;; ++batch) {
    const auto due = start + static_cast<std::uint64_t>(batch_ns * static_cast<double>(batch));
    if (due >= end) break;
    std::uint64_t now = now_ns();
    while (now < due) now = now_ns();
    if (now >= end) break;
    const std::size_t sent = send_batch(socket.get(), frames, result.sent % frames.size());
    result.sent += sent;
    result.refused += kBatch - sent;
  }
  result.seconds = static_cast<double>(now_ns() - start) / 1e9;
  return result;
}

}  // namespace xk::gen
