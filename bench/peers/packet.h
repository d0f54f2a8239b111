// SPDX-License-Identifier: (GPL-2.0 OR MIT)
// From a frame to a flow key: hhnet-ebpf/src/packet.rs and transport.rs in C.
#pragma once
#include "bpf.h"

enum kind { IPV4, IPV6, ARP, LACP, LLDP, OTHER, MALFORMED, KINDS };

#define TAGGED (1ULL << 52)
#define LATER_FRAGMENT (1ULL << 53)
#define ALWAYS (1ULL << 55)

#define MAX_TAGS 2
#define MAX_EXTENSIONS 6

struct key_v4 {
	__u64 words[2];
};

struct key_v6 {
	__u64 words[5];
};

struct frame {
	void *start;
	void *end;
	// Of all its buffers.
	__u64 length;
	// The member, as in a key.
	__u64 origin;
};

struct packet {
	enum kind kind;
	__u32 tags;
	// Bits of the key: VLAN, fragment, origin.
	__u64 bits;
	struct key_v4 v4;
	struct key_v6 v6;
};

ALWAYS_INLINE void *header(const struct frame *frame, __u64 offset, __u64 length)
{
	void *start = frame->start + offset;

	return start + length > frame->end ? 0 : start;
}

ALWAYS_INLINE __u32 ports(const struct frame *frame, __u64 offset, __u64 left, __u8 protocol)
{
	__u32 *words;
	__u32 first;

	if (left < 8)
		return 0;
	words = header(frame, offset, 8);
	if (!words)
		return 0;
	first = be32(words[0]);
	switch (protocol) {
	case 6: // TCP
	case 17: // UDP
	case 33: // DCCP
	case 132: // SCTP
	case 136: // UDP-Lite
		return first;
	case 1: // ICMP
		if (first >> 24 == 0 || first >> 24 == 8)
			return (be32(words[1]) & 0xffff0000) | first >> 16;
		return first >> 16;
	case 58: // ICMPv6
		if (first >> 24 == 128 || first >> 24 == 129)
			return (be32(words[1]) & 0xffff0000) | first >> 16;
		return first >> 16;
	}
	return 0;
}

ALWAYS_INLINE enum kind parse_ipv4(const struct frame *frame, __u64 offset, struct packet *packet)
{
	__u64 *words = header(frame, offset, 20);
	__u64 first, length, total, room;
	__u32 transport = 0;
	__u8 protocol;

	if (!words)
		return MALFORMED;
	first = be64(words[0]);
	length = (first >> 56 & 0xf) * 4;
	room = frame->length - offset;
	total = first >> 32 & 0xffff;
	if (total == 0)
		total = room;
	if (first >> 60 != 4 || length < 20 || total < length || total > room)
		return MALFORMED;
	protocol = ((__u8 *)words)[9];
	if (first & 0x1fff)
		packet->bits |= LATER_FRAGMENT;
	else
		transport = ports(frame, offset + length, total - length, protocol);
	packet->v4.words[0] = be64(*(__u64 *)((void *)words + 12));
	packet->v4.words[1] = transport | (__u64)protocol << 32 | packet->bits | ALWAYS;
	return IPV4;
}

// A walk over IPv6 extension headers.
struct chain {
	__u64 offset;
	__u64 left;
	__u8 protocol;
};

ALWAYS_INLINE int step(const struct frame *frame, struct chain *chain, struct packet *packet)
{
	__u64 length;
	__u8 *bytes;

	switch (chain->protocol) {
	case 0: // hop by hop
	case 43: // routing
	case 44: // fragment
	case 51: // authentication
	case 60: // destination
	case 135: // mobility
		break;
	default:
		return 0;
	}
	if (packet->bits & LATER_FRAGMENT)
		return 0;
	bytes = header(frame, chain->offset, 8);
	if (!bytes)
		return 0;
	length = chain->protocol == 44   ? 8
		 : chain->protocol == 51 ? (bytes[1] + 2) * 4
					 : (bytes[1] + 1) * 8;
	if (length > chain->left)
		return 0;
	if (chain->protocol == 44 && be16(*(__u16 *)(bytes + 2)) & 0xfff8)
		packet->bits |= LATER_FRAGMENT;
	chain->protocol = bytes[0];
	chain->offset += length;
	chain->left -= length;
	return 1;
}

ALWAYS_INLINE enum kind parse_ipv6(const struct frame *frame, __u64 offset, struct packet *packet)
{
	__u64 *words = header(frame, offset, 40);
	__u64 first, payload, room;
	struct chain chain;
	__u32 transport = 0;

	if (!words)
		return MALFORMED;
	first = be64(words[0]);
	room = frame->length - offset - 40;
	payload = first >> 16 & 0xffff;
	if (payload == 0)
		payload = room;
	if (first >> 60 != 6 || payload > room)
		return MALFORMED;
	chain = (struct chain){ offset + 40, payload, first >> 8 };
	for (int i = 0; i < MAX_EXTENSIONS; i++)
		if (!step(frame, &chain, packet))
			break;
	if (!(packet->bits & LATER_FRAGMENT))
		transport = ports(frame, chain.offset, chain.left, chain.protocol);
	for (int i = 0; i < 4; i++)
		packet->v6.words[i] = be64(words[i + 1]);
	packet->v6.words[4] = transport | (__u64)chain.protocol << 32 | packet->bits | ALWAYS;
	return IPV6;
}

ALWAYS_INLINE enum kind parse_ethernet(const struct frame *frame, struct packet *packet)
{
	__u16 *words = header(frame, 0, 14);
	__u64 offset = 14;
	__u16 type;

	if (!words)
		return MALFORMED;
	type = be16(words[6]);
	for (int i = 0; i < MAX_TAGS; i++) {
		if (type != 0x8100 && type != 0x88a8)
			break;
		words = header(frame, offset, 4);
		if (!words)
			return MALFORMED;
		packet->tags++;
		packet->bits = frame->origin | TAGGED | (__u64)(be16(words[0]) & 0xfff) << 40;
		type = be16(words[1]);
		offset += 4;
	}
	switch (type) {
	case 0x0800:
		return parse_ipv4(frame, offset, packet);
	case 0x86dd:
		return parse_ipv6(frame, offset, packet);
	case 0x0806:
		return ARP;
	case 0x8809:
		return LACP;
	case 0x88cc:
		return LLDP;
	}
	return OTHER;
}

ALWAYS_INLINE void parse(const struct frame *frame, struct packet *packet)
{
	packet->tags = 0;
	packet->bits = frame->origin;
	packet->kind = parse_ethernet(frame, packet);
}
