/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Ids: 64 bits, mixed eight bytes at a time (byte by byte costs fourteen times as much). */
#ifndef KINDLING_MIX_H
#define KINDLING_MIX_H

#include "state.h"

/* Odd constants of high entropy: the fractions of the golden ratio and of sqrt(3). */
#define MIX_A 0x9e3779b97f4a7c15ULL
#define MIX_B 0xbb67ae8584caa73bULL

static __always_inline __u64 mix(__u64 h, __u64 word)
{
	h = (h ^ word) * MIX_A;
	return h ^ (h >> 29);
}

#define ID_OTHER OP_OTHER

/* Ids 0 (none) and 1 (ID_OTHER) are taken; the top bit is user space's. */
static __always_inline __u64 mix_end(__u64 h)
{
	h *= MIX_B;
	h ^= h >> 32;
	return (h & 0x7fffffffffffffffULL) | 2;
}

static __always_inline __u64 mix_address(__u64 h, const __u32 a[4])
{
	h = mix(h, ((__u64)a[0] << 32) | a[1]);
	return mix(h, ((__u64)a[2] << 32) | a[3]);
}

/* 1 or 0 without a branch: each would double the ways that verifiers walk through what follows. All numbers are small. */
static __always_inline __u64 is_zero(__u64 x)
{
	x = (x - 1) >> 63;
	opaque(x);
	return x;
}

static __always_inline __u64 is_below(__u64 a, __u64 b)
{
	a = (a - b) >> 63;
	opaque(a);
	return a;
}

/* One of two values. */
static __always_inline __u64 pick(__u64 first, __u64 a, __u64 b)
{
	return b ^ ((a ^ b) & -first);
}

#endif
