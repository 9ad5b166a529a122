// A file layer in memory that knows what is on stable storage: files up to their last sync, names up to the
// last sync of their directory. What a power cut leaves can be taken at any moment, and the disk can be made
// to refuse.
#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace xk::store {

class VolatileFiles : public rocksdb::FileSystem {
 public:
  enum class Trouble : std::uint8_t { none, no_space, io_error, sync_error, read_only };

  VolatileFiles();

  // What is there after a power cut now: what was synced, and by the seed's chance some of what was not: of
  // bytes all, a part, or with sectors missing; of names as many changes as came first, for file systems
  // with a journal keep their order. Files that are open go on with the layer as it was.
  [[nodiscard]] std::shared_ptr<VolatileFiles> after_power_cut(std::uint64_t seed);
  // Calls once, when so many more changes were made, with the layer as it is then.
  void at_change(std::uint64_t changes, std::function<void()> call);
  void set_trouble(Trouble trouble);

  // For tests that damage: names under the directory, and the bytes of a file (both stable and not).
  [[nodiscard]] std::vector<std::string> names(const std::string& directory, const std::string& ending);
  void change(const std::string& path, const std::function<void(std::string&)>& how);

  const char* Name() const override { return "VolatileFiles"; }
  rocksdb::IOStatus NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* out,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* out,
                                        rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* out,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* out,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* out,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus FileExists(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetChildren(const std::string& path, const rocksdb::IOOptions& options,
                                std::vector<std::string>* out, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus CreateDir(const std::string& path, const rocksdb::IOOptions& options,
                              rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus CreateDirIfMissing(const std::string& path, const rocksdb::IOOptions& options,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteDir(const std::string& path, const rocksdb::IOOptions& options,
                              rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetFileSize(const std::string& path, const rocksdb::IOOptions& options,
                                std::uint64_t* size, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetFileModificationTime(const std::string& path, const rocksdb::IOOptions& options,
                                            std::uint64_t* time, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus Truncate(const std::string& path, std::size_t size, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus LockFile(const std::string& path, const rocksdb::IOOptions& options,
                             rocksdb::FileLock** lock, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus UnlockFile(rocksdb::FileLock* lock, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewLogger(const std::string& path, const rocksdb::IOOptions& options,
                              std::shared_ptr<rocksdb::Logger>* out, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetTestDirectory(const rocksdb::IOOptions& options, std::string* path,
                                     rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetAbsolutePath(const std::string& path, const rocksdb::IOOptions& options,
                                    std::string* out, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus IsDirectory(const std::string& path, const rocksdb::IOOptions& options, bool* is,
                                rocksdb::IODebugContext* debug) override;

 private:
  struct File {
    std::string bytes;
    std::size_t stable = 0;  // bytes of it that a power cut leaves
  };
  using FilePointer = std::shared_ptr<File>;
  class Writer;
  class Reader;
  class Sequential;
  class Directory;

  rocksdb::IOStatus open_file(const std::string& path, FilePointer& out);
  // Counts a change, and says whether it can be made.
  rocksdb::IOStatus change_allowed();
  void sync_names();
  // A change of names: what is there under a name from now on; null: nothing.
  using Naming = std::vector<std::pair<std::string, FilePointer>>;
  void rename(Naming change);

  std::recursive_mutex mutex_;
  std::map<std::string, FilePointer> files_;   // as programs see them
  std::map<std::string, FilePointer> stable_;  // as a power cut leaves the names, at least
  std::vector<Naming> unstable_;               // what has changed since
  Trouble trouble_ = Trouble::none;
  std::uint64_t changes_ = 0;
  std::uint64_t call_at_ = 0;
  std::function<void()> call_;
};

}  // namespace xk::store
