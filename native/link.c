/* SPDX-License-Identifier: Apache-2.0 */
#include "link.h"

#include <string.h>

#define LINKTYPE_NULL 0
#define LINKTYPE_ETHERNET 1
#define LINKTYPE_RAW_BSD 12
#define LINKTYPE_RAW_OPENBSD 14
#define LINKTYPE_RAW 101
#define LINKTYPE_LOOP 108
#define LINKTYPE_COOKED 113
#define LINKTYPE_IPV4 228
#define LINKTYPE_IPV6 229
#define LINKTYPE_COOKED_V2 276

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_QINQ 0x88a8
#define ETHERTYPE_QINQ_OLD 0x9100
#define MAX_TAGS 4

#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_UDP 17
/* IPv6 extension headers that may stand before the transport header: RFC 8200, RFC 4302, RFC 6275. */
#define PROTO_HOP_BY_HOP 0
#define PROTO_ROUTING 43
#define PROTO_FRAGMENT 44
#define PROTO_AUTHENTICATION 51
#define PROTO_DESTINATION 60
#define PROTO_MOBILITY 135
#define MAX_EXTENSIONS 8
#define PROTO_ICMPV6 58

#define ICMP_UNREACHABLE 3
#define ICMP_TOO_LONG 4 /* code: the packet needs fragments; no end of a connection */
#define ICMPV6_UNREACHABLE 1
#define ICMP_HEADER 8

static uint16_t be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t be32(const uint8_t *at)
{
	return (uint32_t)be16(at) << 16 | be16(at + 2);
}

/* --- link headers ----------------------------------------------------------------------- */

/* Offset of the IP header behind an ethertype that stands at `at`, or 0. */
static uint32_t behind_ethertype(const uint8_t *data, uint32_t len, uint32_t at,
				 enum link_result *why)
{
	for (int tags = 0; tags <= MAX_TAGS && at + 2 <= len; tags++) {
		uint16_t type = be16(data + at);

		if (type == ETHERTYPE_IPV4 || type == ETHERTYPE_IPV6)
			return at + 2;
		if (type != ETHERTYPE_VLAN && type != ETHERTYPE_QINQ &&
		    type != ETHERTYPE_QINQ_OLD) {
			*why = LINK_OTHER;
			return 0;
		}
		at += 4;
	}
	return 0;
}

/* As above, for headers whose ethertype does not stand directly before the IP header. */
static uint32_t behind_cooked_v2(const uint8_t *data, uint32_t len, enum link_result *why)
{
	uint16_t type;

	if (len < 20)
		return 0;
	type = be16(data);
	if (type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ || type == ETHERTYPE_QINQ_OLD)
		return behind_ethertype(data, len, 22, why);
	if (type == ETHERTYPE_IPV4 || type == ETHERTYPE_IPV6)
		return 20;
	*why = LINK_OTHER;
	return 0;
}

static uint32_t link_header(const struct capture_packet *frame, enum link_result *why)
{
	switch (frame->link) {
	case LINKTYPE_ETHERNET:
		return behind_ethertype(frame->data, frame->captured, 12, why);
	case LINKTYPE_COOKED:
		return behind_ethertype(frame->data, frame->captured, 14, why);
	case LINKTYPE_COOKED_V2:
		return behind_cooked_v2(frame->data, frame->captured, why);
	case LINKTYPE_NULL: /* the address family in some host's byte order: the version tells more */
	case LINKTYPE_LOOP:
		return 4;
	}
	*why = LINK_UNKNOWN;
	return 0;
}

/* Cooked captures are of all interfaces: version 2 numbers them, version 1 tells in from out. */
static uint32_t interface_of(const struct capture_packet *frame)
{
	if (frame->link == LINKTYPE_COOKED_V2)
		return be32(frame->data + 4);
	if (frame->link == LINKTYPE_COOKED)
		return be16(frame->data);
	return frame->interface;
}

static bool is_raw(uint32_t link)
{
	return link == LINKTYPE_RAW || link == LINKTYPE_RAW_BSD || link == LINKTYPE_RAW_OPENBSD ||
	       link == LINKTYPE_IPV4 || link == LINKTYPE_IPV6;
}

/* --- IP --------------------------------------------------------------------------------- */

static void mapped(uint32_t *to, const uint8_t *from)
{
	to[0] = to[1] = 0;
	memcpy(&to[2], "\0\0\xff\xff", 4);
	memcpy(&to[3], from, 4);
}

/* A length of 0: left to the network card, or a jumbogram. */
static void set_length(struct ip_packet *ip, uint32_t length)
{
	if (length && length < ip->length)
		ip->length = length;
	if (ip->captured > ip->length)
		ip->captured = ip->length;
}

static enum link_result read_ipv4(struct ip_packet *ip)
{
	uint16_t head;

	if (ip->captured < 20)
		return LINK_TRUNCATED;
	head = (uint16_t)((ip->data[0] & 15) * 4);
	set_length(ip, be16(ip->data + 2));
	if (head < 20 || head > ip->captured)
		return LINK_TRUNCATED;
	if (be16(ip->data + 6) & 0x1fff)
		return LINK_FRAGMENT;
	mapped(ip->source, ip->data + 12);
	mapped(ip->target, ip->data + 16);
	ip->transport = ip->data[9];
	ip->l4 = head;
	return LINK_IP;
}

static bool is_extension(uint8_t next)
{
	return next == PROTO_HOP_BY_HOP || next == PROTO_ROUTING || next == PROTO_FRAGMENT ||
	       next == PROTO_AUTHENTICATION || next == PROTO_DESTINATION || next == PROTO_MOBILITY;
}

static uint32_t extension_length(uint8_t type, uint8_t length)
{
	if (type == PROTO_FRAGMENT)
		return 8;
	if (type == PROTO_AUTHENTICATION)
		return (length + 2u) * 4;
	return (length + 1u) * 8;
}

static enum link_result read_ipv6(struct ip_packet *ip)
{
	uint32_t at = 40, payload;
	uint8_t next;

	if (ip->captured < 40)
		return LINK_TRUNCATED;
	payload = be16(ip->data + 4);
	set_length(ip, payload ? payload + 40 : 0);
	next = ip->data[6];
	for (int i = 0; is_extension(next); i++) {
		const uint8_t *head = ip->data + at;

		if (i == MAX_EXTENSIONS || at + 8 > ip->captured)
			return LINK_TRUNCATED;
		if (next == PROTO_FRAGMENT && be16(head + 2) & 0xfff8)
			return LINK_FRAGMENT;
		at += extension_length(next, head[1]);
		next = head[0];
	}
	if (at > ip->captured)
		return LINK_TRUNCATED;
	memcpy(ip->source, ip->data + 8, 16);
	memcpy(ip->target, ip->data + 24, 16);
	ip->transport = next;
	ip->l4 = (uint16_t)at;
	return LINK_IP;
}

/* --- transport -------------------------------------------------------------------------- */

static enum link_result read_tcp(struct ip_packet *ip, const uint8_t *head, uint32_t captured)
{
	uint32_t length;

	if (captured < 20)
		return LINK_TRUNCATED;
	length = (head[12] >> 4) * 4u;
	if (length < 20 || ip->l4 + length > ip->length)
		return LINK_TRUNCATED;
	ip->seq = be32(head + 4);
	ip->ack = be32(head + 8);
	ip->flags = head[13];
	ip->payload = ip->l4 + length;
	ip->payload_length = ip->length - ip->payload;
	return LINK_IP;
}

static enum link_result read_transport(struct ip_packet *ip)
{
	const uint8_t *head = ip->data + ip->l4;
	uint32_t captured = ip->captured - ip->l4;

	if (ip->transport != PROTO_TCP && ip->transport != PROTO_UDP)
		return LINK_TRANSPORT;
	if (captured < 8)
		return LINK_TRUNCATED;
	ip->source_port = be16(head);
	ip->target_port = be16(head + 2);
	if (ip->transport == PROTO_TCP)
		return read_tcp(ip, head, captured);
	ip->payload = ip->l4 + 8u;
	ip->payload_length = ip->length - ip->payload;
	return LINK_IP;
}

enum link_result link_read(const struct capture_packet *frame, struct ip_packet *ip)
{
	enum link_result result = LINK_TRUNCATED;
	uint32_t offset = 0;

	if (!is_raw(frame->link)) {
		offset = link_header(frame, &result);
		if (!offset)
			return result;
	}
	if (offset >= frame->captured)
		return LINK_TRUNCATED;
	memset(ip, 0, sizeof(*ip));
	ip->interface = interface_of(frame);
	ip->data = frame->data + offset;
	ip->captured = frame->captured - offset;
	ip->length = frame->length - offset;
	ip->version = ip->data[0] >> 4;
	if (ip->version != 4 && ip->version != 6)
		return LINK_OTHER;
	result = ip->version == 4 ? read_ipv4(ip) : read_ipv6(ip);
	return result == LINK_IP ? read_transport(ip) : result;
}

bool link_unreachable(const struct ip_packet *ip, struct ip_packet *about)
{
	const uint8_t *icmp = ip->data + ip->l4;
	struct capture_packet inner = { .link = LINKTYPE_RAW };
	bool says;

	if (ip->captured < ip->l4 + ICMP_HEADER)
		return false;
	if (ip->transport == PROTO_ICMP)
		says = icmp[0] == ICMP_UNREACHABLE && icmp[1] != ICMP_TOO_LONG;
	else
		says = ip->transport == PROTO_ICMPV6 && icmp[0] == ICMPV6_UNREACHABLE;
	if (!says)
		return false;
	inner.data = icmp + ICMP_HEADER;
	inner.captured = inner.length = ip->captured - ip->l4 - ICMP_HEADER;
	return link_read(&inner, about) == LINK_IP;
}
