/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Questions and answers that carry a number of their own: matched through the map of pending queries. */
#ifndef KINDLING_QUERY_H
#define KINDLING_QUERY_H

#include "dissect.h"

static __always_inline __u64 query_key(void *skb, const struct conn *c, __u64 number)
{
	__u64 h = mix(config.seed, bpf_get_socket_cookie(skb));

	h = mix_address(h, c->remote);
	h = mix(h, number);
	return mix_end(mix(h, c->remote_port));
}

static __always_inline void query_ask(struct conn *c, __u64 key, __u64 op, __u32 bytes, __u64 now)
{
	struct pending p = {};
	struct flow_slot *f = flow_of(c);

	if (!f)
		return;
	p.ts = now;
	p.parent = f->parent;
	p.flow = f->head.id;
	p.op = op;
	p.owner = c->owner;
	p.request_bytes = bytes;
	p.protocol = c->protocol;
	p.role = c->role;
	/* the same question sent again waits since its first time */
	if (bpf_map_update_elem(&pendings, &key, &p, BPF_NOEXIST) == -7 /* E2BIG */)
		lose(LOST_PENDING_FULL);
}

/* The operation that was waited for, 0: none was. */
static __always_inline __u64 query_answer(struct conn *c, __u64 key, __u32 status, __u32 failed,
					  __u32 bytes, __u64 now)
{
	struct pending *p = bpf_map_lookup_elem(&pendings, &key);
	struct outcome o = { .status = status };

	if (!p)
		return 0;
	o.op = p->op;
	o.wait_ns = now > p->ts ? now - p->ts : 0;
	o.request_bytes = p->request_bytes;
	o.response_bytes = bytes;
	o.failed = failed;
	/* whoever deletes it counts it: user space may just have given it up */
	if (bpf_map_delete_elem(&pendings, &key))
		return 0;
	op_record(c, 0, &o, now);
	return o.op;
}

#endif
