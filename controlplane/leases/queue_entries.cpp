#include "controlplane/leases/queue_entries.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "dataplane/base/crc32c.h"
#include "dataplane/base/text_bytes.h"

namespace xk::leases {
namespace {

constexpr std::string_view kMagic = "XKQ2";
constexpr std::size_t kHeader = 16;
constexpr std::size_t kChecked = 12;     // bytes of the header under its checksum
constexpr std::size_t kFrameHeader = 5;  // length of kind and body, kind
constexpr int kNamesMax = 10'000;

std::uint32_t checksum(std::string_view bytes) { return crc32c(bytes_of(bytes)); }

void append_number(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8)
    out += static_cast<char>(value >> static_cast<unsigned>(shift));
}
std::uint32_t number_at(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) { out_.bytes = bytes.size(); }
  QueueContents read() && {
    while (at_ < bytes_.size() && old_frame()) {
    }
    while (at_ < bytes_.size() && out_.unread_bytes == 0 && entry()) {
    }
    return std::move(out_);
  }

 private:
  void damage() {
    if (!out_.damaged) out_.damaged_at = at_;
    out_.damaged = true;
  }
  // What follows cannot be found any more.
  void give_up() {
    damage();
    out_.unread_bytes = bytes_.size() - at_;
  }
  // One frame and nothing else.
  [[nodiscard]] bool take(std::string_view text) {
    FrameReader frames;
    frames.add({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    const auto frame = frames.next();
    if (!frame || !*frame || (*frame)->kind != FrameKind::changes || frames.left() != 0) return false;
    auto changes = parse_changes((*frame)->body);
    if (!changes) return false;
    out_.leases += changes->leases.size();
    out_.sets.push_back(std::move(*changes));
    return true;
  }
  // A frame by itself begins with its length, and thus with a zero. Without a checksum nothing tells one that
  // is cut off from one that is damaged. false: none is here.
  bool old_frame() {
    if (bytes_[at_] != '\0') return false;
    const std::string_view rest = bytes_.substr(at_);
    const std::size_t length = rest.size() < kFrameHeader ? 0 : number_at(rest, 0);
    if (length > kFrameBytesMax || length + 4 > rest.size() || !take(rest.substr(0, length + 4))) {
      give_up();
      return false;
    }
    at_ += length + 4;
    return true;
  }
  // false: nothing whole can follow.
  bool entry() {
    const std::string_view rest = bytes_.substr(at_);
    if (rest.size() < kHeader) {
      out_.torn_bytes = rest.size();
      return false;
    }
    const std::size_t length = number_at(rest, 4);
    if (!rest.starts_with(kMagic) || checksum(rest.substr(0, kChecked)) != number_at(rest, kChecked) ||
        length > kFrameBytesMax + 4) {
      give_up();
      return false;
    }
    if (rest.size() - kHeader < length) {
      out_.torn_bytes = rest.size();
      return false;
    }
    const std::string_view frame = rest.substr(kHeader, length);
    if (checksum(frame) != number_at(rest, 8) || !take(frame)) {
      damage();
      ++out_.damaged_sets;
    }
    at_ += kHeader + length;
    return true;
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
  QueueContents out_;
};

}  // namespace

std::string queue_entry(std::string_view changes_frame) {
  std::string out(kMagic);
  append_number(out, static_cast<std::uint32_t>(changes_frame.size()));
  append_number(out, checksum(changes_frame));
  append_number(out, checksum(out));
  out += changes_frame;
  return out;
}

QueueContents read_queue(std::string_view bytes) { return Reader(bytes).read(); }

std::string queue_trouble(const QueueContents& contents, std::string_view path, std::string_view kept_as) {
  std::string text;
  if (contents.damaged) {
    text = "the queue of leases " + std::string(path) + " is damaged at byte " +
           std::to_string(contents.damaged_at) + " of " + std::to_string(contents.bytes) + ": " +
           std::to_string(contents.leases) + " leases of it were taken, " +
           std::to_string(contents.damaged_sets) + " changes and " + std::to_string(contents.unread_bytes) +
           " bytes behind them cannot be read, and may be of leases that clients hold until they renew; "
           "all of it is kept as " +
           std::string(kept_as);
  }
  if (contents.torn_bytes != 0) {
    text += text.empty() ? "the queue of leases " + std::string(path) : std::string("; it");
    text +=
        " ends with " + std::to_string(contents.torn_bytes) +
        " bytes of a change that was not written to its end, as when Kea is killed: no client was told of "
        "it, and it was left out";
  }
  return text;
}

std::expected<std::string, Error> keep_damaged(int directory, const std::string& name) {
  for (int n = 1; n <= kNamesMax; ++n) {
    std::string other = name + ".damaged-" + std::to_string(n);
    if (::linkat(directory, name.c_str(), directory, other.c_str(), 0) == 0) return other;
    if (errno != EEXIST)
      return std::unexpected(errno_error("cannot keep the damaged " + name + " as " + other));
  }
  return std::unexpected(Error{"there are " + std::to_string(kNamesMax) + " files " + name +
                               ".damaged-* already: look at them, and move them away"});
}

}  // namespace xk::leases
