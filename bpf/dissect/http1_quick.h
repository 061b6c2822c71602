/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The common case of HTTP/1.x, before any reader is called: a whole head in one packet's first window, one request in
 * flight, nothing kept, nothing missing. What is not that simple is left untouched to the reader, which would have come
 * to the same: captures are compared with golden files either way.
 */
#ifndef KINDLING_HTTP1_QUICK_H
#define KINDLING_HTTP1_QUICK_H

#include "http1.h"

/* No head is shorter: "GET / HTTP/1.0", two line ends. */
#define HTTP1_LEAST 16

static __always_inline __u32 http1_quick_load(void *skb, struct window *w, const struct packet *p)
{
	return p->len < HTTP1_LEAST ? 0 : window_fill(skb, w, p->at, p->len);
}

/* The lines of a head from "at" on. Returns whether its end is in the window, and no coding changes the body's length. */
static __noinline int http1_quick_lines(struct lines *l, const struct window *w, __u32 at, __u32 n)
{
	if (!l || !w)
		return 0;
	l->count = 0;
	l->rest = 1;
	http1_begin(l, at);
	http1_scan(w, l, n);
	return l->done && !l->coding_at;
}

/* A hash of the window from "at" to n. What stands behind that is set to zero first: it is read along. */
static __always_inline __u64 http1_rest(struct window *w, __u64 at, __u64 n, __u64 zero)
{
	__u64 h = n - at, g = config.seed, last = (n - 1) & (WINDOW - 1);

	word_put(&w->at[last + 1], 0);
	word_put(&w->at[last + 9], 0);
	for (int k = 0; k < WINDOW / 16; k++) {
		at = blur_index(at, zero);
		if (at >= n)
			break;
		h = mix(h, WORD(w, at));
		g = mix(g, WORD2(w, at));
		at += 16;
	}
	return mix(h, g);
}

/*
 * Where the target of a GET ends, and the hashes of what is before and behind. What is found is left in "t", not in
 * registers: whoever goes on reads it from there, and verifiers need not go on once for each way it was found.
 */
static __noinline int http1_quick_target(struct talk *t, struct lines *l, struct window *w,
					 __u32 bytes)
{
	__u64 n = bytes;
	__u32 end;

	if (!t || !l || !w)
		return 0;
	n = ((n - 1) & (WINDOW - 1)) + 1;
	opaque(n);
	end = http1_target(w, l, 0, 4, n, &t->seen_raw);
	if (end >= n)
		return 0;
	l->at = end;
	t->seen_rest = http1_rest(w, end, n, l->zero);
	return 1;
}

/*
 * A GET without a body, and nothing after it. Of clients that keep connections mostly the target varies: if all behind it
 * is as it was in the last request that was read so, no line needs to be looked at.
 */
static __always_inline int http1_quick_ask(void *skb, struct conn *c, struct talk *t,
					   struct cursor *cu, struct window *w,
					   const struct packet *p, int direction)
{
	struct lines *l = &cu->lines;
	struct view v = {};
	__u32 end;

	if (p->len > WINDOW || t->asked != t->answered)
		return 0;
	v.n = http1_quick_load(skb, w, p);
	if (!v.n || (__u32)WORD(w, 0) != FOUR('G', 'E', 'T', ' '))
		return 0;
	if (!http1_quick_target(t, l, w, v.n))
		return 0;
	end = l->at;
	http1_raw(t, w, l, 0, 4, end, t->seen_raw);
	if (t->seen_rest != t->rest) {
		if (!http1_quick_lines(l, w, end, v.n) || l->at != v.n || l->length_at)
			return 0;
		t->rest = t->seen_rest;
	}
	v.now = skb_time(skb, direction);
	if (!c->settled) {
		if (l->host_at && c->role == ROLE_CLIENT)
			http1_host(t, w, l, v.n);
		conn_settle(c, t->host, PROTOCOL_HTTP1);
	}
	cu->flags = 0;
	cu->start = p->seq;
	t->host = 0;
	exchange_ask(t, t->raw_op, METHOD_OTHER, &v);
	exchange_asked(t, v.n, &v);
	return 1;
}

/*
 * Bytes of a response in all, 0: not known. Where the last head had its length and its end is looked first. What stands
 * there is believed if it makes the response end with this packet: more than one answer cannot be in it, for no more was
 * asked.
 */
static __always_inline __u64 http1_quick_length(struct talk *t, struct lines *l, struct window *w,
						const struct packet *p, __u32 n)
{
	__u32 end = t->response_head, at = t->response_length;

	if (end && end <= n && BYTE(w, at) == '\n' && http1_is_content(http1_name(w, at + 1)) &&
	    http1_is_length(http1_name(w, at + 9)) &&
	    (__u32)WORD(w, end - 4) == FOUR('\r', '\n', '\r', '\n') &&
	    end + http1_number(w, at + 16) == p->len)
		return p->len;
	if (!http1_quick_lines(l, w, 12, n) || !l->length_at)
		return 0;
	t->response_head = l->at;
	t->response_length = l->length_at - 2;
	return l->at + http1_number(w, l->length_at + 14);
}

/* A response of known length to the only request in flight. Returns whether it was read. */
static __always_inline int http1_quick_answer(void *skb, struct conn *c, struct talk *t,
					      struct cursor *cu, struct window *w,
					      const struct packet *p, int direction)
{
	struct view v = {};
	__u32 status;
	__u64 total;

	if (t->asked - t->answered != 1 || exchange_method(t))
		return 0;
	v.n = http1_quick_load(skb, w, p);
	if (!v.n)
		return 0;
	status = http1_status(w, 0);
	if (status < 200 || status == 204 || status == 304)
		return 0;
	total = http1_quick_length(t, &cu->lines, w, p, v.n);
	if (total < p->len)
		return 0;
	v.now = skb_time(skb, direction);
	cu->flags = 0;
	cu->start = p->seq;
	exchange_answer(t, status, 0, &v);
	if (total == p->len) {
		exchange_answered(c, t, total, &v);
		return 1;
	}
	cu->phase = HTTP1_BODY;
	cu->skip = total - p->len;
	return 1;
}

/* A packet that is new as a whole and goes on where the last one ended. Returns whether it was read. */
static __always_inline int http1_quick(void *skb, struct conn *c, struct talk *t, struct window *w,
				       const struct packet *p, int direction, int asking)
{
	struct cursor *cu = &t->cursor[direction];

	if (cu->pos != p->seq || cu->stash)
		return 0;
	if (cu->skip > p->len) {
		cu->skip -= p->len;
	} else {
		if (cu->skip || cu->phase || cu->astray || t->asked_over != t->answered_over)
			return 0;
		if (asking ? !http1_quick_ask(skb, c, t, cu, w, p, direction)
			   : !http1_quick_answer(skb, c, t, cu, w, p, direction))
			return 0;
	}
	cu->pos = p->seq + p->len;
	c->half[direction].missed = 0;
	return 1;
}

#endif
