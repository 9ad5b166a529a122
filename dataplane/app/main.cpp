// xdp-kea-dataplane: wiring only.
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <cstdlib>
#include <string>

#include <CLI/CLI.hpp>

#include "dataplane/app/daemon.h"
#include "dataplane/app/privileges.h"
#include "dataplane/base/log_format.h"

namespace {

// Descriptors come with ports, a handful each.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// SIGTERM and SIGINT as a descriptor, blocked in every thread; writing to a peer that is gone is an
// error, no signal.
xk::Fd stop_signals() {
  signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  return xk::Fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

int fail(const xk::Error& error) {
  spdlog::error("msg=\"cannot run\" error=\"{}\"", error.message);
  return EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "The packet path of the xdp-kea appliance. Started beside xdp-kead, which tells it everything.",
      "xdp-kea-dataplane");
  std::string control_path;
  app.add_option("--control", control_path, "Socket of xdp-kead: <run_dir>/dataplane.sock")->required();
  app.set_version_flag("--version", "xdp-kea-dataplane " XK_VERSION);
  app.footer("Exit codes: 0 ended by SIGTERM or SIGINT, 1 cannot run, 2 wrong usage.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? EXIT_SUCCESS : 2;
  }

  auto logger = spdlog::stderr_logger_mt("dataplane");
  logger->set_formatter(xk::log_formatter("xdp-kea-dataplane"));
  spdlog::set_default_logger(logger);
  const xk::Fd stop = stop_signals();
  if (!stop) return fail(xk::errno_error("signalfd"));
  raise_descriptor_limit();
  if (auto closed = xk::close_the_way_up(); !closed) return fail(closed.error());
  auto daemon = xk::Daemon::make(control_path, stop.get());
  if (!daemon) return fail(daemon.error());
  if (auto run = (*daemon)->run(); !run) return fail(run.error());
  spdlog::info("msg=\"stopped\"");
  return EXIT_SUCCESS;
}
