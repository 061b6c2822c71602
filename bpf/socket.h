/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What happens to sockets beside packets: creation, connect(), the handshake's end, close. */
#ifndef KINDLING_SOCKET_H
#define KINDLING_SOCKET_H

#include "dissect/exchange.h"
#include "packet.h"

#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define SOCK_DGRAM 2

static __always_inline struct conn *conn_of(void *sk)
{
	return bpf_sk_storage_get(&conns, sk, 0, 0);
}

static __always_inline struct conn *conn_make(void *sk)
{
	struct conn *c = bpf_sk_storage_get(&conns, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!c)
		lose(LOST_STORAGE);
	return c;
}

/* A socket that is older than the agent: what user space found out about it. */
static __noinline struct conn *conn_adopt(void *skb, void *sk)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct adopted *a = bpf_map_lookup_elem(&adopted, &cookie);
	__u32 zero = 0;
	struct control *ctl = bpf_map_lookup_elem(&control, &zero);
	struct conn *c;

	/* while user space is still looking, the socket can wait for its next packet */
	if (!a && (!ctl || !ctl->adopted))
		return 0;
	c = conn_make(sk);
	if (!c)
		return 0;
	c->flags |= CONN_INFERRED;
	if (a) {
		c->owner = a->owner;
		c->tgid = a->tgid;
		c->role = a->role;
	}
	return c;
}

/* The application is done with the socket. */
static __always_inline void conn_released(struct conn *c, __u64 now)
{
	if (c->flags & CONN_CONNECTING && !(c->flags & CONN_SYN_SENT))
		conn_failed(c, now, FAILURE_LOCAL);
	else if (!(c->flags & CONN_OPEN))
		c->flags |= CONN_USER_CLOSED;
}

#endif
