/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Flows: finding the slot of a connection, and adding to it. */
#ifndef KINDLING_FLOW_H
#define KINDLING_FLOW_H

#include "mix.h"
#include "packet.h"
#include "slots.h"

static __always_inline __u16 conn_port(const struct conn *c)
{
	return c->role == ROLE_SERVER ? c->local_port : c->remote_port;
}

static __always_inline __u64 flow_id(const struct conn *c)
{
	__u64 h = mix(config.seed, c->owner);

	h = mix(h, c->name);
	h = mix_address(h, c->local);
	h = mix_address(h, c->remote);
	return mix_end(mix(h, (__u64)conn_port(c) << 32 | (__u64)c->role << 24 |
				      (__u64)c->transport << 16 | (__u64)c->protocol << 8 |
				      !!(c->flags & CONN_INFERRED)));
}

/* By which port the newest connection can be found in the kernel's own tables (NAT). */
static __always_inline void flow_port(struct flow_slot *f, const struct conn *c)
{
	if (c->role == ROLE_CLIENT)
		f->client_port = c->local_port;
}

/* A server's operations are counted by owner and local endpoint, whoever asks. */
static __always_inline __u64 endpoint_id(const struct conn *c)
{
	__u64 h = mix(config.seed ^ MIX_B, c->owner);

	h = mix_address(h, c->local);
	return mix_end(mix(h, (__u64)c->local_port << 16 | (__u64)c->transport << 8 | c->protocol));
}

static __always_inline __u32 flow_create(const struct conn *c, __u64 id)
{
	__u32 slot = slot_take(&flow_free);
	struct flow_slot *f;

	if (!c)
		return 0;
	f = slot ? bpf_map_lookup_elem(&flow_slots, &slot) : 0;
	if (!f) {
		lose_here(LOST_FLOW_FULL);
		return 0;
	}
	f->key.owner = c->owner;
	f->key.name = c->name;
	for (int i = 0; i < 4; i++) {
		f->key.local[i] = c->local[i];
		f->key.remote[i] = c->remote[i];
	}
	f->key.port = conn_port(c);
	f->key.role = c->role;
	f->key.transport = c->transport;
	f->key.protocol = c->protocol;
	f->key.inferred = !!(c->flags & CONN_INFERRED);
	f->parent = c->role == ROLE_SERVER ? endpoint_id(c) : id;
	/* a server's UDP has no beginning but this; whoever enters the flow second gives its slot back, count and all */
	f->opened = c->role == ROLE_SERVER && c->transport == IPPROTO_UDP;
	return slot_publish(&flow_ids, &flow_free, &f->head, id, slot);
}

/* Finds the slot of the flow by the connection's present name and protocol, and remembers it in the connection. */
static __noinline __u32 flow_find(struct conn *c)
{
	struct flow_slot *f;
	__u32 slot;
	__u64 id;

	if (!c)
		return 0;
	id = flow_id(c);
	slot = slot_find(&flow_ids, id);
	if (!slot)
		slot = flow_create(c, id);
	f = bpf_map_lookup_elem(&flow_slots, &slot);
	if (f) {
		c->flow = slot;
		c->flow_gen = f->head.gen;
	}
	return slot;
}

static __always_inline struct flow_slot *flow_resolve(struct conn *c)
{
	__u32 slot = flow_find(c);

	return bpf_map_lookup_elem(&flow_slots, &slot);
}

/* The flow of a connection. A slot that was given back meanwhile has another generation. */
static __always_inline struct flow_slot *flow_of(struct conn *c)
{
	__u32 slot = c->flow;
	struct flow_slot *f = bpf_map_lookup_elem(&flow_slots, &slot);

	if (f && slot && f->head.gen == c->flow_gen)
		return f;
	return flow_resolve(c);
}

/* Adds what a direction has gathered. */
static __always_inline void flow_add_half(struct flow_slot *f, struct half *h, int direction)
{
	__u32 bytes = h->bytes, packets = h->packets;

	h->bytes = 0;
	h->packets = 0;
	if (!packets)
		return;
	if (direction == EGRESS) {
		atomic_add(&f->bytes_out, bytes);
		atomic_add(&f->packets_out, packets);
	} else {
		atomic_add(&f->bytes_in, bytes);
		atomic_add(&f->packets_in, packets);
	}
}

static __always_inline void flow_fail(struct flow_slot *f, __u32 reason)
{
	/* one constant index each: no variable one for the verifier to follow */
	for (__u32 i = 0; i < FAILURE_COUNT; i++)
		if (i == reason)
			atomic_add(&f->failed[i], 1);
}

#endif
