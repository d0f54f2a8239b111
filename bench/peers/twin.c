// SPDX-License-Identifier: (GPL-2.0 OR MIT)
// hhnet's XDP program in C, with the same maps: what the language costs.
#include "copies.h"
#include "flows.h"

// Whether to play a trace: eight bytes before the frame are the time, and get the
// verdict.
const volatile __u32 TRACE = 0;

ALWAYS_INLINE __u64 *metadata(struct xdp_md *ctx)
{
	void *start = (void *)(long)ctx->data_meta;

	return start + 8 <= (void *)(long)ctx->data ? start : 0;
}

ALWAYS_INLINE __u64 clock(struct xdp_md *ctx)
{
	__u64 *time = TRACE ? metadata(ctx) : 0;

	return time ? *time : bpf_ktime_get_ns();
}

ALWAYS_INLINE void tell(struct xdp_md *ctx, __u64 verdict)
{
	__u64 *place = TRACE ? metadata(ctx) : 0;

	if (place)
		*place = verdict;
}

ALWAYS_INLINE struct seen seen_of(const struct frame *frame, const struct finding *finding,
				  __u64 now)
{
	struct seen seen = { frame->length, now, { .delay = finding->delay << 4 } };

	if (is_copy(finding)) {
		seen.copies.same = finding->verdict & 1;
		seen.copies.cross = 1 - seen.copies.same;
	}
	seen.copies.answered = finding->verdict == ANSWERED;
	return seen;
}

SEC("xdp.frags") int twin(struct xdp_md *ctx)
{
	__u64 interface = interface_of(ctx);
	__u32 slot = (__u8)(interface - 1);
	struct finding finding;
	struct packet packet;
	struct frame frame;
	struct seen seen;
	__u64 now, flow = 0;
	__u64 v4[WORDS_V4];

	if (!interface)
		return XDP_PASS;
	frame = frame_of(ctx, interface);
	if (!parse(&frame, &packet)) {
		finding = (struct finding){ SKIPPED, 0, 0, 0 };
		examine(ctx, &frame, &finding, slot, 0);
		count_member(MALFORMED, packet.tags, 0, slot, frame.length);
		tell(ctx, SKIPPED);
		return XDP_PASS;
	}
	now = clock(ctx);
	v4[0] = packet.key[0];
	v4[1] = packet.key[4];
	if (packet.kind == IPV4)
		flow = digest(v4, WORDS_V4);
	else if (packet.kind == IPV6)
		flow = digest(packet.key, WORDS_V6);
	finding = compare(&frame, &packet, interface, flow, now);
	examine(ctx, &frame, &finding, slot, now);
	count_member(packet.kind, packet.tags, packet.key[4], slot, frame.length);
	seen = seen_of(&frame, &finding, now);
	if (packet.kind == IPV4)
		count_flow(&FLOWS_V4, BUCKETS_V4, v4, WORDS_V4, flow, &seen);
	else if (packet.kind == IPV6)
		count_flow(&FLOWS_V6, BUCKETS_V6, packet.key, WORDS_V6, flow, &seen);
	tell(ctx, finding.verdict);
	return XDP_PASS;
}

SEC("license") char LICENSE[] = "Dual MIT/GPL";
