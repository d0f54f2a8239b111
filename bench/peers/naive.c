// SPDX-License-Identifier: (GPL-2.0 OR MIT)
// What one writes at first: flows and fingerprints in the kernel's LRU hashes. It
// reads frames as the others do, and asks for the time once.
#include "members.h"

#define FLOWS 65536
#define FINGERPRINTS 65536
// Nanoseconds in which an equal frame is a copy.
#define WINDOW 50000000

struct key_v4 {
	__u64 words[WORDS_V4];
};

struct key_v6 {
	__u64 words[WORDS_V6];
};

struct counts {
	struct count count;
	__u64 first;
	__u64 last;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, FLOWS);
	__type(key, struct key_v4);
	__type(value, struct counts);
} NAIVE_V4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, FLOWS / 4);
	__type(key, struct key_v6);
	__type(value, struct counts);
} NAIVE_V6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FINGERPRINTS);
	__type(key, __u64);
	__type(value, __u64);
} SEEN SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} COPIES SEC(".maps");

ALWAYS_INLINE void count_flow(void *flows, const void *key, __u64 bytes, __u64 now)
{
	struct counts *counts = bpf_map_lookup_elem(flows, key);
	struct counts first = { { 1, bytes }, now, now };

	if (counts) {
		add(&counts->count, bytes);
		counts->last = now;
	} else {
		bpf_map_update_elem(flows, key, &first, 0);
	}
}

// Of what is the same in a copy: flow, IP header and 64 bytes after it.
ALWAYS_INLINE __u64 fingerprint(const struct frame *frame, const struct packet *packet)
{
	__u64 hash = mix(packet->key[0] ^ packet->header);

	for (int i = 1; i < WORDS_V6; i++)
		hash = mix(hash ^ packet->key[i]);
	for (int i = 0; i < 8; i++) {
		__u64 *word = header(frame, packet->body + i * 8, 8);

		if (!word)
			break;
		hash = mix(hash ^ *word);
	}
	return hash;
}

ALWAYS_INLINE void look(const struct frame *frame, const struct packet *packet, __u64 now)
{
	__u64 key = fingerprint(frame, packet);
	__u64 *seen = bpf_map_lookup_elem(&SEEN, &key);
	__u32 zero = 0;

	if (seen && now - *seen < WINDOW) {
		__u64 *copies = bpf_map_lookup_elem(&COPIES, &zero);

		if (copies)
			++*copies;
	} else {
		bpf_map_update_elem(&SEEN, &key, &now, 0);
	}
}

SEC("xdp.frags") int naive(struct xdp_md *ctx)
{
	__u64 interface = interface_of(ctx);
	struct packet packet;
	struct frame frame;
	struct key_v4 key;
	__u64 now;

	if (!interface)
		return XDP_PASS;
	frame = frame_of(ctx, interface);
	parse(&frame, &packet);
	count_member(packet.kind, packet.tags, packet.key[4], (__u8)(interface - 1), frame.length);
	if (packet.kind != IPV4 && packet.kind != IPV6)
		return XDP_PASS;
	now = bpf_ktime_get_ns();
	look(&frame, &packet, now);
	if (packet.kind == IPV4) {
		key = (struct key_v4){ { packet.key[0], packet.key[4] } };
		count_flow(&NAIVE_V4, &key, frame.length, now);
	} else {
		count_flow(&NAIVE_V6, packet.key, frame.length, now);
	}
	return XDP_PASS;
}

SEC("license") char LICENSE[] = "Dual MIT/GPL";
