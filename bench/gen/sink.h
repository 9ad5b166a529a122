// The server end of a relay benchmark: counts and samples what arrives on an interface.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace xk::gen {

// Attaches the counting program to the interface's ingress for its own life time. Needs
// CAP_NET_ADMIN and CAP_BPF. Throws std::runtime_error.
class Sink {
 public:
  Sink(const std::string& interface, std::uint32_t sample_every);
  ~Sink();
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  struct Counts {
    std::uint64_t relayed = 0;  // requests that a relay has marked with giaddr and hops
    std::uint64_t other = 0;
  };
  [[nodiscard]] Counts counts() const;
  // Sampled frames since the last call.
  [[nodiscard]] std::vector<std::vector<std::uint8_t>> take_samples();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace xk::gen
