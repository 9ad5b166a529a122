// xdp-kead: wiring only.
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <iostream>

#include "controlplane/app/daemon.h"
#include "controlplane/app/exclusive.h"
#include "controlplane/app/options.h"
#include "controlplane/app/teardown.h"
#include "controlplane/config/config.h"
#include "dataplane/base/log_format.h"

namespace {

using xk::kead::ExitCode;

// Blocked before any thread is made: the loop takes them as events.
void set_signals() {
  signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
}

// Kea and the dataplane run as users of their own and must reach their files, whatever umask we were
// started with; what nobody else may read has a mode of its own.
void set_umask() { ::umask(0022); }

// Sockets of every port pass through us.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void set_logging(const std::string& level) {
  auto logger = spdlog::stderr_logger_mt("kead");
  logger->set_formatter(xk::log_formatter("xdp-kead"));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(logger);
  spdlog::set_level(spdlog::level::from_str(level));
}

ExitCode fail(const xk::Error& error, ExitCode code = ExitCode::failed) {
  spdlog::error("msg=\"cannot run\" error=\"{}\"", error.message);
  return code;
}

ExitCode tear_down(const xk::Model& model) {
  auto adapters = xk::kead::Adapters::make(model.appliance, {});
  if (!adapters) return fail(adapters.error());
  const xk::kead::TeardownReport report = xk::kead::tear_down(model, *adapters, [] {});
  for (const std::string& line : report.removed) spdlog::info("msg=\"torn down\" step=\"{}\"", line);
  for (const std::string& line : report.failures) spdlog::error("msg=\"not torn down\" error=\"{}\"", line);
  return report.failures.empty() ? ExitCode::ok : ExitCode::failed;
}

ExitCode run(const xk::kead::Options& options) {
  auto model = xk::load_config(options.config);
  if (!model) {
    for (const xk::ConfigError& error : model.error()) std::cerr << error.text() << '\n';
    return ExitCode::bad_config;
  }
  set_logging(options.log_level.empty() ? model->appliance.log_level : options.log_level);
  if (auto allowed = xk::kead::check_capabilities(); !allowed)
    return fail(allowed.error(), ExitCode::not_permitted);
  if (auto able = xk::kead::check_kernel(); !able) return fail(able.error());
  if (auto made = xk::kead::make_directories(model->appliance); !made) return fail(made.error());
  const auto lock = xk::kead::take_lock(model->appliance.run_dir);
  if (!lock) {
    return fail(lock.error(),
                lock.error().system_errno == EWOULDBLOCK ? ExitCode::running_already : ExitCode::failed);
  }
  raise_descriptor_limit();
  if (options.teardown) return tear_down(*model);
  xk::kead::Daemon daemon(options, std::move(*model));
  if (auto ended = daemon.run(); !ended) return fail(ended.error());
  if (!daemon.torn_down()) spdlog::info("msg=\"stopped; what was served is served on\"");
  return ExitCode::ok;
}

}  // namespace

int main(int argc, char** argv) {
  const auto parsed = xk::kead::parse_options(argc, argv);
  if (const auto* code = std::get_if<ExitCode>(&parsed)) return static_cast<int>(*code);
  set_signals();
  set_umask();
  return static_cast<int>(run(std::get<xk::kead::Options>(parsed)));
}
