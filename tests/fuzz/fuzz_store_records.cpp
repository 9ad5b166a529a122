// Records of the embedded store, and its write-ahead log: damaged bytes give nothing or what they say, and
// what is read is written back the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "controlplane/store/encoding.h"
#include "controlplane/store/wal_check.h"

namespace {

void must(bool so) {
  if (!so) std::abort();
}

void read_records(std::string_view bytes) {
  using namespace xk::store;
  std::string back;
  if (const auto key = read_data_key(bytes)) must(data_key(key->key, key->modified) == bytes);
  if (const auto version = read_version(bytes)) {
    write_version(*version, back);
    must(back == bytes);
  }
  if (const auto key = read_log_key(bytes)) must(log_key(key->revision, key->place) == bytes);
  if (const auto record = read_log(bytes)) {
    write_log(*record, back);
    must(back == bytes);
  }
  if (const auto session = read_session_key(bytes)) must(session_key(*session) == bytes);
  if (const auto number = read_number(bytes)) must(write_number(*number) == bytes);
  if (const auto key = read_attached_key(bytes)) must(bytes.ends_with(*key) && !key->empty());
  const auto any = read_data_key(data_key(bytes, 1));
  must(any && any->key == bytes && any->modified == 1);
}

void check_log(std::string_view bytes) {
  using namespace xk::store;
  const auto check = check_wal(bytes);
  must(check.good_bytes <= bytes.size());
  must(check_wal(bytes.substr(0, check.good_bytes)).state == WalCheck::State::whole);
  if (check.state == WalCheck::State::damaged)
    must(check.next_good >= check.good_bytes && check.next_good < bytes.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  read_records(bytes);
  check_log(bytes);
  return 0;
}
