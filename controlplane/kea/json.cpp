#include "controlplane/kea/json.h"

namespace xk::kea {

JsonScanner::State JsonScanner::feed(std::string_view piece) {
  for (const char c : piece) {
    if (state_ != State::incomplete) break;
    step(c);
  }
  return state_;
}

void JsonScanner::step(char c) {
  if (in_string_) {
    if (escaped_)
      escaped_ = false;
    else if (c == '\\')
      escaped_ = true;
    else if (c == '"')
      in_string_ = false;
    return;
  }
  switch (c) {
    case '"':
      in_string_ = true;
      break;
    case '{':
    case '[':
      if (++depth_ > kJsonDepthMax) state_ = State::too_deep;
      break;
    case '}':
    case ']':
      if (depth_ > 0) --depth_;
      if (depth_ == 0) state_ = State::complete;
      break;
    default:
      break;
  }
}

Result<Answer> parse_answer(std::string_view json) {
  if (json.size() > kParsedBytesMax)
    return std::unexpected(
        Error{"Kea's answer is larger than " + std::to_string(kParsedBytesMax) + " bytes"});
  auto document = parse_json(json);
  if (!document) return std::unexpected(Error{"Kea's answer is not JSON: " + document.error().error.message});
  // The control agent, and some versions, answer with a list of one.
  nlohmann::json& answer = document->is_array() && document->size() == 1 ? document->front() : *document;
  if (!answer.is_object()) return std::unexpected(Error{"Kea's answer is not an object"});
  const auto result = answer.find("result");
  if (result == answer.end() || !result->is_number_integer())
    return std::unexpected(Error{"Kea's answer has no result"});
  const auto number = result->get<std::int64_t>();
  if (number < 0 || number > 255)
    return std::unexpected(Error{"Kea's answer has the unknown result " + std::to_string(number)});

  Answer parsed;
  parsed.result = static_cast<int>(number);
  if (const auto text = answer.find("text"); text != answer.end() && text->is_string())
    parsed.text = text->get<std::string>();
  if (const auto arguments = answer.find("arguments"); arguments != answer.end())
    parsed.arguments = std::move(*arguments);
  return parsed;
}

}  // namespace xk::kea
