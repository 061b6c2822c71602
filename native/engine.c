/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probe at home in user space: what the hooks of bpf/kindling.bpf.c do with the kernel's sockets, done
 * with the tracker's. This file alone includes the probe's sources.
 */
#include "kindling_native.h"
#include "../bpf/hooks.h"
#include "copies.h"
#include "track.h"

#include <string.h>

#define MAX_RUNS 4096 /* of one packet; each reads at least one unit */

static struct capture *capture;
static struct kn_counts counts;

_Static_assert(sizeof(struct config) <= NATIVE_CONFIG_BYTES, "room in home.c");

/* --- what the tracker tells ------------------------------------------------------------------- */

static __u64 now_ns(void)
{
	return bpf_ktime_get_ns();
}

/* A context of the kernel's for a socket operation. */
static void sock_ops(struct native_sock *sock, __u32 op, const struct track_start *start)
{
	struct bpf_sock_ops ops = {
		.op = op,
		.args = { 0, TCP_STATE_CLOSE },
		.family = sock->sk.family,
		.local_ip4 = sock->sk.src_ip4,
		.remote_ip4 = sock->sk.dst_ip4,
		.local_port = sock->sk.src_port,
		.remote_port = (__u32)sock->sk.dst_port << 16,
		.srtt_us = sock->tcp.srtt_us,
		.sk = &sock->sk,
	};

	memcpy(ops.local_ip6, sock->sk.src_ip6, 16);
	memcpy(ops.remote_ip6, sock->sk.dst_ip6, 16);
	if (op == BPF_SOCK_OPS_STATE_CB)
		ops.args[1] = TCP_STATE_CLOSE;
	if (start) {
		ops.snd_nxt = start->sent;
		ops.rcv_nxt = start->received;
	}
	hook_sockops(&ops);
}

void engine_socket(struct native_sock *sock, bool server, bool inferred)
{
	struct conn *c;

	hook_sock_create(&sock->sk);
	c = conn_of(&sock->sk);
	if (!c)
		return;
	if (inferred)
		c->flags |= CONN_INFERRED;
	if (inferred || sock->sk.protocol == IPPROTO_UDP)
		c->role = server ? ROLE_SERVER : ROLE_CLIENT;
}

void engine_connecting(struct native_sock *sock)
{
	sock_ops(sock, BPF_SOCK_OPS_TCP_CONNECT_CB, NULL);
}

void engine_established(struct native_sock *sock, bool server, const struct track_start *start)
{
	sock_ops(sock,
		 server ? BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB : BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB,
		 start);
}

void engine_over(struct native_sock *sock)
{
	if (sock->sk.protocol == IPPROTO_TCP)
		sock_ops(sock, BPF_SOCK_OPS_STATE_CB, NULL);
	else
		hook_sock_release(&sock->sk);
}

void engine_timeout(struct native_sock *sock)
{
	struct conn *c = conn_of(&sock->sk);

	if (c)
		conn_failed(c, now_ns(), FAILURE_TIMEOUT);
}

void engine_unreachable(struct native_sock *sock)
{
	struct conn *c = conn_of(&sock->sk);

	if (c)
		conn_failed(c, now_ns(), FAILURE_UNREACHABLE);
}

void engine_flush(struct native_sock *sock)
{
	struct conn *c = conn_of(&sock->sk);
	struct flow_slot *f;

	if (!c || !(c->flags & CONN_OPEN) || c->flags & CONN_CLOSED)
		return;
	f = flow_of(c);
	if (f)
		conn_flush(c, f);
}

/* --- packets ---------------------------------------------------------------------------------- */

#define IPV6_HEADER 40
#define MAX_COMPACT (IPV6_HEADER + 65536)

/* The probe reads no extension headers, for the hooks of a host hardly see any: here they are left out. */
static void compact(struct ip_packet *ip)
{
	static uint8_t without[MAX_COMPACT];
	uint32_t gone = ip->l4 - IPV6_HEADER, rest = ip->captured - ip->l4;

	if (rest > MAX_COMPACT - IPV6_HEADER)
		rest = MAX_COMPACT - IPV6_HEADER;
	memcpy(without, ip->data, IPV6_HEADER);
	memcpy(without + IPV6_HEADER, ip->data + ip->l4, rest);
	without[6] = ip->transport;
	ip->data = without;
	ip->l4 = IPV6_HEADER;
	ip->payload -= gone;
	ip->length -= gone;
	ip->captured = IPV6_HEADER + rest;
}

/* The programs of bpf/kindling.bpf.c: the one that counts, and the readers to which it hands the packet. */
void engine_segment(struct native_sock *sock, const struct ip_packet *ip, enum track_direction way)
{
	int direction = way == TRACK_EGRESS ? EGRESS : INGRESS;
	struct __sk_buff skb = {
		.data = (uintptr_t)ip->data,
		.data_end = (uintptr_t)(ip->data + ip->captured),
		.len = ip->length,
		.sk = &sock->sk,
	};
	int reader = hook_packet(&skb, direction);

	if (reader == READER_UDP) {
		hook_read_udp(&skb, direction);
		return;
	}
	if (reader == READER(PROTOCOL_TLS, 0)) /* there is no such program */
		return;
	for (int run = 0; reader && run < MAX_RUNS; run++)
		reader = hook_read(&skb, direction, reader >> 1, reader & 1);
}

static void skipped(enum link_result why)
{
	switch (why) {
	case LINK_UNKNOWN:
		counts.unknown_link++;
		break;
	case LINK_OTHER:
		counts.not_ip++;
		break;
	case LINK_TRUNCATED:
		counts.cut_headers++;
		lose(LOST_HEADER);
		break;
	case LINK_FRAGMENT:
		counts.fragments++;
		break;
	default:
		counts.other_transport++;
	}
}

static uint64_t clock_shift; /* added to packet times, so that the clock goes on and only on */

#define CLOCK_BACK_NS 10000000000ull                /* 10 s */
#define CLOCK_AHEAD_NS (86400ull * 30 * 1000000000) /* 30 days */
#define CLOCK_LATEST_NS (1ull << 62)                /* of a first packet: in 2116 */

/* Small steps back are packets of several interfaces out of order. Large steps are another capture's clock, or a
 * broken record: time stands still over them. */
static void set_clock(uint64_t ts)
{
	int64_t ahead;

	if (!native_now.ns) {
		native_now.ns = ts && ts < CLOCK_LATEST_NS ? ts : 1; /* 0 means "never" */
		clock_shift = native_now.ns - ts;
	}
	ahead = (int64_t)(ts + clock_shift - native_now.ns);
	if (ahead > (int64_t)CLOCK_AHEAD_NS || ahead < -(int64_t)CLOCK_BACK_NS)
		clock_shift -= (uint64_t)ahead;
	else if (ahead > 0)
		native_now.ns += (uint64_t)ahead;
}

static void on_packet(void *ctx, const struct capture_packet *frame)
{
	struct ip_packet ip, about;
	enum link_result result;

	(void)ctx;
	counts.packets++;
	counts.bytes += frame->length;
	set_clock(frame->ts);
	result = link_read(frame, &ip);
	if (result != LINK_IP) {
		if (result == LINK_TRANSPORT && link_unreachable(&ip, &about))
			track_unreachable(&about);
		skipped(result);
		return;
	}
	if (copies_seen(&ip, native_now.ns)) {
		counts.copies++;
		return;
	}
	if (ip.version == 6 && ip.l4 != IPV6_HEADER)
		compact(&ip);
	track_packet(&ip);
}

/* --- life of the engine ---------------------------------------------------------------------------- */

#define SLOW_NS 500000000ull
#define SLOW_DNS_NS 100000000ull

static void configure_as_usual(void)
{
	struct config usual = {
		.seed = 0x6b696e646c696e67ull, /* fixed: the same capture gives the same ids */
		.op_budget = 1000,
		.event_limit = 1000,
		.ephemeral_low = 32768,
		.dns_port = 53,
		.ntp_port = 123,
	};

	for (size_t i = 0; i < sizeof(usual.slow_ns) / sizeof(*usual.slow_ns); i++)
		usual.slow_ns[i] = i == PROTOCOL_DNS ? SLOW_DNS_NS : SLOW_NS;
	native_configure(&usual, sizeof(usual));
}

static bool fill_free(struct native_map *queue, struct native_map *ids, struct native_map *slots,
		      uint32_t scale)
{
	queue->max = slots->max = ids->max = slots->max * scale;
	if (!native_map_ready(slots) || !native_map_ready(queue) || !native_map_ready(ids))
		return false;
	for (uint32_t slot = 1; slot < slots->max; slot++)
		bpf_map_push_elem(queue, &slot, BPF_ANY);
	*(__u32 *)(slots->values + offsetof(struct slot_head, live)) = 1; /* "other" */
	return true;
}

static uint32_t default_max[4];

static bool open_tables(uint32_t scale)
{
	struct native_map *const tables[4][3] = {
		{ &owner_free, &owner_ids, &owner_slots },
		{ &flow_free, &flow_ids, &flow_slots },
		{ &op_free, &op_ids, &op_slots },
		{ &name_free, &name_ids, &name_slots },
	};

	for (int i = 0; i < 4; i++) {
		if (!default_max[i])
			default_max[i] = tables[i][2]->max;
		tables[i][2]->max = default_max[i];
		if (!fill_free(tables[i][0], tables[i][1], tables[i][2], scale))
			return false;
	}
	return native_map_ready(&losses) && native_map_ready(&control);
}

uint32_t kn_open(const void *config_bytes, uint32_t size, uint32_t scale)
{
	if (capture)
		return KN_BUSY;
	if (config_bytes && size != sizeof(struct config))
		return KN_CONFIG;
	if (config_bytes)
		native_configure(config_bytes, size);
	else
		configure_as_usual();
	memset(&counts, 0, sizeof(counts));
	clock_shift = 0;
	copies_reset();
	capture = capture_open(on_packet, NULL);
	if (!capture || !track_open() || !open_tables(scale ? scale : 1)) {
		kn_close();
		return KN_MEMORY;
	}
	return KN_OK;
}

uint32_t kn_feed(const uint8_t *bytes, uint64_t len)
{
	return capture ? capture_feed(capture, bytes, len) : KN_FORMAT;
}

uint32_t kn_finish(void)
{
	uint32_t code = capture ? capture_finish(capture) : KN_FORMAT;

	if (capture)
		track_finish();
	return code;
}

void kn_close(void)
{
	track_close();
	native_reset();
	capture_close(capture);
	capture = NULL;
}

void kn_fault(struct kn_fault *fault)
{
	memset(fault, 0, sizeof(*fault));
	if (!capture)
		return;
	fault->code = capture_fault(capture)->code;
	fault->offset = capture_fault(capture)->offset;
	fault->reason = capture_fault(capture)->reason;
}

void kn_counts(struct kn_counts *out)
{
	const struct track_counts *tracked = track_counts();

	*out = counts;
	out->conversations = tracked->conversations;
	out->evicted = tracked->evicted;
	out->late = tracked->late;
	out->loose = tracked->loose;
}

uint64_t kn_now(void)
{
	return native_now.ns;
}

/* --- reading ------------------------------------------------------------------------------------------ */

uint32_t kn_table(const char *table, struct kn_table *found)
{
	static const struct {
		const char *name;
		struct native_map *map;
	} tables[] = {
		{ "owner", &owner_slots }, { "flow", &flow_slots }, { "op", &op_slots },
		{ "name", &name_slots },   { "losses", &losses },
	};

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		if (strcmp(tables[i].name, table) || !tables[i].map->values)
			continue;
		found->slots = tables[i].map->values;
		found->count = tables[i].map->max;
		found->stride = tables[i].map->value_size;
		return KN_OK;
	}
	return KN_FORMAT;
}

uint32_t kn_next_event(const void **event)
{
	return native_ring_next(&events, event);
}

uint32_t kn_expire(uint64_t before_ns, void *buffer, uint32_t room)
{
	uint8_t *to = buffer;
	uint32_t taken = 0;

	for (uint32_t entry = 0; entry < pendings.used && taken < room; entry++) {
		uint64_t key;
		struct pending *p = native_entry(&pendings, entry, &key);

		if (!p || p->ts >= before_ns)
			continue;
		memcpy(to + (size_t)taken++ * sizeof(*p), p, sizeof(*p));
		bpf_map_delete_elem(&pendings, &key);
	}
	return taken;
}

uint32_t kn_size(const char *structure)
{
#define SIZE(name)                                                                                 \
	{                                                                                          \
#name, sizeof(struct name)                                                         \
	}
	static const struct {
		const char *name;
		uint32_t size;
	} sizes[] = {
		SIZE(owner_slot),    SIZE(flow_slot),     SIZE(op_slot),   SIZE(name_slot),
		SIZE(event_request), SIZE(event_failure), SIZE(event_dns), SIZE(event_head),
		SIZE(pending),       SIZE(config),        SIZE(losses),
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		if (!strcmp(sizes[i].name, structure))
			return sizes[i].size;
	return 0;
}
