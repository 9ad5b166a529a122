#include "controlplane/store/check.h"

#include <algorithm>
#include <compare>
#include <set>

namespace xk::store {
namespace {

StoreError rejected(std::string message) { return {Fault::rejected, {std::move(message)}}; }

std::optional<StoreError> refusal_of_key(const std::string& key) {
  if (key.empty()) return rejected("a key is empty");
  if (key.size() <= kKeyBytesMax) return std::nullopt;
  return rejected("a key has " + std::to_string(key.size()) + " bytes, more than the " +
                  std::to_string(kKeyBytesMax) + " there can be: " + printable(key));
}

std::optional<StoreError> refusal_of_all(const std::vector<Operation>& operations) {
  std::set<std::string_view> put;
  for (const auto& operation : operations) {
    if (auto bad = refusal_of_key(operation.key)) return bad;
    if (operation.kind == Operation::Kind::erase) {
      if (auto bad = refusal_of_span(operation.key, operation.range_end)) return bad;
      continue;
    }
    if (!operation.range_end.empty()) return rejected("a put has a range: " + printable(operation.key));
    if (operation.value.size() > kValueBytesMax) {
      return rejected(printable(operation.key) + ": the value has " + std::to_string(operation.value.size()) +
                      " bytes, more than the " + std::to_string(kValueBytesMax) + " there can be");
    }
    if (operations.size() > 1 && !put.insert(operation.key).second) {
      return rejected("one transaction puts a key twice: " + printable(operation.key));
    }
  }
  for (const auto& operation : operations) {
    if (operation.kind != Operation::Kind::erase) continue;
    const auto first = put.lower_bound(operation.key);
    if (first != put.end() && in_span(std::string(*first), operation.key, operation.range_end)) {
      return rejected("one transaction puts and erases a key: " + printable(*first));
    }
  }
  return std::nullopt;
}

bool is(Compare::Is what, std::strong_ordering order) {
  switch (what) {
    case Compare::Is::equal:
      return order == 0;
    case Compare::Is::not_equal:
      return order != 0;
    case Compare::Is::less:
      return order < 0;
    case Compare::Is::greater:
      return order > 0;
  }
  return false;
}

}  // namespace

std::optional<StoreError> refusal_of(const Transaction& transaction) {
  for (const auto& compare : transaction.when) {
    if (auto bad = refusal_of_key(compare.key)) return bad;
  }
  if (auto bad = refusal_of_all(transaction.then)) return bad;
  return refusal_of_all(transaction.otherwise);
}

std::optional<StoreError> refusal_of(const Range& range) {
  if (range.at < 0) return rejected("a range is asked for at the revision " + std::to_string(range.at));
  return refusal_of_span(range.from, range.to);
}

std::optional<StoreError> refusal_of_span(const std::string& from, const std::string& to) {
  if (from.empty()) return rejected("a key is empty");
  if (!to.empty() && to <= from) {
    return rejected("a range ends before it begins: " + printable(from) + " to " + printable(to));
  }
  return std::nullopt;
}

bool in_span(const std::string& key, const std::string& from, const std::string& to) {
  return to.empty() ? key == from : key >= from && key < to;
}

bool holds(const Compare& compare, const KeyValue* item) {
  switch (compare.target) {
    // Of a key that is not there the value equals nothing, and no comparison of it holds.
    case Compare::Target::value:
      return item != nullptr && is(compare.is, item->value <=> compare.value);
    case Compare::Target::version:
      return is(compare.is, (item != nullptr ? item->version : 0) <=> compare.number);
    case Compare::Target::created:
      return is(compare.is, (item != nullptr ? item->created : 0) <=> compare.number);
    case Compare::Target::modified:
      return is(compare.is, (item != nullptr ? item->modified : 0) <=> compare.number);
  }
  return false;
}

std::string printable(std::string_view key) {
  constexpr std::size_t kShown = 120;
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const char byte : key.substr(0, kShown)) {
    const auto number = static_cast<unsigned char>(byte);
    if (number >= 0x20 && number < 0x7f && byte != '\\') {
      out += byte;
    } else {
      out += {'\\', 'x', kHex[number >> 4], kHex[number & 15]};
    }
  }
  if (key.size() > kShown) out += "...";
  return out;
}

}  // namespace xk::store
