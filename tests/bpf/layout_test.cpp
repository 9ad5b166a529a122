// The layouts of bpf/shared/layout.h as user space compiled them against those in the object's BTF.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>

#include <cstddef>

#include "tests/bpf/program.h"
#include "xdp_classify.skel.h"

namespace xk::test {
namespace {

class LayoutTest : public testing::Test {
 protected:
  [[nodiscard]] const btf* types() const { return bpf_object__btf(program.skeleton()->obj); }

  // The struct or union behind typedefs and modifiers.
  [[nodiscard]] const btf_type* resolved(__u32 id) const {
    const __s32 real = btf__resolve_type(types(), id);
    return real > 0 ? btf__type_by_id(types(), static_cast<__u32>(real)) : nullptr;
  }

  struct Member {
    std::string name;
    std::size_t offset;
    std::size_t size;
    friend bool operator==(const Member&, const Member&) = default;
  };
  // Members of the type that a map has as its key or value.
  [[nodiscard]] std::vector<Member> members(__u32 id) const {
    const btf_type* type = resolved(id);
    std::vector<Member> list;
    if (type == nullptr || !btf_is_struct(type)) return list;
    for (__u32 i = 0; i < btf_vlen(type); ++i) {
      const btf_member& member = btf_members(type)[i];
      list.push_back({btf__name_by_offset(types(), member.name_off), btf_member_bit_offset(type, i) / 8u,
                      static_cast<std::size_t>(btf__resolve_size(types(), member.type))});
    }
    return list;
  }

  Program program;
};

void PrintTo(const auto& member, std::ostream* out)
  requires requires { member.offset; }
{
  *out << member.name << " at " << member.offset << ", " << member.size << " bytes";
}

#define XK_MEMBER(type, member) \
  Member { #member, offsetof(type, member), sizeof(type{}.member) }

TEST_F(LayoutTest, Attachments) {
  const bpf_map* map = program.skeleton()->maps.xk_attachments;
  EXPECT_STREQ(bpf_map__name(map), XK_MAP_ATTACHMENTS);
  EXPECT_EQ(bpf_map__max_entries(map), XK_ATTACHMENTS_MAX);
  EXPECT_EQ(bpf_map__key_size(map), sizeof(xk_attachment_key));
  EXPECT_EQ(bpf_map__value_size(map), sizeof(xk_attachment_value));
  EXPECT_EQ(
      members(bpf_map__btf_key_type_id(map)),
      (std::vector<Member>{XK_MEMBER(xk_attachment_key, ifindex), XK_MEMBER(xk_attachment_key, outer_vid),
                           XK_MEMBER(xk_attachment_key, inner_vid)}));
  EXPECT_EQ(members(bpf_map__btf_value_type_id(map)),
            (std::vector<Member>{
                XK_MEMBER(xk_attachment_value, attachment_id), XK_MEMBER(xk_attachment_value, vrf_id),
                XK_MEMBER(xk_attachment_value, xsk_base), XK_MEMBER(xk_attachment_value, xsk_count),
                XK_MEMBER(xk_attachment_value, role), XK_MEMBER(xk_attachment_value, reserved)}));
}

TEST_F(LayoutTest, Addresses) {
  const bpf_map* map = program.skeleton()->maps.xk_addresses;
  EXPECT_STREQ(bpf_map__name(map), XK_MAP_ADDRESSES);
  EXPECT_EQ(bpf_map__max_entries(map), XK_ADDRESSES_MAX);
  EXPECT_EQ(bpf_map__key_size(map), sizeof(xk_address_key));
  EXPECT_EQ(bpf_map__value_size(map), sizeof(__u32));
  EXPECT_EQ(members(bpf_map__btf_key_type_id(map)),
            (std::vector<Member>{XK_MEMBER(xk_address_key, attachment_id), XK_MEMBER(xk_address_key, family),
                                 XK_MEMBER(xk_address_key, address)}));
}

TEST_F(LayoutTest, SocketsAndCounters) {
  const bpf_map* sockets = program.skeleton()->maps.xk_xsks;
  EXPECT_STREQ(bpf_map__name(sockets), XK_MAP_XSKS);
  EXPECT_EQ(bpf_map__max_entries(sockets), XK_XSKS_MAX);
  const bpf_map* counters = program.skeleton()->maps.xk_counters;
  EXPECT_STREQ(bpf_map__name(counters), XK_MAP_COUNTERS);
  EXPECT_EQ(bpf_map__max_entries(counters), XK_OUTCOMES_MAX);
  EXPECT_EQ(bpf_map__value_size(counters), sizeof(__u64));
  EXPECT_STREQ(bpf_program__name(program.skeleton()->progs.xk_classify), XK_PROGRAM);
}

// The structs describe every byte: with no padding a key has no byte that nobody sets.
TEST_F(LayoutTest, NoPadding) {
  for (const bpf_map* map :
       {program.skeleton()->maps.xk_attachments, program.skeleton()->maps.xk_addresses}) {
    std::size_t sum = 0;
    for (const Member& member : members(bpf_map__btf_key_type_id(map))) {
      EXPECT_EQ(member.offset, sum) << member.name;
      sum += member.size;
    }
    EXPECT_EQ(sum, bpf_map__key_size(map));
  }
}

}  // namespace
}  // namespace xk::test
