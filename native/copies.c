/* SPDX-License-Identifier: Apache-2.0 */
#include "copies.h"

#include <string.h>

#define RECENT 512
/* A host forwards in less; a sender repeats itself later. IPv6 has no identification that tells the two apart. */
#define MOMENT_V4_NS 900000ull
#define MOMENT_V6_NS 300000ull
#define GOLDEN 0x9e3779b97f4a7c15ull
#define PROTO_UDP 17
#define HEADER_BYTES 32 /* of TCP with timestamps; of UDP, the first of the payload too */

static struct {
	uint64_t print;
	uint64_t ns;
	uint32_t interface;
} recent[RECENT];

void copies_reset(void)
{
	memset(recent, 0, sizeof(recent));
}

static uint64_t add(uint64_t print, const void *bytes, size_t len)
{
	uint64_t word;

	for (size_t i = 0; i + sizeof(word) <= len; i += sizeof(word)) {
		memcpy(&word, (const uint8_t *)bytes + i, sizeof(word));
		print = (print ^ word) * GOLDEN;
		print ^= print >> 32;
	}
	return print;
}

static uint64_t print_of(const struct ip_packet *ip)
{
	uint32_t rest = ip->captured - ip->l4;
	uint64_t print = add(ip->length, ip->source, 16);

	print = add(print, ip->target, 16);
	print = add(print, ip->data + ip->l4, rest < HEADER_BYTES ? rest : HEADER_BYTES);
	if (ip->version == 4) {
		uint64_t identification = (uint64_t)ip->data[4] << 8 | ip->data[5];

		print = add(print, &identification, sizeof(identification));
	}
	return print ? print : 1;
}

bool copies_seen(const struct ip_packet *ip, uint64_t now_ns)
{
	uint64_t moment = ip->version == 4 ? MOMENT_V4_NS : MOMENT_V6_NS;
	uint64_t print = print_of(ip);
	size_t at = print % RECENT;
	bool same = recent[at].print == print && now_ns - recent[at].ns <= moment;

	/* Applications do say the same thing twice over UDP: a copy is one only at another interface. */
	if (same && ip->transport == PROTO_UDP && recent[at].interface == ip->interface)
		same = false;
	if (same)
		return true;
	recent[at].print = print;
	recent[at].ns = now_ns;
	recent[at].interface = ip->interface;
	return false;
}
