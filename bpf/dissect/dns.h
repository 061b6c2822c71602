/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * DNS (RFC 1035) over UDP and TCP: name, type, response code, latency; answers go to user space once per content.
 */
#ifndef KINDLING_DNS_H
#define KINDLING_DNS_H

#include "query.h"

#define DNS_HEADER 12
#define DNS_MAX_LABELS 64
#define DNS_MAX_RECORDS 24

/* An answer whose content was sent less than this ago is not sent again. */
#define DNS_AGAIN_NS (30 * SECOND)

struct dns_message {
	__u32 at; /* index of the message in the window */
	__u32 name_len;
	__u32 records;
	__u16 id;
	__u8 response;
	__u8 rcode;
};

/* Reads header and question. One question, opcode QUERY: what resolvers and servers speak. */
static __always_inline int dns_read(const struct window *w, struct dns_message *m, __u32 at,
				    __u32 n, __u32 zero)
{
	__u32 flags, i = at + DNS_HEADER;

	if (n < at + DNS_HEADER + 5)
		return 0;
	flags = SHORT(w, at + 2);
	if (flags & 0x7800 || SHORT(w, at + 4) != 1)
		return 0;
	m->at = at;
	m->id = SHORT(w, at);
	m->response = flags >> 15;
	m->rcode = flags & 15;
	m->records = SHORT(w, at + 6);
	for (int k = 0; k < DNS_MAX_LABELS; k++) {
		__u32 len;

		i = blur_index(i, zero);
		len = BYTE(w, i);
		if (i >= n || len > 63)
			return 0;
		i += len + 1;
		if (!len)
			break;
	}
	i = blur_index(i, zero);
	/* name too long for the window, or more labels than any real name has */
	if (i + 4 > n || BYTE(w, i - 1))
		return 0;
	m->name_len = i - at - DNS_HEADER;
	return 1;
}

/* Type and name side by side, the operation's text, over the last count of the header. */
static __always_inline __u64 dns_operation(struct window *w, const struct dns_message *m,
					   __u32 zero)
{
	__u32 from = m->at + DNS_HEADER - 2, len = m->name_len + 2;
	__u32 type = m->at + DNS_HEADER + m->name_len;
	__u64 id;

	BYTE(w, from) = BYTE(w, type);
	BYTE(w, from + 1) = BYTE(w, type + 1);
	if (len > NAME_TEXT)
		len = NAME_TEXT;
	/* resolvers vary the case of letters: 0x20 makes it one */
	id = name_id(w, from, len, NAME(NAME_OP, PROTOCOL_DNS), ONES * 0x20, zero);
	return name_enter(w, id, from, len, NAME(NAME_OP, PROTOCOL_DNS));
}

/* Mix of the records from offset off on, whatever their order and time to live. 0: not to be followed. */
static __noinline __u64 dns_content(void *skb, __u32 off, __u32 end, __u32 records)
{
	__u64 sum = 1;

	for (__u32 i = 0; i < DNS_MAX_RECORDS; i++) {
		__u8 r[12];
		__u64 data[2] = {};
		__u32 len;

		if (i >= records)
			break;
		if (off + 12 > end || bpf_skb_load_bytes(skb, off, r, 12))
			return 0;
		if (r[0] < 0xc0)
			return 0;
		len = (__u32)r[10] << 8 | r[11];
		off += 12;
		if (len >= 16)
			bpf_skb_load_bytes(skb, off, data, 16);
		else if (len >= 4)
			bpf_skb_load_bytes(skb, off, data, 4);
		sum += mix(mix(mix(config.seed, (__u64)len << 16 | r[2] << 8 | r[3]), data[0]),
			   data[1]);
		off += len;
	}
	return sum;
}

/* Sends an answer to user space unless the same content went there lately. off: of the message in the packet. */
static __noinline int dns_send(void *skb, struct conn *c, __u32 off, __u32 len, __u64 content)
{
	__u64 now = bpf_ktime_get_ns(), *seen;
	struct event_dns *e;
	__u32 n;

	if (!c)
		return 0;
	seen = content ? bpf_map_lookup_elem(&answers, &content) : 0;
	if (seen && now - *seen < DNS_AGAIN_NS)
		return 0;
	if (!event_allowed(now, EVENTS_ANSWERS, LOST_DNS_LIMIT))
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		lose(LOST_EVENT_RING);
		return 0;
	}
	event_begin(&e->head, EVENT_DNS, sizeof(*e), c, now);
	e->full_len = len;
	n = len < EVENT_DNS_BYTES ? len : EVENT_DNS_BYTES;
	opaque(n);
	n = ((n - 1) & (EVENT_DNS_BYTES - 1)) + 1;
	e->len = bpf_skb_load_bytes(skb, off, e->message, n) ? 0 : n;
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP_FLAG);
	if (content)
		bpf_map_update_elem(&answers, &content, &now, BPF_ANY);
	return 0;
}

/* Where a message is. */
struct dns_place {
	__u64 now;
	__u32 at;  /* its index in the window */
	__u32 n;   /* bytes in the window, its own or a following one's */
	__u32 off; /* its offset in the packet, 0: it is not wholly in there */
	__u32 len; /* of the message */
	__u32 asking;
	__u32 pad;
};

/* One message. Returns whether it was DNS. */
static __noinline int dns_message(void *skb, struct conn *c, struct window *w,
				  const struct dns_place *in)
{
	struct dns_message m = {};
	__u64 key, op, content, now;
	__u32 off, len, asking;

	if (!c || !w || !in || !dns_read(w, &m, in->at, in->n, c->zero))
		return 0;
	now = in->now;
	off = in->off;
	len = in->len;
	asking = in->asking;
	key = query_key(skb, c, m.id);
	if (!m.response) {
		if (!asking)
			return 1;
		op = dns_operation(w, &m, c->zero);
		conn_settle(c, 0, PROTOCOL_DNS);
		query_ask(c, key, op, len, now);
		return 1;
	}
	if (asking)
		return 1;
	op = query_answer(c, key, m.rcode + 1, m.rcode, len, now);
	/* what nobody asked for names nothing */
	if (!op || c->role != ROLE_CLIENT || !m.records || !off)
		return 1;
	/* type and class stand behind the name */
	content = dns_content(skb, off + DNS_HEADER + m.name_len + 4, off + len, m.records);
	if (content)
		content = mix_end(mix(content, op) ^ c->owner);
	dns_send(skb, c, off, len, content);
	return 1;
}

/* Over TCP each message has its length in front (RFC 1035, 4.2.2). */
static __always_inline int dns_step(void *skb, struct conn *c, struct cursor *cu, struct window *w,
				    struct view *v, __u32 packet_seq, __u32 packet_at, int asking)
{
	struct dns_place in = { .now = v->now, .at = v->at + 2, .asking = asking };
	__u32 left = v->n - v->at, len, from;

	if (left < 2)
		return STEP_MORE;
	len = SHORT(w, v->at);
	if (len < DNS_HEADER + 5)
		return STEP_ALIEN;
	/* a question must be there as a whole, of an answer as much as the window takes */
	if (left < 2 + len && !view_full(v))
		return STEP_MORE;
	from = v->base + in.at;
	in.off = (__s32)(from - packet_seq) >= 0 ? packet_at + (from - packet_seq) : 0;
	in.n = left - 2 < len ? v->n : in.at + len;
	in.len = len;
	if (!dns_message(skb, c, w, &in))
		return STEP_ALIEN;
	if (left >= 2 + len) {
		v->at += 2 + len;
	} else {
		v->at = v->n;
		cu->skip = 2 + len - left;
	}
	return STEP_ON;
}

#endif
