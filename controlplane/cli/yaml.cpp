#include "controlplane/cli/yaml.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include <yaml-cpp/yaml.h>

namespace xk::cli {
namespace {

using api::Json;

// Text no YAML reader takes for a number, boolean, null, date or syntax: the rest is quoted.
bool is_plain(std::string_view text) {
  if (text.empty() || std::isalpha(static_cast<unsigned char>(text.front())) == 0) return false;
  if (text.back() == ' ') return false;
  const bool harmless = std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view("_-./ ").contains(static_cast<char>(c));
  });
  if (!harmless) return false;
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr std::string_view kWords[] = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"};
  return std::ranges::find(kWords, lower) == std::end(kWords);
}

void emit_text(YAML::Emitter& out, const std::string& text) {
  if (text.contains('\n')) {
    out << YAML::Literal << text;
  } else if (is_plain(text)) {
    out << text;
  } else {
    out << YAML::DoubleQuoted << text;
  }
}

void emit(YAML::Emitter& out, const Json& json) {  // as deep as parse_json lets JSON be
  switch (json.type()) {
    case Json::value_t::object:
      if (json.empty()) out << YAML::Flow;
      out << YAML::BeginMap;
      for (const auto& [key, value] : json.items()) {
        out << YAML::Key;
        emit_text(out, key);
        out << YAML::Value;
        emit(out, value);
      }
      out << YAML::EndMap;
      break;
    case Json::value_t::array:
      if (json.empty()) out << YAML::Flow;
      out << YAML::BeginSeq;
      for (const Json& item : json) emit(out, item);
      out << YAML::EndSeq;
      break;
    case Json::value_t::string:
      emit_text(out, json.get<std::string>());
      break;
    case Json::value_t::boolean:
      out << json.get<bool>();
      break;
    case Json::value_t::number_integer:
      out << json.get<std::int64_t>();
      break;
    case Json::value_t::number_unsigned:
      out << json.get<std::uint64_t>();
      break;
    case Json::value_t::number_float:
      out << json.get<double>();
      break;
    default:
      out << YAML::Null;
      break;
  }
}

}  // namespace

std::string to_yaml(const Json& json) {
  YAML::Emitter out;
  emit(out, json);
  return std::string(out.c_str(), out.size()) + "\n";
}

}  // namespace xk::cli
