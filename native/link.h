/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a captured frame to its IP packet, and from that to what the tracker asks for.
 * Link types: https://www.tcpdump.org/linktypes.html
 */
#ifndef KINDLING_NATIVE_LINK_H
#define KINDLING_NATIVE_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "pcap.h"

enum link_result {
	LINK_IP = 0,
	LINK_UNKNOWN = 1,   /* a link type we do not read */
	LINK_OTHER = 2,     /* not IP: ARP, LLDP, ... */
	LINK_TRUNCATED = 3, /* cut off within the headers, or headers that contradict themselves */
	LINK_FRAGMENT = 4,  /* a later fragment: no transport header */
	LINK_TRANSPORT = 5, /* IP, but neither TCP nor UDP */
	LINK_RESULTS = 6,
};

#define FLAG_FIN 0x01
#define FLAG_SYN 0x02
#define FLAG_RST 0x04
#define FLAG_ACK 0x10

/* One IP packet. Addresses are 16 bytes, IPv4 v4-mapped, as in bpf/types.h. */
struct ip_packet {
	const uint8_t *data; /* the IP header */
	uint32_t captured;   /* bytes at data, without what follows the IP packet in the frame */
	uint32_t interface;  /* where it was seen, as far as the capture tells */
	uint32_t length;     /* of the packet on the wire */
	uint8_t version;     /* 4, 6 */
	uint8_t transport;   /* IPPROTO_TCP, IPPROTO_UDP; else what it is */
	uint16_t l4;         /* offset of the transport header */
	uint32_t source[4], target[4];
	uint16_t source_port, target_port; /* host order */
	/* TCP only */
	uint32_t seq, ack;
	uint8_t flags;
	uint32_t payload;        /* offset */
	uint32_t payload_length; /* on the wire */
};

/* Whether a packet (LINK_TRANSPORT) is an ICMP error that says "unreachable"; the packet it complains of. */
bool link_unreachable(const struct ip_packet *ip, struct ip_packet *about);

/* Finds the IP packet of a frame and reads it. */
enum link_result link_read(const struct capture_packet *frame, struct ip_packet *ip);

#endif
