// What both backends refuse of a request, before anything is done.
#pragma once

#include <optional>

#include "controlplane/store/store.h"

namespace xk::store {

constexpr std::size_t kKeyBytesMax = 4096;
constexpr std::size_t kValueBytesMax = std::size_t{1} << 20;

// Nothing if the transaction can be done; else why not. A request that is refused changes nothing.
[[nodiscard]] std::optional<StoreError> refusal_of(const Transaction& transaction);
[[nodiscard]] std::optional<StoreError> refusal_of(const Range& range);
// As a range's: [from, to), or one key.
[[nodiscard]] std::optional<StoreError> refusal_of_span(const std::string& from, const std::string& to);

[[nodiscard]] bool in_span(const std::string& key, const std::string& from, const std::string& to);

// Whether the comparison holds for the key as it is; null: it is not there.
[[nodiscard]] bool holds(const Compare& compare, const KeyValue* item);

// A key of an error message: what cannot be printed as \xNN, shortened.
[[nodiscard]] std::string printable(std::string_view key);

}  // namespace xk::store
