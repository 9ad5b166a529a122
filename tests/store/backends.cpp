#include "tests/store/backends.h"

#include <cstdlib>
#include <filesystem>

namespace xk::store {
namespace {

class Embedded : public Backend {
 public:
  StoreResult<std::unique_ptr<Store>> open() override {
    EmbeddedOptions options;
    options.directory = directory_.path() + "/store";
    return open_embedded(options);
  }

 private:
  TemporaryDirectory directory_;
};

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "xk-store-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) std::abort();
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::ostream& operator<<(std::ostream& out, const BackendKind& kind) { return out << kind.name; }

std::unique_ptr<Backend> make_embedded() { return std::make_unique<Embedded>(); }

OnEvents Seen::call() {
  return [this](StoreResult<std::vector<Event>> told) {
    const std::lock_guard guard(mutex_);
    if (told) {
      calls_.push_back(told->size());
      events_.insert(events_.end(), told->begin(), told->end());
    } else {
      errors_.push_back(told.error());
    }
    told_.notify_all();
  };
}

std::vector<Event> Seen::events(std::size_t count) {
  std::unique_lock lock(mutex_);
  const bool came =
      told_.wait_for(lock, kPatience, [&] { return events_.size() >= count || !errors_.empty(); });
  EXPECT_TRUE(came) << "only " << events_.size() << " of " << count << " events came";
  for (const auto& error : errors_) ADD_FAILURE() << "the watch ended: " << message_of(error);
  return events_;
}

StoreError Seen::error() {
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(told_.wait_for(lock, kPatience, [&] { return !errors_.empty(); })) << "the watch did not end";
  return errors_.empty() ? StoreError{} : errors_.front();
}

std::vector<std::size_t> Seen::calls() {
  const std::lock_guard guard(mutex_);
  return calls_;
}

Operation put(std::string key, std::string value, SessionId session) {
  return {Operation::Kind::put, std::move(key), {}, std::move(value), session};
}
Operation erase(std::string key, std::string range_end) {
  return {Operation::Kind::erase, std::move(key), std::move(range_end), {}, 0};
}
Transaction just(std::vector<Operation> operations) { return {{}, std::move(operations), {}}; }

std::string text_of(const Event& event) {
  return event.kind == Event::Kind::erase ? "erase " + event.item.key
                                          : "put " + event.item.key + "=" + event.item.value;
}
std::vector<std::string> texts_of(const std::vector<Event>& events) {
  std::vector<std::string> out;
  for (const auto& event : events) out.push_back(text_of(event));
  return out;
}
std::string message_of(const StoreError& error) {
  return "fault " + std::to_string(static_cast<int>(error.fault)) + ": " + error.error.message;
}

void StoreTest::SetUp() {
  prefix_ = std::string("/test/") + testing::UnitTest::GetInstance()->current_test_info()->name() + "/";
  backend_ = GetParam().make();
  open();
}

void StoreTest::open() {
  auto opened = backend_->open();
  ASSERT_TRUE(opened) << message_of(opened.error());
  store_ = std::move(*opened);
}

Committed StoreTest::must(Transaction transaction) {
  auto done = store().commit_and_wait(std::move(transaction));
  EXPECT_TRUE(done) << message_of(done.error());
  return done.value_or(Committed{});
}
Revision StoreTest::must_put(const std::string& name, const std::string& value, SessionId session) {
  return must(just({put(key(name), value, session)})).revision;
}
Revision StoreTest::must_erase(const std::string& name) { return must(just({erase(key(name))})).revision; }

Page StoreTest::must_range(const Range& range) {
  auto page = store().range(range);
  EXPECT_TRUE(page) << message_of(page.error());
  return page.value_or(Page{});
}

std::string StoreTest::all(Revision at) {
  std::string out;
  for (const auto& item : must_range({key(""), end_of_prefix(key("")), 0, at}).items) {
    out += (out.empty() ? "" : " ") + item.key.substr(prefix_.size()) + "=" + item.value;
  }
  return out;
}

KeyValue StoreTest::item(const std::string& name) {
  const auto page = must_range({key(name), {}, 0, 0});
  return page.items.empty() ? KeyValue{} : page.items.front();
}

std::unique_ptr<Watch> StoreTest::must_watch(Seen& seen, Revision from) {
  auto watch = store().watch(key(""), end_of_prefix(key("")), from, seen.call());
  EXPECT_TRUE(watch) << message_of(watch.error());
  return watch ? std::move(*watch) : nullptr;
}

std::string StoreTest::plain(const std::vector<Event>& events) const {
  std::string out;
  for (const auto& event : events) {
    std::string text = text_of(event);
    const auto at = text.find(prefix_);
    if (at != std::string::npos) text.erase(at, prefix_.size());
    out += (out.empty() ? "" : ", ") + text;
  }
  return out;
}

}  // namespace xk::store
