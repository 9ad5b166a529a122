// The DHCPv4 message view: whatever it accepts can be walked, joined and cut within its bounds.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "dataplane/dhcp/message4.h"
#include "dataplane/dhcp/options4.h"
#include "dataplane/dhcp/relay_agent_information.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace xk;
  const Bytes message(data, size);
  const auto view = Message4View::parse(message, size > 0 ? data[0] : std::uint8_t{1});
  if (!view) return 0;
  const auto options = scan_options4(message);
  if (!options) return 0;
  if (message[options->end] != option4::kEnd) std::abort();

  std::array<std::uint8_t, kOptionJoinedMax> scratch;
  const Bytes content = join_option4(message, options->agent_parts(), std::span(scratch));
  const bool well = agent_well_formed(content);
  std::vector<std::size_t> cuts{0, content.size(), content.size() / 2};
  for (AgentCursor at(content); well && at.valid(); at.next()) cuts.push_back(at.offset());
  for (const std::size_t from : cuts) {
    std::vector<std::uint8_t> out(size);
    const std::size_t written = copy_without_agent(message, options->agent_parts(), from, out);
    if (written > size) std::abort();
    const auto left = scan_options4(Bytes(out).first(written));
    if (!left || left->type != options->type) std::abort();
    std::array<std::uint8_t, kOptionJoinedMax> other;
    const Bytes kept = join_option4(Bytes(out).first(written), left->agent_parts(), std::span(other));
    if (!std::ranges::equal(kept, content.first(std::min(from, content.size())))) std::abort();
  }
  return 0;
}
