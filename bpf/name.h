/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The dictionary: a text goes to user space once, afterwards its id stands for it. */
#ifndef KINDLING_NAME_H
#define KINDLING_NAME_H

#include "mix.h"
#include "slots.h"

/* The first word of a text of len bytes: nothing beyond its end. */
static __always_inline __u64 text_word(const __u8 *at, __u32 len)
{
	__u64 word = word_at(at);

	if (!len)
		return 0;
	return len >= 8 ? word : word & ((1ULL << (len * 8)) - 1);
}

/* Id of the len (at most NAME_TEXT) bytes at w[from]. fold: bits to set in each byte first (0x20 makes letters
 * of both cases one). */
static __always_inline __u64 name_id(const struct window *w, __u32 from, __u32 len, __u32 kind,
				     __u64 fold, __u32 zero)
{
	__u64 h = mix(config.seed, ((__u64)len << 8) | kind);

	for (__u32 i = 0; i < NAME_TEXT; i += 8) {
		__u32 n = blur(len, zero);

		if (i >= n)
			break;
		h = mix(h, text_word(&w->at[(from + i) & (WINDOW - 1)], n - i) | fold);
	}
	return mix_end(h);
}

/* Enters a text under its id if it is new. */
static __noinline __u64 name_enter(const struct window *w, __u64 id, __u32 from, __u32 len,
				   __u32 kind_protocol)
{
	struct name_slot *n;
	__u32 slot;

	if (!w || slot_find(&name_ids, id))
		return id;
	slot = slot_take(&name_free);
	n = slot ? bpf_map_lookup_elem(&name_slots, &slot) : 0;
	if (!n) {
		lose_here(LOST_NAME_FULL);
		return id;
	}
	if (len > NAME_TEXT)
		len = NAME_TEXT;
	n->kind = kind_protocol & 0xff;
	n->protocol = kind_protocol >> 8;
	n->len = len;
	for (__u32 i = 0; i < NAME_TEXT; i += 8) {
		__u32 left = *(volatile __u16 *)&n->len;
		__u64 word = 0;

		if (i < left)
			word = text_word(&w->at[(from + i) & (WINDOW - 1)], left - i);
		word_put(n->text + i, word);
	}
	slot_publish(&name_ids, &name_free, &n->head, id, slot);
	return id;
}

#define NAME(kind, protocol) ((kind) | (protocol) << 8)

#endif
