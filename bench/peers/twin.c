// SPDX-License-Identifier: (GPL-2.0 OR MIT)
// hhnet's XDP program in C, with the same maps: what the language costs.
#include "flows.h"

SEC("xdp.frags") int twin(struct xdp_md *ctx)
{
	struct packet packet;
	struct frame frame;
	__u32 slot;

	if (!ours(ctx, &frame, &slot))
		return XDP_PASS;
	parse(&frame, &packet);
	count_member(&packet, slot, frame.length);
	if (packet.kind == IPV4)
		count_flow(&FLOWS_V4, BUCKETS_V4, packet.v4.words, WORDS_V4, frame.length);
	else if (packet.kind == IPV6)
		count_flow(&FLOWS_V6, BUCKETS_V6, packet.v6.words, WORDS_V6, frame.length);
	return XDP_PASS;
}

SEC("license") char LICENSE[] = "Dual MIT/GPL";
