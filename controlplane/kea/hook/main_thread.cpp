#include "controlplane/kea/hook/main_thread.h"

#include <dhcp/iface_mgr.h>
#include <sys/eventfd.h>

#include <utility>

namespace xk::hook {

MainThread::MainThread() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  isc::dhcp::IfaceMgr::instance().addExternalSocket(wake_.get(), [this](int) { run_posted(); });
}

MainThread::~MainThread() {
  isc::dhcp::IfaceMgr::instance().deleteExternalSocket(wake_.get());
  run_posted();
}

void MainThread::post(std::function<void()> call) {
  {
    const std::scoped_lock lock(mutex_);
    posted_.push_back(std::move(call));
  }
  ::eventfd_write(wake_.get(), 1);
}

void MainThread::run_posted() {
  eventfd_t woken = 0;
  (void)::eventfd_read(wake_.get(), &woken);
  std::vector<std::function<void()>> calls;
  {
    const std::scoped_lock lock(mutex_);
    calls.swap(posted_);
  }
  for (const auto& call : calls) call();
}

}  // namespace xk::hook
