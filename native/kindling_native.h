/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The face of libkindling.so, for ctypes (src/kindling/capture/native.py) and the fuzz harnesses.
 * One engine per process. Layouts of what is pointed at: bpf/types.h, by the BTF of the probe's object.
 */
#ifndef KINDLING_NATIVE_H
#define KINDLING_NATIVE_H

#include <stdint.h>

#define KN_API __attribute__((visibility("default")))

enum kn_code { /* the first five: enum capture_code of pcap.h */
	       KN_OK = 0,
	       KN_FORMAT = 1,
	       KN_TRUNCATED = 2,
	       KN_BROKEN = 3,
	       KN_MEMORY = 4,
	       KN_BUSY = 5,   /* open already */
	       KN_CONFIG = 6, /* a configuration of another size */
};

struct kn_table {
	void *slots;
	uint32_t count;
	uint32_t stride;
};

struct kn_fault {
	uint64_t offset;
	const char *reason;
	uint32_t code;
	uint32_t pad;
};

struct kn_counts {
	uint64_t packets;      /* read from the file */
	uint64_t bytes;        /* on the wire */
	uint64_t unknown_link; /* packets not looked at, by reason: enum link_result of link.h */
	uint64_t not_ip;
	uint64_t cut_headers;
	uint64_t fragments;
	uint64_t other_transport;
	uint64_t conversations; /* see track.h */
	uint64_t evicted;
	uint64_t late;
	uint64_t loose;
	uint64_t copies; /* of packets seen at another place a moment before: see copies.h */
};

/* config: a struct config of bpf/state.h, or null for the defaults. scale: how many times the slots of maps.h. */
KN_API uint32_t kn_open(const void *config, uint32_t size, uint32_t scale);
KN_API uint32_t kn_feed(const uint8_t *bytes, uint64_t len);
KN_API uint32_t kn_finish(void);
KN_API void kn_close(void);

KN_API void kn_fault(struct kn_fault *fault);
KN_API void kn_counts(struct kn_counts *counts);
KN_API uint64_t kn_now(void); /* of the newest packet */

/* table: owner, flow, op, name, losses. */
KN_API uint32_t kn_table(const char *table, struct kn_table *found);
/* The next event's length, 0: none. It is gone with the next call of anything here. */
KN_API uint32_t kn_next_event(const void **event);
/* Takes out queries asked before a time; returns how many struct pending were written to a buffer of `room`. */
KN_API uint32_t kn_expire(uint64_t before_ns, void *buffer, uint32_t room);
/* sizeof a structure of bpf/types.h or bpf/state.h, 0: not known here. */
KN_API uint32_t kn_size(const char *structure);

#endif
