/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a kernel knows of its sockets, derived from packets. Each conversation is two sockets, one at either
 * end, as on a host that talks to itself: both are counted.
 */
#ifndef KINDLING_NATIVE_TRACK_H
#define KINDLING_NATIVE_TRACK_H

#include "home.h"
#include "link.h"

#define TRACK_PAIRS (65536 / NATIVE_SHRINK) /* conversations at one time */
#define TRACK_HANDSHAKE_NS 120000000000ull  /* as long as a connect() waits at most, about */
#define TRACK_QUIET_UDP_NS 60000000000ull   /* then a UDP socket counts as closed */
#define TRACK_DEAD_NS 60000000000ull        /* TIME_WAIT: late packets of a closed connection */

struct track_counts {
	uint64_t conversations;
	uint64_t evicted; /* forgotten before their end, for want of room */
	uint64_t late;    /* packets of connections that were over */
	uint64_t loose;   /* packets without payload, of connections whose start was not captured */
};

/* --- what the tracker tells the engine ------------------------------------------------------ */

enum track_direction { TRACK_INGRESS = 0, TRACK_EGRESS = 1 };

/* Where a handshake left the sequence numbers: of the next byte sent and received. */
struct track_start {
	uint32_t sent, received;
};

/* inferred: the start was not captured, the role was found out from what came. */
void engine_socket(struct native_sock *sock, bool server, bool inferred);
void engine_connecting(struct native_sock *sock);
void engine_established(struct native_sock *sock, bool server, const struct track_start *start);
/* The end of a socket, whatever it had come to. */
void engine_over(struct native_sock *sock);
/* The end of a handshake without an answer, or with an ICMP error for one. */
void engine_timeout(struct native_sock *sock);
void engine_unreachable(struct native_sock *sock);
void engine_segment(struct native_sock *sock, const struct ip_packet *ip, enum track_direction way);
/* All that a socket holds back goes into the tables: the capture ends. */
void engine_flush(struct native_sock *sock);

/* --- what the engine asks for ---------------------------------------------------------------- */

bool track_open(void);
void track_packet(const struct ip_packet *ip);
/* ICMP says of this packet that it did not arrive. */
void track_unreachable(const struct ip_packet *ip);
void track_finish(void);
void track_close(void);
const struct track_counts *track_counts(void);

#endif
