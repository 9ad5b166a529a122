#include "controlplane/leases/kea_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include "controlplane/leases/queue_entries.h"
#include "controlplane/leases/user_context.h"
#include "dataplane/base/fd.h"

namespace xk::leases {
namespace {

constexpr std::size_t kPageKeys = 10'000;
constexpr std::size_t kColumns = 11;
constexpr std::size_t kWriteBytes = 1 << 20;
constexpr std::uint64_t kFileBytesMax = std::uint64_t{8} << 30;
constexpr const char* kOldQueueName = "lease-queue.unshared";
constexpr const char* kNewFileName = "kea-leases4.csv.new";
// What Kea's clean-up of the file may have left, oldest first.
constexpr std::array<const char*, 3> kOlderFiles{"kea-leases4.csv.completed", "kea-leases4.csv.2",
                                                 "kea-leases4.csv.1"};
constexpr std::array<const char*, 2> kOtherFiles{"kea-leases4.csv.output", "kea-leases4.csv.pid"};

// Kea writes a separator inside a field as "&#x2c".
std::string escaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ',' || c == '\n' || c == '\r' || (c == '&' && text.substr(i).starts_with("&#x"))) {
      out += "&#x";
      append_hex(out, text.substr(i, 1));
    } else {
      out += c;
    }
  }
  return out;
}

std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("&#x") && i + 5 <= text.size()) {
      if (const auto byte = bytes_of_hex(text.substr(i + 3, 2))) {
        out += *byte;
        i += 4;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

template <typename Number>
bool read_number(std::string_view text, Number& out) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
  return failed == std::errc{} && end == text.data() + text.size();
}

store::StoreResult<> commit_all(store::Store& store, std::vector<store::Operation>& operations) {
  // A transaction of etcd holds 128 operations; of one address the last change counts.
  constexpr std::size_t kBatch = 100;
  for (std::size_t from = 0; from < operations.size(); from += kBatch) {
    store::Transaction transaction;
    for (std::size_t i = from; i < std::min(operations.size(), from + kBatch); ++i) {
      std::erase_if(transaction.then,
                    [&](const store::Operation& earlier) { return earlier.key == operations[i].key; });
      transaction.then.push_back(std::move(operations[i]));
    }
    if (auto done = store.commit_and_wait(std::move(transaction)); !done)
      return std::unexpected(done.error());
  }
  operations.clear();
  return {};
}

Error text_of(const store::StoreError& error, std::string_view what) { return Error(error.error).in(what); }

std::expected<std::string, Error> read_all(int directory, const char* name) {
  Fd fd(::openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd && errno == ENOENT) return std::string();
  struct stat info{};
  if (!fd || ::fstat(fd.get(), &info) != 0)
    return std::unexpected(errno_error(std::string("cannot read ") + name));
  if (!S_ISREG(info.st_mode) || static_cast<std::uint64_t>(info.st_size) > kFileBytesMax)
    return std::unexpected(Error{std::string(name) + " is no file of leases"});
  std::string text(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t at = 0;
  while (at < text.size()) {
    const ssize_t n = ::pread(fd.get(), text.data() + at, text.size() - at, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(errno_error(std::string("cannot read ") + name));
    if (n == 0) break;
    at += static_cast<std::size_t>(n);
  }
  text.resize(at);
  return text;
}

// The leases of Kea's own files: of an address the last line counts.
std::expected<std::uint64_t, Error> import_files(store::Store& store, const RestoreJob& job, int directory) {
  std::vector<store::Operation> operations;
  std::uint64_t imported = 0;
  const auto take = [&](const char* name) -> std::expected<void, Error> {
    const auto text = read_all(directory, name);
    if (!text) return std::unexpected(text.error());
    std::string_view rest = *text;
    while (!rest.empty()) {
      const std::size_t end = rest.find('\n');
      // A line without an end is one that a crash cut off.
      if (end == rest.npos) break;
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(end + 1);
      if (line.empty() || line.starts_with("address,")) continue;
      const auto lease = parse_lease_line(line);
      if (!lease) return std::unexpected(Error(lease.error()).in(job.directory + "/" + name));
      operations.push_back(operation_of(*lease, job.facts));
      ++imported;
    }
    if (auto done = commit_all(store, operations); !done)
      return std::unexpected(text_of(done.error(), "cannot take Kea's leases over into the store"));
    return {};
  };
  for (const char* name : kOlderFiles)
    if (auto taken = take(name); !taken) return std::unexpected(taken.error());
  if (auto taken = take(kLeaseFileName); !taken) return std::unexpected(taken.error());
  return imported;
}

std::expected<void, Error> take_queue(store::Store& store, const RestoreJob& job, int directory,
                                      Restored& report) {
  const auto text = read_all(directory, kQueueFileName);
  if (!text) return std::unexpected(text.error());
  const QueueContents queue = read_queue(*text);
  std::vector<store::Operation> operations;
  for (const Changes& set : queue.sets)
    for (const LeaseChange& change : set.leases) operations.push_back(operation_of(change, job.facts));
  if (auto done = commit_all(store, operations); !done)
    return std::unexpected(text_of(done.error(), "cannot take the queue of leases over into the store"));
  std::string kept_as;
  if (queue.damaged) {
    auto kept = keep_damaged(directory, kQueueFileName);
    if (!kept) return std::unexpected(Error(kept.error()).in(job.directory));
    kept_as = std::move(*kept);
  }
  if (::unlinkat(directory, kQueueFileName, 0) != 0 && errno != ENOENT)
    return std::unexpected(errno_error("cannot remove the queue of leases"));
  report.queued = queue.leases;
  report.queue_damaged = queue.damaged;
  report.queue_trouble = queue_trouble(queue, job.directory + "/" + kQueueFileName, kept_as);
  return {};
}

// Today's subnet of the address; nothing: none has it.
std::optional<std::uint32_t> subnet_of(const Record& record, const VrfFacts& facts) {
  for (const auto& [id, prefix] : facts.subnets)
    if (prefix.contains(record.address)) return id;
  return std::nullopt;
}

bool write_all(int fd, std::string& text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const ssize_t n = ::write(fd, text.data() + at, text.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    at += static_cast<std::size_t>(n);
  }
  text.clear();
  return true;
}

// One page of the store into the file.
void add_page(const store::Page& page, const RestoreJob& job, std::int64_t now_unix_s, RecordReader& reader,
              std::string& text, Restored& report) {
  for (const store::KeyValue& item : page.items) {
    const auto record = reader.read(item.value);
    if (!record) {
      if (report.bad++ == 0) report.first_bad = item.key + ": " + record.error().message;
      continue;
    }
    const auto expires = record->expires_unix_s();
    if (expires && *expires <= now_unix_s) ++report.expired;
    const auto subnet = subnet_of(*record, job.facts);
    if (!subnet) ++report.outside;
    ++report.leases;
    if (!record->user_context.empty() && !is_user_context(record->user_context) && report.bad_contexts++ == 0)
      report.first_bad_context = to_string(record->address);
    text += lease_line(*record, subnet.value_or(record->subnet_id));
  }
}

std::expected<void, Error> write_file(store::Store& store, const RestoreJob& job, int directory,
                                      std::int64_t now_unix_s, Restored& report) {
  ::unlinkat(directory, kNewFileName, 0);
  Fd fd(::openat(directory, kNewFileName, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!fd || ::fchown(fd.get(), job.uid, job.gid) != 0)
    return std::unexpected(errno_error("cannot make Kea's lease file"));
  RecordReader reader;
  std::string text(kLeaseFileHeader);
  const std::string prefix = lease_prefix(job.facts.name);
  store::Range range{.from = prefix, .to = store::end_of_prefix(prefix), .limit = kPageKeys};
  for (;;) {
    const auto page = store.range(range);
    if (!page) return std::unexpected(text_of(page.error(), "cannot read the leases"));
    report.revision = page->revision;
    add_page(*page, job, now_unix_s, reader, text, report);
    if (text.size() >= kWriteBytes && !write_all(fd.get(), text))
      return std::unexpected(errno_error("cannot write Kea's lease file"));
    if (!page->more || page->items.empty()) break;
    range.from = page->items.back().key + '\0';
    range.at = page->revision;
  }
  if (!write_all(fd.get(), text)) return std::unexpected(errno_error("cannot write Kea's lease file"));
  for (const char* name : kOlderFiles) ::unlinkat(directory, name, 0);
  for (const char* name : kOtherFiles) ::unlinkat(directory, name, 0);
  if (::renameat(directory, kNewFileName, directory, kLeaseFileName) != 0)
    return std::unexpected(errno_error("cannot put Kea's lease file in place"));
  return {};
}

}  // namespace

std::string restored_key(std::string_view vrf) { return "/xdp-kea/v1/vrf/" + std::string(vrf) + "/restored"; }

LeaseChange change_of(const Record& record, const VrfFacts& facts) {
  LeaseChange change;
  change.state = record.state == State::declined  ? KeaLeaseState::declined
                 : record.state == State::expired ? KeaLeaseState::reclaimed
                                                  : KeaLeaseState::active;
  change.address = record.address;
  change.subnet_id = subnet_of(record, facts).value_or(record.subnet_id);
  change.cltt_unix_s = record.start_unix_s;
  change.valid_lifetime_s = record.valid_lifetime_s;
  change.hardware_type = record.hardware_type;
  change.fqdn_forward = record.fqdn_forward;
  change.fqdn_reverse = record.fqdn_reverse;
  change.hardware_address = record.hardware_address;
  change.client_id = record.client_id;
  change.hostname = record.hostname;
  if (is_user_context(record.user_context)) change.user_context = record.user_context;
  return change;
}

std::string lease_line(const Record& record, std::uint32_t subnet_id) {
  const auto state = record.state == State::declined  ? KeaLeaseState::declined
                     : record.state == State::expired ? KeaLeaseState::reclaimed
                                                      : KeaLeaseState::active;
  std::string line = to_string(record.address);
  const auto add = [&line](std::string_view field) {
    line += ',';
    line += field;
  };
  add(colon_hex(record.hardware_address));
  add(colon_hex(record.client_id));
  add(std::to_string(record.valid_lifetime_s));
  add(std::to_string(record.start_unix_s + record.valid_lifetime_s));
  add(std::to_string(subnet_id));
  add(record.fqdn_forward ? "1" : "0");
  add(record.fqdn_reverse ? "1" : "0");
  add(escaped(record.hostname));
  add(std::to_string(static_cast<int>(state)));
  add(is_user_context(record.user_context) ? escaped(record.user_context) : std::string());
  line += '\n';
  return line;
}

std::expected<LeaseChange, Error> parse_lease_line(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  std::array<std::string_view, kColumns> columns;
  std::size_t count = 0;
  for (std::string_view rest = line;; ++count) {
    const std::size_t comma = rest.find(',');
    if (count < kColumns) columns[count] = rest.substr(0, comma);
    if (comma == rest.npos) break;
    rest.remove_prefix(comma + 1);
  }
  const auto refuse = [&](const char* what) {
    return std::unexpected(Error{"a line of leases has no good " + std::string(what) + ": '" +
                                 std::string(line.substr(0, 200)) + "'"});
  };
  // Later versions have a column more, in the end.
  if (++count < kColumns) return refuse("number of columns");
  LeaseChange lease;
  const auto address = parse_ip4(columns[0]);
  if (!address || address->is_zero()) return refuse("address");
  lease.address = *address;
  const auto hardware = bytes_of_hex(columns[1]);
  if (!hardware || hardware->size() > 20) return refuse("hwaddr");
  lease.hardware_address = *hardware;
  const auto client = bytes_of_hex(columns[2]);
  if (!client || client->size() > 255) return refuse("client_id");
  lease.client_id = *client;
  if (!read_number(columns[3], lease.valid_lifetime_s)) return refuse("valid_lifetime");
  std::int64_t expire = 0;
  if (!read_number(columns[4], expire) || expire < lease.valid_lifetime_s || expire > std::int64_t{1} << 40)
    return refuse("expire");
  lease.cltt_unix_s = expire - lease.valid_lifetime_s;
  if (!read_number(columns[5], lease.subnet_id)) return refuse("subnet_id");
  lease.fqdn_forward = columns[6] == "1";
  lease.fqdn_reverse = columns[7] == "1";
  lease.hostname = unescaped(columns[8]).substr(0, 255);
  std::uint8_t state = 0;
  if (!read_number(columns[9], state) || state > static_cast<std::uint8_t>(KeaLeaseState::reclaimed))
    return refuse("state");
  lease.state = static_cast<KeaLeaseState>(state);
  lease.user_context = unescaped(columns[10]);
  if (lease.user_context.size() > kUserContextBytesMax) lease.user_context.clear();
  // Kea writes a lease that is deleted with a lifetime of zero.
  lease.erased = lease.valid_lifetime_s == 0;
  return lease;
}

namespace {

// What was meant for the store by a Kea that no other appliance knew of.
std::expected<void, Error> put_aside(int directory) {
  if (::renameat(directory, kQueueFileName, directory, kOldQueueName) != 0 && errno != ENOENT)
    return std::unexpected(errno_error("cannot put the queue of leases aside"));
  return {};
}

// What is not in the store yet. Of a VRF that the store has never seen, what an earlier time without the
// store left behind is older than Kea's file.
std::expected<void, Error> take_over(store::Store& store, const RestoreJob& job, int directory,
                                     Restored& report) {
  const auto known = store.range({.from = restored_key(job.facts.name), .to = {}});
  if (!known) return std::unexpected(text_of(known.error(), "cannot read the leases"));
  if (known->items.empty()) {
    if (auto purged = purge_leases(store, job.facts.name); !purged) return purged;
    auto imported =
        directory < 0 ? std::expected<std::uint64_t, Error>(0) : import_files(store, job, directory);
    if (!imported) return std::unexpected(imported.error());
    report.imported = *imported;
    store::Operation put;
    put.key = restored_key(job.facts.name);
    put.value = R"({"v":1})";
    if (auto done = store.commit_and_wait({.when = {}, .then = {std::move(put)}, .otherwise = {}}); !done)
      return std::unexpected(text_of(done.error(), "cannot write to the store"));
  }
  return directory < 0 ? std::expected<void, Error>() : take_queue(store, job, directory, report);
}

}  // namespace

std::expected<Restored, Error> take_over_kea(store::Store& store, const RestoreJob& job) {
  const Fd directory(job.directory.empty()
                         ? -1
                         : ::open(job.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!directory && !job.directory.empty() && errno != ENOENT)
    return std::unexpected(errno_error("cannot open " + job.directory));
  Restored report;
  if (auto taken = take_over(store, job, directory.get(), report); !taken)
    return std::unexpected(taken.error());
  return report;
}

std::expected<Restored, Error> restore_kea(store::Store& store, const RestoreJob& job,
                                           std::int64_t now_unix_s) {
  Fd directory(::open(job.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!directory) return std::unexpected(errno_error("cannot open " + job.directory));
  Restored report;
  if (job.shared) {
    if (auto done = put_aside(directory.get()); !done) return std::unexpected(done.error());
    store::Operation put;
    put.key = restored_key(job.facts.name);
    put.value = R"({"v":1})";
    if (auto done = store.commit_and_wait({.when = {}, .then = {std::move(put)}, .otherwise = {}}); !done)
      return std::unexpected(text_of(done.error(), "cannot write to the store"));
    if (auto written = write_file(store, job, directory.get(), now_unix_s, report); !written)
      return std::unexpected(written.error());
    return report;
  }
  if (auto taken = take_over(store, job, directory.get(), report); !taken)
    return std::unexpected(taken.error());
  if (auto written = write_file(store, job, directory.get(), now_unix_s, report); !written)
    return std::unexpected(written.error());
  return report;
}

std::expected<void, Error> forget_restored(store::Store& store, const std::string& vrf) {
  store::Operation erase;
  erase.kind = store::Operation::Kind::erase;
  erase.key = restored_key(vrf);
  if (auto done = store.commit_and_wait({.when = {}, .then = {std::move(erase)}, .otherwise = {}}); !done)
    return std::unexpected(text_of(done.error(), "cannot write to the store"));
  return {};
}

std::expected<void, Error> purge_leases(store::Store& store, const std::string& vrf) {
  store::Operation erase;
  erase.kind = store::Operation::Kind::erase;
  erase.key = lease_prefix(vrf);
  erase.range_end = store::end_of_prefix(erase.key);
  if (auto done = store.commit_and_wait({.when = {}, .then = {std::move(erase)}, .otherwise = {}}); !done)
    return std::unexpected(text_of(done.error(), "cannot purge the leases of VRF " + vrf));
  return {};
}

}  // namespace xk::leases
