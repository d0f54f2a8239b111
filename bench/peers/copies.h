// SPDX-License-Identifier: (GPL-2.0 OR MIT)
// Comparing a frame with those before it, and counting what came twice: copies.rs
// and programs/copies.rs of hhnet-ebpf in C.
#pragma once
#include "duplicates.h"
#include "members.h"

#define MAX_MEMBERS 32
#define DELAY_BUCKETS 16
#define EXAMPLE_BYTES 96
#define EXAMPLE_PERIOD 100000000

struct copy_counters {
	__u64 verdicts[VERDICTS];
	__u64 replicated;
	__u64 delays[WEAK_CROSS + 1][DELAY_BUCKETS];
	__u64 originals[MAX_MEMBERS];
	__u64 last_example;
};

struct example {
	__u64 time;
	__u32 delay;
	__u32 length;
	__u8 verdict;
	__u8 member;
	__u8 original;
	__u8 tags;
	__u16 tag;
	__u16 shown;
	__u8 bytes[EXAMPLE_BYTES];
};

// The number of entries is set at load.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} SEEN SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} INACTIVE SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_MEMBERS);
	__type(key, __u32);
	__type(value, struct copy_counters);
} COPIES SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 14);
} EXAMPLES SEC(".maps");

const volatile __u32 SEEN_SLOTS = 1;

ALWAYS_INLINE int is_link_local(const struct frame *frame)
{
	__u64 *bytes = header(frame, 0, 8);

	return !bytes || be64(*bytes) >> 20 == 0x0180c200000ULL;
}

ALWAYS_INLINE int is_looped(const struct frame *frame, __u64 mac)
{
	void *bytes = header(frame, 0, 14);

	return bytes && be64(*(__u64 *)(bytes + 6)) >> 16 == mac;
}

ALWAYS_INLINE int is_dropped(__u32 member, __u32 original)
{
	__u32 zero = 0;
	__u32 *inactive = bpf_map_lookup_elem(&INACTIVE, &zero);

	return inactive && *inactive & (1U << (member & 31) | 1U << (original & 31));
}

// Judges by what is in a slot, and leaves there what is to be remembered.
ALWAYS_INLINE struct finding look(const struct sighting *sighting, __u64 *place)
{
	__u64 before = *(volatile __u64 *)place, after, met;
	struct finding finding = judge(sighting, before, &after);

	met = __sync_lock_test_and_set(place, after);
	if (met != before && finding.verdict == UNIQUE && met >> TAG_AT == sighting->tag) {
		__u32 original = met & MEMBER_MASK;
		int is_cross = original != sighting->member;

		finding.verdict = sighting->evidence == STRONG || (sighting->evidence == STAMPED && is_cross)
					  ? (is_cross ? STRONG_CROSS : STRONG_SAME)
					  : (is_cross ? WEAK_CROSS : WEAK_SAME);
		finding.delay = 0;
		finding.original = original;
		finding.is_first = !(met & COPIED);
	}
	return finding;
}

// What a received frame is; `flow` is the digest of its flow.
ALWAYS_INLINE struct finding compare(const struct frame *frame, const struct packet *packet,
				     __u64 interface, __u64 flow, __u64 now)
{
	struct finding finding = { UNIQUE, 0, 0, 0 };
	struct fingerprint fingerprint;
	struct sighting sighting;
	__u32 slot;
	__u64 *place;

	if (packet->evidence == NOTHING || is_link_local(frame)) {
		finding.verdict = SKIPPED;
		return finding;
	}
	if (is_looped(frame, interface >> 16)) {
		finding.verdict = LOOPED;
		return finding;
	}
	fingerprint = take_fingerprint(frame, packet, flow);
	slot = (__u32)fingerprint.hash & (SEEN_SLOTS - 1);
	place = bpf_map_lookup_elem(&SEEN, &slot);
	if (!place)
		return finding;
	sighting = (struct sighting){
		.tag = fingerprint.hash >> TAG_AT,
		.note = fingerprint.note,
		.now = now >> 10 & TIME_MASK,
		.member = (__u8)(interface - 1),
		.evidence = fingerprint.evidence,
	};
	finding = look(&sighting, place);
	if (is_copy(&finding) && is_dropped(sighting.member, finding.original))
		finding = (struct finding){ SUPPRESSED, 0, 0, 0 };
	return finding;
}

ALWAYS_INLINE void count_finding(struct copy_counters *counters, const struct finding *finding)
{
	if (finding->verdict < VERDICTS)
		counters->verdicts[finding->verdict]++;
	if (!is_copy(finding))
		return;
	counters->replicated += finding->is_first;
	counters->delays[finding->verdict][log2_of(finding->delay) & (DELAY_BUCKETS - 1)]++;
	counters->originals[finding->original & (MAX_MEMBERS - 1)]++;
}

ALWAYS_INLINE void show(struct xdp_md *ctx, const struct frame *frame,
			const struct finding *finding, __u32 member, __u64 now)
{
	struct example *example = bpf_ringbuf_reserve(&EXAMPLES, sizeof(*example), 0);
	__u16 shown = 0;

	if (!example)
		return;
	example->time = now;
	example->delay = finding->delay;
	example->length = frame->length;
	example->verdict = finding->verdict;
	example->member = member;
	example->original = finding->original;
	example->tags = 0;
	example->tag = 0;
	if (frame->length >= EXAMPLE_BYTES &&
	    !bpf_xdp_load_bytes(ctx, 0, example->bytes, EXAMPLE_BYTES))
		shown = EXAMPLE_BYTES;
	else if (frame->length >= 60 && !bpf_xdp_load_bytes(ctx, 0, example->bytes, 60))
		shown = 60;
	else if (frame->length >= 42 && !bpf_xdp_load_bytes(ctx, 0, example->bytes, 42))
		shown = 42;
	example->shown = shown;
	bpf_ringbuf_submit(example, 0);
}

// Counts what a frame was found to be, and shows some of the copies.
ALWAYS_INLINE void examine(struct xdp_md *ctx, const struct frame *frame,
			   const struct finding *finding, __u32 member, __u64 now)
{
	struct copy_counters *counters;

	if (finding->verdict == UNIQUE)
		return;
	counters = bpf_map_lookup_elem(&COPIES, &member);
	if (!counters)
		return;
	count_finding(counters, finding);
	if (!is_copy(finding) && finding->verdict != ANSWERED)
		return;
	if (now - counters->last_example < EXAMPLE_PERIOD)
		return;
	counters->last_example = now;
	show(ctx, frame, finding, member, now);
}
