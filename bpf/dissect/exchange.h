/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Requests and responses of a stream in order: the first answer belongs to the first question. */
#ifndef KINDLING_EXCHANGE_H
#define KINDLING_EXCHANGE_H

#include "dissect.h"

static __always_inline struct request *exchange_slot(struct talk *t, __u32 number)
{
	__u32 i = number % IN_FLIGHT;

	/* for verifiers that keep no bound of a remainder */
	return &t->flight[i < IN_FLIGHT ? i : 0];
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
	r->first_ns = v->first_ns ? v->first_ns : v->now;
	r->last_ns = 0;
	r->bytes = 0;
	r->method = method;
	t->asked++;
}

/* The last byte of the newest request was seen. */
static __always_inline void exchange_asked(struct talk *t, __u64 bytes, struct view *v)
{
	struct request *r;

	if (t->asked_over != t->answered_over)
		return;
	r = exchange_slot(t, t->asked - 1);
	r->bytes = bytes;
	r->last_ns = v->now;
}

/* The method of the request that is answered next. */
static __always_inline __u32 exchange_method(struct talk *t)
{
	return t->asked == t->answered ? 0 : exchange_slot(t, t->answered)->method;
}

/* The first byte of a response was seen. */
static __always_inline void exchange_answer(struct talk *t, __u32 status, struct view *v)
{
	t->response_first_ns = v->first_ns ? v->first_ns : v->now;
	t->response_status = status;
	t->response_open = 1;
}

/* Takes the oldest request out and tells how it went; bytes and now are of the response's end. */
static __always_inline void exchange_outcome(struct talk *t, struct outcome *o, __u64 bytes,
					     __u64 now)
{
	struct request *r = exchange_slot(t, t->answered);
	__u64 first = r->first_ns, last = r->last_ns, answer = t->response_first_ns;

	if (!t->response_open)
		answer = now;
	/* an answer before the request's end, and clocks of two processors */
	if (!last || last > answer)
		last = answer;
	if (first > last)
		first = last;
	o->op = r->op;
	o->first_ns = first;
	o->send_ns = last - first;
	o->wait_ns = answer - last;
	o->receive_ns = now > answer ? now - answer : 0;
	o->request_bytes = r->bytes;
	o->response_bytes = bytes;
	t->answered++;
}

/* The last byte of a response was seen. One without a request is of a conversation joined midway. */
static __always_inline void exchange_answered(struct conn *c, struct talk *t, __u64 bytes,
					      struct view *v)
{
	struct outcome o = { .status = t->response_status };

	if (!t->response_open)
		return;
	o.failed = o.status >= 400;
	if (t->asked != t->answered) {
		exchange_outcome(t, &o, bytes, v->now);
	} else if (t->asked_over != t->answered_over) {
		t->answered_over++;
		o.op = OP_OTHER;
		o.untimed = 1;
		o.response_bytes = bytes;
	} else {
		t->response_open = 0;
		return;
	}
	t->response_open = 0;
	op_record(c, t, &o, v->now);
}

/* The connection ended: a response that only its end delimits is complete, what else waits got no answer. */
static __always_inline void exchange_closed(struct conn *c, struct talk *t, __u64 now)
{
	for (int i = 0; i < IN_FLIGHT; i++) {
		struct outcome o = { .status = STATUS_NONE };
		__u64 bytes = 0;

		if (t->asked == t->answered)
			break;
		if (t->response_open) {
			int response = c->role == ROLE_CLIENT ? INGRESS : EGRESS;

			o.status = t->response_status;
			bytes = c->half[response].next - t->cursor[response].start;
		}
		o.failed = o.status == STATUS_NONE || o.status >= 400;
		exchange_outcome(t, &o, bytes, now);
		t->response_open = 0;
		op_record(c, t, &o, now);
	}
}

#endif
