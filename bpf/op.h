/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Operations: one finished request goes into the histogram of (flow or endpoint, operation, status). */
#ifndef KINDLING_OP_H
#define KINDLING_OP_H

#include "event.h"
#include "name.h"
#include "owner.h"

/* One finished request. */
struct outcome {
	__u64 op;
	__u64 send_ns;
	__u64 wait_ns;
	__u64 receive_ns;
	__u64 request_bytes;
	__u64 response_bytes;
	__u16 status;
	__u8 failed;
	__u8 untimed; /* its times are not known: it must not look slow */
	__u32 pad;
};

/* Shifts out the lower bits if there are others above them. Returns by how many. */
static __always_inline __u64 hist_half(__u64 *v, __u64 bits)
{
	bits &= is_zero(*v >> bits) - 1;
	*v >>= bits;
	return bits;
}

/* Bucket of a duration: see HIST_* in types.h. */
static __always_inline __u32 hist_bucket(__u64 ns)
{
	__u64 v = ns >> HIST_MIN_LOG2, log = 0;

	if (!v)
		return 0;
	if (ns >> HIST_MAX_LOG2)
		return HIST_BUCKETS - 1;
	log += hist_half(&v, 16);
	log += hist_half(&v, 8);
	log += hist_half(&v, 4);
	log += hist_half(&v, 2);
	log += v >> 1;
	/* the two bits below the highest one say which quarter of the octave */
	return 1 + log * HIST_SUB + ((ns >> (log + HIST_MIN_LOG2 - 2)) & (HIST_SUB - 1));
}

static __always_inline __u64 op_key(__u64 parent, __u64 op, __u32 status, __u32 protocol)
{
	__u64 h = mix(config.seed, parent);

	h = mix(h, op);
	return mix_end(mix(h, (__u64)status << 8 | protocol));
}

static __noinline __u32 op_create(const struct conn *c, __u64 parent, __u64 op, __u32 status)
{
	struct owner_slot *owner;
	__u32 slot, published;
	struct op_slot *o;
	__u64 id;

	if (!c)
		return 0;
	owner = owner_of(c->owner);
	if (op != OP_OTHER && owner && owner->ops_added - owner->ops_removed >= config.op_budget) {
		lose_here(LOST_OP_BUDGET);
		op = OP_OTHER;
		slot = slot_find(&op_ids, op_key(parent, op, status, c->protocol));
		if (slot)
			return slot;
	}
	slot = slot_take(&op_free);
	o = slot ? bpf_map_lookup_elem(&op_slots, &slot) : 0;
	if (!o) {
		lose_here(LOST_OP_FULL);
		return 0;
	}
	o->parent = parent;
	o->op = op;
	o->status = status;
	o->protocol = c->protocol;
	o->role = c->role;
	id = op_key(parent, op, status, c->protocol);
	published = slot_publish(&op_ids, &op_free, &o->head, id, slot);
	if (owner && published == slot)
		atomic_add(&owner->ops_added, 1);
	return published;
}

static __always_inline void op_add(struct op_slot *o, const struct outcome *r, __u64 total,
				   int slow)
{
	__u32 b = blur(hist_bucket(total), o->pad);

	opaque(b);
	if (b < HIST_BUCKETS)
		atomic_add(&o->hist[b], 1);
	atomic_add(&o->duration_ns, total);
	atomic_add(&o->request_bytes, r->request_bytes);
	atomic_add(&o->response_bytes, r->response_bytes);
	if (r->wait_ns)
		atomic_add(&o->wait_ns, r->wait_ns);
	if (r->send_ns)
		atomic_add(&o->send_ns, r->send_ns);
	if (r->receive_ns)
		atomic_add(&o->receive_ns, r->receive_ns);
	if (slow)
		atomic_add(&o->slow, 1);
}

static __noinline int event_request(const struct conn *c, const struct talk *t,
				    const struct outcome *r, __u64 now, __u32 slow)
{
	struct event_request *e;

	if (!c || !r || !event_allowed(now, EVENTS_ODD, LOST_EVENT_LIMIT))
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		lose_here(LOST_EVENT_RING);
		return 0;
	}
	event_begin(&e->head, EVENT_REQUEST, sizeof(*e), c, now);
	e->op = r->op;
	e->send_ns = r->send_ns;
	e->wait_ns = r->wait_ns;
	e->receive_ns = r->receive_ns;
	e->request_bytes = r->request_bytes;
	e->response_bytes = r->response_bytes;
	e->status = r->status;
	e->slow = slow;
	/* with more than one request in flight the head kept is another one's */
	e->request_len = t && t->asked == t->answered ? t->head_len : 0;
	e->pad = 0;
	for (__u32 i = 0; i < EVENT_HEAD_BYTES; i += 8) {
		__u32 left = t ? *(volatile __u32 *)&t->head_len : 0;
		__u64 word = 0;

		/* what was kept behind the head stays here: it may be a query string */
		if (t && i < left)
			word = text_word(t->head + i, left - i);
		word_put(e->request_head + i, word);
	}
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP_FLAG);
	return 0;
}

/* The parent under which a connection's operations are counted. */
static __always_inline __u64 op_parent(struct conn *c)
{
	struct flow_slot *f = flow_of(c);

	return f ? f->parent : 0;
}

/* Counts one finished request. t may be null. */
static __noinline int op_record(struct conn *c, struct talk *t, const struct outcome *r, __u64 now)
{
	__u64 total, parent, key;
	struct op_slot *o = 0;
	__u32 slot, protocol;
	int slow = 0;

	if (!c || !r)
		return 0;
	total = r->send_ns + r->wait_ns + r->receive_ns;
	protocol = c->protocol;
	parent = op_parent(c);
	key = op_key(parent, r->op, r->status, protocol);

	/* the slot of the last request, if this one is alike and the slot still the same */
	if (t && t->op_key == key) {
		slot = t->op_slot;
		o = bpf_map_lookup_elem(&op_slots, &slot);
		if (o && o->head.gen != t->op_gen)
			o = 0;
	}
	if (!o) {
		slot = slot_find(&op_ids, key);
		if (!slot)
			slot = op_create(c, parent, r->op, r->status);
		o = bpf_map_lookup_elem(&op_slots, &slot);
		if (!o)
			return 0;
		if (t && slot && o->op == r->op) {
			t->op_key = key;
			t->op_slot = slot;
			t->op_gen = o->head.gen;
		}
	}
	if (!r->untimed)
		slow = total >= config.slow_ns[protocol & (PROTOCOL_ROOM - 1)];
	op_add(o, r, total, slow);
	if (slow || r->failed)
		event_request(c, t, r, now, slow);
	return 0;
}

#endif
