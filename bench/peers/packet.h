// SPDX-License-Identifier: (GPL-2.0 OR MIT)
// From a frame to a flow key, and to what tells it from others: packet.rs and
// transport.rs of hhnet-ebpf in C.
#pragma once
#include "bpf.h"

enum kind { IPV4, IPV6, ARP, LACP, LLDP, OTHER, MALFORMED, KINDS };

enum evidence {
	WEAK,
	STRONG,
	NOTHING,
	STAMPED,
	SEGMENT,
	STAMPED_ACKNOWLEDGEMENT,
	ACKNOWLEDGEMENT,
};

#define TAGGED (1ULL << 52)
#define LATER_FRAGMENT (1ULL << 53)
#define EGRESS (1ULL << 54)
#define ALWAYS (1ULL << 55)

#define MAX_TAGS 2
#define MAX_EXTENSIONS 6

// Words of a key; of IPv4 they are the first and the last of five.
#define WORDS_V4 2
#define WORDS_V6 5

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
	enum evidence evidence;
	__u32 tags;
	// Bits of the key: VLAN, fragment, origin.
	__u64 bits;
	__u64 key[WORDS_V6];
	// What is to be hashed: fields of the IP header, and so many bytes at an offset.
	__u64 header;
	__u64 body;
	__u64 left;
	// Four bits of the IP identification of echoes, which is not in the hash.
	__u64 note;
};

struct transport {
	__u32 ports;
	enum evidence evidence;
	int is_echo;
};

ALWAYS_INLINE __u64 mix(__u64 word)
{
	__u64 product = word * 0x9e3779b97f4a7c15ULL;

	return product ^ product >> 32;
}

ALWAYS_INLINE void *header(const struct frame *frame, __u64 offset, __u64 length)
{
	void *start = frame->start + offset;

	return start + length > frame->end ? 0 : start;
}

// Whether there is a timestamp where Linux and others put it.
ALWAYS_INLINE int is_stamped(const struct frame *frame, __u64 offset)
{
	void *bytes = header(frame, offset, 32);

	return bytes && (*(__u32 *)(bytes + 20) == be32(0x0101080a) ||
			 *(__u16 *)(bytes + 26) == be16(0x080a));
}

ALWAYS_INLINE enum evidence tcp(const struct frame *frame, __u64 offset, __u64 left)
{
	void *bytes = header(frame, offset, 14);
	int stamped;
	__u16 word;

	if (!bytes)
		return WEAK;
	word = be16(*(__u16 *)(bytes + 12));
	stamped = is_stamped(frame, offset);
	// Neither data nor FIN, SYN or RST.
	if (left <= (__u64)(word >> 12) * 4 && !(word & 7))
		return stamped && word >> 12 == 8 ? STAMPED_ACKNOWLEDGEMENT : ACKNOWLEDGEMENT;
	return stamped ? STAMPED : SEGMENT;
}

ALWAYS_INLINE void parse_transport(const struct frame *frame, __u64 offset, __u64 left,
				   __u8 protocol, struct transport *found)
{
	__u32 *words;
	__u32 first;
	__u8 type;

	if (left < 8)
		return;
	words = header(frame, offset, 8);
	if (!words)
		return;
	first = be32(words[0]);
	switch (protocol) {
	case 6: // TCP
		found->evidence = tcp(frame, offset, left);
		found->ports = first;
		break;
	case 17: // UDP
	case 33: // DCCP
	case 132: // SCTP
	case 136: // UDP-Lite
		found->ports = first;
		break;
	case 1: // ICMP
	case 58: // ICMPv6
		type = first >> 24;
		found->is_echo = protocol == 1 ? type == 0 || type == 8
					       : type == 128 || type == 129;
		found->ports = first >> 16;
		if (found->is_echo)
			found->ports |= be32(words[1]) & 0xffff0000;
		break;
	case 50: // ESP
		found->evidence = STRONG;
		break;
	}
}

// What an IPv4 header tells packets apart by.
ALWAYS_INLINE void identify_ipv4(__u64 first, const struct transport *transport,
				 struct packet *packet)
{
	__u64 id = first >> 16 & 0xffff;

	packet->header = first & ~(0xffULL << 48);
	packet->evidence = id ? STRONG : transport->evidence;
	if (transport->is_echo) {
		packet->header &= ~(0xffffULL << 16);
		packet->evidence = STRONG;
		packet->note = mix(id) >> 60;
	}
}

ALWAYS_INLINE enum kind parse_ipv4(const struct frame *frame, __u64 offset, struct packet *packet)
{
	void *start = header(frame, offset, 20);
	struct transport transport = { 0, WEAK, 0 };
	__u64 first, length, total, room;
	__u8 protocol;

	if (!start)
		return MALFORMED;
	first = be64(*(__u64 *)start);
	length = (first >> 56 & 0xf) * 4;
	room = frame->length - offset;
	total = first >> 32 & 0xffff;
	if (total == 0)
		total = room;
	if (first >> 60 != 4 || length < 20 || total < length || total > room)
		return MALFORMED;
	protocol = *(__u8 *)(start + 9);
	if (first & 0x1fff)
		packet->bits |= LATER_FRAGMENT;
	else
		parse_transport(frame, offset + length, total - length, protocol, &transport);
	packet->key[0] = be64(*(__u64 *)(start + 12));
	packet->key[4] = transport.ports | (__u64)protocol << 32 | packet->bits | ALWAYS;
	packet->body = offset + 20;
	packet->left = total - 20;
	identify_ipv4(first, &transport, packet);
	return IPV4;
}

// A walk over IPv6 extension headers.
struct chain {
	__u64 offset;
	__u64 left;
	__u8 protocol;
	__u8 fragment;
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
	if (chain->protocol == 44) {
		chain->fragment = 1;
		if (be16(*(__u16 *)(bytes + 2)) & 0xfff8)
			packet->bits |= LATER_FRAGMENT;
	}
	chain->protocol = bytes[0];
	chain->offset += length;
	chain->left -= length;
	return 1;
}

ALWAYS_INLINE enum kind parse_ipv6(const struct frame *frame, __u64 offset, struct packet *packet)
{
	__u64 *words = header(frame, offset, 40);
	struct transport transport = { 0, WEAK, 0 };
	__u64 first, payload, room;
	struct chain chain;

	if (!words)
		return MALFORMED;
	first = be64(words[0]);
	room = frame->length - offset - 40;
	payload = first >> 16 & 0xffff;
	if (payload == 0)
		payload = room;
	if (first >> 60 != 6 || payload > room)
		return MALFORMED;
	chain = (struct chain){ offset + 40, payload, first >> 8, 0 };
	for (int i = 0; i < MAX_EXTENSIONS; i++)
		if (!step(frame, &chain, packet))
			break;
	if (!(packet->bits & LATER_FRAGMENT))
		parse_transport(frame, chain.offset, chain.left, chain.protocol, &transport);
	for (int i = 0; i < 4; i++)
		packet->key[i] = be64(words[i + 1]);
	packet->key[4] = transport.ports | (__u64)chain.protocol << 32 | packet->bits | ALWAYS;
	packet->header = first & 0xf00fffffffffff00;
	packet->body = offset + 40;
	packet->left = payload;
	packet->evidence = chain.fragment || transport.is_echo ? STRONG : transport.evidence;
	return IPV6;
}

// A frame that is not of IP, told from others by `left` bytes from `body` on.
ALWAYS_INLINE enum kind other(enum kind kind, __u64 body, __u64 left, struct packet *packet)
{
	packet->header = packet->bits & (TAGGED | 0xfffULL << 40);
	packet->body = body;
	packet->left = left;
	packet->evidence = WEAK;
	return kind;
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
	case 0x0806: // without padding
		return other(ARP, offset, 28, packet);
	case 0x8809:
		return LACP;
	case 0x88cc:
		return LLDP;
	}
	return other(OTHER, 0, frame->length, packet);
}

// Reads a frame's headers; 0 if they contradict themselves or the frame.
ALWAYS_INLINE int parse(const struct frame *frame, struct packet *packet)
{
	*packet = (struct packet){ .evidence = NOTHING, .bits = frame->origin };
	packet->kind = parse_ethernet(frame, packet);
	return packet->kind != MALFORMED;
}
