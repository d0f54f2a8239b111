// SPDX-License-Identifier: (GPL-2.0 OR MIT)
// The flow cache: hhnet-ebpf/src/cache.rs in C.
#pragma once
#include "members.h"

#define WAYS 4
#define EVICTED_BYTES (1 << 20)

// Frames of a flow that are copies: of one on the same member, on another, answers
// to what was answered; and the usual time between both, in sixteenths of a tick.
struct copies {
	__u32 same;
	__u32 cross;
	__u32 answered;
	__u32 delay;
};

struct counts {
	struct count count;
	struct copies copies;
	__u64 first;
	__u64 last;
};

// What is to be counted of a flow.
struct seen {
	__u64 bytes;
	__u64 now;
	struct copies copies;
};

// An entry is a key and its counts, and takes whole cache lines.
#define LINE 8
#define ENTRY(words) (((words) + sizeof(struct counts) / 8 + LINE - 1) / LINE * LINE)

// The number of entries of both is set at load.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64[WAYS * ENTRY(WORDS_V4)]);
} FLOWS_V4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64[WAYS * ENTRY(WORDS_V6)]);
} FLOWS_V6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, EVICTED_BYTES);
} EVICTED SEC(".maps");

const volatile __u32 BUCKETS_V4 = 1;
const volatile __u32 BUCKETS_V6 = 1;

// A number of the flow, whichever member it is of.
ALWAYS_INLINE __u64 digest(const __u64 *key, int words)
{
	__u64 hash = 0;

	for (int i = 0; i < words - 1; i++)
		hash = mix(hash ^ key[i]);
	return mix(hash ^ (key[words - 1] & ~(0xffULL << 56 | EGRESS)));
}

ALWAYS_INLINE int equal(const __u64 *a, const __u64 *b, int words)
{
	__u64 differences = 0;

	for (int i = 0; i < words; i++)
		differences |= a[i] ^ b[i];
	return !differences;
}

ALWAYS_INLINE struct counts *counts_of(__u64 *entry, int words)
{
	return (struct counts *)(entry + words);
}

// Passes a record on, or at least its counts.
ALWAYS_INLINE void hand_out(__u64 *entry, int words)
{
	__u64 size = words * 8 + sizeof(struct counts), half = EVICTED_BYTES / 2;
	__u64 waiting = bpf_ringbuf_query(&EVICTED, BPF_RB_AVAIL_DATA);
	__u64 wakeup = waiting < half && waiting + 8 + size >= half ? BPF_RB_FORCE_WAKEUP
								    : BPF_RB_NO_WAKEUP;
	struct counts *counts = counts_of(entry, words);
	struct member *counters;

	if (!bpf_ringbuf_output(&EVICTED, entry, size, wakeup))
		return;
	counters = member(entry[words - 1] >> 56);
	if (counters) {
		counters->lost.packets += counts->count.packets;
		counters->lost.bytes += counts->count.bytes;
		counters->lost_flows++;
	}
}

ALWAYS_INLINE int are_there(const struct copies *copies)
{
	return copies->same | copies->cross | copies->answered;
}

// Counts one more, and its delay.
ALWAYS_INLINE void add_copy(struct copies *copies, const struct copies *copy)
{
	copies->delay = are_there(copies) ? (copies->delay * 15 + copy->delay) / 16 : copy->delay;
	copies->same += copy->same;
	copies->cross += copy->cross;
	copies->answered += copy->answered;
}

#define STORE(place, value) (*(volatile typeof(place) *)&(place) = (value))

// No packets first, packets last, so that a reader notices.
ALWAYS_INLINE void replace(__u64 *entry, const __u64 *key, int words, const struct seen *seen)
{
	struct counts *counts = counts_of(entry, words);

	STORE(counts->count.packets, 0);
	for (int i = 0; i < words; i++)
		STORE(entry[i], key[i]);
	counts->count.bytes = seen->bytes;
	counts->copies = (struct copies){};
	if (are_there(&seen->copies))
		counts->copies = seen->copies;
	counts->first = seen->now;
	counts->last = seen->now;
	STORE(counts->count.packets, 1);
}

ALWAYS_INLINE void count_entry(struct counts *counts, const struct seen *seen)
{
	add(&counts->count, seen->bytes);
	counts->last = seen->now;
	if (are_there(&seen->copies))
		add_copy(&counts->copies, &seen->copies);
}

// Counts a frame of a flow in this CPU's part of a cache. `flow` is its digest.
ALWAYS_INLINE void count_flow(void *flows, __u32 buckets, const __u64 *key, int words, __u64 flow,
			      const struct seen *seen)
{
	__u32 index = bpf_get_smp_processor_id() * buckets;
	__u64 *bucket, *entry, *oldest;

	index += (__u32)(flow + (key[words - 1] >> 54)) & (buckets - 1);
	bucket = bpf_map_lookup_elem(flows, &index);
	if (!bucket)
		return;
	for (int i = 0; i < WAYS; i++) {
		entry = bucket + i * ENTRY(words);
		if (equal(entry, key, words)) {
			count_entry(counts_of(entry, words), seen);
			return;
		}
	}
	oldest = bucket;
	for (int i = 1; i < WAYS; i++) {
		entry = bucket + i * ENTRY(words);
		if (counts_of(entry, words)->last < counts_of(oldest, words)->last)
			oldest = entry;
	}
	if (counts_of(oldest, words)->count.packets)
		hand_out(oldest, words);
	replace(oldest, key, words, seen);
}
