// [vrf.native], [[vrf.class]] and the pools with terms of their own
#include "controlplane/config/keys.h"
#include "controlplane/model/names.h"

namespace xk::config {
namespace {

const auto kNativeKeys = std::to_array<Key<FileNative>>({
    {&FileNative::durability,
     {.name = "durability",
      .description =
          "What an ACK waits for: `local`, the lease is on this machine's stable storage; `replicated`, the "
          "store (`[store]`: an etcd cluster) has it too; `none`, nothing: a crash may lose the last leases.",
      .example = "\"replicated\"",
      .use = Use::native,
      .words = kReplyAfterNames}},
    {&FileNative::on_failure,
     {.name = "on_failure",
      .description =
          "While the journal cannot be written (a full disk): `strict`, no ACK for a new or longer lease; "
          "`available`, they are answered all the same, and written when that is possible again.",
      .example = "\"available\"",
      .use = Use::native,
      .words = kOnFailureNames}},
    {&FileNative::allocate,
     {.name = "allocate",
      .description =
          "Which free address a client gets that had none and asks for none: the `lowest`, or with `hashed` "
          "the first free one from a place in the pools that its identity says, so that it often gets the "
          "same one although nothing remembers it.",
      .example = "\"hashed\"",
      .use = Use::native,
      .words = kAllocateNames}},
    {&FileNative::conflict_check,
     {.name = "conflict_check",
      .description =
          "Whether an address is asked for by ARP before a client is offered it the first time; one that "
          "answers is kept out of use for decline_s.",
      .example = "true",
      .use = Use::native}},
    {&FileNative::rapid_commit,
     {.name = "rapid_commit",
      .description = "Whether clients that ask for it get their lease with the first answer (RFC 4039).",
      .example = "true",
      .use = Use::native}},
    {&FileNative::bootp,
     {.name = "bootp",
      .description = "Whether BOOTP clients are answered; their lease has no end (RFC 1534 2).",
      .example = "true",
      .use = Use::native}},
    {&FileNative::authoritative,
     {.name = "authoritative",
      .description =
          "Whether clients that nothing is known of, and that ask for an address which does not fit, are "
          "refused it. `false`: they are left to another server of the network (RFC 2131 4.3.2).",
      .example = "false",
      .use = Use::native}},
    {&FileNative::offer_hold_s,
     {.name = "offer_hold_s",
      .description = "Seconds that an address which was offered is kept for the client.",
      .example = "60",
      .use = Use::native,
      .min = 1,
      .max = 3600}},
    {&FileNative::decline_s,
     {.name = "decline_s",
      .description = "Seconds that an address which a client declined is not given out.",
      .example = "3600",
      .use = Use::native,
      .min = 1,
      .max = 31536000}},
    {&FileNative::circuit_leases_max,
     {.name = "circuit_leases_max",
      .description =
          "Leases of one circuit-id at a time; as many addresses of its may be declined. 0: no limit.",
      .example = "4",
      .use = Use::native,
      .min = 0,
      .max = 16777216}},
    {&FileNative::attachment_leases_max,
     {.name = "attachment_leases_max",
      .description =
          "Leases of one attachment at a time; as many addresses of its may be declined. 0: no limit.",
      .example = "1000",
      .use = Use::native,
      .min = 0,
      .max = 16777216}},
    {&FileNative::query_requestors,
     {.name = "query_requestors",
      .description = "Addresses of those who may ask for leases by DHCPLEASEQUERY (RFC 4388).",
      .example = "[\"10.0.0.2\"]",
      .use = Use::native,
      .max = kNativeRequestorsMax}},
});

const auto kClassChildren = std::to_array<std::string_view>({"match", "options"});

const auto kClassKeys = std::to_array<Key<FileClass>>({
    {&FileClass::name,
     {.name = "name",
      .description = "Name of the class, unique in the VRF.",
      .example = "\"phones\"",
      .required = true,
      .use = Use::native,
      .check = check_name,
      .allowed = "1 to 63 letters, digits, `-`, `_`, `.`, a letter or digit first"}},
    {&FileClass::lease_time_s,
     {.name = "lease_time_s",
      .description = "Lease time in seconds of its clients.",
      .example = "86400",
      .default_text = "the subnet's",
      .use = Use::native,
      .min = 10,
      .max = 31536000}},
    {&FileClass::next_server,
     {.name = "next_server",
      .description = "The server of their next step in booting (siaddr).",
      .example = "\"10.0.0.6\"",
      .default_text = "the subnet's",
      .use = Use::native}},
    {&FileClass::boot_file,
     {.name = "boot_file",
      .description = "The file that they get there.",
      .example = "\"bootx64.efi\"",
      .default_text = "the subnet's",
      .use = Use::native,
      .check = check_boot_file,
      .allowed = "at most 127 characters",
      .empty_allowed = true}},
});

constexpr std::string_view kOneOf = "one of `equals`, `begins`, `contains` and `present`";

const auto kMatchKeys = std::to_array<Key<FileMatch>>({
    {&FileMatch::key,
     {.name = "key",
      .description =
          "What of a client is looked at: `vendor_class` (option 60), `user_class` (option 77, whole or one "
          "of its classes), `circuit_id` (of option 82, or the attachment's), `remote_id`, `mac` (chaddr), "
          "or "
          "any `option` with its code.",
      .example = "\"vendor_class\"",
      .required = true,
      .use = Use::native,
      .words = kConditionKindNames}},
    {&FileMatch::code,
     {.name = "code",
      .description = "Code of the option.",
      .example = "93",
      .default_text = "none",
      .use = Use::native,
      .min = 1,
      .max = 254,
      .allowed = "needed by `key = \"option\"`, refused with others"}},
    {&FileMatch::equals,
     {.name = "equals",
      .description = "It is this: text, or `0x` and hex; of a MAC address, bytes in hex with colons.",
      .example = "\"0x0007\"",
      .default_text = "none",
      .use = Use::native,
      .check = check_match,
      .allowed = kOneOf}},
    {&FileMatch::begins,
     {.name = "begins",
      .description = "It begins with this.",
      .example = "\"PXEClient\"",
      .default_text = "none",
      .use = Use::native,
      .check = check_match,
      .allowed = kOneOf}},
    {&FileMatch::contains,
     {.name = "contains",
      .description = "This is somewhere in it.",
      .example = "\"phone\"",
      .default_text = "none",
      .use = Use::native,
      .check = check_match,
      .allowed = kOneOf}},
    {&FileMatch::present,
     {.name = "present",
      .description = "It is there, whatever it says.",
      .example = "true",
      .use = Use::native,
      .allowed = kOneOf}},
});

const auto kPoolChildren = std::to_array<std::string_view>({"options"});

const auto kPoolKeys = std::to_array<Key<FilePool>>({
    {&FilePool::range,
     {.name = "range",
      .description = "The addresses, as in `pools`.",
      .example = "\"10.0.0.200-10.0.0.249\"",
      .required = true,
      .use = Use::native,
      .allowed = "inside the prefix, not overlapping other pools"}},
    {&FilePool::classes,
     {.name = "classes",
      .description = "Who gets addresses of it: clients of any of these classes. Empty: all.",
      .example = "[\"phones\"]",
      .use = Use::native,
      .max = kNativeClassesMax,
      .check = check_name,
      .allowed = "names of classes of the VRF"}},
});

}  // namespace

const Section<FileNative>& native_section() {
  static const Section<FileNative> section{
      {.path = "vrf.native",
       .description = "How the native engine serves the VRF. Its leases are in a journal in `state_dir`; "
                      "after their end "
                      "they are kept for their clients for `store.lease_grace_s`.",
       .example = "[[vrf]]\nname = \"green\"\nengine = \"native\"\n\n[[vrf.subnet]]\nprefix = "
                  "\"10.0.0.0/24\"\npools = [\"10.0.0.100-10.0.0.199\"]\ngateway = \"10.0.0.1\"\n\n"
                  "[[vrf.attachment]]\ninterface = \"eth1\"\n\n[vrf.native]\nallocate = \"hashed\"\n"
                  "conflict_check = true\n",
       .use = Use::native},
      kNativeKeys};
  return section;
}

const Section<FileClass>& class_section() {
  static const Section<FileClass> section{
      {.path = "vrf.class",
       .repeated = true,
       .children = kClassChildren,
       .description =
           "Clients that something is true of: at most 32 classes a VRF. What a class says takes the place "
           "of "
           "what subnet and pool say; of several classes that a client is in, the first counts. Pools "
           "can be for the clients of a class only.",
       .example =
           "[[vrf]]\nname = \"green\"\nengine = \"native\"\n\n[[vrf.class]]\nname = \"uefi\"\nmatch = [\n"
           "  {key = \"vendor_class\", begins = \"PXEClient\"},\n  {key = \"option\", code = 93, equals = "
           "\"0x0007\"},\n]\nnext_server = \"10.0.0.6\"\nboot_file = \"bootx64.efi\"\n\n"
           "[[vrf.class]]\nname = \"phones\"\nmatch = [{key = \"mac\", begins = \"02:00:5e\"}]\n"
           "lease_time_s = 86400\n\n[[vrf.subnet]]\nprefix = \"10.0.0.0/24\"\ngateway = \"10.0.0.1\"\n"
           "pools = [\"10.0.0.100-10.0.0.199\"]\n\n[[vrf.subnet.pool]]\nrange = "
           "\"10.0.0.200-10.0.0.249\"\nclasses = [\"phones\"]\n",
       .use = Use::native},
      kClassKeys};
  return section;
}

const Section<FileMatch>& match_section() {
  static const Section<FileMatch> section{
      {.path = "vrf.class.match",
       .repeated = true,
       .description = "What must be true of the class's clients, all of it: 1 to 8 conditions.",
       .example = "[[vrf]]\nname = \"green\"\nengine = \"native\"\n\n[[vrf.class]]\nname = \"line-7\"\n\n"
                  "[[vrf.class.match]]\nkey = \"circuit_id\"\nequals = \"eth1:7.0\"\n\n"
                  "[[vrf.class.match]]\nkey = \"user_class\"\npresent = true\n",
       .use = Use::native},
      kMatchKeys};
  return section;
}

const Section<FilePool>& pool_section() {
  static const Section<FilePool> section{
      {.path = "vrf.subnet.pool",
       .repeated = true,
       .children = kPoolChildren,
       .description = "A pool that only some clients get addresses of, or with options of its own.",
       .example =
           "[[vrf]]\nname = \"green\"\nengine = \"native\"\n\n[[vrf.class]]\nname = \"phones\"\nmatch = "
           "[{key = \"vendor_class\", begins = \"Phone\"}]\n\n[[vrf.subnet]]\nprefix = "
           "\"10.0.0.0/24\"\ngateway = \"10.0.0.1\"\n\n[[vrf.subnet.pool]]\nrange = "
           "\"10.0.0.200-10.0.0.249\"\nclasses = [\"phones\"]\noptions = [{name = \"interface-mtu\", data = "
           "\"1400\"}]\n",
       .use = Use::native},
      kPoolKeys};
  return section;
}

}  // namespace xk::config
