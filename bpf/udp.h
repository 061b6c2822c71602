/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * One UDP packet of one socket. A socket may speak with many remotes, from several processors at once, so the
 * remote is not kept in its state: each packet is counted through a connection of its own on the stack.
 */
#ifndef KINDLING_UDP_H
#define KINDLING_UDP_H

#include "dissect/dns.h"
#include "dissect/ntp.h"
#include "packet.h"

static __always_inline __u8 udp_protocol(const struct conn *c)
{
	__u16 port = conn_port(c);

	if (port == config.dns_port)
		return PROTOCOL_DNS;
	if (port == config.ntp_port)
		return PROTOCOL_NTP;
	return PROTOCOL_UNKNOWN;
}

/* How a socket remembers a flow. Slot 0's head has no id of its own. */
static __always_inline __u64 udp_flow_id(const struct conn *c, const struct flow_slot *f)
{
	return c->flow ? f->head.id : ID_OTHER;
}

/* A client's socket is one connection for each remote it speaks with; a server's is one for each remote. */
static __always_inline void udp_open(struct conn *shared, struct flow_slot *f, __u64 id)
{
	__u32 i = shared->recent_next;

	if (shared->role == ROLE_SERVER)
		return; /* see flow_create() */
	for (int k = 0; k < RECENT_FLOWS; k++)
		if (shared->recent[k] == id)
			return;
	atomic_add(&f->opened, 1);
	/* which remote it has forgotten is closed only with the socket: not worth a look-up for each packet */
	shared->recent[i < RECENT_FLOWS ? i : 0] = id;
	shared->recent_next = i + 1 < RECENT_FLOWS ? i + 1 : 0;
}

static __always_inline void udp_read(void *skb, struct conn *c, struct window *w,
				     const struct packet *p, __u32 n)
{
	int asking = conn_asking(c, p->direction);
	__u64 now = bpf_ktime_get_ns();

	if (c->protocol == PROTOCOL_DNS) {
		struct dns_place in = {
			.now = now, .n = n, .off = p->at, .len = p->len, .asking = asking
		};

		dns_message(skb, c, w, &in);
	} else {
		ntp_message(skb, c, w, n, asking, now);
	}
}

/* c: the packet's own connection, its addresses set. */
static __always_inline void udp_identity(const struct conn *shared, struct conn *c)
{
	c->owner = shared->owner;
	c->tgid = shared->tgid;
	c->flags = shared->flags;
	c->transport = IPPROTO_UDP;
	c->role = shared->role;
	c->protocol = udp_protocol(c);
	c->settled = 1;
}

/* Counts a packet in its flow. */
static __always_inline void udp_count(struct conn *shared, struct conn *c, const struct packet *p)
{
	int direction = p->direction;
	struct flow_slot *f;

	if (!shared->role)
		shared->role = direction == EGRESS ? ROLE_CLIENT : ROLE_SERVER;
	udp_identity(shared, c);
	f = flow_resolve(c);
	if (!f)
		return;
	udp_open(shared, f, udp_flow_id(c, f));
	flow_port(f, c);
	atomic_add(direction == EGRESS ? &f->bytes_out : &f->bytes_in, p->len);
	atomic_add(direction == EGRESS ? &f->packets_out : &f->packets_in, p->segments);
}

/* The socket is gone. */
static __always_inline void udp_closed(struct conn *shared)
{
	for (int k = 0; k < RECENT_FLOWS; k++) {
		__u64 id = shared->recent[k];
		__u32 slot = id > ID_OTHER ? slot_find(&flow_ids, id) : 0;
		struct flow_slot *f = bpf_map_lookup_elem(&flow_slots, &slot);

		/* a slot that was given back took its count along */
		if (f && (slot || id == ID_OTHER))
			atomic_add(&f->closed, 1);
		shared->recent[k] = 0;
	}
}

#endif
