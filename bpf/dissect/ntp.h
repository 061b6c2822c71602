/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* NTP (RFC 5905, 7.3): who asks which clock. The smallest dissector: docs/protocols.md walks through it. */
#ifndef KINDLING_NTP_H
#define KINDLING_NTP_H

#include "query.h"

#define NTP_BYTES 48
#define NTP_CLIENT 3
#define NTP_SERVER 4
#define NTP_ORIGIN 24 /* in an answer: the question's transmit timestamp */
#define NTP_TRANSMIT 40

static __always_inline int ntp_message(void *skb, struct conn *c, struct window *w, __u32 n,
				       int asking, __u64 now)
{
	__u32 mode = BYTE(w, 0) & 7, version = BYTE(w, 0) >> 3 & 7, stratum = BYTE(w, 1);
	__u64 op;

	if (n < NTP_BYTES)
		return 0;
	if (asking && mode == NTP_CLIENT) {
		__u64 key = query_key(skb, c, WORD(w, NTP_TRANSMIT));

		BYTE(w, 0) = mode | version << 4;
		op = name_id(w, 0, 1, NAME(NAME_OP, PROTOCOL_NTP), 0, c->zero);
		name_enter(w, op, 0, 1, NAME(NAME_OP, PROTOCOL_NTP));
		query_ask(c, key, op, n, now);
	} else if (!asking && mode == NTP_SERVER) {
		/* stratum 0 is a refusal: the "kiss of death" */
		query_answer(c, query_key(skb, c, WORD(w, NTP_ORIGIN)), stratum + 1, !stratum, n,
			     now);
	}
	return 1;
}

#endif
