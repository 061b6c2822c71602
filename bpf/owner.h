/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Owners: cgroup, network namespace and name of the process that opened a socket. */
#ifndef KINDLING_OWNER_H
#define KINDLING_OWNER_H

#include "mix.h"
#include "slots.h"

static __always_inline __u64 owner_id(const struct owner_key *k)
{
	const __u64 *comm = (const __u64 *)k->comm;
	__u64 h = mix(config.seed, k->cgroup);

	h = mix(h, k->netns);
	h = mix(h, comm[0]);
	return mix_end(mix(h, comm[1]));
}

/* Enters the owner if it is new. Returns its id, 0 where the table is full. */
static __always_inline __u64 owner_enter(const struct owner_key *k, __u32 tgid, __u32 uid)
{
	__u64 id = owner_id(k);
	struct owner_slot *o;
	__u32 slot;

	if (slot_find(&owner_ids, id))
		return id;
	slot = slot_take(&owner_free);
	o = slot ? bpf_map_lookup_elem(&owner_slots, &slot) : 0;
	if (!o) {
		lose_here(LOST_OWNER_FULL);
		return 0;
	}
	o->key = *k;
	o->tgid = tgid;
	o->uid = uid;
	slot_publish(&owner_ids, &owner_free, &o->head, id, slot);
	return id;
}

/* The owner's slot, null where it has none of its own: then no budget holds. */
static __always_inline struct owner_slot *owner_of(__u64 id)
{
	__u32 slot = slot_find(&owner_ids, id);

	return slot ? bpf_map_lookup_elem(&owner_slots, &slot) : 0;
}

#endif
