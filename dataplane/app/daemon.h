// The dataplane process: one connection to xdp-kead at a time, and what it asks for.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "dataplane/app/ports.h"
#include "dataplane/app/privileges.h"
#include "dataplane/ipc/channel.h"
#include "dataplane/ipc/fence_memory.h"
#include "dataplane/pipeline/counters_region.h"
#include "dataplane/pipeline/pipeline.h"
#include "dataplane/port/mbuf.h"

namespace xk {

class Daemon {
 public:
  // stop_fd becomes readable when the process is to end. Borrowed.
  [[nodiscard]] static std::expected<std::unique_ptr<Daemon>, Error> make(std::string control_path,
                                                                          int stop_fd);
  ~Daemon();

  // Until stop_fd; packets are forwarded whether xdp-kead is there or not. An error if the process
  // cannot become what the settings say.
  [[nodiscard]] std::expected<void, Error> run();

 private:
  enum class Wait : std::uint8_t { readable, timeout, stop };

  Daemon(std::string control_path, int stop_fd, CountersRegion counters, Fd counters_fd,
         ipc::FenceMemory fence);
  [[nodiscard]] Wait wait(int fd, int timeout_ms) const;
  // What is to be done about every second: losses counted, systemd told that the loops move.
  void keep_house();
  [[nodiscard]] bool loops_move();
  // Has systemd wait so long from now on, if it watches at all.
  void allow_silence(std::uint64_t limit_us) const;
  [[nodiscard]] std::expected<ipc::Channel, Error> greet() const;
  // Serves one connection; the error says why it ended, no error: the process is to stop.
  [[nodiscard]] std::expected<void, Error> serve(ipc::Channel& channel);
  [[nodiscard]] std::expected<void, Error> handle(ipc::Channel& channel, ipc::Received received);

  [[nodiscard]] std::expected<void, Error> report_natives(ipc::Channel* channel);

  [[nodiscard]] std::expected<void, Error> on_settings(ipc::Channel& channel, const ipc::Settings& settings);
  [[nodiscard]] std::expected<void, Error> set_up(const ipc::Settings& settings);
  [[nodiscard]] std::expected<void, Error> on_publish(ipc::Channel& channel, const ipc::Publish& publish,
                                                      const Fd& bytes);
  [[nodiscard]] std::expected<void, Error> publish(const ipc::Publish& publish, const Fd& bytes);
  [[nodiscard]] std::expected<void, Error> on_static_update(ipc::Channel& channel,
                                                            const ipc::StaticUpdate& update, const Fd& bytes);
  [[nodiscard]] std::expected<void, Error> update_static_leases(const ipc::StaticUpdate& update,
                                                                const Fd& bytes);
  [[nodiscard]] std::expected<void, Error> on_sockets(const ipc::PortSockets& port, std::vector<Fd> fds);

  std::string control_path_;
  int stop_fd_;
  CountersRegion counters_;
  Fd counters_fd_;  // read-only, for xdp-kead
  ipc::FenceMemory fence_;
  std::optional<ipc::Settings> settings_;
  std::optional<Error> fatal_;  // set-up failed: the process is to end with it
  bool eal_ = false;
  Mempool pool_;
  std::unique_ptr<Ports> ports_;
  std::unique_ptr<Pipeline> pipeline_;
  // What is known of a native engine, and whether xdp-kead has been told.
  struct NativeReported {
    NativeStatus status;
    bool said = false;
  };
  std::map<VrfId, NativeReported> natives_;
  std::uint64_t watchdog_us_ = 0;  // systemd's limit; 0: it does not watch
  std::chrono::steady_clock::time_point told_{};
  bool stuck_ = false;
};

}  // namespace xk
