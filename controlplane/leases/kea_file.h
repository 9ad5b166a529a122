// Kea's lease file (memfile, DHCPv4) from the store, and back: a Kea starts with what the store has.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "controlplane/leases/gate.h"
#include "controlplane/store/store.h"

namespace xk::leases {

// What Kea's directory has to do with leases.
inline constexpr const char* kLeaseFileName = "kea-leases4.csv";
inline constexpr const char* kQueueFileName = "lease-queue";

// Columns of Kea 2.2; later versions read it too.
inline constexpr std::string_view kLeaseFileHeader =
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_"
    "context\n";

// A line of the file with its end. Here and in change_of a user context that Kea does not read is left out:
// Kea would do without the lease.
[[nodiscard]] std::string lease_line(const Record& record, std::uint32_t subnet_id);
// A lease from a line; columns in the order of the header above. An Error says which column is wrong.
[[nodiscard]] std::expected<LeaseChange, Error> parse_lease_line(std::string_view line);

// A lease of the store as Kea is to hold it; in the subnet of today that has its address.
[[nodiscard]] LeaseChange change_of(const Record& record, const VrfFacts& facts);

struct RestoreJob {
  VrfFacts facts;
  std::string directory;  // of the VRF's Kea, which does not run
  uid_t uid = 0;          // whom the file is to belong to
  gid_t gid = 0;
  // Another appliance may be active in the VRF: nothing goes into the store but that it is known there.
  bool shared = false;
};
struct Restored {
  store::Revision revision = 0;    // of the store, as of which this is
  std::uint64_t leases = 0;        // in Kea's file now
  std::uint64_t outside = 0;       // of these: in none of today's subnets; kept
  std::uint64_t expired = 0;       // of these: over, and kept for their clients
  std::uint64_t imported = 0;      // taken over from a file that the store had never seen
  std::uint64_t queued = 0;        // changes that waited in the hook's queue file
  std::uint64_t bad = 0;           // values of the store that are no lease: left there, and out of Kea's file
  std::string first_bad;           // key and what is wrong with it
  std::uint64_t bad_contexts = 0;  // of the leases: their user context is none that Kea reads, and left out
  std::string first_bad_context;   // the first one's address
  std::string queue_trouble;       // the queue file was not whole: what became of it
  bool queue_damaged = false;      // and that is not the end that a kill leaves
};
// Puts Kea's lease file in place, made from the store. First what is not in the store yet goes there: the
// changes in the hook's queue file and, for a VRF that the store has never seen, the leases of the file as
// it was. Blocks; about 3 s for a million leases.
[[nodiscard]] std::expected<Restored, Error> restore_kea(store::Store& store, const RestoreJob& job,
                                                         std::int64_t now_unix_s);
// Only the first part of that: a Kea that has ended, and of which the store is to have everything. A
// directory that is not there, or of no name, has nothing.
[[nodiscard]] std::expected<Restored, Error> take_over_kea(store::Store& store, const RestoreJob& job);
// Says that the store has the VRF's leases, and Kea's own file does not count any more.
[[nodiscard]] std::string restored_key(std::string_view vrf);
// The VRF's Kea is about to run without the store: what is in the store will be old, and its file counts
// the next time.
[[nodiscard]] std::expected<void, Error> forget_restored(store::Store& store, const std::string& vrf);
// All leases of a VRF, and what the store knows of it.
[[nodiscard]] std::expected<void, Error> purge_leases(store::Store& store, const std::string& vrf);

}  // namespace xk::leases
