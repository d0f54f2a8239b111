// SPDX-License-Identifier: (GPL-2.0 OR MIT)
// Members and their counters: member.rs of hhnet-ebpf in C.
#pragma once
#include "packet.h"

#define MAX_COUNTERS 64
#define MAX_INTERFACES 16384

struct count {
	__u64 packets;
	__u64 bytes;
};

struct member {
	struct count kinds[KINDS];
	struct count lost;
	__u64 lost_flows;
	__u64 double_tagged;
	__u64 later_fragments;
};

// Bits 0-7 member slot + 1, 16-63 MAC address.
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

ALWAYS_INLINE void count_member(__u32 kind, __u64 tags, __u64 attributes, __u32 slot, __u64 bytes)
{
	struct member *counters = member(slot);

	if (!counters)
		return;
	if (kind < KINDS)
		add(&counters->kinds[kind], bytes);
	counters->double_tagged += tags >> 1;
	counters->later_fragments += attributes >> 53 & 1;
}

// What is known of the interface that the frame came in by; 0 if it is not counted.
ALWAYS_INLINE __u64 interface_of(struct xdp_md *ctx)
{
	__u32 index = ctx->ingress_ifindex;
	__u64 *interface = bpf_map_lookup_elem(&INTERFACES, &index);

	return interface && (__u8)*interface ? *interface : 0;
}

ALWAYS_INLINE struct frame frame_of(struct xdp_md *ctx, __u64 interface)
{
	return (struct frame){
		.start = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
		.length = bpf_xdp_get_buff_len(ctx),
		.origin = (__u64)(__u8)(interface - 1) << 56,
	};
}
