/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* One TCP packet of one socket. */
#ifndef KINDLING_TCP_H
#define KINDLING_TCP_H

#include "dissect/http1_quick.h"
#include "stream.h"

/* Packets that may wait in a direction before they are added to the flow without a pushed segment. */
#define TCP_GATHER 32

/* Packets a server may send first before its connection must show, name or no name. */
#define TCP_UNSETTLED 8

/* The bytes that are new in a packet, by its sequence numbers; a hole counts when it is jumped over, not when
 * it is filled. 0: all known before. */
static __always_inline __u32 tcp_fresh(struct half *h, const struct packet *p)
{
	__u32 end = p->seq + p->len;
	__s32 fresh;

	if (!(h->flags & HALF_STARTED)) {
		h->flags |= HALF_STARTED;
		h->next = p->seq;
	}
	fresh = (__s32)(end - h->next);
	if (fresh <= 0)
		return 0;
	h->next = end;
	return fresh;
}

/*
 * First payload in the request's direction: who reads it? Out of line: what it leaves on the stack is forgotten with it,
 * else verifiers would walk through all that follows once more.
 */
static __noinline int tcp_detect(void *skb, struct conn *c, const struct packet *p)
{
	__u8 first[4] = {};
	__u8 found;
	long err;

	if (!c || !p)
		return 0;
	if (p->len >= 4)
		err = bpf_skb_load_bytes(skb, p->at, first, 4);
	else
		err = bpf_skb_load_bytes(skb, p->at, first, 1);
	if (err)
		lose(LOST_PAYLOAD);
	found = err ? PROTOCOL_UNKNOWN : detect_stream(c, first, p->len);
	if (found == PROTOCOL_UNKNOWN)
		conn_settle(c, 0, PROTOCOL_UNKNOWN);
	else
		c->candidate = found;
	return 0;
}

/* The state of a conversation; made when its protocol is first guessed. */
static __always_inline void tcp_talk(struct conn *c, sock_t *sk, const struct packet *p,
				     int direction)
{
	struct talk *t = bpf_sk_storage_get(&talks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!t) {
		lose(LOST_STORAGE);
		c->candidate = 0;
		conn_settle(c, 0, PROTOCOL_UNKNOWN);
		return;
	}
	t->cursor[direction].pos = p->seq;
	t->cursor[!direction].pos = c->half[!direction].next;
	if (!(c->half[!direction].flags & HALF_STARTED))
		t->cursor[!direction].astray = STREAM_JOINED;
}

/* Adds what has gathered when a write ends (PSH), or too much waits. */
static __always_inline void tcp_gather(struct conn *c, sock_t *sk, const struct packet *p,
				       int direction)
{
	struct half *h = &c->half[direction];
	struct flow_slot *f;

	if (!(p->flags & (TCP_PSH | TCP_FIN | TCP_RST)) && h->packets < TCP_GATHER)
		return;
	if (!c->settled && h->packets < TCP_UNSETTLED)
		return;
	f = flow_of(c);
	if (!f)
		return;
	flow_add_half(f, h, direction);
	if (direction == EGRESS)
		flow_rtt(f, sk);
}

static __noinline int tcp_retransmitted(struct conn *c, __u32 segments)
{
	struct flow_slot *f = c ? flow_of(c) : 0;

	if (f)
		atomic_add(&f->retransmits, segments);
	return 0;
}

static __noinline int tcp_reset(struct conn *c, int direction)
{
	struct flow_slot *f;
	struct half *h;

	if (!c)
		return 0;
	h = &c->half[direction == EGRESS];
	if (h->flags & HALF_RESET)
		return 0;
	h->flags |= HALF_RESET;
	if (!(c->flags & CONN_OPEN))
		return 0;
	f = flow_of(c);
	if (!f)
		return 0;
	atomic_add(direction == EGRESS ? &f->resets_out : &f->resets_in, 1);
	/* who resets a connection closes it first and then says so */
	if (c->flags & CONN_CLOSED)
		atomic_add(&f->closed_reset, 1);
	return 0;
}

/* A SYN leaves: the first, or again. */
static __always_inline void tcp_syn_out(struct conn *c)
{
	if (c->sync < 255)
		c->sync++;
}

/* What needs no reader. Returns whether the packet was read. */
static __always_inline int tcp_quick(void *skb, struct conn *c, sock_t *sk, const struct packet *p,
				     int direction)
{
	struct udp_work *u;
	struct talk *t;
	__u32 zero = 0;

	if (c->candidate != PROTOCOL_HTTP1 || c->early)
		return 0;
	t = bpf_sk_storage_get(&talks, sk, 0, 0);
	if (!t)
		return 0;
	if (direction == EGRESS)
		return http1_quick(skb, c, t, &t->window, p, EGRESS, c->role == ROLE_CLIENT);
	u = bpf_map_lookup_elem(&ingress_work, &zero);
	return u && http1_quick(skb, c, t, &u->window, p, INGRESS, c->role != ROLE_CLIENT);
}

/* Payload of an established connection. Returns which program must read it (enum reader). */
static __always_inline int tcp_payload(void *skb, struct conn *c, sock_t *sk,
				       const struct packet *p, int direction)
{
	struct half *h = &c->half[direction];
	int undecided = !c->settled && !c->candidate && conn_asking(c, direction);
	__u32 begin = h->flags & HALF_STARTED ? h->next : p->seq;
	__u32 fresh = tcp_fresh(h, p);

	/* what comes before the stream's beginning tells nothing: wait for it */
	if (undecided && !c->begin && p->seq != begin)
		c->begin = SEQUENCE | begin;
	if (undecided && (c->begin ? c->begin == (SEQUENCE | p->seq) : !!fresh)) {
		tcp_detect(skb, c, p);
		if (c->candidate)
			tcp_talk(c, sk, p, direction);
		if (c->begin)
			h->missed = 1;
	}
	if (!fresh) {
		if (direction == EGRESS)
			tcp_retransmitted(c, p->segments);
		else
			h->packets += p->segments;
		/* it may be the one that others wait for */
		return h->missed && c->candidate ? READER(c->candidate, conn_asking(c, direction))
						 : 0;
	}
	h->bytes += fresh;
	h->packets += p->segments;
	if (c->candidate && !(fresh == p->len && tcp_quick(skb, c, sk, p, direction)))
		return READER(c->candidate, conn_asking(c, direction) || c->early);
	tcp_gather(c, sk, p, direction);
	return 0;
}

/*
 * The second part, in the protocol's own program. Returns which program is to go on with the packet.
 *
 * A server's answer may be the first that is seen of a socket whose first request came before it was made. Then what was
 * asked is read from the stash, by the program of requests, as if it had come in just now.
 */
static __always_inline int tcp_read(void *skb, struct conn *c, sock_t *sk, struct window *ingress,
				    struct packet *p, int direction, int protocol, int asking)
{
	struct talk *t = bpf_sk_storage_get(&talks, sk, 0, 0);
	const int may_be_early = direction == EGRESS && asking;
	struct half *h = &c->half[direction];
	int way = direction, again;

	if (!t)
		goto out;
	if (may_be_early && c->early) {
		way = INGRESS;
		p->seq = t->cursor[INGRESS].pos + t->cursor[INGRESS].stash;
		p->len = 0;
	} else if (!stream_ready(t, h, p, direction, protocol)) {
		goto out;
	}
	/* one way for verifiers, whichever it is */
	if (may_be_early) {
		way = blur(way, c->zero) & 1;
		p->seq = blur(p->seq, c->zero);
		p->len = blur(p->len, c->zero);
	}
	again = stream_read(skb, c, t, direction == EGRESS ? &t->window : ingress, p, way, protocol,
			    asking);
	if (may_be_early && c->early) {
		c->early = 0;
		if (c->candidate == PROTOCOL_HTTP1)
			http1_early_end(c, t, &t->cursor[INGRESS], c->half[INGRESS].next);
		return c->candidate ? READER(protocol, 0) : READER_NONE;
	}
	if (again)
		return READER(protocol, asking);
	if (c->candidate)
		stream_settle(c, t, &t->cursor[direction], h, protocol, asking);
	else
		bpf_sk_storage_delete(&talks, sk);
out:
	tcp_gather(c, sk, p, direction);
	return READER_NONE;
}

#endif
