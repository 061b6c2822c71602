/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What a dissector of a byte stream is given and answers. It reads a window that holds the stream from
 * position base on, and moves "at" forward by whole units only (a line, an extension, a message): a unit that
 * is cut off at the window's end is presented again with more of the stream behind it.
 */
#ifndef KINDLING_DISSECT_H
#define KINDLING_DISSECT_H

#include "../conn.h"
#include "../name.h"

enum step {
	STEP_ON = 0, /* went on by at least one unit; cursor.skip may say what to pass over next */
	STEP_MORE = 1,  /* the unit at "at" is not complete */
	STEP_ALIEN = 2, /* this is not the protocol */
	STEP_QUIET = 3, /* nothing more is to be learnt from this direction */
};

struct view {
	__u64 now;
	__u32 age_us; /* how long ago the window's first byte came */
	__u32 base;   /* sequence number of window byte 0 */
	__u32 at;
	__u32 n; /* bytes in the window */
};

/* When the first byte at "at" came. */
static __always_inline __u64 view_first_ns(const struct view *v)
{
	return v->now - v->age_us * 1000ULL;
}

/* Whether the window cannot hold more from "at" on. */
static __always_inline int view_full(const struct view *v)
{
	return !v->at && v->n == WINDOW;
}

#define BYTE(w, i) ((w)->at[(i) & (WINDOW - 1)])
#define SHORT(w, i) ((__u32)BYTE(w, i) << 8 | BYTE(w, (i) + 1)) /* big endian */
#define WORD(w, i) word_at(&(w)->at[(i) & (WINDOW - 1)])
#define WORD2(w, i) word_at(&(w)->at[((i) & (WINDOW - 1)) + 8])

#define ONES 0x0101010101010101ULL
#define HIGHS 0x8080808080808080ULL

/* The packet from offset off on, as much as is there and fits. Returns how many bytes, 0: none, or they cannot be read. */
static __always_inline __u32 window_fill(void *skb, struct window *w, __u32 off, __u32 len)
{
	if (!len)
		return 0;
	if (len > WINDOW)
		len = WINDOW;
	opaque(len);
	len = ((len - 1) & (WINDOW - 1)) + 1;
	if (bpf_skb_load_bytes(skb, off, w->at, len))
		return 0;
	opaque(len);
	return len;
}

/* An index into a window, blurred. */
static __always_inline __u64 blur_index(__u64 i, __u64 zero)
{
	i = (i + zero) & (2 * WINDOW - 1);
	opaque(i); /* the compiler must not go on with the sum instead */
	return i;
}

/* High bit of each byte of x that is c; exact up to and including the first such byte. */
static __always_inline __u64 bytes_equal(__u64 x, __u8 c)
{
	x ^= ONES * c;
	return (x - ONES) & ~x & HIGHS;
}

/* Index of the lowest byte whose high bit is set in m. */
static __always_inline __u32 first_byte(__u64 m)
{
	m = (m & -m) >> 7;
	return (((m - 1) & ONES) * ONES) >> 56;
}

#endif
