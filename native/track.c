/* SPDX-License-Identifier: Apache-2.0 */
#include "track.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS (TRACK_PAIRS * 2)
#define PROTO_TCP 6
#define PROTO_UDP 17
#define AF_IPV4 2
#define AF_IPV6 10
#define SOCK_STREAMS 1
#define SOCK_DATAGRAMS 2
#define FIRST_EPHEMERAL 32768
#define LAST_WELL_KNOWN 1023
#define GIVE_UP_NS 1000000000ull /* a first SYN is sent again after one second */
#define NOT_MEASURED 0xffffffffu

enum list { LIST_OPENING, LIST_UDP, LIST_DEAD, LIST_OPEN, LISTS };

struct side {
	struct native_sock sock;
	bool exists; /* the engine knows the socket */
	bool open;   /* and that its handshake is done */
	bool fin;
	uint32_t fin_end;  /* sequence number after the FIN */
	uint32_t start;    /* of the first byte of payload */
	uint32_t next;     /* sequence number after the highest byte sent */
	uint32_t timed;    /* sequence number after the segment whose acknowledgement is awaited */
	uint64_t timed_ns; /* when it was sent, 0: none */
};

struct pair {
	struct pair *chain;
	struct pair *older, *newer; /* by the last packet, within a list */
	enum list list;
	uint8_t transport;
	uint8_t client; /* side */
	uint32_t address[2][4];
	uint16_t port[2];
	uint32_t isn; /* of the client */
	uint64_t begun_ns;
	uint64_t last_ns;
	struct side side[2];
};

static struct pair **buckets;
static struct {
	struct pair *oldest, *newest;
} lists[LISTS];
static uint32_t pairs;
static uint64_t cookies;
static struct track_counts counts;

/* --- finding, listing, forgetting ------------------------------------------------------------ */

static uint32_t bucket_of(const struct ip_packet *ip)
{
	/* Both directions are one: sums and xors. */
	uint64_t h = (uint64_t)ip->transport << 40;

	for (int i = 0; i < 4; i++)
		h = (h ^ (uint64_t)ip->source[i] * ip->target[i]) +
		    (((uint64_t)ip->source[i] ^ ip->target[i]) << (i * 7));
	h += (uint64_t)(ip->source_port ^ ip->target_port) << 16;
	h ^= (uint64_t)ip->source_port * ip->target_port;
	return (uint32_t)(h * 0x9e3779b97f4a7c15ull >> 47) % BUCKETS;
}

static bool is_end(const struct pair *p, int side, const uint32_t *address, uint16_t port)
{
	return p->port[side] == port && !memcmp(p->address[side], address, 16);
}

/* The conversation of a packet, and which of its sides sent it. */
static struct pair *find(const struct ip_packet *ip, uint32_t bucket, int *from)
{
	for (struct pair *p = buckets[bucket]; p; p = p->chain) {
		if (p->transport != ip->transport)
			continue;
		for (int side = 0; side < 2; side++) {
			*from = side;
			if (is_end(p, side, ip->source, ip->source_port) &&
			    is_end(p, !side, ip->target, ip->target_port))
				return p;
		}
	}
	*from = 0;
	return NULL;
}

static void unlist(struct pair *p)
{
	if (p->older)
		p->older->newer = p->newer;
	else
		lists[p->list].oldest = p->newer;
	if (p->newer)
		p->newer->older = p->older;
	else
		lists[p->list].newest = p->older;
	p->older = p->newer = NULL;
}

static void enlist(struct pair *p, enum list list)
{
	p->list = list;
	p->older = lists[list].newest;
	p->newer = NULL;
	if (p->older)
		p->older->newer = p;
	else
		lists[list].oldest = p;
	lists[list].newest = p;
}

static void move(struct pair *p, enum list list)
{
	if (p->list == list && !p->newer)
		return;
	unlist(p);
	enlist(p, list);
}

static void drop_side(struct side *s)
{
	if (s->exists) {
		native_now.cookie = s->sock.cookie;
		engine_over(&s->sock);
	}
	native_sock_free(&s->sock);
	s->exists = s->open = false;
}

static void forget(struct pair *p)
{
	struct ip_packet ip = { .transport = p->transport,
				.source_port = p->port[0],
				.target_port = p->port[1] };
	struct pair **at;

	memcpy(ip.source, p->address[0], 16);
	memcpy(ip.target, p->address[1], 16);
	at = &buckets[bucket_of(&ip)];
	drop_side(&p->side[0]);
	drop_side(&p->side[1]);
	while (*at != p)
		at = &(*at)->chain;
	*at = p->chain;
	unlist(p);
	free(p);
	pairs--;
}

static void make_room(void)
{
	struct pair *p = lists[LIST_DEAD].oldest;

	for (int list = LIST_UDP; !p && list != LISTS; list = list == LIST_UDP ? LIST_OPEN : LISTS)
		p = lists[list].oldest;
	if (!p)
		p = lists[LIST_OPENING].oldest;
	if (!p)
		return;
	if (p->list != LIST_DEAD)
		counts.evicted++;
	forget(p);
}

/* --- sockets ----------------------------------------------------------------------------------- */

static void describe(struct pair *p, int side, bool v4)
{
	struct bpf_sock *sk = &p->side[side].sock.sk;
	const uint32_t *local = p->address[side], *remote = p->address[!side];

	sk->family = v4 ? AF_IPV4 : AF_IPV6;
	sk->type = p->transport == PROTO_TCP ? SOCK_STREAMS : SOCK_DATAGRAMS;
	sk->protocol = p->transport;
	sk->src_port = p->port[side];
	sk->dst_port = __builtin_bswap16(p->port[!side]);
	sk->src_ip4 = local[3];
	sk->dst_ip4 = remote[3];
	memcpy(sk->src_ip6, local, 16);
	memcpy(sk->dst_ip6, remote, 16);
	sk->state = BPF_TCP_ESTABLISHED;
}

/* A new pair of sockets at the same addresses. */
static void begin(struct pair *p, bool v4)
{
	for (int side = 0; side < 2; side++) {
		drop_side(&p->side[side]);
		memset(&p->side[side], 0, sizeof(p->side[side]));
		p->side[side].sock.cookie = ++cookies;
		p->side[side].sock.tcp.rtt_min = NOT_MEASURED;
		describe(p, side, v4);
	}
	p->begun_ns = native_now.ns;
}

static struct pair *create(const struct ip_packet *ip, uint32_t bucket, enum list list)
{
	struct pair *p;

	if (pairs >= TRACK_PAIRS)
		make_room();
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	memcpy(p->address[0], ip->source, 16);
	memcpy(p->address[1], ip->target, 16);
	p->port[0] = ip->source_port;
	p->port[1] = ip->target_port;
	p->transport = ip->transport;
	p->chain = buckets[bucket];
	buckets[bucket] = p;
	pairs++;
	begin(p, ip->version == 4);
	enlist(p, list);
	return p;
}

/* What the kernel would answer to a program that runs for this socket. */
static void enter(struct pair *p, int side)
{
	native_now.cookie = p->side[side].sock.cookie;
	memcpy(native_now.owner, p->address[side], 16);
}

static void make_socket(struct pair *p, int side, bool inferred)
{
	struct side *s = &p->side[side];

	if (s->exists)
		return;
	s->exists = true;
	enter(p, side);
	engine_socket(&s->sock, side != p->client, inferred);
}

static void segment(struct pair *p, int side, const struct ip_packet *ip, enum track_direction way)
{
	if (!p->side[side].exists)
		return;
	enter(p, side);
	engine_segment(&p->side[side].sock, ip, way);
}

static void segment_both(struct pair *p, int from, const struct ip_packet *ip)
{
	segment(p, from, ip, TRACK_EGRESS);
	segment(p, !from, ip, TRACK_INGRESS);
}

static void established(struct pair *p, int side)
{
	struct track_start start = { p->side[side].start, p->side[!side].start };

	if (p->side[side].open)
		return;
	make_socket(p, side, false);
	enter(p, side);
	p->side[side].open = true;
	p->side[side].sock.sk.state = BPF_TCP_ESTABLISHED;
	engine_established(&p->side[side].sock, side != p->client, &start);
}

static void die(struct pair *p)
{
	drop_side(&p->side[0]);
	drop_side(&p->side[1]);
	move(p, LIST_DEAD);
}

/* --- round trip times, as a sender at the place of the capture would see them --------------------- */

static bool after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static void measured(struct bpf_tcp_sock *tcp, uint64_t ns)
{
	uint32_t us = ns / 1000 < NOT_MEASURED / 8 ? (uint32_t)(ns / 1000) : NOT_MEASURED / 8;

	if (!us)
		us = 1;
	tcp->srtt_us = tcp->srtt_us ? tcp->srtt_us - tcp->srtt_us / 8 + us : us * 8;
	if (us < tcp->rtt_min)
		tcp->rtt_min = us;
}

static void time_segment(struct pair *p, int from, const struct ip_packet *ip)
{
	struct side *sender = &p->side[from], *receiver = &p->side[!from];
	uint32_t length = ip->payload_length + !!(ip->flags & FLAG_SYN) + !!(ip->flags & FLAG_FIN);
	uint32_t end = ip->seq + length;

	if (length && (!sender->next || after(end, sender->next))) {
		if (!sender->timed_ns && (!sender->next || !after(sender->next, ip->seq))) {
			sender->timed = end;
			sender->timed_ns = native_now.ns;
		}
		sender->next = end ? end : 1;
	} else if (length) { /* sent again: which copy is acknowledged cannot be told (Karn) */
		sender->timed_ns = 0;
	}
	if (ip->flags & FLAG_ACK && receiver->timed_ns && !after(receiver->timed, ip->ack)) {
		measured(&receiver->sock.tcp, native_now.ns - receiver->timed_ns);
		receiver->timed_ns = 0;
	}
}

/* --- TCP -------------------------------------------------------------------------------------------- */

static bool starts(const struct ip_packet *ip, const char *text)
{
	size_t length = strlen(text);

	return ip->captured >= ip->payload + length &&
	       !memcmp(ip->data + ip->payload, text, length);
}

/* Which side asks, from the first payload of a connection that was open before the capture. */
static int guess_client(const struct pair *p, int from, const struct ip_packet *ip)
{
	static const char *const questions[] = { "GET ",    "POST ",  "PUT ",    "HEAD ",
						 "DELETE ", "PATCH ", "OPTIONS " };
	bool known[2];

	if (starts(ip, "HTTP/1."))
		return !from;
	for (size_t i = 0; i < sizeof(questions) / sizeof(*questions); i++)
		if (starts(ip, questions[i]))
			return from;
	for (int side = 0; side < 2; side++)
		known[side] = p->port[side] <= LAST_WELL_KNOWN;
	if (known[0] == known[1])
		for (int side = 0; side < 2; side++)
			known[side] = p->port[side] < FIRST_EPHEMERAL;
	if (known[0] != known[1])
		return known[0];
	return p->port[0] < p->port[1];
}

static void joined_midway(struct pair *p, int from, const struct ip_packet *ip)
{
	counts.conversations++;
	p->client = (uint8_t)guess_client(p, from, ip);
	make_socket(p, p->client, true);
	make_socket(p, !p->client, true);
}

static void syn(struct pair *p, int from, const struct ip_packet *ip)
{
	bool again = p->list == LIST_OPENING && from == p->client && ip->seq == p->isn &&
		     p->side[from].exists;

	if (!again) {
		if (p->list == LIST_OPENING && p->side[p->client].exists)
			engine_timeout(&p->side[p->client].sock);
		begin(p, ip->version == 4);
		counts.conversations++;
		p->client = (uint8_t)from;
		p->isn = ip->seq;
		p->side[from].start = ip->seq + 1;
		p->side[from].sock.sk.state = BPF_TCP_SYN_SENT;
		make_socket(p, from, false);
		engine_connecting(&p->side[from].sock);
		move(p, LIST_OPENING);
	}
	segment(p, from, ip, TRACK_EGRESS);
}

static void syn_ack(struct pair *p, int from, const struct ip_packet *ip)
{
	if (p->list != LIST_OPENING || from == p->client)
		return; /* sent again */
	p->side[from].start = ip->seq + 1;
	p->side[!from].start = ip->ack;
	segment(p, p->client, ip, TRACK_INGRESS);
	established(p, p->client);
}

/* Anything but SYN, SYN-ACK and RST while the handshake is under way: the server has the last part. */
static void handshake_done(struct pair *p, int from, const struct ip_packet *ip)
{
	if (!p->side[p->client].open && from == p->client)
		p->side[!p->client].start = ip->ack;
	else if (!p->side[p->client].open)
		p->side[!p->client].start = ip->seq;
	established(p, p->client);
	established(p, !p->client);
	move(p, LIST_OPEN);
}

static void reset(struct pair *p, int from, const struct ip_packet *ip)
{
	segment_both(p, from, ip);
	die(p);
}

static void fin_or_ack(struct pair *p, int from, const struct ip_packet *ip)
{
	struct side *mine = &p->side[from], *theirs = &p->side[!from];

	if (ip->flags & FLAG_FIN) {
		mine->fin = true;
		mine->fin_end = ip->seq + ip->payload_length + 1;
	}
	if (!mine->fin || !theirs->fin || !(ip->flags & FLAG_ACK))
		return;
	/* Both are done once the later FIN is acknowledged. */
	if (!after(theirs->fin_end, ip->ack) && !(ip->flags & FLAG_FIN))
		die(p);
}

static bool is_retransmission(const struct pair *p, const struct ip_packet *ip)
{
	return p->list == LIST_OPEN && (ip->flags & FLAG_SYN) && ip->seq == p->isn;
}

static void tcp_packet(struct pair *p, int from, const struct ip_packet *ip)
{
	uint8_t flags = ip->flags;

	if (flags & FLAG_SYN && !(flags & FLAG_ACK)) {
		if (!is_retransmission(p, ip))
			syn(p, from, ip);
	} else if (p->list == LIST_DEAD) {
		counts.late++;
		return;
	} else if (flags & FLAG_SYN) {
		syn_ack(p, from, ip);
	} else if (flags & FLAG_RST) {
		reset(p, from, ip);
	} else {
		if (p->list == LIST_OPENING)
			handshake_done(p, from, ip);
		segment_both(p, from, ip);
		fin_or_ack(p, from, ip);
	}
	if (p->list != LIST_DEAD)
		time_segment(p, from, ip);
}

/* The first packet of a conversation. */
static struct pair *tcp_first(const struct ip_packet *ip, uint32_t bucket)
{
	struct pair *p;

	if (!(ip->flags & FLAG_SYN) && (!ip->payload_length || ip->flags & FLAG_RST)) {
		counts.loose++;
		return NULL;
	}
	p = create(ip, bucket, ip->flags & FLAG_SYN ? LIST_OPENING : LIST_OPEN);
	if (!p)
		return NULL;
	if (!(ip->flags & FLAG_SYN))
		joined_midway(p, 0, ip);
	else if (ip->flags & FLAG_ACK) { /* the SYN was not captured */
		counts.conversations++;
		p->client = 1;
		make_socket(p, 1, false);
		engine_connecting(&p->side[1].sock);
	}
	return p;
}

/* --- all ----------------------------------------------------------------------------------------------- */

static struct pair *udp_first(const struct ip_packet *ip, uint32_t bucket)
{
	struct pair *p = create(ip, bucket, LIST_UDP);

	if (!p)
		return NULL;
	counts.conversations++;
	p->client = ip->source_port <= LAST_WELL_KNOWN && ip->target_port > LAST_WELL_KNOWN;
	make_socket(p, 0, false);
	make_socket(p, 1, false);
	return p;
}

static bool expired(enum list list, uint64_t patience)
{
	struct pair *p = lists[list].oldest;

	return p && native_now.ns - p->last_ns > patience;
}

static void give_up(struct pair *p)
{
	if (p->side[p->client].exists) {
		enter(p, p->client);
		engine_timeout(&p->side[p->client].sock);
	}
	die(p);
}

static void sweep(void)
{
	while (expired(LIST_OPENING, TRACK_HANDSHAKE_NS))
		give_up(lists[LIST_OPENING].oldest);
	while (expired(LIST_UDP, TRACK_QUIET_UDP_NS))
		forget(lists[LIST_UDP].oldest);
	while (expired(LIST_DEAD, TRACK_DEAD_NS))
		forget(lists[LIST_DEAD].oldest);
}

void track_packet(const struct ip_packet *ip)
{
	uint32_t bucket = bucket_of(ip);
	struct pair *p;
	int from;

	sweep();
	p = find(ip, bucket, &from);
	if (!p)
		p = ip->transport == PROTO_TCP ? tcp_first(ip, bucket) : udp_first(ip, bucket);
	if (!p)
		return;
	p->last_ns = native_now.ns;
	move(p, p->list);
	if (ip->transport == PROTO_TCP)
		tcp_packet(p, from, ip);
	else
		segment_both(p, from, ip);
}

void track_unreachable(const struct ip_packet *ip)
{
	struct pair *p;
	int from;

	if (ip->transport != PROTO_TCP || !(ip->flags & FLAG_SYN))
		return;
	p = find(ip, bucket_of(ip), &from);
	if (!p || p->list != LIST_OPENING || from != p->client || ip->seq != p->isn)
		return;
	enter(p, from);
	engine_unreachable(&p->side[from].sock);
	die(p);
}

/* The capture ends: a connection that waits for longer than a first answer takes did not come to be. */
static void give_up_unanswered(void)
{
	struct pair *p = lists[LIST_OPENING].oldest;

	while (p) {
		struct pair *newer = p->newer;

		if (native_now.ns - p->begun_ns > GIVE_UP_NS)
			give_up(p);
		p = newer;
	}
}

void track_finish(void)
{
	give_up_unanswered();
	for (int list = 0; list < LISTS; list++) {
		for (struct pair *p = lists[list].oldest; p; p = p->newer) {
			for (int side = 0; side < 2; side++) {
				if (!p->side[side].exists)
					continue;
				enter(p, side);
				engine_flush(&p->side[side].sock);
			}
		}
	}
}

bool track_open(void)
{
	memset(&counts, 0, sizeof(counts));
	cookies = 0;
	buckets = calloc(BUCKETS, sizeof(struct pair *));
	return buckets;
}

/* No socket ends: the tables are about to go. */
void track_close(void)
{
	for (int list = 0; list < LISTS; list++) {
		while (lists[list].oldest) {
			struct pair *p = lists[list].oldest;

			lists[list].oldest = p->newer;
			native_sock_free(&p->side[0].sock);
			native_sock_free(&p->side[1].sock);
			free(p);
		}
		lists[list].newest = NULL;
	}
	free(buckets);
	buckets = NULL;
	pairs = 0;
}

const struct track_counts *track_counts(void)
{
	return &counts;
}
