#include "tests/store/volatile_files.h"

#include <algorithm>
#include <random>

namespace xk::store {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

constexpr std::size_t kSector = 512;

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

// RocksDB asks with doubled slashes now and then.
std::string tidy(const std::string& path) {
  std::string out;
  for (const char c : path) {
    if (c != '/' || out.empty() || out.back() != '/') out.push_back(c);
  }
  return out;
}

}  // namespace

class VolatileFiles::Writer : public rocksdb::FSWritableFile {
 public:
  Writer(VolatileFiles& files, FilePointer file) : files_(files), file_(std::move(file)) {}
  using rocksdb::FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    const std::lock_guard guard(files_.mutex_);
    auto status = files_.change_allowed();
    if (status.ok()) file_->bytes.append(data.data(), data.size());
    return status;
  }
  IOStatus Truncate(std::uint64_t size, const IOOptions&, IODebugContext*) override {
    const std::lock_guard guard(files_.mutex_);
    file_->bytes.resize(size);
    file_->stable = std::min<std::size_t>(file_->stable, size);
    return IOStatus::OK();
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    const std::lock_guard guard(files_.mutex_);
    auto status = files_.change_allowed();
    if (status.ok() && files_.trouble_ == Trouble::sync_error)
      status = IOStatus::IOError("sync", "Input/output error");
    if (status.ok()) file_->stable = file_->bytes.size();
    return status;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override { return Sync(options, debug); }
  std::uint64_t GetFileSize(const IOOptions&, IODebugContext*) override {
    const std::lock_guard guard(files_.mutex_);
    return file_->bytes.size();
  }

 private:
  VolatileFiles& files_;
  FilePointer file_;
};

class VolatileFiles::Reader : public rocksdb::FSRandomAccessFile {
 public:
  Reader(VolatileFiles& files, FilePointer file) : files_(files), file_(std::move(file)) {}
  IOStatus Read(std::uint64_t at, std::size_t size, const IOOptions&, Slice* out, char* room,
                IODebugContext*) const override {
    const std::lock_guard guard(files_.mutex_);
    const std::size_t begin = std::min<std::size_t>(at, file_->bytes.size());
    *out = Slice(room, file_->bytes.copy(room, size, begin));
    return IOStatus::OK();
  }

 private:
  VolatileFiles& files_;
  FilePointer file_;
};

class VolatileFiles::Sequential : public rocksdb::FSSequentialFile {
 public:
  Sequential(VolatileFiles& files, FilePointer file) : files_(files), file_(std::move(file)) {}
  IOStatus Read(std::size_t size, const IOOptions&, Slice* out, char* room, IODebugContext*) override {
    const std::lock_guard guard(files_.mutex_);
    *out = Slice(room, file_->bytes.copy(room, size, std::min(at_, file_->bytes.size())));
    at_ += out->size();
    return IOStatus::OK();
  }
  IOStatus Skip(std::uint64_t size) override {
    at_ += size;
    return IOStatus::OK();
  }

 private:
  VolatileFiles& files_;
  FilePointer file_;
  std::size_t at_ = 0;
};

class VolatileFiles::Directory : public rocksdb::FSDirectory {
 public:
  explicit Directory(VolatileFiles& files) : files_(files) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    const std::lock_guard guard(files_.mutex_);
    auto status = files_.change_allowed();
    if (status.ok()) files_.sync_names();
    return status;
  }

 private:
  VolatileFiles& files_;
};

VolatileFiles::VolatileFiles() = default;

std::shared_ptr<VolatileFiles> VolatileFiles::after_power_cut(std::uint64_t seed) {
  const std::lock_guard guard(mutex_);
  std::mt19937_64 random(seed);
  auto out = std::make_shared<VolatileFiles>();
  auto names = stable_;
  const std::size_t kept_changes = random() % (unstable_.size() + 1);
  for (std::size_t i = 0; i < kept_changes; ++i) {
    for (const auto& [path, file] : unstable_[i]) names[path] = file;
  }
  std::map<const File*, FilePointer> copies;
  for (const auto& [path, kept] : names) {
    if (!kept) continue;
    FilePointer& copy = copies[kept.get()];
    if (!copy) {
      copy = std::make_shared<File>();
      const std::size_t tail = kept->bytes.size() - kept->stable;
      // Nothing, a part or all of what was not synced; then sectors of it that did not get there.
      std::size_t more = 0;
      if (random() % 3 != 0) more = random() % 2 == 0 ? tail : random() % (tail + 1);
      copy->bytes = kept->bytes.substr(0, kept->stable + more);
      if (random() % 2 == 0) {
        for (std::size_t at = (kept->stable / kSector + 1) * kSector; at < copy->bytes.size();
             at += kSector) {
          if (random() % 4 != 0) continue;
          const std::size_t size = std::min(kSector, copy->bytes.size() - at);
          std::fill_n(copy->bytes.begin() + static_cast<std::ptrdiff_t>(at), size,
                      random() % 2 == 0 ? '\0' : '\x5a');
        }
      }
      copy->stable = copy->bytes.size();
    }
    out->files_[path] = copy;
  }
  out->stable_ = out->files_;
  return out;
}

void VolatileFiles::at_change(std::uint64_t changes, std::function<void()> call) {
  const std::lock_guard guard(mutex_);
  call_at_ = changes_ + changes;
  call_ = std::move(call);
}

void VolatileFiles::set_trouble(Trouble trouble) {
  const std::lock_guard guard(mutex_);
  trouble_ = trouble;
}

std::vector<std::string> VolatileFiles::names(const std::string& directory, const std::string& ending) {
  const std::lock_guard guard(mutex_);
  std::vector<std::string> out;
  for (const auto& [path, file] : files_) {
    if (folder_of(path) == directory && path.ends_with(ending)) out.push_back(path);
  }
  return out;
}

void VolatileFiles::change(const std::string& path, const std::function<void(std::string&)>& how) {
  const std::lock_guard guard(mutex_);
  File& file = *files_.at(path);
  how(file.bytes);
  file.stable = file.bytes.size();
}

IOStatus VolatileFiles::change_allowed() {
  if (++changes_ == call_at_ && call_) std::exchange(call_, nullptr)();
  switch (trouble_) {
    case Trouble::none:
    case Trouble::sync_error:
      return IOStatus::OK();
    case Trouble::no_space:
      return IOStatus::NoSpace("write", "No space left on device");
    case Trouble::io_error:
      return IOStatus::IOError("write", "Input/output error");
    case Trouble::read_only:
      return IOStatus::IOError("write", "Read-only file system");
  }
  return IOStatus::OK();
}

void VolatileFiles::rename(Naming change) {
  for (const auto& [path, file] : change) {
    if (file) {
      files_[path] = file;
    } else {
      files_.erase(path);
    }
  }
  unstable_.push_back(std::move(change));
}

void VolatileFiles::sync_names() {
  stable_ = files_;
  unstable_.clear();
}

IOStatus VolatileFiles::open_file(const std::string& path, FilePointer& out) {
  const auto found = files_.find(tidy(path));
  if (found == files_.end()) return IOStatus::PathNotFound(path);
  out = found->second;
  return IOStatus::OK();
}

IOStatus VolatileFiles::NewSequentialFile(const std::string& path, const FileOptions&,
                                          std::unique_ptr<rocksdb::FSSequentialFile>* out, IODebugContext*) {
  const std::lock_guard guard(mutex_);
  FilePointer file;
  auto status = open_file(path, file);
  if (status.ok()) *out = std::make_unique<Sequential>(*this, file);
  return status;
}

IOStatus VolatileFiles::NewRandomAccessFile(const std::string& path, const FileOptions&,
                                            std::unique_ptr<rocksdb::FSRandomAccessFile>* out,
                                            IODebugContext*) {
  const std::lock_guard guard(mutex_);
  FilePointer file;
  auto status = open_file(path, file);
  if (status.ok()) *out = std::make_unique<Reader>(*this, file);
  return status;
}

IOStatus VolatileFiles::NewWritableFile(const std::string& path, const FileOptions&,
                                        std::unique_ptr<rocksdb::FSWritableFile>* out, IODebugContext*) {
  const std::lock_guard guard(mutex_);
  auto status = change_allowed();
  if (!status.ok()) return status;
  auto file = std::make_shared<File>();
  rename({{tidy(path), file}});
  *out = std::make_unique<Writer>(*this, file);
  return IOStatus::OK();
}

IOStatus VolatileFiles::ReopenWritableFile(const std::string& path, const FileOptions&,
                                           std::unique_ptr<rocksdb::FSWritableFile>* out, IODebugContext*) {
  const std::lock_guard guard(mutex_);
  FilePointer file;
  auto status = open_file(path, file);
  if (status.ok()) status = change_allowed();
  if (status.ok()) *out = std::make_unique<Writer>(*this, file);
  return status;
}

IOStatus VolatileFiles::NewDirectory(const std::string&, const IOOptions&,
                                     std::unique_ptr<rocksdb::FSDirectory>* out, IODebugContext*) {
  *out = std::make_unique<Directory>(*this);
  return IOStatus::OK();
}

IOStatus VolatileFiles::FileExists(const std::string& path, const IOOptions&, IODebugContext*) {
  const std::lock_guard guard(mutex_);
  return files_.contains(tidy(path)) ? IOStatus::OK() : IOStatus::NotFound(path);
}

IOStatus VolatileFiles::GetChildren(const std::string& path, const IOOptions&, std::vector<std::string>* out,
                                    IODebugContext*) {
  const std::lock_guard guard(mutex_);
  out->clear();
  for (const auto& [name, file] : files_) {
    if (folder_of(name) == tidy(path)) out->push_back(name.substr(name.rfind('/') + 1));
  }
  return IOStatus::OK();
}

IOStatus VolatileFiles::DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) {
  const std::lock_guard guard(mutex_);
  auto status = change_allowed();
  if (!status.ok()) return status;
  if (!files_.contains(tidy(path))) return IOStatus::PathNotFound(path);
  rename({{tidy(path), nullptr}});
  return IOStatus::OK();
}

// Directories are there: their names never are what a test is about.
IOStatus VolatileFiles::CreateDir(const std::string&, const IOOptions&, IODebugContext*) {
  return IOStatus::OK();
}
IOStatus VolatileFiles::CreateDirIfMissing(const std::string&, const IOOptions&, IODebugContext*) {
  return IOStatus::OK();
}
IOStatus VolatileFiles::DeleteDir(const std::string&, const IOOptions&, IODebugContext*) {
  return IOStatus::OK();
}

IOStatus VolatileFiles::GetFileSize(const std::string& path, const IOOptions&, std::uint64_t* size,
                                    IODebugContext*) {
  const std::lock_guard guard(mutex_);
  FilePointer file;
  auto status = open_file(path, file);
  if (status.ok()) *size = file->bytes.size();
  return status;
}

IOStatus VolatileFiles::GetFileModificationTime(const std::string&, const IOOptions&, std::uint64_t* time,
                                                IODebugContext*) {
  *time = 0;
  return IOStatus::OK();
}

IOStatus VolatileFiles::RenameFile(const std::string& from, const std::string& to, const IOOptions&,
                                   IODebugContext*) {
  const std::lock_guard guard(mutex_);
  FilePointer file;
  auto status = open_file(from, file);
  if (status.ok()) status = change_allowed();
  if (!status.ok()) return status;
  rename({{tidy(from), nullptr}, {tidy(to), file}});
  return status;
}

IOStatus VolatileFiles::Truncate(const std::string& path, std::size_t size, const IOOptions&,
                                 IODebugContext*) {
  const std::lock_guard guard(mutex_);
  FilePointer file;
  auto status = open_file(path, file);
  if (status.ok()) status = change_allowed();
  if (!status.ok()) return status;
  file->bytes.resize(size);
  file->stable = std::min(file->stable, size);
  return status;
}

IOStatus VolatileFiles::LockFile(const std::string&, const IOOptions&, rocksdb::FileLock** lock,
                                 IODebugContext*) {
  *lock = new rocksdb::FileLock;
  return IOStatus::OK();
}
IOStatus VolatileFiles::UnlockFile(rocksdb::FileLock* lock, const IOOptions&, IODebugContext*) {
  delete lock;
  return IOStatus::OK();
}
IOStatus VolatileFiles::NewLogger(const std::string&, const IOOptions&, std::shared_ptr<rocksdb::Logger>*,
                                  IODebugContext*) {
  return IOStatus::NotSupported("logs");
}
IOStatus VolatileFiles::GetTestDirectory(const IOOptions&, std::string*, IODebugContext*) {
  return IOStatus::NotSupported("tests");
}
IOStatus VolatileFiles::GetAbsolutePath(const std::string& path, const IOOptions&, std::string* out,
                                        IODebugContext*) {
  *out = path;
  return IOStatus::OK();
}
IOStatus VolatileFiles::IsDirectory(const std::string& path, const IOOptions&, bool* is, IODebugContext*) {
  const std::lock_guard guard(mutex_);
  *is = !files_.contains(tidy(path));
  return IOStatus::OK();
}

}  // namespace xk::store
