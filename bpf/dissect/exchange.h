/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Requests and responses of a stream in order: the first answer belongs to the first question. */
#ifndef KINDLING_EXCHANGE_H
#define KINDLING_EXCHANGE_H

#include "dissect.h"

static __always_inline struct request *exchange_slot(struct talk *t, __u32 number)
{
	opaque(number);
	return &t->flight[number & (IN_FLIGHT - 1)];
}

/* The first byte of a request was seen. */
static __always_inline void exchange_ask(struct talk *t, __u64 op, __u32 method, struct view *v)
{
	struct request *r;

	if (t->asked - t->answered >= IN_FLIGHT || t->asked_over != t->answered_over) {
		t->asked_over++;
		lose(LOST_PIPELINE);
		return;
	}
	r = exchange_slot(t, t->asked);
	r->op = op;
	r->first_ns = view_first_ns(v);
	r->send = SEND_OPEN;
	r->bytes = 0;
	r->method = method;
	t->asked++;
}

/* The last byte of the newest request was seen. */
static __always_inline void exchange_asked(struct talk *t, __u64 bytes, struct view *v)
{
	struct request *r;
	__u64 took;

	if (t->asked_over != t->answered_over)
		return;
	r = exchange_slot(t, t->asked - 1);
	took = v->now > r->first_ns ? (v->now - r->first_ns) >> 10 : 0;
	r->bytes = bytes >> 32 ? 0xffffffff : bytes;
	r->send = took < SEND_OPEN ? took : SEND_OPEN - 1;
}

/* The method of the request that is answered next. */
static __always_inline __u32 exchange_method(struct talk *t)
{
	return t->asked == t->answered ? 0 : exchange_slot(t, t->answered)->method;
}

/* The first byte of a response was seen. missed: others before it were not: it answers the newest request. */
static __always_inline void exchange_answer(struct talk *t, __u32 status, int missed,
					    struct view *v)
{
	if (missed && t->asked != t->answered)
		t->answered = t->asked - 1;
	t->response_first_ns = view_first_ns(v);
	t->response_status = status;
	t->response_open = 1;
}

/* Bytes that came in a direction since the message that is being read there began. */
static __always_inline __u64 exchange_so_far(const struct conn *c, const struct talk *t,
					     __u64 direction)
{
	direction &= 1;
	return c->half[direction].next - t->cursor[direction].start;
}

/* The direction in which this connection's requests go. */
static __always_inline __u64 exchange_way(const struct conn *c)
{
	return is_zero(c->role ^ ROLE_CLIENT); /* EGRESS is 1 */
}

/*
 * Takes the oldest request out and tells how it went; bytes and now are of the response's end. Without branches: it is
 * done in a loop, and each would make verifiers walk through the counting once more.
 */
static __always_inline void exchange_outcome(const struct conn *c, struct talk *t,
					     struct outcome *o, __u64 bytes, __u64 now)
{
	struct request *r = exchange_slot(t, t->answered);
	__u64 first = r->first_ns, answer = t->response_first_ns, last, open;

	answer = pick(is_zero(t->response_open), now, answer);
	/* clocks of two processors, and an answer before the request's end */
	first = pick(is_below(answer, first), answer, first);
	last = first + ((__u64)r->send << 10);
	open = is_zero(r->send ^ SEND_OPEN);
	last = pick(open | is_below(answer, last), answer, last);
	o->op = r->op;
	o->send_ns = blur(last - first, t->zero);
	o->wait_ns = blur(answer - last, t->zero);
	o->receive_ns = blur(pick(is_below(answer, now), now - answer, 0), t->zero);
	o->request_bytes = pick(open, exchange_so_far(c, t, exchange_way(c)), r->bytes);
	o->response_bytes = blur(bytes, t->zero);
	o->failed = blur(o->failed, t->zero);
	o->status = blur(o->status, t->zero);
	t->answered++;
}

/*
 * One side has its say. Who asks mostly waits for the answer first, so all that came the other way belongs to older
 * messages, and what comes next there begins one. Who does not wait (pipelining) proves it wrong; then the next packet is
 * astray as if nothing had been known.
 */
static __always_inline void exchange_border(const struct conn *c, struct talk *t, __u64 way)
{
	way &= 1;
	t->border[way] = SEQUENCE | c->half[way].next;
}

/* The last byte of a response was seen. One without a request is of a conversation joined midway. */
static __noinline int exchange_answered(struct conn *c, struct talk *t, __u64 bytes,
					const struct view *v)
{
	struct outcome o = {};

	if (!c || !t || !v || !t->response_open)
		return 0;
	o.status = t->response_status;
	o.failed = o.status >= 400;
	if (t->asked != t->answered) {
		exchange_outcome(c, t, &o, bytes, v->now);
	} else if (t->asked_over != t->answered_over) {
		t->answered_over++;
		o.op = OP_OTHER;
		o.untimed = 1;
		o.response_bytes = bytes;
	} else {
		t->response_open = 0;
		return 0;
	}
	t->response_open = 0;
	exchange_border(c, t, exchange_way(c));
	op_record(c, t, &o, v->now);
	return 0;
}

/*
 * A response whose end was missed, and another one begins at a sequence number, is taken to have ended when bytes of it
 * were last seen: the cursor keeps that time while it is astray.
 */
static __always_inline void exchange_cut(struct conn *c, struct talk *t, const struct cursor *cu,
					 __u32 end, struct view *v)
{
	__u64 now = v->now;

	if (!cu->astray || !t->response_open)
		return;
	v->now = cu->length;
	exchange_answered(c, t, end - cu->start, v);
	v->now = now;
}

/* Ends the request that waits for longest. Returns whether there was one. */
static __noinline int exchange_close_one(struct conn *c, struct talk *t, __u64 now)
{
	struct outcome o = {};
	__u64 bytes, open;

	if (!c || !t || t->asked == t->answered)
		return 0;
	open = !is_zero(t->response_open);
	opaque(open);
	o.status = t->response_status & -open;
	o.failed = is_zero(o.status ^ STATUS_NONE) | is_below(399, o.status);
	bytes = exchange_so_far(c, t, !exchange_way(c)) & -open;
	exchange_outcome(c, t, &o, bytes, now);
	t->response_open = 0;
	op_record(c, t, &o, now);
	return 1;
}

/* The connection ended: a response that only its end delimits is complete, what else waits got no answer. */
static __always_inline void exchange_closed(struct conn *c, struct talk *t, __u64 now)
{
	const struct cursor *cu = &t->cursor[!exchange_way(c)];
	__u64 end = cu->astray && t->response_open ? cu->length : now;

	for (int i = 0; i < IN_FLIGHT; i++) {
		if (!exchange_close_one(c, t, end))
			break;
		end = now;
	}
}

#endif
