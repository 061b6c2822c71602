/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "../bpf/types.h"
#include "../native/kindling_native.h"

#define MUST(what)                                                                                 \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what);  \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static struct kn_table table(const char *name, size_t stride)
{
	struct kn_table found;

	MUST(kn_table(name, &found) == KN_OK);
	MUST(found.stride == stride);
	return found;
}

static void check_flow(const struct flow_slot *f, uint64_t bytes)
{
	int64_t active = (int64_t)(f->opened + f->unsettled - f->closed);

	MUST(f->key.role <= ROLE_SERVER);
	MUST(f->key.protocol < PROTOCOL_COUNT);
	MUST(f->key.transport == 6 || f->key.transport == 17);
	MUST(f->key.transport == 17 || active >= 0);
	MUST((int64_t)f->unsettled >= 0);
	MUST(f->closed_reset <= f->closed);
	/* A hole in sequence numbers counts as its length, so bytes are bounded by the space of numbers only. */
	MUST(f->bytes_in >> 40 == 0 && f->bytes_out >> 40 == 0);
	MUST(f->packets_in <= bytes && f->packets_out <= bytes);
}

static void check_op(const struct op_slot *o, uint64_t bytes)
{
	uint64_t count = 0;

	for (int i = 0; i < HIST_BUCKETS; i++)
		count += o->hist[i];
	MUST(count <= bytes); /* no request is shorter than one byte */
	MUST(o->slow <= count);
	MUST(o->protocol < PROTOCOL_COUNT);
	MUST(o->status <= 1000);
	/* No duration is negative: the clock of packets does not go back. */
	MUST(o->duration_ns >> 63 == 0 && o->wait_ns >> 63 == 0 && o->send_ns >> 63 == 0 &&
	     o->receive_ns >> 63 == 0);
}

static void check_events(void)
{
	const void *event;
	uint32_t size;

	while ((size = kn_next_event(&event))) {
		const struct event_head *head = event;

		MUST(size >= sizeof(*head) && head->size == size);
		if (head->kind == EVENT_DNS)
			MUST(((const struct event_dns *)event)->len <= EVENT_DNS_BYTES);
		else if (head->kind == EVENT_REQUEST)
			MUST(((const struct event_request *)event)->request_len <=
			     EVENT_HEAD_BYTES);
		else
			MUST(head->kind == EVENT_FAILURE);
	}
}

void check_tables(void)
{
	struct kn_table flows = table("flow", sizeof(struct flow_slot));
	struct kn_table ops = table("op", sizeof(struct op_slot));
	struct kn_table names = table("name", sizeof(struct name_slot));
	struct kn_counts counts;

	kn_counts(&counts);
	for (uint32_t i = 1; i < flows.count; i++) {
		const struct flow_slot *f = (const struct flow_slot *)flows.slots + i;

		if (f->head.live)
			check_flow(f, counts.bytes + counts.packets);
	}
	for (uint32_t i = 1; i < ops.count; i++) {
		const struct op_slot *o = (const struct op_slot *)ops.slots + i;

		if (o->head.live)
			check_op(o, counts.bytes);
	}
	for (uint32_t i = 1; i < names.count; i++)
		MUST(((const struct name_slot *)names.slots)[i].len <= NAME_TEXT);
	check_events();
}

static uint64_t losses_of(enum lost cause)
{
	struct kn_table found = table("losses", LOST_COUNT * sizeof(uint64_t));

	return ((const uint64_t *)found.slots)[cause];
}

void check_sides(void)
{
	struct kn_table ops = table("op", sizeof(struct op_slot));
	struct {
		uint64_t count, slow, request_bytes, response_bytes, wait_ns;
	} side[3] = { 0 };

	if (losses_of(LOST_OP_FULL) || losses_of(LOST_FLOW_FULL) || losses_of(LOST_STASH_FULL) ||
	    losses_of(LOST_PENDING_FULL) || losses_of(LOST_PAYLOAD))
		return; /* one end may have got what the other did not */
	for (uint32_t i = 1; i < ops.count; i++) {
		const struct op_slot *o = (const struct op_slot *)ops.slots + i;

		if (!o->head.live)
			continue;
		MUST(o->role == ROLE_CLIENT || o->role == ROLE_SERVER);
		for (int b = 0; b < HIST_BUCKETS; b++)
			side[o->role].count += o->hist[b];
		side[o->role].slow += o->slow;
		side[o->role].request_bytes += o->request_bytes;
		side[o->role].response_bytes += o->response_bytes;
		side[o->role].wait_ns += o->wait_ns;
	}
	MUST(side[ROLE_CLIENT].count == side[ROLE_SERVER].count);
	MUST(side[ROLE_CLIENT].slow == side[ROLE_SERVER].slow);
	MUST(side[ROLE_CLIENT].request_bytes == side[ROLE_SERVER].request_bytes);
	MUST(side[ROLE_CLIENT].response_bytes == side[ROLE_SERVER].response_bytes);
	MUST(side[ROLE_CLIENT].wait_ns == side[ROLE_SERVER].wait_ns);
}
