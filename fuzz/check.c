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
