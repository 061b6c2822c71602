/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The home a program lives in. The sources of the probe name maps, helpers and contexts only as
 * this header declares them; native/home.h declares the same names for user space, so that one C
 * source serves the kernel, packet sockets and capture files.
 *
 * Helper numbers: enum bpf_func_id of include/uapi/linux/bpf.h, all present since 5.10.
 */
#ifndef KINDLING_HOME_H
#define KINDLING_HOME_H

#ifdef KINDLING_NATIVE
#include "../native/home.h"
#else

#include <linux/bpf.h>
#include <linux/types.h>

#include "types.h"

#define SEC(name) __attribute__((section(name), used))
#undef __always_inline /* linux/stddef.h has a weaker one */
#define __always_inline inline __attribute__((always_inline))
#undef __noinline
#define __noinline __attribute__((noinline))

/* Maps, declared the way every BPF loader reads them from BTF. */
#define __uint(name, val) int(*name)[val]
#define __type(name, val) typeof(val) *name

#define HASH_MAP(name, K, V, N)                                                                    \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_HASH);                                                   \
		__uint(max_entries, N);                                                            \
		__type(key, K);                                                                    \
		__type(value, V);                                                                  \
	} name SEC(".maps")

/* Forgets the entry that was not used for longest. */
#define LRU_MAP(name, K, V, N)                                                                     \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_LRU_HASH);                                               \
		__uint(max_entries, N);                                                            \
		__type(key, K);                                                                    \
		__type(value, V);                                                                  \
	} name SEC(".maps")

/* One array that user space maps into its own memory. */
#define SHARED_ARRAY(name, V, N)                                                                   \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                  \
		__uint(map_flags, BPF_F_MMAPABLE);                                                 \
		__uint(max_entries, N);                                                            \
		__type(key, __u32);                                                                \
		__type(value, V);                                                                  \
	} name SEC(".maps")

#define CPU_ARRAY(name, V, N)                                                                      \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);                                           \
		__uint(max_entries, N);                                                            \
		__type(key, __u32);                                                                \
		__type(value, V);                                                                  \
	} name SEC(".maps")

#define QUEUE_MAP(name, V, N)                                                                      \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_QUEUE);                                                  \
		__uint(max_entries, N);                                                            \
		__type(value, V);                                                                  \
	} name SEC(".maps")

/* Programs that programs of this object call; user space fills it by section name after loading. */
#define PROGRAM_ARRAY(name, N)                                                                     \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_PROG_ARRAY);                                             \
		__uint(max_entries, N);                                                            \
		__type(key, __u32);                                                                \
		__type(value, __u32);                                                              \
	} name SEC(".maps")

/* A value that lives and dies with a socket; FLAGS may hold BPF_F_CLONE. */
#define SOCKET_STORAGE(name, V, FLAGS)                                                             \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_SK_STORAGE);                                             \
		__uint(map_flags, BPF_F_NO_PREALLOC | FLAGS);                                      \
		__type(key, int);                                                                  \
		__type(value, V);                                                                  \
	} name SEC(".maps")

#define RING_MAP(name, BYTES)                                                                      \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_RINGBUF);                                                \
		__uint(max_entries, BYTES);                                                        \
	} name SEC(".maps")

static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const bpf_map_update_elem)(void *map, const void *key, const void *value,
					 __u64 flags) = (void *)2;
static long (*const bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static __u64 (*const bpf_ktime_get_ns)(void) = (void *)5;
static long (*const bpf_tail_call)(void *ctx, void *programs, __u32 index) = (void *)12;
static __u64 (*const bpf_get_current_pid_tgid)(void) = (void *)14;
static __u64 (*const bpf_get_current_uid_gid)(void) = (void *)15;
static long (*const bpf_get_current_comm)(void *buf, __u32 size) = (void *)16;
static long (*const bpf_skb_load_bytes)(const void *skb, __u32 offset, void *to,
					__u32 len) = (void *)26;
static __u64 (*const bpf_get_socket_cookie)(void *ctx) = (void *)46;
static long (*const bpf_sock_ops_cb_flags_set)(struct bpf_sock_ops *ctx, int flags) = (void *)59;
static long (*const bpf_getsockopt)(void *ctx, int level, int option, void *value,
				    int len) = (void *)57;
static __u64 (*const bpf_get_current_cgroup_id)(void) = (void *)80;
static long (*const bpf_map_push_elem)(void *map, const void *value, __u64 flags) = (void *)87;
static long (*const bpf_map_pop_elem)(void *map, void *value) = (void *)88;
static struct bpf_sock *(*const bpf_sk_fullsock)(struct bpf_sock *sk) = (void *)95;
static struct bpf_tcp_sock *(*const bpf_tcp_sock)(struct bpf_sock *sk) = (void *)96;
static void *(*const bpf_sk_storage_get)(void *map, void *sk, void *value,
					 __u64 flags) = (void *)107;
static long (*const bpf_sk_storage_delete)(void *map, void *sk) = (void *)108;
static __u64 (*const bpf_get_netns_cookie)(void *ctx) = (void *)122;
static void *(*const bpf_ringbuf_reserve)(void *ring, __u64 size, __u64 flags) = (void *)131;
static void (*const bpf_ringbuf_submit)(void *data, __u64 flags) = (void *)132;
static void (*const bpf_ringbuf_discard)(void *data, __u64 flags) = (void *)133;

#define ntohs(x) __builtin_bswap16(x)
#define ntohl(x) __builtin_bswap32(x)
#define htonl(x) __builtin_bswap32(x)

/* A call by a number that the instruction holds becomes a direct jump; any other an indirect one, dear where the
 * processor is kept from guessing its target. In assembler, lest the compiler make one call of several. */
#define tail_call(skb, map, number)                                                                \
	asm volatile(                                                                              \
		"r1 = %[ctx]\n\tr2 = %[programs]\n\tr3 = %[index]\n\tcall 12" ::[ctx] "r"(skb),    \
		[programs] "r"(map), [index] "i"(number)                                           \
		: "r0", "r1", "r2", "r3", "r4", "r5", "memory")

/* XADD without a result, the only atomic add before 5.12. */
#define atomic_add(ptr, value) ((void)__sync_fetch_and_add(ptr, value))

/* The compiler must forget what it knows of x: older verifiers lose a bound that was proved on
 * another copy of the value than the one that is used. */
#define opaque(x) asm volatile("" : "+r"(x))

/*
 * The same value, of which a verifier knows nothing any more: zero is 0, but read from a map. Where several ways meet,
 * it would else walk through all that follows once for each way.
 */
static __always_inline __u64 blur(__u64 value, __u64 zero)
{
	value += zero;
	opaque(value);
	return value;
}

/* Eight bytes at any address. A function, lest the compiler see what the address is of and load bytes. */
static __always_inline __u64 word_at(const void *p)
{
	return *(const __u64 *)p;
}

static __always_inline void word_put(void *p, __u64 word)
{
	*(__u64 *)p = word;
}

/* The linear part of a packet, from the IP header on. Asked for anew where it is needed: pointers kept over other work
 * carry what was proved of them along, a state of its own for each length of header. */
static __always_inline const __u8 *skb_begin(const void *skb)
{
	return (const __u8 *)(long)((const struct __sk_buff *)skb)->data;
}

static __always_inline const __u8 *skb_end(const void *skb)
{
	return (const __u8 *)(long)((const struct __sk_buff *)skb)->data_end;
}

/*
 * When a packet of TCP leaves, or came. On its way out it bears the time at which TCP sent it, on the same clock
 * (tcp_wstamp_ns in __tcp_transmit_skb(), net/ipv4/tcp_output.c), which spares asking the clock.
 */
static __always_inline __u64 skb_time(const void *skb, int egress)
{
	__u64 sent = egress ? ((const struct __sk_buff *)skb)->tstamp : 0;

	return sent ? sent : bpf_ktime_get_ns();
}

typedef struct __sk_buff skb_t;
typedef struct bpf_sock sock_t;

#endif /* KINDLING_NATIVE */
#endif
