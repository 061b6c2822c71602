/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Finding and taking slots: the same for every table (see maps.h). */
#ifndef KINDLING_SLOTS_H
#define KINDLING_SLOTS_H

#include "maps.h"

static __always_inline void lose_here(__u32 cause)
{
	__u32 zero = 0;
	struct losses *l = bpf_map_lookup_elem(&losses, &zero);

	if (l && cause < LOST_COUNT)
		atomic_add(&l->n[cause], 1);
}

/* Out of line like all that is rare: what happens to each packet should lie close together in the processor's
 * instruction cache, which other work has emptied between two packets. Where functions call each other deepest, lose_here() it is: before
 * 6.x each call takes 32 bytes of the stack's 512 at least. */
static __noinline int lose(__u32 cause)
{
	lose_here(cause);
	return 0;
}

/* The slot of an id; 0 where it has none. */
static __always_inline __u32 slot_find(void *ids, __u64 id)
{
	__u32 *slot = bpf_map_lookup_elem(ids, &id);

	return slot ? *slot : 0;
}

/* A free slot for the caller alone; 0 where none is left. */
static __always_inline __u32 slot_take(void *free)
{
	__u32 slot = 0;

	return bpf_map_pop_elem(free, &slot) ? 0 : slot;
}

/*
 * Makes a slot whose key is written findable. Two processors may try it with one id: the second
 * gives its slot back and gets the first one's.
 */
static __always_inline __u32 slot_publish(void *ids, void *free, struct slot_head *head, __u64 id,
					  __u32 slot)
{
	__u32 winner;

	head->id = id;
	if (!bpf_map_update_elem(ids, &id, &slot, BPF_NOEXIST)) {
		head->live = 1;
		return slot;
	}
	winner = slot_find(ids, id);
	bpf_map_push_elem(free, &slot, BPF_ANY);
	return winner;
}

#endif
