// Collects mistakes of one file until all of them are known.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/config/file_shape.h"

namespace xk::config {

inline constexpr std::size_t kMistakesMax = 1000;  // more are counted, not kept

class Mistakes {
 public:
  explicit Mistakes(std::string file) : file_(std::move(file)) {}

  // what: what is wrong; what is allowed.
  void add(Position at, std::string what);

  // No further one is kept: a text for it need not be made.
  [[nodiscard]] bool full() const { return errors_.size() >= kMistakesMax; }
  [[nodiscard]] bool empty() const { return errors_.empty(); }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] Origin origin(Position at) const { return Origin{file_, at.line, at.column}; }
  // In the order of the file; leaves nothing behind.
  [[nodiscard]] std::vector<ConfigError> take();

 private:
  std::string file_;
  // With the order in which they were found, for those at the same place.
  std::vector<std::pair<std::size_t, ConfigError>> errors_;
  std::size_t more_ = 0;
};

// At most max bytes of a text, with what is not printable ASCII shown as \xNN.
[[nodiscard]] std::string one_line(std::string_view text, std::size_t max);

// A value of the file in double quotes, as a message repeats it: short, and on one line.
[[nodiscard]] std::string quoted(std::string_view text);

// "line 12", for a second place in a message.
[[nodiscard]] std::string line_text(Position at);

// " (did you mean "x"?)" for the nearest of the candidates, or "".
[[nodiscard]] std::string did_you_mean(std::string_view text,
                                       const std::vector<std::string_view>& candidates);

}  // namespace xk::config
