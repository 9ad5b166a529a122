// JSON text -> every view the CLI reads and every request the API takes. What is accepted must
// survive the trip back, and the routes must answer whatever comes as a body or a path.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "controlplane/api/routes.h"
#include "controlplane/api/scrape_server.h"
#include "controlplane/api/views_json.h"
#include "tests/unit/api_fake.h"

namespace {

using namespace xk::api;

template <typename View>
void trip(const Json& json) {
  const auto view = from_json<View>(json);
  if (!view) return;
  const auto again = parse_json(dump_json(to_json(*view)), kAnswerBytesMax);
  if (!again || !from_json<View>(*again)) std::abort();
  if (*again != to_json(*view)) std::abort();
}

void views(std::string_view text) {
  const auto json = parse_json(text, 1u << 16);
  if (!json) return;
  trip<StatusView>(*json);
  trip<AllCountersView>(*json);
  trip<ReloadView>(*json);
  trip<VrfsBody>(*json);
  trip<VrfBody>(*json);
  trip<AttachmentsBody>(*json);
  trip<LeasePageView>(*json);
  trip<LeaseWatchView>(*json);
  trip<PoolsBody>(*json);
  trip<PauseRequest>(*json);
  trip<KeasBody>(*json);
  trip<ConfigBody>(*json);
  trip<ConfigDiffView>(*json);
  trip<ConfigText>(*json);
  trip<EventsView>(*json);
  trip<DeleteRequest>(*json);
  trip<HaRequest>(*json);
  trip<HaDoneView>(*json);
  trip<TeardownView>(*json);
  trip<ExplainView>(*json);
  trip<ErrorsBody>(*json);
  trip<ReadyView>(*json);
}

void requests(std::string_view text) {
  FakeControl control;
  control.kea_answer = text;
  const std::string body(text);
  for (const ApiRequest& request :
       {ApiRequest{"POST", "/v1/kea/red/command", {}, body}, ApiRequest{"GET", "/" + body, {}, ""},
        ApiRequest{"POST", "/v1/config/diff", {}, body}, ApiRequest{"POST", "/v1/vrfs/red/delete", {}, body},
        ApiRequest{"GET", "/v1/events", {{"since", body}, {"wait_s", body}}, ""},
        ApiRequest{"GET", "/v1/vrfs/" + body, {}, ""}, ApiRequest{"POST", "/v1/vrfs/" + body, {}, ""},
        ApiRequest{"GET", "/v1/explain", {{"interface", body}, {"vlan", body}}, ""},
        ApiRequest{"GET", "/v1/leases", {{"vrf", body}}, ""}}) {
    const ApiReply reply = answer(control, request);
    if (!parse_json(reply.body, kAnswerBytesMax)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  views(text);
  requests(text);
  return 0;
}
