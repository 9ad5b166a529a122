// The views of control.h as JSON and back: one table of fields serves the server and the client.
// Every field is required when read, unknown ones are ignored (a newer daemon may say more).
// Strings that are no UTF-8 (a client's host name can be anything) get U+FFFD where they are not.
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "controlplane/api/control.h"
#include "dataplane/base/error.h"

namespace xk::api {

using Json = nlohmann::ordered_json;  // keeps the order of the fields in the table

// What a body is: an object, so that fields can be added.
struct VrfsBody {
  std::vector<VrfView> vrfs;
};
struct VrfBody {  // GET /v1/vrfs/{name}: the VRF and all that belongs to it
  VrfView vrf;
  std::vector<AttachmentView> attachments;
  std::optional<KeaView> kea;
  std::optional<NativeView> native;
  std::vector<ServerView> servers;  // elsewhere
  CountersView counters;
};
struct AttachmentsBody {
  std::vector<AttachmentView> attachments;
};
struct PoolsBody {
  std::vector<PoolView> pools;
};
struct PausesBody {
  std::vector<PauseView> pauses;
};
struct KeasBody {
  std::vector<KeaView> keas;
};
struct ConfigBody {
  std::string toml;
};
struct ErrorsBody {
  std::vector<std::string> errors;
};

inline constexpr std::size_t kRequestBytesMax = 16u << 20;  // of a request's body: it may be a configuration
inline constexpr std::size_t kAnswerBytesMax = 64u << 20;   // of an answer: leases may be many
inline constexpr std::size_t kJsonDepthMax = 64;            // nested objects and arrays

// JSON text of at most bytes_max bytes and kJsonDepthMax levels, or what is wrong with it and where.
[[nodiscard]] std::expected<Json, Error> parse_json(std::string_view text, std::size_t bytes_max);
// indent < 0: one line.
[[nodiscard]] std::string dump_json(const Json& json, int indent = -1);

// Both exist for every view of control.h and every body above. An Error of from_json names the
// field: "vrfs[2].id: not a number from 0 to 4294967295".
template <typename View>
[[nodiscard]] Json to_json(const View& view);
template <typename View>
[[nodiscard]] std::expected<View, Error> from_json(const Json& json);

}  // namespace xk::api
