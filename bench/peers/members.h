// SPDX-License-Identifier: (GPL-2.0 OR MIT)
// Members and their counters: hhnet-ebpf/src/member.rs in C.
#pragma once
#include "packet.h"

#define MAX_COUNTERS 64
#define MAX_INTERFACES 16384

struct count {
	__u64 packets;
	__u64 bytes;
};

struct counts {
	struct count count;
	__u64 first;
	__u64 last;
};

struct member {
	struct count kinds[KINDS];
	struct count lost;
	__u64 lost_flows;
	__u64 double_tagged;
	__u64 later_fragments;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_INTERFACES);
	__type(key, __u32);
	__type(value, __u64);
} INTERFACES SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_COUNTERS);
	__type(key, __u32);
	__type(value, struct member);
} MEMBERS SEC(".maps");

ALWAYS_INLINE void add(struct count *count, __u64 bytes)
{
	count->packets++;
	count->bytes += bytes;
}

ALWAYS_INLINE struct member *member(__u32 slot)
{
	return bpf_map_lookup_elem(&MEMBERS, &slot);
}

ALWAYS_INLINE void count_member(const struct packet *packet, __u32 slot, __u64 bytes)
{
	struct member *counters = member(slot);

	if (!counters)
		return;
	if (packet->kind < KINDS)
		add(&counters->kinds[packet->kind], bytes);
	if (packet->tags > 1)
		counters->double_tagged++;
	if (packet->bits & LATER_FRAGMENT)
		counters->later_fragments++;
}

// The frame, if it came in by an interface that is counted.
ALWAYS_INLINE int ours(struct xdp_md *ctx, struct frame *frame, __u32 *member_slot)
{
	__u32 interface = ctx->ingress_ifindex;
	__u64 *known = bpf_map_lookup_elem(&INTERFACES, &interface);

	if (!known || !(__u8)*known)
		return 0;
	*member_slot = (__u8)(*known - 1);
	frame->start = (void *)(long)ctx->data;
	frame->end = (void *)(long)ctx->data_end;
	frame->length = bpf_xdp_get_buff_len(ctx);
	frame->origin = (__u64)*member_slot << 56;
	return 1;
}
