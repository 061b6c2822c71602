/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Events: what travels one by one. Nobody is woken; what the limit or a full ring holds back is counted. */
#ifndef KINDLING_EVENT_H
#define KINDLING_EVENT_H

#include "flow.h"

#define BPF_RB_NO_WAKEUP_FLAG 1ULL

/* Whether one more event of a class may go in this second; cause: what is lost if not. Answers and the rest have a class
 * each: a burst of new names must not hide slow requests. */
static __always_inline int event_allowed(__u64 now, int class, __u32 cause)
{
	__u32 zero = 0;
	struct control *c = bpf_map_lookup_elem(&control, &zero);
	__u64 second = now >> 30;

	if (!c)
		return 0;
	if (c->events[class].second != second) {
		c->events[class].second = second;
		c->events[class].count = 0;
	}
	if (c->events[class].count >= config.event_limit) {
		lose_here(cause);
		return 0;
	}
	atomic_add(&c->events[class].count, 1);
	return 1;
}

static __always_inline void event_begin(struct event_head *e, __u32 kind, __u32 size,
					const struct conn *c, __u64 now)
{
	__u32 slot = c->flow;
	struct flow_slot *f = bpf_map_lookup_elem(&flow_slots, &slot);

	e->kind = kind;
	e->size = size;
	e->tgid = c->tgid;
	e->ts = now;
	e->owner = c->owner;
	e->flow = f && slot ? f->head.id : 0;
	for (int i = 0; i < 4; i++) {
		e->local[i] = c->local[i];
		e->remote[i] = c->remote[i];
	}
	e->local_port = c->local_port;
	e->remote_port = c->remote_port;
	e->role = c->role;
	e->transport = c->transport;
	e->protocol = c->protocol;
	e->pad = 0;
}

static __noinline int event_failure(const struct conn *c, __u64 now, __u32 reason)
{
	struct event_failure *e;

	if (!c || !event_allowed(now, EVENTS_ODD, LOST_EVENT_LIMIT))
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		lose_here(LOST_EVENT_RING);
		return 0;
	}
	event_begin(&e->head, EVENT_FAILURE, sizeof(*e), c, now);
	e->duration_ns = c->opened_ns ? now - c->opened_ns : 0;
	e->reason = reason;
	e->pad = 0;
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP_FLAG);
	return 0;
}

#endif
