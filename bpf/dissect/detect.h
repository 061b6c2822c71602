/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Which dissector a stream is given to, by the first bytes of its request's direction. A guess: the
 * dissector itself says STEP_ALIEN where it was wrong. */
#ifndef KINDLING_DETECT_H
#define KINDLING_DETECT_H

#include "dns.h"
#include "http1.h"
#include "tls.h"

static __always_inline __u8 detect_stream(const struct conn *c, const __u8 first[4], __u32 len)
{
	if (conn_port(c) == config.dns_port)
		return PROTOCOL_DNS;
	if (first[0] == TLS_HANDSHAKE && (len < 4 || first[1] == 3))
		return PROTOCOL_TLS;
	if (len >= 4 && http1_is_method(*(const __u32 *)first))
		return PROTOCOL_HTTP1;
	/* the first letters of a method, cut off */
	if (len < 4 && first[0] >= 'C' && first[0] <= 'T')
		return PROTOCOL_HTTP1;
	return PROTOCOL_UNKNOWN;
}

#endif
