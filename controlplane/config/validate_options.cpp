// DHCP options of any level.
#include <algorithm>
#include <utility>
#include <vector>

#include "controlplane/config/text_checks.h"
#include "controlplane/config/validate.h"
#include "controlplane/model/kea_options.h"
#include "controlplane/model/option_bytes.h"

namespace xk::config {
namespace {

void check_parts(const FileOption& file, Mistakes& mistakes) {
  const bool named = file.name.given();
  if (named == file.code.given()) {
    mistakes.add(named ? file.code.at : file.at, std::string(named ? "code: there is a name already"
                                                                   : "the option has neither name nor code") +
                                                     "; one of the two is needed");
  }
  const bool as_text = file.data.given();
  if (as_text == file.hex.given()) {
    mistakes.add(as_text ? file.hex.at : file.at,
                 std::string(as_text ? "hex: there is data already" : "the option has neither data nor hex") +
                     "; one of the two is needed");
  } else if (!as_text && file.type.good()) {
    mistakes.add(file.type.at, "type: hex has none; it says what data means");
  }
}

// Why an option cannot be there; empty: it can.
std::string_view reserved_at(std::uint8_t code, const OptionLevel& level) {
  if (!level.subnet && has_subnet_key(code)) return "";
  if (const std::string_view reserved = reserved_option(code); !reserved.empty()) return reserved;
  return level.native ? native_option(code) : "";
}

void check_code(const FileOption& file, std::uint8_t code, const OptionLevel& level, Mistakes& mistakes) {
  const std::string_view reserved = reserved_at(code, level);
  if (reserved.empty()) return;
  const bool named = file.name.good();
  const std::string what =
      named ? "name: " + quoted(file.name.value) : "code: option " + std::to_string(code);
  mistakes.add(named ? file.name.at : file.code.at, what + " " + std::string(reserved));
}

// RFC 2132 3.5 to 3.13, 8: the length is a multiple of 4, whatever type the data is said to have.
bool holds_addresses(std::uint8_t code) {
  return (code >= 3 && code <= 11) || code == 41 || code == 42 || code == 44 || code == 45 || code == 48 ||
         code == 49 || code == 65 || (code >= 68 && code <= 76);
}

// What a client would be told of it. Kea takes its own options as they are, and says itself what is wrong.
void check_value(const FileOption& file, const OptionData& option, const OptionLevel& level,
                 Mistakes& mistakes) {
  const std::uint8_t code = option_code(option);
  const bool defined = option.type != OptionType::defined;
  if (file.data.good() && !defined && named_option(code) == nullptr) {
    mistakes.add(file.data.at, "data: option " + std::to_string(code) +
                                   " has no name, so what the text means is not known; say it by type, or "
                                   "give the bytes as hex");
    return;
  }
  if (file.hex.good() && level.kea && option.data.size() > 2 * kOptionBytesMax) {
    mistakes.add(file.hex.at, "hex: " + quoted(option.data) + " has " +
                                  std::to_string(option.data.size() / 2) +
                                  " bytes; an option has at most 255");
    return;
  }
  if (!file.data.good() || (!level.native && !defined && kea_option(code) != nullptr)) return;
  const auto value = option_value(option);
  if (!value)
    mistakes.add(file.data.at, "data: " + value.error().message);
  else if (holds_addresses(code) && value->size() % 4 != 0)
    mistakes.add(file.data.at, "data: option " + std::to_string(code) + " holds addresses; this makes " +
                                   std::to_string(value->size()) + " bytes, which is no multiple of 4");
}

}  // namespace

std::vector<OptionData> validate_options(const std::vector<FileOption>& options, const OptionLevel& level,
                                         Mistakes& mistakes) {
  std::vector<OptionData> made;
  std::vector<std::pair<std::uint8_t, Position>> seen;
  for (const FileOption& file : options) {
    check_parts(file, mistakes);
    const OptionData option{.name = file.name.value,
                            .code = static_cast<std::uint8_t>(file.code.value),
                            .data = file.hex.given() ? file.hex.value : file.data.value,
                            .hex = file.hex.given(),
                            .type = static_cast<OptionType>(file.type.value.index)};
    made.push_back(option);
    const std::uint8_t code = option_code(option);
    if (code == 0) continue;
    check_code(file, code, level, mistakes);
    if (!file.type.bad) check_value(file, option, level, mistakes);
    const auto other = std::ranges::find(seen, code, &std::pair<std::uint8_t, Position>::first);
    if (other != seen.end()) {
      mistakes.add(file.at, "option " + std::to_string(code) + " is there already, in " +
                                line_text(other->second) + "; each is allowed once a " +
                                std::string(level.what));
    }
    seen.emplace_back(code, file.at);
  }
  return made;
}

}  // namespace xk::config
