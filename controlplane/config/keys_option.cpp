// DHCP options, at all levels
#include "controlplane/config/keys.h"
#include "controlplane/model/names.h"

namespace xk::config {
namespace {

constexpr std::string_view kSameKeys = "vrf.subnet.options";

const auto kOptionKeys = std::to_array<Key<FileOption>>({
    {&FileOption::name,
     {.name = "name",
      .description =
          "Name of the option, as Kea calls it. In a subnet, options with a key of their own there (routers, "
          "domain-name-servers, domain-name, ntp-servers) are refused; lease time, server identifier and "
          "those of clients and relays are everywhere.",
      .example = "\"interface-mtu\"",
      .default_text = "none",
      .use = Use::server,
      .check = check_option_name,
      .allowed = "either `name` or `code`; see [Names of options](#names-of-options)"}},
    {&FileOption::code,
     {.name = "code",
      .description = "Code of the option. One without a name needs `type` or `hex`.",
      .example = "224",
      .default_text = "none",
      .use = Use::server,
      .min = 1,
      .max = 254,
      .allowed = "either `name` or `code`"}},
    {&FileOption::data,
     {.name = "data",
      .description = "The value as text: fields separated by commas.",
      .example = "\"1400\"",
      .default_text = "none",
      .use = Use::server,
      .check = check_option_data,
      .allowed = "either `data` or `hex`; printable ASCII, at most 1024 characters",
      .empty_allowed = true}},
    {&FileOption::type,
     {.name = "type",
      .description =
          "What `data` means: an address, several, numbers of 8, 16 or 32 bits, a flag, text, domain names, "
          "a "
          "search list (RFC 3397), routes (RFC 3442, each a prefix and a router). Also in the place of the "
          "type that the option has by definition.",
      .example = "\"address\"",
      .default_text = "that of the option's definition",
      .use = Use::server,
      .words = kOptionTypeNames,
      .allowed = "with `data`"}},
    {&FileOption::hex,
     {.name = "hex",
      .description = "The value's bytes in hex.",
      .example = "\"c0a80001\"",
      .default_text = "none",
      .use = Use::server,
      .check = check_hex,
      .allowed = "either `data` or `hex`; at most 255 bytes, 1020 where only the `native` engine says them",
      .empty_allowed = true}},
});

}  // namespace

const Section<FileOption>& option_section() {
  static const Section<FileOption> section{
      {.path = "vrf.subnet.options",
       .repeated = true,
       .description =
           "Further options of the subnet, by name or by code. Written as a list of inline tables or "
           "as `[[vrf.subnet.options]]`. Options are there at several levels, and each takes the place of "
           "the "
           "same option at the levels before it: `[[options]]`, `[[vrf.options]]`, the subnet's, its pool's, "
           "the client's class's, its static lease's.",
       .example =
           "[[vrf]]\nname = \"red\"\n\n[[vrf.subnet]]\nprefix = \"10.0.0.0/24\"\ngateway = \"10.0.0.1\"\n"
           "options = [\n  {name = \"interface-mtu\", data = \"1400\"},\n  {code = 224, hex = "
           "\"c0a80001\"},\n  {code = 225, type = \"addresses\", data = \"10.0.0.8, 10.0.0.9\"},\n"
           "  {name = \"classless-static-routes\", data = \"10.8.0.0/16 10.0.0.254, 0.0.0.0/0 10.0.0.1\"},\n"
           "]\n",
       .use = Use::server},
      kOptionKeys};
  return section;
}

const Section<FileOption>& global_option_section() {
  static const Section<FileOption> section{
      {.path = "options",
       .repeated = true,
       .description =
           "Options of all subnets of all VRFs that lease addresses themselves. A Kea template is not "
           "changed by them.",
       .example = "[[options]]\nname = \"domain-name-servers\"\ndata = \"192.0.2.53, 192.0.2.54\"\n\n"
                  "[[options]]\nname = \"domain-search\"\ndata = \"example.net, lab.example.net\"\n",
       .keys_of = kSameKeys},
      kOptionKeys};
  return section;
}

const Section<FileOption>& vrf_option_section() {
  static const Section<FileOption> section{
      {.path = "vrf.options",
       .repeated = true,
       .description = "Options of all subnets of the VRF. A Kea template is not changed by them.",
       .example = "[[vrf]]\nname = \"red\"\noptions = [{name = \"domain-name-servers\", data = "
                  "\"10.0.0.53\"}]\n",
       .use = Use::server,
       .keys_of = kSameKeys},
      kOptionKeys};
  return section;
}

const Section<FileOption>& pool_option_section() {
  static const Section<FileOption> section{
      {.path = "vrf.subnet.pool.options",
       .repeated = true,
       .description = "Options of clients with an address of the pool.",
       .example =
           "[[vrf]]\nname = \"green\"\nengine = \"native\"\n\n[[vrf.subnet]]\nprefix = "
           "\"10.0.0.0/24\"\ngateway = \"10.0.0.1\"\n\n[[vrf.subnet.pool]]\nrange = "
           "\"10.0.0.100-10.0.0.149\"\noptions = [{name = \"domain-name\", data = \"lab.example.net\"}]\n",
       .use = Use::native,
       .keys_of = kSameKeys},
      kOptionKeys};
  return section;
}

const Section<FileOption>& class_option_section() {
  static const Section<FileOption> section{
      {.path = "vrf.class.options",
       .repeated = true,
       .description = "Options of the clients of the class.",
       .example = "[[vrf]]\nname = \"green\"\nengine = \"native\"\n\n[[vrf.class]]\nname = \"phones\"\n"
                  "match = [{key = \"vendor_class\", begins = \"Phone\"}]\noptions = [{name = "
                  "\"tftp-server-addresses\", data = \"10.0.0.9\"}]\n",
       .use = Use::native,
       .keys_of = kSameKeys},
      kOptionKeys};
  return section;
}

}  // namespace xk::config
