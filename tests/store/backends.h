// The backends that the conformance suite runs against, and what its tests say often.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "controlplane/store/store.h"

namespace xk::store {

constexpr std::chrono::seconds kPatience{30};

// A directory that goes with it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class Backend {
 public:
  virtual ~Backend() = default;
  [[nodiscard]] virtual StoreResult<std::unique_ptr<Store>> open() = 0;
};
struct BackendKind {
  const char* name;
  std::unique_ptr<Backend> (*make)();
};
std::ostream& operator<<(std::ostream& out, const BackendKind& kind);

std::unique_ptr<Backend> make_embedded();

// Collects what a watch tells, for a test that waits for it.
class Seen {
 public:
  OnEvents call();
  // What was told once there are so many events or an error, in order; waits for it.
  std::vector<Event> events(std::size_t count);
  StoreError error();
  [[nodiscard]] std::vector<std::size_t> calls();  // events of each call

 private:
  std::mutex mutex_;
  std::condition_variable told_;
  std::vector<Event> events_;
  std::vector<std::size_t> calls_;
  std::vector<StoreError> errors_;
};

Operation put(std::string key, std::string value, SessionId session = 0);
Operation erase(std::string key, std::string range_end = {});
Transaction just(std::vector<Operation> operations);
std::string text_of(const Event& event);  // "put k=v" or "erase k"
std::vector<std::string> texts_of(const std::vector<Event>& events);
std::string message_of(const StoreError& error);

// A test with one store. Every test has keys of its own: those that begin with key("").
class StoreTest : public testing::TestWithParam<BackendKind> {
 protected:
  void SetUp() override;
  [[nodiscard]] Store& store() { return *store_; }
  [[nodiscard]] std::string key(const std::string& name) const { return prefix_ + name; }
  void close() { store_.reset(); }
  void open();

  Committed must(Transaction transaction);
  Revision must_put(const std::string& name, const std::string& value, SessionId session = 0);
  Revision must_erase(const std::string& name);
  Page must_range(const Range& range);
  // "a=1 b=2" of the keys of this test as of the revision, without the prefix.
  std::string all(Revision at = 0);
  [[nodiscard]] KeyValue item(const std::string& name);  // version 0: not there
  std::unique_ptr<Watch> must_watch(Seen& seen, Revision from = 0);
  [[nodiscard]] std::string plain(const std::vector<Event>& events) const;  // "put a=1, erase b"

 private:
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Store> store_;
  std::string prefix_;
};

}  // namespace xk::store
