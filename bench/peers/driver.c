// SPDX-License-Identifier: (GPL-2.0 OR MIT)
// What test runs need beside the program that is measured.
//
// A test run gives a program the same frame again and again. `drive` makes it
// another frame each time, of one of so many flows, and hands it on by a tail
// call, which the kernel turns into a jump. `generate` does the same with frames
// that are really sent.
#include "bpf.h"

// Where in the frame is what; 0 for what it does not have. Set before the load.
const volatile __u32 IDENTIFICATION_AT = 0;
const volatile __u32 FLOW_AT = 0;
const volatile __u32 SERIAL_AT = 0;
// Number of flows - 1, and the difference between two serial numbers: without
// one, each frame is a copy of the one before.
const volatile __u32 FLOW_MASK = 0;
const volatile __u32 STEP = 0;
// Where `generate` sends.
const volatile __u32 OUTPUT = 0;

// At least so many bytes are in each frame.
#define SHORTEST 96

__u32 SERIAL = 0;

// Programs in one array must be of one kind: those for several buffers here.
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} MEASURED_FRAGS SEC(".maps"), MEASURED SEC(".maps");

ALWAYS_INLINE void vary(struct xdp_md *ctx)
{
	__u8 *frame = (void *)(long)ctx->data;
	__u32 serial = SERIAL;

	SERIAL = serial + STEP;
	if (frame + SHORTEST > (__u8 *)(long)ctx->data_end)
		return;
	// Never 0, which would say that there is no identification.
	if (IDENTIFICATION_AT)
		*(__u16 *)(frame + IDENTIFICATION_AT) = be16((__u16)(serial << 1 | 1));
	if (FLOW_AT)
		*(__u16 *)(frame + FLOW_AT) = (__u16)(serial & FLOW_MASK);
	if (SERIAL_AT)
		*(__u32 *)(frame + SERIAL_AT) = serial;
}

SEC("xdp.frags") int drive_frags(struct xdp_md *ctx)
{
	vary(ctx);
	bpf_tail_call(ctx, &MEASURED_FRAGS, 0);
	return XDP_ABORTED;
}

SEC("xdp") int drive(struct xdp_md *ctx)
{
	vary(ctx);
	bpf_tail_call(ctx, &MEASURED, 0);
	return XDP_ABORTED;
}

SEC("xdp") int generate(struct xdp_md *ctx)
{
	vary(ctx);
	return bpf_redirect(OUTPUT, 0);
}

SEC("xdp.frags") int pass_frags(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp") int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp.frags") int ktime(struct xdp_md *ctx)
{
	bpf_ktime_get_ns();
	return XDP_PASS;
}

SEC("xdp.frags") int drop(struct xdp_md *ctx)
{
	return XDP_DROP;
}

SEC("license") char LICENSE[] = "Dual MIT/GPL";
