// Keys and values of appliances that share VRFs are bytes of others: what is read is written and read again
// as the same. The fence's memory is another process's: it is this layout or none.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "controlplane/ha/records.h"
#include "dataplane/ipc/fence_memory.h"

namespace {

void must(bool so) {
  if (!so) std::abort();
}

void read_values(std::string_view value) {
  namespace ha = xk::ha;
  xk::store::KeyValue item;
  item.value = std::string(value);
  item.session = 7;
  item.created = 9;
  if (const auto holder = ha::parse_active(item)) {
    must(!holder->appliance.empty() && holder->session == 7 && holder->created == 9);
    item.value = ha::active_value(*holder);
    const auto again = ha::parse_active(item);
    must(again && *again == *holder);
  }
  if (const auto epoch = ha::parse_epoch(value)) {
    const auto again = ha::parse_epoch(ha::epoch_value(*epoch));
    must(again && *again == *epoch);
  }
  if (const auto name = ha::parse_name(value)) {
    const auto again = ha::parse_name(ha::name_value(*name));
    must(!name->empty() && again && *again == *name);
  }
}

void read_key(std::string_view text) {
  namespace ha = xk::ha;
  const ha::KeyName key = ha::name_of_key(text);
  must(key.name.empty() == (key.kind == ha::KeyKind::other));
  if (key.kind == ha::KeyKind::active) must(ha::active_key(key.name) == text);
  if (key.kind == ha::KeyKind::appliance) must(ha::appliance_key(key.name) == text);
  if (key.kind == ha::KeyKind::epoch) must(ha::epoch_key(key.name) == text);
  if (key.kind == ha::KeyKind::handover) must(ha::handover_key(key.name) == text);
  if (key.kind != ha::KeyKind::other) must(text >= ha::kSpanFrom && text < ha::kSpanTo);
}

// The first byte: how many there are, compared with the size that is right; what follows are its first bytes.
void read_fence(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return;
  constexpr int kAllSeals = F_SEAL_SHRINK | F_SEAL_GROW;
  xk::Fd fd(::memfd_create("fence", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const bool right = data[0] < 128;
  const std::size_t bytes = right ? sizeof(xk::Fence) : data[0];
  const std::size_t some = std::min(size - 1, bytes);
  must(::ftruncate(fd.get(), static_cast<off_t>(bytes)) == 0);
  must(::pwrite(fd.get(), data + 1, some, 0) == static_cast<ssize_t>(some));
  must((data[0] & 1) != 0 || ::fcntl(fd.get(), F_ADD_SEALS, kAllSeals) == 0);
  const auto mapped = xk::ipc::FenceMemory::map(std::move(fd));
  if (!mapped) return;
  std::uint32_t head[2]{};
  must(right && (data[0] & 1) == 0);
  std::memcpy(head, data + 1, std::min(some, sizeof head));
  must(head[0] == xk::kFenceMagic && head[1] == XK_VRFS_MAX + 1);
  // Whatever else is in it, it can be asked.
  (void)mapped->fence().open_at(1);
  (void)mapped->fence().is_active(xk::VrfId{XK_VRFS_MAX});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  read_values(text);
  read_key(text);
  read_fence(data, size);
  return 0;
}
