/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads capture files: pcap (both byte orders, micro- and nanoseconds, the 8-byte longer records of
 * Kuznetzov) and pcapng (several sections of either byte order, several interfaces, if_tsresol and
 * if_tsoffset, enhanced, simple and old packet blocks; other blocks are skipped).
 *
 * Bytes are fed in pieces of any size. Whatever stands before a fault was delivered.
 * Formats: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html,
 *          https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html
 */
#ifndef KINDLING_NATIVE_PCAP_H
#define KINDLING_NATIVE_PCAP_H

#include <stddef.h>
#include <stdint.h>

enum capture_code {
	CAPTURE_OK = 0,
	CAPTURE_FORMAT = 1,    /* not a capture file */
	CAPTURE_TRUNCATED = 2, /* ends in the middle of a record */
	CAPTURE_BROKEN = 3,    /* a record contradicts itself */
	CAPTURE_MEMORY = 4,
};

struct capture_fault {
	enum capture_code code;
	uint64_t offset; /* of the record's first byte, in the (unpacked) file */
	const char *reason;
};

struct capture_packet {
	const uint8_t *data;
	uint32_t captured;  /* bytes at data */
	uint32_t length;    /* bytes on the wire, at least `captured` */
	uint32_t link;      /* LINKTYPE_..., see link.h */
	uint64_t ts;        /* nanoseconds since 1970 */
	uint32_t interface; /* of pcapng; else 0 */
};

typedef void (*capture_sink)(void *ctx, const struct capture_packet *packet);

struct capture;

struct capture *capture_open(capture_sink sink, void *ctx);
void capture_close(struct capture *c);

/* Both return the first fault's code; after a fault further bytes are ignored. */
enum capture_code capture_feed(struct capture *c, const uint8_t *bytes, size_t len);
enum capture_code capture_finish(struct capture *c);

const struct capture_fault *capture_fault(const struct capture *c);

#endif
