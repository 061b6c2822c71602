/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader is a chain of steps. Each step names how many bytes it needs in one piece (`need`); feed()
 * hands them over straight from the caller's buffer when they are all there, else collects them first.
 */
#include "pcap.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PCAP_MICRO 0xa1b2c3d4u
#define PCAP_NANO 0xa1b23c4du
#define PCAP_KUZNETZOV 0xa1b2cd34u
#define PCAP_LINK_MASK 0x03ffffffu /* the rest tells the length of a frame check sequence */

#define NG_SECTION 0x0a0d0d0au
#define NG_INTERFACE 1u
#define NG_OLD_PACKET 2u
#define NG_SIMPLE_PACKET 3u
#define NG_ENHANCED_PACKET 6u
#define NG_ORDER 0x1a2b3c4du
#define NG_OPTION_TSRESOL 9
#define NG_OPTION_TSOFFSET 14

#define MAX_RECORD (16u << 20) /* as libpcap: no longer block is read */
#define MAX_INTERFACES 65536u
#define NS 1000000000ull

struct interface {
	uint32_t link;
	uint32_t snap;
	uint8_t resolution; /* if_tsresol: 10^-n, with the top bit 2^-n */
	int64_t offset;     /* seconds */
};

typedef void (*step_fn)(struct capture *c, const uint8_t *unit);

struct capture {
	capture_sink sink;
	void *ctx;

	step_fn step;
	size_t need;     /* bytes the step takes */
	uint64_t skip;   /* bytes to pass over before the step */
	uint64_t offset; /* of the next byte to be consumed */
	uint64_t record; /* offset of the record the step belongs to */
	bool between;    /* a file may end here */
	bool again;      /* the step took nothing: it wants the same bytes, and perhaps more */
	uint8_t *held;   /* first bytes of a unit that is not complete yet */
	size_t held_len, held_size;
	struct capture_fault fault;

	bool swapped;
	/* pcap */
	uint32_t link;
	uint32_t fraction_ns; /* nanoseconds of a unit of the fraction */
	uint32_t record_head;
	struct capture_packet packet;
	/* pcapng */
	uint32_t block_type, block_len;
	struct interface *interfaces;
	uint32_t interface_count, interface_size;
	uint64_t last_ts; /* a simple packet block has no time of its own */
};

static uint16_t get16(const struct capture *c, const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return c->swapped ? __builtin_bswap16(value) : value;
}

static uint32_t get32(const struct capture *c, const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return c->swapped ? __builtin_bswap32(value) : value;
}

static void fail(struct capture *c, enum capture_code code, const char *reason)
{
	if (c->fault.code != CAPTURE_OK)
		return;
	c->fault.code = code;
	c->fault.offset = c->record;
	c->fault.reason = reason;
}

static void next(struct capture *c, step_fn step, size_t need)
{
	c->step = step;
	c->need = need;
	c->between = false;
}

static void next_record(struct capture *c, step_fn step, size_t need)
{
	next(c, step, need);
	c->between = true;
}

static void look_again(struct capture *c, step_fn step, size_t need)
{
	next(c, step, need);
	c->again = true;
}

static void deliver(struct capture *c)
{
	if (c->packet.length < c->packet.captured)
		c->packet.length = c->packet.captured;
	c->sink(c->ctx, &c->packet);
}

/* --- pcap ------------------------------------------------------------------------------- */

static void pcap_record(struct capture *c, const uint8_t *unit);

static void pcap_body(struct capture *c, const uint8_t *unit)
{
	c->packet.data = unit;
	deliver(c);
	next_record(c, pcap_record, c->record_head);
}

static void pcap_record(struct capture *c, const uint8_t *unit)
{
	uint32_t captured = get32(c, unit + 8);

	if (captured > MAX_RECORD) {
		fail(c, CAPTURE_BROKEN, "a packet claims to be longer than 16 MiB");
		return;
	}
	c->packet.ts = get32(c, unit) * NS + (uint64_t)get32(c, unit + 4) * c->fraction_ns;
	c->packet.captured = captured;
	c->packet.length = get32(c, unit + 12);
	c->packet.link = c->link;
	next(c, pcap_body, captured);
}

static void pcap_head(struct capture *c, const uint8_t *unit)
{
	c->link = get32(c, unit + 16) & PCAP_LINK_MASK;
	next_record(c, pcap_record, c->record_head);
}

/* --- pcapng ----------------------------------------------------------------------------- */

static void ng_block(struct capture *c, const uint8_t *unit);

static uint64_t power_of_ten(unsigned int n)
{
	uint64_t value = 1;

	while (n--)
		value *= 10;
	return value;
}

static uint64_t ng_time(const struct interface *i, uint64_t ticks)
{
	unsigned int n = i->resolution & 0x7f;
	unsigned __int128 ns;

	if (i->resolution & 0x80)
		ns = n < 64 ? (unsigned __int128)ticks * NS >> n : 0;
	else if (n <= 9)
		ns = (unsigned __int128)ticks * power_of_ten(9 - n);
	else
		ns = n <= 28 ? ticks / power_of_ten(n - 9) : 0;
	return (uint64_t)ns + (uint64_t)i->offset * NS;
}

static void ng_options(struct capture *c, struct interface *i, const uint8_t *at, size_t len)
{
	while (len >= 4) {
		uint16_t code = get16(c, at), size = get16(c, at + 2);
		size_t padded = 4 + ((size + 3u) & ~3u);

		if (code == 0 || padded > len)
			return;
		if (code == NG_OPTION_TSRESOL && size >= 1)
			i->resolution = at[4];
		if (code == NG_OPTION_TSOFFSET && size >= 8) {
			uint64_t low = get32(c, at + (c->swapped ? 8 : 4));
			uint64_t high = get32(c, at + (c->swapped ? 4 : 8));

			i->offset = (int64_t)(high << 32 | low);
		}
		at += padded;
		len -= padded;
	}
}

static void ng_interface(struct capture *c, const uint8_t *body, size_t len)
{
	struct interface *i;

	if (len < 8) {
		fail(c, CAPTURE_BROKEN, "an interface description is too short");
		return;
	}
	if (c->interface_count == MAX_INTERFACES) {
		fail(c, CAPTURE_BROKEN, "more than 65536 interfaces");
		return;
	}
	if (c->interface_count == c->interface_size) {
		uint32_t size = c->interface_size ? c->interface_size * 2 : 8;
		struct interface *grown = realloc(c->interfaces, size * sizeof(*grown));

		if (!grown) {
			fail(c, CAPTURE_MEMORY, "no memory");
			return;
		}
		c->interfaces = grown;
		c->interface_size = size;
	}
	i = &c->interfaces[c->interface_count++];
	*i = (struct interface){
		.link = get16(c, body),
		.snap = get32(c, body + 4),
		.resolution = 6,
	};
	ng_options(c, i, body + 8, len - 8);
}

static const struct interface *ng_interface_of(struct capture *c, uint32_t number)
{
	if (number < c->interface_count)
		return &c->interfaces[number];
	fail(c, CAPTURE_BROKEN, "a packet of an interface that was not described");
	return NULL;
}

static void ng_deliver(struct capture *c, const struct interface *i, const uint8_t *data,
		       uint32_t captured, size_t room)
{
	if (captured > room) {
		fail(c, CAPTURE_BROKEN, "a packet is longer than its block");
		return;
	}
	c->packet.data = data;
	c->packet.captured = captured;
	c->packet.link = i->link;
	c->packet.interface = (uint32_t)(i - c->interfaces);
	deliver(c);
}

/* Enhanced: u32 interface; old: u16 interface, u16 drops. The rest is the same. */
static void ng_packet(struct capture *c, const uint8_t *body, size_t len)
{
	bool old = c->block_type == NG_OLD_PACKET;
	const struct interface *i;

	if (len < 20) {
		fail(c, CAPTURE_BROKEN, "a packet block is too short");
		return;
	}
	i = ng_interface_of(c, old ? get16(c, body) : get32(c, body));
	if (!i)
		return;
	c->last_ts = ng_time(i, (uint64_t)get32(c, body + 4) << 32 | get32(c, body + 8));
	c->packet.ts = c->last_ts;
	c->packet.length = get32(c, body + 16);
	ng_deliver(c, i, body + 20, get32(c, body + 12), len - 20);
}

static void ng_simple(struct capture *c, const uint8_t *body, size_t len)
{
	const struct interface *i;
	uint32_t captured;

	if (len < 4) {
		fail(c, CAPTURE_BROKEN, "a simple packet block is too short");
		return;
	}
	i = ng_interface_of(c, 0);
	if (!i)
		return;
	c->packet.ts = c->last_ts;
	c->packet.length = captured = get32(c, body);
	if (i->snap && captured > i->snap)
		captured = i->snap;
	ng_deliver(c, i, body + 4, captured, len - 4);
}

static void ng_body(struct capture *c, const uint8_t *unit)
{
	size_t len = c->block_len - 12;

	if (get32(c, unit + len) != c->block_len) {
		fail(c, CAPTURE_BROKEN, "the two lengths of a block differ");
		return;
	}
	if (c->block_type == NG_INTERFACE)
		ng_interface(c, unit, len);
	else if (c->block_type == NG_SIMPLE_PACKET)
		ng_simple(c, unit, len);
	else
		ng_packet(c, unit, len);
	next_record(c, ng_block, 8);
}

static bool ng_block_len(struct capture *c, uint32_t len, uint32_t least)
{
	c->block_len = len;
	if (len >= least && len % 4 == 0)
		return true;
	fail(c, CAPTURE_BROKEN, "a block's length is impossible");
	return false;
}

/* unit: type, length, byte order mark. */
static void ng_section(struct capture *c, const uint8_t *unit)
{
	c->swapped = false;
	if (get32(c, unit + 8) != NG_ORDER)
		c->swapped = true;
	if (get32(c, unit + 8) != NG_ORDER) {
		fail(c, CAPTURE_BROKEN, "a section has no byte order mark");
		return;
	}
	if (!ng_block_len(c, get32(c, unit + 4), 28))
		return;
	c->interface_count = 0;
	c->skip = c->block_len - 12;
	next_record(c, ng_block, 8);
}

static bool ng_is_read(uint32_t type)
{
	return type == NG_INTERFACE || type == NG_OLD_PACKET || type == NG_SIMPLE_PACKET ||
	       type == NG_ENHANCED_PACKET;
}

static void ng_block(struct capture *c, const uint8_t *unit)
{
	c->block_type = get32(c, unit);
	if (c->block_type == NG_SECTION) { /* the same in both byte orders */
		look_again(c, ng_section, 12);
		return;
	}
	if (!ng_block_len(c, get32(c, unit + 4), 12))
		return;
	if (!ng_is_read(c->block_type)) {
		c->skip = c->block_len - 8;
		next_record(c, ng_block, 8);
		return;
	}
	if (c->block_len > MAX_RECORD) {
		fail(c, CAPTURE_BROKEN, "a block claims to be longer than 16 MiB");
		return;
	}
	next(c, ng_body, c->block_len - 8);
}

/* --- both ------------------------------------------------------------------------------- */

static bool is_pcap(uint32_t value)
{
	return value == PCAP_MICRO || value == PCAP_NANO || value == PCAP_KUZNETZOV;
}

static void magic(struct capture *c, const uint8_t *unit)
{
	uint32_t value = get32(c, unit);

	if (value == NG_SECTION) {
		look_again(c, ng_block, 8);
		return;
	}
	c->swapped = !is_pcap(value);
	value = get32(c, unit);
	if (!is_pcap(value)) {
		fail(c, CAPTURE_FORMAT, "neither pcap nor pcapng");
		return;
	}
	c->fraction_ns = value == PCAP_NANO ? 1 : 1000;
	c->record_head = value == PCAP_KUZNETZOV ? 24 : 16;
	next(c, pcap_head, 20);
}

/* Memory grows with the bytes that came, not with what a length field claims. */
static bool hold(struct capture *c, const uint8_t *bytes, size_t len)
{
	if (c->held_len + len > c->held_size) {
		size_t size = (c->held_len + len) * 2;
		uint8_t *grown = realloc(c->held, size);

		if (!grown) {
			fail(c, CAPTURE_MEMORY, "no memory");
			return false;
		}
		c->held = grown;
		c->held_size = size;
	}
	memcpy(c->held + c->held_len, bytes, len);
	c->held_len += len;
	return true;
}

static size_t pass_over(struct capture *c, size_t len)
{
	size_t taken = c->skip < len ? c->skip : len;

	c->skip -= taken;
	c->offset += taken;
	return taken;
}

/* Runs the step on `need` bytes in one piece; returns how many of them it consumed. */
static size_t take(struct capture *c, const uint8_t *unit)
{
	size_t need = c->need;

	if (c->between)
		c->record = c->offset;
	c->again = false;
	c->step(c, unit);
	if (c->again)
		return 0;
	c->offset += need;
	return need;
}

/* Returns how many of the bytes were used. */
static size_t feed_some(struct capture *c, const uint8_t *bytes, size_t len)
{
	size_t missing, used;

	if (c->skip)
		return pass_over(c, len);
	if (!c->held_len && len >= c->need)
		return take(c, bytes);
	missing = c->need - c->held_len;
	used = missing < len ? missing : len;
	if (!hold(c, bytes, used) || used < missing)
		return used;
	if (take(c, c->held))
		c->held_len = 0;
	return used;
}

enum capture_code capture_feed(struct capture *c, const uint8_t *bytes, size_t len)
{
	while (c->fault.code == CAPTURE_OK && (len || (!c->need && !c->skip))) {
		size_t used = feed_some(c, bytes, len);

		bytes += used;
		len -= used;
	}
	return c->fault.code;
}

enum capture_code capture_finish(struct capture *c)
{
	if (c->fault.code != CAPTURE_OK)
		return c->fault.code;
	if (c->offset == 0 && c->held_len == 0)
		fail(c, CAPTURE_FORMAT, "the file is empty");
	else if (c->step == magic)
		fail(c, CAPTURE_FORMAT, "neither pcap nor pcapng");
	else if (c->skip || c->held_len || !c->between) {
		if (c->between && !c->skip)
			c->record = c->offset;
		fail(c, CAPTURE_TRUNCATED, "the file ends in the middle of a record");
	}
	return c->fault.code;
}

const struct capture_fault *capture_fault(const struct capture *c)
{
	return &c->fault;
}

struct capture *capture_open(capture_sink sink, void *ctx)
{
	struct capture *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->sink = sink;
	c->ctx = ctx;
	next(c, magic, 4);
	return c;
}

void capture_close(struct capture *c)
{
	if (!c)
		return;
	free(c->held);
	free(c->interfaces);
	free(c);
}
