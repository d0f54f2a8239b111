// SPDX-License-Identifier: (GPL-2.0 OR MIT)
// Whether a frame was here before: fingerprint.rs and duplicate.rs of hhnet-ebpf
// in C.
#pragma once
#include "packet.h"

// Words of eight bytes that are hashed of the body, and bytes of it where the header
// itself tells frames apart.
#define WORDS 8
#define STRONG_BYTES 24

#define TIME_AT 5
#define MATCHES_AT 29
#define NOTE_AT 31
#define COPIED_AT 35
#define TAG_AT 36
#define MEMBER_MASK 0x1f
#define TIME_MASK 0xffffff
#define MATCHES_MASK 3
#define NOTE_MASK 0xf
#define COPIED (1ULL << COPIED_AT)

// In ticks of 1.024 µs.
#define STRONG_WINDOW 48828
#define CROSS_WINDOW STRONG_WINDOW
#define WEAK_WINDOW 1953
#define PROMPT_WINDOW 62
#define LONGEST 0xffff

#define LEARNED 2

enum verdict {
	UNIQUE,
	STRONG_SAME,
	STRONG_CROSS,
	WEAK_SAME,
	WEAK_CROSS,
	AMBIGUOUS,
	REPETITIVE,
	SKIPPED,
	LOOPED,
	SUPPRESSED,
	MERGED,
	ANSWERED,
	VERDICTS,
};

struct fingerprint {
	__u64 hash;
	__u64 note;
	enum evidence evidence;
};

struct sighting {
	__u64 tag;
	__u64 note;
	__u32 now;
	__u32 member;
	enum evidence evidence;
};

struct finding {
	enum verdict verdict;
	__u32 delay;
	__u32 original;
	int is_first;
};

ALWAYS_INLINE struct fingerprint take_fingerprint(const struct frame *frame,
						  const struct packet *packet, __u64 flow)
{
	__u64 hash = mix(flow ^ packet->header);
	__u64 left = packet->left;

	if (packet->evidence == STRONG && left > STRONG_BYTES)
		left = STRONG_BYTES;
	for (__u64 i = 0; i < WORDS; i++) {
		void *bytes;

		if (left >= (i + 1) * 8 && (bytes = header(frame, packet->body + i * 8, 8))) {
			hash = mix(hash ^ be64(*(__u64 *)bytes));
			continue;
		}
		if (left & 4 && (bytes = header(frame, packet->body + i * 8, 4)))
			hash = mix(hash ^ be32(*(__u32 *)bytes));
		break;
	}
	return (struct fingerprint){ hash, packet->note, packet->evidence };
}

#define FIELD(slot, name) ((slot) >> name##_AT & name##_MASK)

ALWAYS_INLINE __u64 slot_of(const struct sighting *sighting, __u64 note, __u64 matches)
{
	return sighting->tag << TAG_AT | note << NOTE_AT | matches << MATCHES_AT |
	       (__u64)sighting->now << TIME_AT | sighting->member;
}

// One match more, for as many as can be counted.
ALWAYS_INLINE __u64 matched(__u64 slot)
{
	return slot + ((__u64)(FIELD(slot, MATCHES) != MATCHES_MASK) << MATCHES_AT);
}

ALWAYS_INLINE __u64 with_note(__u64 slot, __u64 note)
{
	return (slot & ~((__u64)NOTE_MASK << NOTE_AT)) | note << NOTE_AT;
}

// Of the ticks between two frames; 0 of none.
ALWAYS_INLINE __u32 log2_of(__u32 ticks)
{
	__u32 log = 0;

	for (__u32 bits = 16; bits; bits >>= 1)
		if (ticks >> bits) {
			ticks >>= bits;
			log += bits;
		}
	return log;
}

// Of a frame that may rightly come again.
ALWAYS_INLINE enum verdict judge_weak(const struct sighting *sighting, __u64 slot, __u32 delay,
				      int is_cross, __u64 *next)
{
	int is_within = delay <= (is_cross ? CROSS_WINDOW : WEAK_WINDOW);
	__u64 distance = log2_of(delay), usual = FIELD(slot, NOTE), slower;
	__u64 again = matched(slot_of(sighting, usual, FIELD(slot, MATCHES)));

	if (FIELD(slot, MATCHES) < LEARNED) {
		__u64 longest = distance > usual ? distance : usual;

		if (is_within && is_cross) {
			*next = with_note(matched(slot), longest) | COPIED;
			return WEAK_CROSS;
		}
		*next = with_note(again, longest);
		if (!is_within)
			return UNIQUE;
		*next |= COPIED;
		return WEAK_SAME;
	}
	if (is_within && delay << 1 < 1U << usual) {
		*next = slot | COPIED;
		return is_cross ? WEAK_CROSS : WEAK_SAME;
	}
	slower = usual + (distance > usual);
	*next = with_note(again, distance < slower ? distance : slower);
	return is_within ? REPETITIVE : UNIQUE;
}

// Of a TCP segment without an identification of its own.
ALWAYS_INLINE enum verdict judge_tcp(const struct sighting *sighting, __u64 slot, __u32 delay,
				     int is_cross, __u64 *next)
{
	int is_stamped = sighting->evidence == STAMPED, is_within = delay <= WEAK_WINDOW;
	int is_prompt;

	if (is_cross || (is_stamped && !is_within)) {
		if (delay > STRONG_WINDOW)
			return UNIQUE;
		*next = slot | COPIED;
		if (is_stamped)
			return is_cross ? STRONG_CROSS : STRONG_SAME;
		return WEAK_CROSS;
	}
	if (!is_within)
		return UNIQUE;
	if (sighting->evidence == STAMPED_ACKNOWLEDGEMENT)
		is_prompt = !(slot & COPIED);
	else
		is_prompt = sighting->evidence != ACKNOWLEDGEMENT && delay <= PROMPT_WINDOW;
	if (is_prompt) {
		*next = slot | COPIED;
		return WEAK_SAME;
	}
	*next = slot_of(sighting, 0, 0) | COPIED;
	return AMBIGUOUS;
}

// Judges by what the slot remembers, and says what it shall remember.
ALWAYS_INLINE struct finding judge(const struct sighting *sighting, __u64 slot, __u64 *next)
{
	__u32 delay = (sighting->now - (__u32)FIELD(slot, TIME)) & TIME_MASK;
	struct finding finding = { UNIQUE, delay, slot & MEMBER_MASK, !(slot & COPIED) };
	int is_cross = finding.original != sighting->member;

	*next = slot_of(sighting, sighting->note, 0);
	if (delay > LONGEST)
		return finding;
	if (slot >> TAG_AT != sighting->tag) {
		if (FIELD(slot, MATCHES) >= LEARNED)
			*next = slot;
		return finding;
	}
	if (sighting->evidence == STRONG) {
		if (delay > STRONG_WINDOW)
			return finding;
		*next = slot | COPIED;
		finding.verdict = FIELD(slot, NOTE) != sighting->note ? ANSWERED
				  : is_cross			      ? STRONG_CROSS
								      : STRONG_SAME;
	} else if (sighting->evidence == WEAK) {
		finding.verdict = judge_weak(sighting, slot, delay, is_cross, next);
	} else {
		finding.verdict = judge_tcp(sighting, slot, delay, is_cross, next);
	}
	return finding;
}

ALWAYS_INLINE int is_copy(const struct finding *finding)
{
	return finding->verdict >= STRONG_SAME && finding->verdict <= WEAK_CROSS;
}
