// The API's routes as one table, and a request answered from it: no socket, no HTTP library.
// docs/openapi.yaml describes every route; a test compares the two.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controlplane/api/control.h"

namespace xk::api {

struct ApiRequest {
  std::string method;  // HEAD is answered as GET
  std::string path;    // percent-decoded, without the query
  std::vector<std::pair<std::string, std::string>> query;
  std::string body;
};

struct ApiReply {
  int status = 200;
  std::string body;
  std::string allow;  // the methods of the path, with status 405
  std::string content_type = "application/json";
};

struct Route {
  std::string_view method;
  std::string_view path;  // "/v1/vrfs/{name}": at most one variable segment
  std::vector<std::string_view> query;
  ApiReply (*handle)(Control& control, const ApiRequest& request, const std::string& variable);
};

[[nodiscard]] const std::vector<Route>& routes();

// Never throws; anything wrong is a reply {"errors":[...]}.
[[nodiscard]] ApiReply answer(Control& control, const ApiRequest& request);
[[nodiscard]] ApiReply error_reply(int status, std::vector<std::string> messages);
[[nodiscard]] ApiReply failure_reply(Failure failure);

inline constexpr std::size_t kPathBytesMax = 256;

}  // namespace xk::api
