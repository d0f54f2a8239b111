// SPDX-License-Identifier: (GPL-2.0 OR MIT)
// One part of the work alone: to count a frame's flow, in the cache and in a hash of
// the kernel. Without a look at the clock, which takes longer than either.
#include "flows.h"

#define FLOWS 65536

struct key_v4 {
	__u64 words[WORDS_V4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, FLOWS);
	__type(key, struct key_v4);
	__type(value, struct counts);
} HASHED SEC(".maps");

// Keeps the compiler from leaving out what nothing else comes of.
#define USE(value) asm volatile("" : : "r"(value))

ALWAYS_INLINE int find(struct xdp_md *ctx, struct frame *frame, struct key_v4 *key)
{
	__u64 interface = interface_of(ctx);
	struct packet packet;

	if (!interface)
		return 0;
	*frame = frame_of(ctx, interface);
	if (!parse(frame, &packet) || packet.kind != IPV4)
		return 0;
	*key = (struct key_v4){ { packet.key[0], packet.key[4] } };
	return 1;
}

SEC("xdp.frags") int parse_only(struct xdp_md *ctx)
{
	struct frame frame;
	struct key_v4 key;

	if (find(ctx, &frame, &key)) {
		USE(key.words[0]);
		USE(key.words[1]);
	}
	return XDP_PASS;
}

SEC("xdp.frags") int in_cache(struct xdp_md *ctx)
{
	struct frame frame;
	struct key_v4 key;
	struct seen seen;

	if (find(ctx, &frame, &key)) {
		seen = (struct seen){ .bytes = frame.length, .now = 1 };
		count_flow(&FLOWS_V4, BUCKETS_V4, key.words, WORDS_V4,
			   digest(key.words, WORDS_V4), &seen);
	}
	return XDP_PASS;
}

SEC("xdp.frags") int in_hash(struct xdp_md *ctx)
{
	struct counts *counts;
	struct frame frame;
	struct key_v4 key;

	if (!find(ctx, &frame, &key))
		return XDP_PASS;
	counts = bpf_map_lookup_elem(&HASHED, &key);
	if (counts) {
		add(&counts->count, frame.length);
		counts->last = 1;
	} else {
		struct counts first = { .count = { 1, frame.length }, .first = 1, .last = 1 };

		bpf_map_update_elem(&HASHED, &key, &first, 0);
	}
	return XDP_PASS;
}

SEC("license") char LICENSE[] = "Dual MIT/GPL";
