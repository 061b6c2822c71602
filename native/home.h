/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The native twin of bpf/home.h: the same names for user space, so that the probe's sources compile
 * unchanged. Maps are tables in the heap, made on first use and freed by native_reset(); sockets are
 * made by the tracker from packets; the clock is the packets' own. One probe per process.
 */
#ifndef KINDLING_NATIVE_HOME_H
#define KINDLING_NATIVE_HOME_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/types.h"

#define SEC(name)
#undef __always_inline
#undef __noinline
#define __always_inline inline __attribute__((always_inline, unused))
#define __noinline __attribute__((unused))

/* --- maps --------------------------------------------------------------------------------- */

enum native_map_kind {
	NATIVE_HASH,
	NATIVE_LRU,
	NATIVE_ARRAY,
	NATIVE_QUEUE,
	NATIVE_STORAGE,
	NATIVE_RING
};

/* A hash map is a pool of entries and an index of entry numbers, so that a value never moves. */
struct native_map {
	enum native_map_kind kind;
	uint32_t value_size;
	uint32_t max;            /* entries; for a ring: bytes */
	struct native_map *next; /* of the maps that hold memory */
	uint8_t *values;
	uint64_t *keys;
	uint32_t *index; /* entry number + 1 by hash, 0: empty */
	uint32_t shift;  /* 64 - log2 of the size of index */
	uint32_t *spare; /* entry numbers of deleted entries */
	uint32_t used, spares, hand;
	uint64_t head, tail; /* queue: entries; ring: bytes */
	uint32_t storage;    /* number of the storage + 1 */
};

/* Fuzzing wants small tables: quick to make, and often full. */
#ifndef NATIVE_SHRINK
#define NATIVE_SHRINK 1
#endif

#define NATIVE_MAP(name, KIND, SIZE, N)                                                            \
	static struct native_map name __attribute__((unused)) = {                                  \
		.kind = KIND, .value_size = SIZE, .max = ((N) + NATIVE_SHRINK - 1) / NATIVE_SHRINK \
	}

#define HASH_MAP(name, K, V, N)                                                                    \
	_Static_assert(sizeof(K) == sizeof(uint64_t), "keys of hash maps are ids");                \
	NATIVE_MAP(name, NATIVE_HASH, sizeof(V), N)
#define LRU_MAP(name, K, V, N)                                                                     \
	_Static_assert(sizeof(K) == sizeof(uint64_t), "keys of hash maps are ids");                \
	NATIVE_MAP(name, NATIVE_LRU, sizeof(V), N)
#define SHARED_ARRAY(name, V, N) NATIVE_MAP(name, NATIVE_ARRAY, sizeof(V), N)
#define CPU_ARRAY(name, V, N) NATIVE_MAP(name, NATIVE_ARRAY, sizeof(V), N)
#define QUEUE_MAP(name, V, N)                                                                      \
	_Static_assert(sizeof(V) == sizeof(uint32_t), "queues hold slot numbers");                 \
	NATIVE_MAP(name, NATIVE_QUEUE, sizeof(V), N)
#define SOCKET_STORAGE(name, V, FLAGS) NATIVE_MAP(name, NATIVE_STORAGE, sizeof(V), 0)
#define PROGRAM_ARRAY(name, N)                                                                     \
	NATIVE_MAP(name, NATIVE_ARRAY, 4, N) /* no program calls itself here */
#define RING_MAP(name, BYTES) NATIVE_MAP(name, NATIVE_RING, 0, BYTES)

void *bpf_map_lookup_elem(void *map, const void *key);
long bpf_map_update_elem(void *map, const void *key, const void *value, __u64 flags);
long bpf_map_delete_elem(void *map, const void *key);
long bpf_map_push_elem(void *map, const void *value, __u64 flags);
long bpf_map_pop_elem(void *map, void *value);
void *bpf_ringbuf_reserve(void *ring, __u64 size, __u64 flags);
void bpf_ringbuf_submit(void *data, __u64 flags);
void bpf_ringbuf_discard(void *data, __u64 flags);

/* --- configuration ---------------------------------------------------------------------------- */

/* The probe declares a constant `config`, which the loader of programs sets. Here home.c holds its bytes. */
#define NATIVE_CONFIG_BYTES 256
void native_configure(const void *bytes, size_t len);

/* --- sockets and packets -------------------------------------------------------------------- */

#define NATIVE_STORAGES 4

/* A socket as the probe sees it (sk, tcp: what the kernel would show) and as the tracker keeps it. */
struct native_sock {
	struct bpf_sock sk; /* first: a sock_t is a native_sock */
	struct bpf_tcp_sock tcp;
	uint64_t cookie;
	void *storage[NATIVE_STORAGES];
};

/* Instead of the header's, whose pointers have 32 bits: the kernel makes them 64. */
#define __sk_buff native_skb
struct native_skb {
	__u64 data, data_end;
	__u32 len;
	__u32 protocol; /* ethertype in network order */
	__u32 family;
	__u32 gso_segs, gso_size;
	__u32 cb[5];
	__u32 mark, ifindex, hash;
	__u32 remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port, local_port;
	__u64 tstamp;
	struct bpf_sock *sk;
};

typedef struct native_skb skb_t;
typedef struct bpf_sock sock_t;

long bpf_skb_load_bytes(const skb_t *skb, __u32 offset, void *to, __u32 len);
struct bpf_sock *bpf_sk_fullsock(struct bpf_sock *sk);
struct bpf_tcp_sock *bpf_tcp_sock(struct bpf_sock *sk);
void *bpf_sk_storage_get(void *map, void *sk, void *value, __u64 flags);
long bpf_sk_storage_delete(void *map, void *sk);
void native_sock_free(struct native_sock *sock); /* what it stores */

/* --- who and when --------------------------------------------------------------------------- */

/* What the kernel would know while a hook runs. An owner is an address: its two halves stand where a
 * cgroup and a network namespace would. */
struct native_now {
	uint64_t ns;
	uint64_t cookie;
	uint64_t owner[2];
};

extern struct native_now native_now;

static inline __u64 bpf_ktime_get_ns(void)
{
	return native_now.ns;
}

static inline __u64 skb_time(const skb_t *skb, int egress)
{
	(void)skb;
	(void)egress;
	return bpf_ktime_get_ns();
}

static inline __u64 bpf_get_socket_cookie(const void *ctx)
{
	(void)ctx;
	return native_now.cookie;
}

static inline __u64 bpf_get_current_cgroup_id(void)
{
	return native_now.owner[0];
}

static inline __u64 bpf_get_netns_cookie(const void *ctx)
{
	(void)ctx;
	return native_now.owner[1];
}

static inline __u64 bpf_get_current_pid_tgid(void)
{
	return 0;
}

static inline __u64 bpf_get_current_uid_gid(void)
{
	return 0;
}

static inline long bpf_get_current_comm(void *buf, __u32 size)
{
	__builtin_memset(buf, 0, size);
	return 0;
}

static inline long bpf_sock_ops_cb_flags_set(struct bpf_sock_ops *ctx, int flags)
{
	(void)ctx;
	(void)flags;
	return 0;
}

/* There is no socket to ask. */
static inline long bpf_getsockopt(void *ctx, int level, int option, void *value, int len)
{
	(void)ctx;
	(void)level;
	(void)option;
	(void)value;
	(void)len;
	return -22;
}

/* --- small things ---------------------------------------------------------------------------- */

#define ntohs(x) __builtin_bswap16(x)
#define ntohl(x) __builtin_bswap32(x)
#define htonl(x) __builtin_bswap32(x)

static inline __u64 word_at(const void *at)
{
	__u64 word;

	__builtin_memcpy(&word, at, sizeof(word));
	return word;
}

static inline void word_put(void *at, __u64 word)
{
	__builtin_memcpy(at, &word, sizeof(word));
}

static inline __u64 blur(__u64 value, __u64 zero)
{
	return value + zero;
}

static inline const __u8 *skb_begin(const void *skb)
{
	return (const __u8 *)(uintptr_t)((const skb_t *)skb)->data;
}

static inline const __u8 *skb_end(const void *skb)
{
	return (const __u8 *)(uintptr_t)((const skb_t *)skb)->data_end;
}

#define atomic_add(ptr, value) ((void)(*(ptr) += (value)))
#define opaque(x) ((void)(x))

/* --- for the engine --------------------------------------------------------------------------- */

void native_reset(void); /* frees every map */
bool native_map_ready(struct native_map *map);
/* Entry number `entry` (below map->used) of a hash map and its key; NULL: deleted. */
void *native_entry(const struct native_map *map, uint32_t entry, uint64_t *key);
/* The oldest event of a ring, or 0; it is gone with the next call that touches the ring. */
uint32_t native_ring_next(struct native_map *ring, const void **event);

#endif
