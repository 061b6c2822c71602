/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* From the kernel's contexts to the probe's own terms. The native home has no such contexts and calls what stands below. */
#ifndef KINDLING_HOOKS_H
#define KINDLING_HOOKS_H

#include "owner.h"
#include "socket.h"
#include "tcp.h"
#include "udp.h"

/* Local and remote end of a packet into a connection. */
static __always_inline int packet_ends(struct conn *c, const struct packet *p, const void *skb,
				       int direction)
{
	const __u8 *ip = skb_begin(skb), *end = skb_end(skb);

	if (packet_address(c->local, ip, end, direction == INGRESS) ||
	    packet_address(c->remote, ip, end, direction == EGRESS))
		return -1;
	c->local_port = direction == INGRESS ? p->dest : p->source;
	c->remote_port = direction == INGRESS ? p->source : p->dest;
	return 0;
}

/* The first packet of a connection whose beginning was not seen. */
static __noinline int tcp_join(struct conn *c, const struct packet *p, const void *skb,
			       int direction)
{
	__u8 role;

	if (!c || !p || packet_ends(c, p, skb, direction))
		return -1;
	role = c->role;
	if (!role)
		role = c->local_port >= config.ephemeral_low ? ROLE_CLIENT : ROLE_SERVER;
	c->flags |= CONN_INFERRED;
	conn_begin(c, role, IPPROTO_TCP);
	c->flags |= CONN_JOINED;
	conn_established(c, bpf_ktime_get_ns());
	return 0;
}

/*
 * Payload that completes a handshake is shown to the listening socket only (TCP_DEFER_ACCEPT, a lost ACK): the
 * new socket takes it over in early_take().
 */
static __always_inline __u64 early_key(const struct conn *c)
{
	__u64 h = mix_address(config.seed ^ MIX_A, c->local);

	h = mix_address(h, c->remote);
	return mix_end(mix(h, (__u64)c->local_port << 16 | c->remote_port));
}

static __noinline int early_keep(void *skb, const struct packet *p)
{
	__u32 zero = 0;
	struct udp_work *u = bpf_map_lookup_elem(&ingress_work, &zero);
	struct control *ctl = bpf_map_lookup_elem(&control, &zero);
	struct stash *s = bpf_map_lookup_elem(&zero_stash, &zero);
	__u64 key;

	if (!p || !u || !ctl || !s || packet_ends(&u->conn, p, skb, INGRESS))
		return 0;
	key = early_key(&u->conn);
	if (bpf_map_update_elem(&stashes, &key, s, BPF_ANY)) {
		lose(LOST_STASH_FULL);
		return 0;
	}
	s = bpf_map_lookup_elem(&stashes, &key);
	if (!s)
		return 0;
	s->ns = bpf_ktime_get_ns();
	s->seq = p->seq + !!(p->flags & TCP_SYN); /* which counts as a byte (RFC 9293, 3.4) */
	s->total = p->len;
	stash_append(skb, s, p->at, p->len);
	ctl->early = 1;
	return 0;
}

/* A new server's socket: is its first request here already? */
static __noinline int early_take(struct bpf_sock_ops *ops, void *sk, struct conn *c)
{
	__u64 key, own;
	struct stash *s;
	struct talk *t;
	__u32 begin;

	if (!c)
		return 0;
	key = early_key(c);
	s = bpf_map_lookup_elem(&stashes, &key);
	if (!s)
		return 0;
	begin = c->half[INGRESS].next;
	c->half[INGRESS].next = s->seq + s->total;
	c->half[INGRESS].bytes = s->total;
	c->half[INGRESS].packets = 1;
	/* a later packet was here first: what comes before it goes to the new socket */
	if (s->seq != begin) {
		c->begin = SEQUENCE | begin;
		bpf_map_delete_elem(&stashes, &key);
		return 0;
	}
	c->candidate = detect_stream(c, s->window.at, s->total);
	if (c->candidate == PROTOCOL_UNKNOWN) {
		c->candidate = 0;
		conn_settle(c, 0, PROTOCOL_UNKNOWN);
	} else {
		own = stash_key(ops, INGRESS);
		bpf_map_update_elem(&stashes, &own, s, BPF_ANY);
		t = bpf_sk_storage_get(&talks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (t) {
			t->cursor[INGRESS].pos = s->seq;
			t->cursor[INGRESS].stash = s->len;
			t->cursor[EGRESS].pos = c->half[EGRESS].next;
			c->early = 1;
		} else {
			lose(LOST_STORAGE);
			c->candidate = 0;
		}
	}
	bpf_map_delete_elem(&stashes, &key);
	return 0;
}

/* What a reader must know of a packet goes to it through the packet's control block, which the kernel clears before a
 * program runs and puts back afterwards (bpf_prog_run_save_cb in include/linux/filter.h). */
static __always_inline void packet_keep(const struct packet *p, struct __sk_buff *skb)
{
	skb->cb[0] = p->at;
	skb->cb[1] = p->len;
	skb->cb[2] = p->seq;
	skb->cb[3] = p->segments << 8 | p->flags;
}

static __always_inline void packet_recall(struct packet *p, const struct __sk_buff *skb)
{
	p->at = skb->cb[0];
	p->len = skb->cb[1];
	p->seq = skb->cb[2];
	p->segments = skb->cb[3] >> 8;
	p->flags = skb->cb[3];
}

static __always_inline int hook_tcp(void *skb, sock_t *sk, struct packet *p, int direction)
{
	struct conn *c;
	int reader;

	if (sk->type != SOCK_STREAM)
		return READER_NONE;
	c = conn_of(sk);
	if (!c)
		c = conn_adopt(skb, sk);
	if (!c)
		return READER_NONE;
	if (sk->state == TCP_STATE_LISTEN) {
		if (direction == INGRESS && p->len)
			early_keep(skb, p);
		return READER_NONE;
	}
	p->at = blur(p->at, c->zero);
	p->len = blur(p->len, c->zero);
	p->segments = blur(p->segments, c->zero);
	if (p->flags & TCP_SYN) {
		if (direction == EGRESS && sk->state == TCP_STATE_SYN_SENT)
			tcp_syn_out(c);
		/* TCP Fast Open: what a client says in its SYN is not read */
		if (direction == EGRESS && p->len)
			lose(LOST_GAP);
		return READER_NONE;
	}
	if (p->flags & TCP_RST)
		tcp_reset(c, direction);
	if (!p->len)
		return READER_NONE;
	if (!(c->flags & CONN_OPEN) && tcp_join(c, p, skb, direction))
		return READER_NONE;
	reader = tcp_payload(skb, c, sk, p, direction);
	if (reader)
		packet_keep(p, skb);
	return reader;
}

static __always_inline int udp_dissected(const struct conn *c)
{
	return c->protocol == PROTOCOL_DNS || c->protocol == PROTOCOL_NTP;
}

static __always_inline int udp_begin(void *skb, sock_t *sk, struct packet *p, struct conn *c,
				     struct conn **shared, int direction)
{
	if (sk->type != SOCK_DGRAM)
		return 0;
	*shared = conn_of(sk);
	if (!*shared)
		*shared = conn_adopt(skb, sk);
	if (!*shared || packet_ends(c, p, skb, direction))
		return 0;
	p->at = blur(p->at, (*shared)->zero);
	p->len = blur(p->len, (*shared)->zero);
	p->segments = blur(p->segments, (*shared)->zero);
	return 1;
}

static __always_inline int hook_udp(void *skb, sock_t *sk, struct packet *p, int direction)
{
	struct conn c = {};
	struct conn *shared;

	if (!udp_begin(skb, sk, p, &c, &shared, direction))
		return READER_NONE;
	udp_count(shared, &c, p);
	return udp_dissected(&c) ? READER_UDP : READER_NONE;
}

/* Headers and socket of a packet; null where it is none of ours. */
static __always_inline sock_t *hook_begin(struct __sk_buff *skb, struct packet *p)
{
	int read = packet_read(p, skb_begin(skb), skb_end(skb), skb->len);
	sock_t *sk;

	if (read == HEADERS_BROKEN)
		lose(LOST_HEADER);
	if (read != HEADERS_OK)
		return 0;
	/* most packets of bulk transfers are bare acknowledgements */
	if (p->transport == IPPROTO_TCP && !p->len && !(p->flags & (TCP_SYN | TCP_RST)))
		return 0;
	sk = skb->sk;
	if (!sk)
		return 0;
	sk = bpf_sk_fullsock(sk);
	if (sk && skb->gso_segs > 1)
		p->segments = skb->gso_segs;
	return sk;
}

/* Counts a packet. Returns which program must read it (enum reader). */
static __always_inline int hook_packet(struct __sk_buff *skb, int direction)
{
	struct packet p = { .direction = direction };
	sock_t *sk = hook_begin(skb, &p);

	if (!sk)
		return READER_NONE;
	if (p.transport != IPPROTO_TCP)
		return hook_udp(skb, sk, &p, direction);
	return hook_tcp(skb, sk, &p, direction);
}

/* Reads a counted TCP packet. Returns which program is to go on with it. */
static __always_inline int hook_read(struct __sk_buff *skb, int direction, int protocol, int asking)
{
	struct packet p = { .direction = direction, .transport = IPPROTO_TCP };
	struct udp_work *u;
	struct window *w = 0;
	struct conn *c;
	__u32 zero = 0;
	sock_t *sk = skb->sk;

	if (!sk)
		return 0;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 0;
	c = conn_of(sk);
	if (!c)
		return 0;
	packet_recall(&p, skb);
	if (direction == INGRESS) {
		u = bpf_map_lookup_elem(&ingress_work, &zero);
		if (!u)
			return 0;
		w = &u->window;
	}
	return tcp_read(skb, c, sk, w, &p, direction, protocol, asking);
}

/* A packet held more messages than programs may follow each other: its rest is not read. */
static __always_inline void hook_unread(struct __sk_buff *skb, int direction)
{
	struct packet p = {};
	sock_t *sk = skb->sk;
	struct talk *t;

	if (!sk)
		return;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return;
	t = bpf_sk_storage_get(&talks, sk, 0, 0);
	packet_recall(&p, skb);
	if (t)
		stream_astray(&t->cursor[direction], p.seq + p.len);
}

static __always_inline void hook_work(void *skb, sock_t *sk, struct packet *p, struct udp_work *u,
				      int direction)
{
	struct conn *shared;
	__u32 n;

	/* memory of a processor is as its last user left it */
	__builtin_memset(&u->conn, 0, sizeof(u->conn));
	if (!udp_begin(skb, sk, p, &u->conn, &shared, direction))
		return;
	udp_identity(shared, &u->conn);
	n = window_load(skb, &u->window, p->at, p->len);
	if (n)
		udp_read(skb, &u->conn, &u->window, p, n);
}

static __always_inline struct udp_work *work_take(void *skb, __u64 *key)
{
	__u32 zero = 0;
	struct udp_work *nothing = bpf_map_lookup_elem(&zero_work, &zero);

	*key = mix(bpf_ktime_get_ns(), bpf_get_socket_cookie(skb));
	if (!nothing || bpf_map_update_elem(&works, key, nothing, BPF_NOEXIST))
		return 0;
	return bpf_map_lookup_elem(&works, key);
}

/* Reads a counted UDP packet. */
static __always_inline void hook_read_udp(struct __sk_buff *skb, int direction)
{
	struct packet p = { .direction = direction };
	sock_t *sk = hook_begin(skb, &p);
	struct udp_work *u;
	__u32 zero = 0;
	__u64 key = 0;

	if (!sk || p.transport != IPPROTO_UDP)
		return;
	if (direction == EGRESS)
		u = work_take(skb, &key);
	else
		u = bpf_map_lookup_elem(&ingress_work, &zero);
	if (!u) {
		lose(LOST_PAYLOAD);
		return;
	}
	hook_work(skb, sk, &p, u, direction);
	if (direction == EGRESS)
		bpf_map_delete_elem(&works, &key);
}

static __always_inline void hook_sock_create(struct bpf_sock *sk)
{
	struct owner_key k = {};
	struct conn *c;

	if ((sk->family != AF_INET && sk->family != AF_INET6) ||
	    (sk->type != SOCK_STREAM && sk->type != SOCK_DGRAM))
		return;
	c = conn_make(sk);
	if (!c)
		return;
	k.cgroup = bpf_get_current_cgroup_id();
	k.netns = bpf_get_netns_cookie(sk);
	bpf_get_current_comm(k.comm, sizeof(k.comm));
	c->tgid = bpf_get_current_pid_tgid() >> 32;
	c->owner = owner_enter(&k, c->tgid, bpf_get_current_uid_gid());
}

/* An established connection is over: what waits for an answer gets none. */
static __always_inline void socket_closed(struct conn *c, void *sk, __u64 now)
{
	struct talk *t = 0;

	if (c->candidate == PROTOCOL_HTTP1 && !(c->flags & CONN_CLOSED))
		t = bpf_sk_storage_get(&talks, sk, 0, 0);
	if (t && c->settled)
		exchange_closed(c, t, now);
	conn_closed(c, now);
}

static __always_inline void hook_sock_release(struct bpf_sock *sk)
{
	struct conn *c = conn_of(sk);
	__u64 now;

	if (!c)
		return;
	if (sk->type == SOCK_DGRAM) {
		udp_closed(c);
		return;
	}
	now = bpf_ktime_get_ns();
	/* of a connection that is older than the programs no other hook will tell the end */
	if (c->flags & CONN_JOINED)
		socket_closed(c, sk, now);
	else
		conn_released(c, now);
}

/* connect() was called: if it fails before a packet leaves, no other hook will tell. */
static __always_inline void hook_connect(struct bpf_sock_addr *ctx, int family)
{
	struct bpf_sock *sk = ctx->sk;
	struct conn *c;
	__u64 now;

	if (ctx->type != SOCK_STREAM || ctx->protocol != IPPROTO_TCP || !sk)
		return;
	c = conn_of(sk);
	if (!c || c->flags & (CONN_OPEN | CONN_SYN_SENT))
		return;
	now = bpf_ktime_get_ns();
	if (c->flags & CONN_CONNECTING)
		conn_failed(c, now, FAILURE_LOCAL);
	conn_begin(c, ROLE_CLIENT, IPPROTO_TCP);
	if (family == AF_INET) {
		address_v4(c->remote, ctx->user_ip4);
		address_v4(c->local, 0);
	} else {
		c->remote[0] = ctx->user_ip6[0];
		c->remote[1] = ctx->user_ip6[1];
		c->remote[2] = ctx->user_ip6[2];
		c->remote[3] = ctx->user_ip6[3];
		__builtin_memset(c->local, 0, sizeof(c->local));
	}
	c->local_port = 0;
	c->remote_port = ntohs((__u16)ctx->user_port);
	c->opened_ns = now;
	c->flags |= CONN_CONNECTING;
}

static __always_inline void ops_ends(struct conn *c, struct bpf_sock_ops *ops)
{
	if (ops->family == AF_INET) {
		address_v4(c->local, ops->local_ip4);
		address_v4(c->remote, ops->remote_ip4);
	} else {
		c->local[0] = ops->local_ip6[0];
		c->local[1] = ops->local_ip6[1];
		c->local[2] = ops->local_ip6[2];
		c->local[3] = ops->local_ip6[3];
		c->remote[0] = ops->remote_ip6[0];
		c->remote[1] = ops->remote_ip6[1];
		c->remote[2] = ops->remote_ip6[2];
		c->remote[3] = ops->remote_ip6[3];
	}
	c->local_port = ops->local_port;
	c->remote_port = ntohl(ops->remote_port);
}

static __always_inline void ops_sequence(struct conn *c, struct bpf_sock_ops *ops)
{
	c->half[INGRESS].next = ops->rcv_nxt;
	c->half[INGRESS].flags |= HALF_STARTED;
	c->half[EGRESS].next = ops->snd_nxt;
	c->half[EGRESS].flags |= HALF_STARTED;
}

/* The SYN is about to leave. */
static __always_inline void ops_connect(struct bpf_sock_ops *ops, void *sk)
{
	struct conn *c = conn_make(sk);

	bpf_sock_ops_cb_flags_set(ops, BPF_SOCK_OPS_STATE_CB_FLAG);
	if (!c)
		return;
	conn_begin(c, ROLE_CLIENT, IPPROTO_TCP);
	ops_ends(c, ops);
	c->opened_ns = bpf_ktime_get_ns();
	c->flags |= CONN_SYN_SENT;
}

static __always_inline void ops_established(struct bpf_sock_ops *ops, void *sk, int passive)
{
	struct conn *c = passive ? conn_make(sk) : conn_of(sk);
	struct control *ctl;
	__u32 zero = 0;

	if (!c)
		return;
	if (passive) {
		bpf_sock_ops_cb_flags_set(ops, BPF_SOCK_OPS_STATE_CB_FLAG);
		conn_begin(c, ROLE_SERVER, IPPROTO_TCP);
	}
	ops_ends(c, ops);
	ops_sequence(c, ops);
	conn_established(c, bpf_ktime_get_ns());
	if (passive) {
		ctl = bpf_map_lookup_elem(&control, &zero);
		if (ctl && ctl->early)
			early_take(ops, sk, c);
	}
}

#define SOL_TCP 6
#define TCP_SYNCNT 7

static __always_inline __u32 ops_syn_retries(struct bpf_sock_ops *ops)
{
	int n = 0;

	return bpf_getsockopt(ops, SOL_TCP, TCP_SYNCNT, &n, sizeof(n)) ? config.syn_retries : n;
}

static __always_inline void ops_closed(struct bpf_sock_ops *ops, void *sk)
{
	struct conn *c = conn_of(sk);
	struct flow_slot *f;
	__u64 now;

	if (!c)
		return;
	now = bpf_ktime_get_ns();
	if (c->flags & CONN_SYN_SENT && !(c->flags & CONN_OPEN)) {
		conn_failed(c, now,
			    conn_failure_reason(c, now, ops_syn_retries(ops), ops->args[0]));
		return;
	}
	if (!(c->flags & CONN_OPEN) || c->flags & CONN_CLOSED)
		return;
	socket_closed(c, sk, now);
	f = flow_of(c);
	if (f && ops->srtt_us)
		f->srtt_us = ops->srtt_us >> 3;
}

/* Most calls are about what is of no interest here: they end at once. */
static __always_inline int ops_wanted(const struct bpf_sock_ops *ops, __u32 op)
{
	if (op == BPF_SOCK_OPS_STATE_CB)
		return ops->args[1] == TCP_STATE_CLOSE;
	return op == BPF_SOCK_OPS_TCP_CONNECT_CB || op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB ||
	       op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB;
}

static __always_inline void hook_sockops(struct bpf_sock_ops *ops)
{
	__u32 op = ops->op;
	void *sk;

	if (!ops_wanted(ops, op))
		return;
	sk = ops->sk;
	if (!sk)
		return;
	if (op == BPF_SOCK_OPS_TCP_CONNECT_CB)
		ops_connect(ops, sk);
	else if (op == BPF_SOCK_OPS_STATE_CB)
		ops_closed(ops, sk);
	else
		ops_established(ops, sk, op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB);
}

#endif
