/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The life of a connection: asked for, established, settled (its name and protocol are known), closed or failed. */
#ifndef KINDLING_CONN_H
#define KINDLING_CONN_H

#include "op.h"
#include "packet.h"

/* A new connection over a socket that may have had another one, or be a copy of its listener. */
static __always_inline void conn_begin(struct conn *c, __u8 role, __u8 transport)
{
	c->name = 0;
	c->opened_ns = 0;
	c->connect_ns = 0;
	c->flow = 0;
	c->flow_gen = 0;
	__builtin_memset(c->half, 0, sizeof(c->half));
	__builtin_memset(c->recent, 0, sizeof(c->recent));
	c->flags &= CONN_INFERRED;
	c->role = role;
	c->protocol = PROTOCOL_UNDECIDED;
	c->settled = 0;
	c->transport = transport;
	c->sync = 0;
	c->tls_version = 0;
	c->alpn = 0;
	c->recent_next = 0;
	c->candidate = 0;
	c->early = 0;
}

/* Whether requests of this connection go this way. */
static __always_inline int conn_asking(const struct conn *c, int direction)
{
	return (c->role == ROLE_CLIENT) == (direction == EGRESS);
}

static __always_inline void conn_established(struct conn *c, __u64 now)
{
	struct flow_slot *f;

	if (c->flags & CONN_OPEN)
		return;
	if (c->role == ROLE_CLIENT && c->opened_ns)
		c->connect_ns = now - c->opened_ns;
	c->opened_ns = now;
	c->flags |= CONN_OPEN;
	f = flow_resolve(c);
	if (!f)
		return;
	atomic_add(&f->unsettled, 1);
	flow_port(f, c);
}

/* SYNs sent again wait for the flow that will bear the connection. */
static __always_inline void conn_count_syns(struct conn *c, struct flow_slot *f)
{
	if (c->sync > 1)
		atomic_add(&f->retransmits, c->sync - 1);
}

/*
 * Name and protocol are known: the connection moves to the flow that bears them. Called by the program of
 * the request's direction, or at the close.
 */
static __noinline int conn_settle(struct conn *c, __u64 name, __u8 protocol)
{
	struct flow_slot *f;

	if (!c || c->settled)
		return 0;
	if (c->flags & CONN_OPEN) {
		f = flow_of(c);
		if (f)
			atomic_add(&f->unsettled, (__u64)-1);
	}
	c->name = c->role == ROLE_CLIENT ? name : 0;
	c->protocol = protocol;
	c->settled = 1;
	f = flow_resolve(c);
	if (!f)
		return 0;
	atomic_add(&f->opened, 1);
	flow_port(f, c);
	conn_count_syns(c, f);
	if (c->connect_ns) {
		atomic_add(&f->connect_ns, c->connect_ns);
		atomic_add(&f->connect_count, 1);
	}
	if (c->tls_version) {
		f->tls_version = c->tls_version;
		f->alpn = c->alpn;
	}
	return 0;
}

static __always_inline void flow_rtt(struct flow_slot *f, sock_t *sk)
{
	struct bpf_tcp_sock *tp = bpf_tcp_sock(sk);
	__u32 srtt, least;

	if (!tp)
		return;
	srtt = tp->srtt_us >> 3;
	least = tp->rtt_min;
	if (!srtt)
		return;
	f->srtt_us = srtt;
	if (least != 0xffffffff && (!f->rtt_min_us || least < f->rtt_min_us))
		f->rtt_min_us = least;
}

static __always_inline void conn_flush(struct conn *c, struct flow_slot *f)
{
	flow_add_half(f, &c->half[INGRESS], INGRESS);
	flow_add_half(f, &c->half[EGRESS], EGRESS);
}

/* The end of an established connection. */
static __always_inline void conn_closed(struct conn *c, __u64 now)
{
	struct flow_slot *f;

	if (!(c->flags & CONN_OPEN) || c->flags & CONN_CLOSED)
		return;
	c->flags |= CONN_CLOSED;
	conn_settle(c, 0, PROTOCOL_UNKNOWN);
	f = flow_of(c);
	if (!f)
		return;
	conn_flush(c, f);
	atomic_add(&f->closed, 1);
	atomic_add(&f->duration_ns, now - c->opened_ns);
	if ((c->half[INGRESS].flags | c->half[EGRESS].flags) & HALF_RESET)
		atomic_add(&f->closed_reset, 1);
}

/* A connection that did not come to be. */
static __always_inline void conn_failed(struct conn *c, __u64 now, __u32 reason)
{
	struct flow_slot *f;

	if (c->flags & (CONN_OPEN | CONN_CLOSED))
		return;
	c->flags |= CONN_CLOSED;
	c->flags &= ~(CONN_CONNECTING | CONN_SYN_SENT);
	c->protocol = PROTOCOL_UNKNOWN;
	f = flow_resolve(c);
	if (!f)
		return;
	flow_fail(f, reason);
	conn_count_syns(c, f);
	event_failure(c, now, reason);
}

#define SECOND 1000000000ULL

/*
 * Why a handshake ended in nothing. The socket's error is no field of a stable context, so it is told from what went
 * before: a RST, and in which state; the application's close(); as many SYNs as the kernel sends (tcp_write_timeout() in
 * net/ipv4/tcp_timer.c); else an ICMP error, or no neighbour.
 */
static __always_inline __u32 conn_failure_reason(const struct conn *c, __u64 now, __u32 retries,
						 __u32 state)
{
	if (c->half[INGRESS].flags & HALF_RESET)
		return state == TCP_STATE_SYN_RECV ? FAILURE_RESET : FAILURE_REFUSED;
	if (c->flags & CONN_USER_CLOSED)
		return now - c->opened_ns >= 9 * SECOND / 10 ? FAILURE_TIMEOUT : FAILURE_ABORTED;
	return c->sync > retries ? FAILURE_TIMEOUT : FAILURE_UNREACHABLE;
}

#endif
