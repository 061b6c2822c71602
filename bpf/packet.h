/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The headers of a packet, read in place: they are in the linear part at both hooks, the payload is not. */
#ifndef KINDLING_PACKET_H
#define KINDLING_PACKET_H

#include "home.h"

#define IPPROTO_TCP 6
#define IPPROTO_UDP 17

enum tcp_flag {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
};

enum tcp_state {
	TCP_STATE_SYN_SENT = 2,
	TCP_STATE_SYN_RECV = 3,
	TCP_STATE_CLOSE = 7,
	TCP_STATE_LISTEN = 10
};

struct packet {
	__u32 at;  /* payload, from the IP header on */
	__u32 len; /* of the payload */
	__u32 seq;
	__u32 segments; /* as they are on the wire */
	__u16 source;   /* ports, host order */
	__u16 dest;
	__u8 version; /* of IP */
	__u8 transport;
	__u8 flags;     /* enum tcp_flag */
	__u8 direction; /* enum direction */
};

#define HEADERS_OK 0
#define HEADERS_OTHER 1   /* neither TCP nor UDP */
#define HEADERS_BROKEN -1 /* not to be read */

static __always_inline int packet_transport(struct packet *p, const __u8 *ip, const __u8 *end,
					    __u32 header, __u32 total)
{
	const __u8 *l4 = ip + header;

	p->segments = 1;
	if (p->transport == IPPROTO_TCP) {
		__u32 bytes;

		if (l4 + 20 > end)
			return HEADERS_BROKEN;
		p->source = ntohs(*(const __u16 *)l4);
		p->dest = ntohs(*(const __u16 *)(l4 + 2));
		p->seq = ntohl(*(const __u32 *)(l4 + 4));
		p->flags = l4[13];
		bytes = header + (l4[12] >> 4) * 4;
		p->at = bytes;
		p->len = total > bytes ? total - bytes : 0;
		return HEADERS_OK;
	}
	if (p->transport == IPPROTO_UDP) {
		if (l4 + 8 > end)
			return HEADERS_BROKEN;
		p->source = ntohs(*(const __u16 *)l4);
		p->dest = ntohs(*(const __u16 *)(l4 + 2));
		p->seq = 0;
		p->flags = 0;
		p->at = header + 8;
		p->len = total > header + 8 ? total - header - 8 : 0;
		return HEADERS_OK;
	}
	return HEADERS_OTHER;
}

/* total: bytes from the IP header on. IPv4's own length is 0 in large GSO packets, so it is not asked. */
static __always_inline int packet_read(struct packet *p, const __u8 *ip, const __u8 *end,
				       __u32 total)
{
	if (ip + 20 > end)
		return HEADERS_BROKEN;
	p->version = ip[0] >> 4;
	if (p->version == 4) {
		__u32 header = (ip[0] & 15) * 4;

		p->transport = ip[9];
		if (header == 20)
			return packet_transport(p, ip, end, 20, total);
		if (header < 20)
			return HEADERS_BROKEN;
		return packet_transport(p, ip, end, header, total);
	}
	if (p->version != 6 || ip + 40 > end)
		return HEADERS_BROKEN;
	p->transport = ip[6];
	/* a hop-by-hop header of 8 bytes is what BIG TCP adds (RFC 2675) */
	if (!p->transport && ip + 48 <= end) {
		p->transport = ip[40];
		return packet_transport(p, ip, end, 48, total);
	}
	return packet_transport(p, ip, end, 40, total);
}

static __always_inline void address_v4(__u32 to[4], __u32 v4)
{
	to[0] = 0;
	to[1] = 0;
	to[2] = htonl(0xffff);
	to[3] = v4;
}

/* Source (where = 0) or destination (where = 1) address. */
static __always_inline int packet_address(__u32 to[4], const __u8 *ip, const __u8 *end, int where)
{
	if (ip + 40 <= end && ip[0] >> 4 == 6) {
		const __u32 *a = (const __u32 *)(ip + 8 + where * 16);

		to[0] = a[0];
		to[1] = a[1];
		to[2] = a[2];
		to[3] = a[3];
		return 0;
	}
	if (ip + 20 > end || ip[0] >> 4 != 4)
		return -1;
	address_v4(to, *(const __u32 *)(ip + 12 + where * 4));
	return 0;
}

#endif
