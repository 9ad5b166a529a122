// Collects mistakes of one file until all of them are known.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
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

  [[nodiscard]] bool empty() const { return errors_.empty(); }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] Origin origin(Position at) const { return Origin{file_, at.line, at.column}; }
  // In the order of the file; leaves nothing behind.
  [[nodiscard]] std::vector<ConfigError> take();

 private:
  std::string file_;
  std::vector<ConfigError> errors_;
  std::size_t more_ = 0;
};

// Text in double quotes, shortened and with control characters shown, so that a message stays one line.
[[nodiscard]] std::string quoted(std::string_view text);

// "line 12", for a second place in a message.
[[nodiscard]] std::string line_text(Position at);

// " (did you mean "x"?)" for the nearest of the candidates, or "".
[[nodiscard]] std::string did_you_mean(std::string_view text,
                                       const std::vector<std::string_view>& candidates);

}  // namespace xk::config
