// The pure native engine of one VRF with many leases, and clients' frames for it: what the benchmarks of the
// engine have in common. Clients are those of the generator, each with the address of its number.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/gen/frames.h"
#include "dataplane/serve/native_engine.h"

namespace xk::bench {

inline constexpr std::uint32_t kFirstAddress = 0x0a000100;  // of client 0
inline constexpr std::uint32_t kLeaseS = 3600;
inline constexpr std::uint64_t kNowMs = 1'000'000'000;  // engine clock
inline constexpr Ip4 kServer{0x0a000001};

// The record of a client's lease; its texts are in scratch.
[[nodiscard]] JournalRecord lease_record(std::uint32_t client, std::uint64_t revision);

class EngineRig {
 public:
  // Pools with room for so many addresses; no leases.
  explicit EngineRig(std::uint32_t addresses);
  // The first so many clients have leases.
  void fill(std::uint32_t leases);
  // A client's frame, read ahead of its turn; the frame is borrowed.
  struct Ahead {
    Received received;
    std::optional<ServerRequest> request;
    ClientKey client{};
  };
  void read(Bytes frame, Ahead& ahead) const;
  // What the engine says of it. Both end the program if the frame is dropped.
  NativeAnswer answer(const Ahead& ahead);
  [[nodiscard]] NativeEngine& engine() { return engine_; }

 private:
  std::unique_ptr<const Forwarding> forwarding_;
  std::unique_ptr<const NativePlan> plan_;
  NativeEngine engine_{HashKey{1, 2}};
  std::vector<std::uint8_t> out_;
};

// A frame of the client: DISCOVER, a REQUEST of its own address that names us, or a renewal.
enum class Asked : std::uint8_t { discover, request, renew };
[[nodiscard]] std::vector<std::uint8_t> frame_of(std::uint32_t client, Asked asked);

}  // namespace xk::bench
