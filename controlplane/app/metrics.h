// What /metrics, /healthz and /readyz say. On the loop thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/app/views.h"

namespace xk::kead {

// The Prometheus text format 0.0.4, written sample by sample: its client library would hold a copy of
// every label of some 100,000 samples first, and its package brings a web server and curl.
class MetricsText {
 public:
  struct Label {
    const char* name;
    std::string_view value;
  };
  // Begins a family; its samples follow. type: "counter", "gauge", "histogram".
  void family(const char* name, const char* type, const char* help);
  // Of the family, with a suffix ("_bucket") if it is one of a histogram's.
  void sample(std::initializer_list<Label> labels, std::uint64_t value, const char* suffix = "");
  void sample_seconds(std::initializer_list<Label> labels, std::uint64_t milliseconds,
                      const char* suffix = "");
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void start(std::initializer_list<Label> labels, const char* suffix);
  const char* name_ = "";
  std::string text_;
};

struct MetricsFacts {
  const Reconciler& reconciler;
  const Machine& machine;
  std::uint64_t uptime_ms = 0;
  store::Health store = {};
  std::vector<leases::GateStatus> gates = {};
  std::vector<api::PoolView> pools = {};
  std::map<std::string, NativeStatus> natives = {};
  std::optional<HaStatus> ha = {};  // nothing: this appliance is alone
};
[[nodiscard]] Result<std::string> metrics_text(const MetricsFacts& facts);

// VRFs that are not served as they should be.
[[nodiscard]] std::vector<VrfState> not_ready(const Views& views);

}  // namespace xk::kead
