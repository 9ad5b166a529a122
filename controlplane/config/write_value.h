// One typed value -> its text in TOML.
#pragma once

#include <string>

#include "controlplane/config/file_shape.h"
#include "controlplane/config/keys.h"

namespace xk::config {

[[nodiscard]] std::string write_value(const std::string& value, const KeyInfo& key);
[[nodiscard]] std::string write_value(bool value, const KeyInfo& key);
[[nodiscard]] std::string write_value(std::uint32_t value, const KeyInfo& key);
[[nodiscard]] std::string write_value(Choice value, const KeyInfo& key);
[[nodiscard]] std::string write_value(Ip4 value, const KeyInfo& key);
[[nodiscard]] std::string write_value(const Prefix4& value, const KeyInfo& key);
[[nodiscard]] std::string write_value(const Range4& value, const KeyInfo& key);
[[nodiscard]] std::string write_value(const Mac& value, const KeyInfo& key);
[[nodiscard]] std::string write_value(const VlanIds& value, const KeyInfo& key);
[[nodiscard]] std::string write_value(Tpid value, const KeyInfo& key);
[[nodiscard]] std::string write_value(FileMode value, const KeyInfo& key);

template <typename T>
[[nodiscard]] std::string write_value(const List<T>& list, const KeyInfo& key) {
  std::string text = "[";
  for (const Given<T>& item : list) text += (text.size() > 1 ? ", " : "") + write_value(item.value, key);
  return text + "]";
}

}  // namespace xk::config
