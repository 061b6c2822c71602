/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A conversation whose segments the fuzzer chooses: what is said, where it is cut, what is lost, doubled and swapped.
 * Compiled once for each dissector: PORT is the server's, PROTO the transport.
 *
 * Input: segments, each two bytes and a payload.
 *     byte 0: bit 0 = from the server; bit 1 = comes after the next one; bit 2 = twice; bit 3 = lost;
 *             bits 4 to 7 = length / 256
 *     byte 1: length % 256
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "../native/kindling_native.h"
#include "check.h"

#ifndef PORT
#define PORT 80
#endif
#ifndef PROTO
#define PROTO 6
#endif

#define MAX_PAYLOAD 4096
#define HEADERS (16 + 20 + 20)

static uint32_t seq[2];
static uint32_t clock_us;
static struct {
	uint8_t bytes[HEADERS + MAX_PAYLOAD];
	size_t size;
} packet, held;

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

/* A pcap record with one raw IPv4 packet. */
static void build(int from, uint8_t flags, const uint8_t *payload, uint32_t length)
{
	uint32_t header = PROTO == 6 ? 20 : 8, total = 20 + header + length;
	uint8_t *ip = packet.bytes + 16, *l4 = ip + 20;

	memset(packet.bytes, 0, HEADERS);
	clock_us += 100;
	memcpy(packet.bytes,
	       &(uint32_t[]){ 1000 + clock_us / 1000000, clock_us % 1000000, total, total }, 16);
	ip[0] = 0x45;
	put16(ip + 2, total);
	ip[9] = PROTO;
	put32(ip + 12, 0x0a000001u + (uint32_t)from);
	put32(ip + 16, 0x0a000002u - (uint32_t)from);
	put16(l4, from ? PORT : 40000);
	put16(l4 + 2, from ? 40000 : PORT);
	if (PROTO == 6) {
		put32(l4 + 4, seq[from]);
		put32(l4 + 8, seq[!from]);
		l4[12] = 5 << 4;
		l4[13] = flags;
	} else {
		put16(l4 + 4, 8 + length);
	}
	if (length)
		memcpy(l4 + header, payload, length);
	packet.size = 16 + total;
	seq[from] += length;
}

static void tell(int from, uint8_t flags)
{
	build(from, flags, NULL, 0);
	kn_feed(packet.bytes, packet.size);
	seq[from] += !!(flags & 3);
}

static void send(uint8_t how)
{
	if (how & 8)
		return;
	if (how & 2 && !held.size) {
		held = packet;
		return;
	}
	for (int i = 0; i <= !!(how & 4); i++)
		kn_feed(packet.bytes, packet.size);
	if (held.size)
		kn_feed(held.bytes, held.size);
	held.size = 0;
}

static void begin(void)
{
	/* pcap, link type 101: raw IP */
	static const uint32_t head[] = { 0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 101 };

	kn_feed((const uint8_t *)head, sizeof(head));
	seq[0] = 0xfffffe00; /* numbers wrap early */
	seq[1] = 5000;
	clock_us = 0;
	held.size = 0;
	if (PROTO != 6)
		return;
	tell(0, 2);
	tell(1, 18);
	tell(0, 16);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (kn_open(0, 0, 1) != KN_OK)
		return 0;
	begin();
	while (size > 2) {
		uint32_t length = (uint32_t)(data[0] >> 4) << 8 | data[1];
		uint8_t how = data[0];

		data += 2;
		size -= 2;
		if (length > size)
			length = (uint32_t)size;
		build(how & 1, 24, data, length);
		send(how);
		data += length;
		size -= length;
	}
	if (PROTO == 6) {
		tell(0, 17);
		tell(1, 17);
		tell(0, 16);
	}
	kn_finish();
	check_tables();
	check_sides();
	kn_close();
	return 0;
}
