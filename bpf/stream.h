/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Reading a byte stream by packets: which bytes are new, which are a body's, which are cut off and kept until
 * the next packet. The dissectors see windows only.
 */
#ifndef KINDLING_STREAM_H
#define KINDLING_STREAM_H

#include "dissect/detect.h"
#include "packet.h"

/* Units read in one run of the program; then it calls itself again for the rest of the packet. */
#ifndef STREAM_STEPS
#define STREAM_STEPS 1
#endif

/* Packets behind a missing one that wait for it. */
#define STREAM_PATIENCE 64

/* Of a cursor: bytes were missed, and the next packet that starts a message ends that. */
#define STREAM_ASTRAY 1

/* Of a connection joined midway: the first packet starts a message, or is astray. */
#define STREAM_JOINED 2

/* The last message was not read to its end, but pos is known, and what is missing there may come. */
#define STREAM_CUT 3

static __always_inline __u64 stash_key(void *skb, int direction)
{
	return mix_end(mix(mix(config.seed, bpf_get_socket_cookie(skb)), direction));
}

/* Up to a window of the packet from offset off on. Returns how many bytes, 0: none. */
static __always_inline __u32 window_load(void *skb, struct window *w, __u32 off, __u32 len)
{
	__u32 n = window_fill(skb, w, off, len);

	if (!n && len)
		lose(LOST_PAYLOAD);
	return n;
}

/* Adds bytes of the packet to what is kept. Returns how many are kept now. */
static __always_inline __u32 stash_append(void *skb, struct stash *s, __u32 off, __u32 len)
{
	__u32 to = s->len;

	if (to >= WINDOW || !len)
		return to;
	if (len > WINDOW - to)
		len = WINDOW - to;
	opaque(len);
	opaque(to);
	len = ((len - 1) & (WINDOW - 1)) + 1;
	to &= WINDOW - 1;
	if (bpf_skb_load_bytes(skb, off, s->window.at + to, len)) {
		lose(LOST_PAYLOAD);
		return to;
	}
	s->len = to + len;
	return to + len;
}

static __noinline int window_copy(struct window *to, const struct window *from)
{
	if (!to || !from)
		return 0;
	for (__u32 i = 0; i < WINDOW; i += 8)
		word_put(to->at + i, word_at(from->at + i));
	return 0;
}

/* Keeps the last len bytes of a packet, from offset off on, until the stream goes on. */
static __noinline int stash_keep(void *skb, struct cursor *cu, __u64 key, __u32 off, __u32 len)
{
	__u32 zero = 0;
	struct stash *s = bpf_map_lookup_elem(&zero_stash, &zero);

	if (!cu || !s || bpf_map_update_elem(&stashes, &key, s, BPF_ANY)) {
		lose(LOST_STASH_FULL);
		return 0;
	}
	s = bpf_map_lookup_elem(&stashes, &key);
	if (!s)
		return 0;
	s->ns = bpf_ktime_get_ns();
	cu->stash = stash_append(skb, s, off, len);
	return 0;
}

/* In microseconds, at most 71 minutes. */
static __always_inline __u32 stash_age(const struct stash *s, __u64 now)
{
	__u64 us = now > s->ns ? (now - s->ns) / 1000 : 0;

	return us >> 32 ? 0xffffffff : us;
}

/* Bytes were missed, or are not what they should be: wait for a packet that starts a message. */
static __noinline int stream_astray(struct cursor *cu, __u32 end)
{
	if (!cu)
		return 0;
	if (!cu->astray)
		lose(LOST_GAP);
	cu->astray = STREAM_ASTRAY;
	cu->length = bpf_ktime_get_ns(); /* no head is being read: see exchange_cut() */
	cu->phase = 0;
	cu->skip = 0;
	cu->pos = end;
	cu->stash = 0;
	return 0;
}

/* protocol is a constant: each reader is compiled for its own. */
static __always_inline int stream_step(void *skb, struct conn *c, struct talk *t, struct cursor *cu,
				       struct window *w, struct view *v, const struct packet *p,
				       int asking, int protocol)
{
	if (protocol == PROTOCOL_HTTP1)
		return http1_step(c, t, cu, w, v, asking);
	if (protocol == PROTOCOL_DNS)
		return dns_step(skb, c, cu, w, v, p->seq, p->at, asking);
	if (protocol == PROTOCOL_TLS && asking)
		return tls_step(c, t, cu, w, v);
	return STEP_QUIET;
}

/* A body was passed over to its last byte. */
static __always_inline void stream_skipped(struct conn *c, struct talk *t, struct cursor *cu,
					   struct view *v, int asking, int protocol)
{
	if (protocol == PROTOCOL_HTTP1 && cu->phase == HTTP1_BODY)
		http1_end(c, t, cu, cu->pos, v, asking);
}

/* Passes over what is a body's, up to seen: all that came so far. Returns whether the packet, up to end, has more. */
static __always_inline int stream_skip(struct conn *c, struct talk *t, struct cursor *cu,
				       struct view *v, __u32 end, __u32 seen, int asking,
				       int protocol)
{
	__u32 left = seen - cu->pos;

	if (cu->skip > left) {
		cu->skip -= left;
		cu->pos = seen;
		return 0;
	}
	cu->pos += cu->skip;
	cu->skip = 0;
	stream_skipped(c, t, cu, v, asking, protocol);
	return (__s32)(end - cu->pos) > 0;
}

/* Whether what is missing before a sequence number need not be waited for; then the cursor is there. */
static __always_inline int stream_jump(struct cursor *cu, __u32 seq, int protocol)
{
	return protocol == PROTOCOL_HTTP1 && http1_jump(cu, seq);
}

/* Where a cursor is astray and the next message is known to begin, it goes on there. */
static __always_inline void stream_resume(struct talk *t, struct cursor *cu, int direction)
{
	__u64 border = t->border[direction & 1];

	if (cu->astray != STREAM_ASTRAY || !border || (__s32)((__u32)border - cu->pos) < 0)
		return;
	cu->pos = border;
	cu->astray = STREAM_CUT;
}

/*
 * Whether a packet is to be read now. One before it may be missing, lost or overtaken: then it is on its way, and what
 * comes first waits for it unread; but within a head the next line will do, and a body may miss anything.
 */
static __always_inline int stream_ready(struct talk *t, struct half *h, const struct packet *p,
					int direction, int protocol)
{
	struct cursor *cu = &t->cursor[direction];
	__u32 at;

	if (cu->astray == STREAM_JOINED) {
		cu->pos = p->seq;
		cu->astray = STREAM_ASTRAY;
		return 1;
	}
	stream_resume(t, cu, direction);
	at = cu->pos + cu->stash;
	if ((__s32)(p->seq + p->len - at) <= 0)
		return 0;
	if ((__s32)(p->seq - at) <= 0 || cu->skip >= p->seq - cu->pos ||
	    cu->astray == STREAM_ASTRAY) {
		h->missed = 0;
		return 1;
	}
	if (stream_jump(cu, p->seq, protocol))
		return 1;
	if (h->missed >= STREAM_PATIENCE) {
		h->missed = 0;
		return 1;
	}
	h->missed++;
	return 0;
}

/* A packet that was missing is read; what had come before it is not read again. */
static __always_inline void stream_settle(struct conn *c, struct talk *t, struct cursor *cu,
					  struct half *h, int protocol, int asking)
{
	if (cu->pos + cu->stash == h->next)
		return;
	if (protocol == PROTOCOL_HTTP1 && asking && http1_in_head(cu)) {
		http1_cut(c, t, cu, h->next);
		cu->astray = STREAM_CUT;
	} else if (protocol == PROTOCOL_TLS && asking && tls_began(cu)) {
		/* what its overtaken half offers is gone: that it is TLS is known */
		tls_done(c, t);
		c->candidate = 0;
	} else {
		stream_astray(cu, h->next);
	}
}

/* What to do about a step's answer other than STEP_ON. */
static __always_inline void stream_stop(struct conn *c, struct cursor *cu, int step, __u32 end,
					int asking)
{
	if (step == STEP_ALIEN && (c->settled || !asking)) {
		stream_astray(cu, end);
		return;
	}
	/* not the protocol it looked like, or all is learnt: the connection is only counted from here on */
	if (step == STEP_ALIEN)
		conn_settle(c, 0, PROTOCOL_UNKNOWN);
	c->candidate = 0;
}

/*
 * Reads the new part of a packet. w is the program's own window; a stash, where there is one, comes first.
 * Returns whether the packet has more to read.
 */
static __always_inline int stream_read(void *skb, struct conn *c, struct talk *t, struct window *w,
				       const struct packet *p, int direction, int protocol,
				       int asking)
{
	int again = 1;
	struct view v = {};
	struct cursor *cu;
	__u32 end, seen;

	cu = &t->cursor[direction & 1];
	end = p->seq + p->len;
	seen = c->half[direction & 1].next;
	/* a hole that a body spans does no harm */
	if ((__s32)(p->seq - (cu->pos + cu->stash)) > 0 && cu->skip < p->seq - cu->pos)
		stream_astray(cu, p->seq);
	if (cu->skip > seen - cu->pos) {
		cu->skip -= seen - cu->pos;
		cu->pos = seen;
		return 0;
	}
	v.now = skb_time(skb, p->direction);
	if (cu->skip && !stream_skip(c, t, cu, &v, end, seen, asking, protocol))
		return 0;
	if (cu->stash) {
		__u64 key = stash_key(skb, direction);
		struct stash *s = bpf_map_lookup_elem(&stashes, &key);

		if (!s) {
			stream_astray(cu, p->seq);
		} else {
			__u32 from = cu->pos + s->len;

			v.age_us = stash_age(s, v.now);
			v.base = cu->pos;
			v.n = stash_append(skb, s, p->at + (from - p->seq), end - from);
			window_copy(w, &s->window);
		}
	}
	for (int k = 0; k < STREAM_STEPS; k++) {
		__u32 before;
		int step;

		/* the bytes at pos may be in the window already */
		v.at = cu->pos - v.base;
		if (v.at >= v.n) {
			v.age_us = 0;
			v.base = cu->pos;
			v.at = 0;
			v.n = window_load(skb, w, p->at + (cu->pos - p->seq), end - cu->pos);
			if (!v.n) {
				stream_astray(cu, end);
				again = 0;
				break;
			}
		}
		v.at = blur_index(v.at, t->zero);
		v.n = blur_index(v.n, t->zero);
		v.base = blur(v.base, t->zero);
		v.now = blur(v.now, t->zero);
		v.age_us = blur(v.age_us, t->zero);
		before = v.at;
		step = stream_step(skb, c, t, cu, w, &v, p, asking, protocol);
		if (step == STEP_MORE) {
			if (v.base + v.n != end) {
				/* the packet goes on behind the window: look again with the unit in front */
				v.n = 0;
				continue;
			}
			if (cu->stash)
				cu->stash = v.n; /* what is kept has grown with this packet */
			else
				stash_keep(skb, cu, stash_key(skb, direction),
					   p->at + (cu->pos - p->seq), end - cu->pos);
			if (!cu->stash)
				stream_astray(cu, end);
			again = 0;
			break;
		}
		if (step != STEP_ON) {
			stream_stop(c, cu, step, end, asking);
			again = 0;
			break;
		}
		cu->astray = 0;
		cu->pos += v.at - before;
		if (cu->stash) {
			__u64 key = stash_key(skb, direction);

			bpf_map_delete_elem(&stashes, &key);
			cu->stash = 0;
		}
		if (cu->skip && !stream_skip(c, t, cu, &v, end, seen, asking, protocol)) {
			again = 0;
			break;
		}
		if (cu->pos == end) {
			again = 0;
			break;
		}
	}
	return again;
}

#endif
