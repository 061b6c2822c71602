/* SPDX-License-Identifier: Apache-2.0 */
#include "home.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STREAMS 1 /* SOCK_STREAM, which the probe defines too */
#define GOLDEN 0x9e3779b97f4a7c15ull

struct native_now native_now;
/* To the probe: const volatile struct config. */
_Alignas(16) uint8_t config[NATIVE_CONFIG_BYTES];
static struct native_map *maps; /* that hold memory */
static uint32_t storages;

/* --- making and freeing --------------------------------------------------------------------- */

static bool make_index(struct native_map *map)
{
	uint32_t bits = 4;

	while ((1ull << bits) < map->max * 2ull)
		bits++;
	map->shift = 64 - bits;
	map->index = calloc(1ull << bits, sizeof(*map->index));
	map->keys = calloc(map->max, sizeof(*map->keys));
	map->spare = calloc(map->max, sizeof(*map->spare));
	return map->index && map->keys && map->spare;
}

static void drop(struct native_map *map)
{
	free(map->values);
	free(map->keys);
	free(map->index);
	free(map->spare);
	map->values = NULL;
	map->keys = NULL;
	map->index = map->spare = NULL;
	map->used = map->spares = map->hand = 0;
	map->head = map->tail = 0;
}

bool native_map_ready(struct native_map *map)
{
	size_t size = map->kind == NATIVE_RING ? 1 : map->value_size;
	bool hash = map->kind == NATIVE_HASH || map->kind == NATIVE_LRU;

	if (map->values)
		return true;
	/* The words before an event hold its length; 8 bytes more: loads of words at the end stay inside. */
	map->values = calloc(1, map->max * size + 8);
	if (!map->values || (hash && !make_index(map))) {
		drop(map);
		return false;
	}
	map->next = maps;
	maps = map;
	return true;
}

void native_reset(void)
{
	while (maps) {
		struct native_map *map = maps;

		maps = map->next;
		map->next = NULL;
		drop(map);
	}
	memset(&native_now, 0, sizeof(native_now));
}

void native_configure(const void *bytes, size_t len)
{
	memcpy(config, bytes, len);
}

/* --- hash maps -------------------------------------------------------------------------------- */

static uint8_t *value_at(const struct native_map *map, uint32_t entry)
{
	return map->values + (size_t)entry * map->value_size;
}

static uint32_t home_of(const struct native_map *map, uint64_t key)
{
	return (uint32_t)(key * GOLDEN >> map->shift);
}

static uint32_t index_mask(const struct native_map *map)
{
	return (uint32_t)((1ull << (64 - map->shift)) - 1);
}

/* Place in the index where the key is, or where it would be entered. */
static uint32_t place_of(const struct native_map *map, uint64_t key)
{
	uint32_t mask = index_mask(map), at = home_of(map, key);

	while (map->index[at] && map->keys[map->index[at] - 1] != key)
		at = (at + 1) & mask;
	return at;
}

static void hash_delete_at(struct native_map *map, uint32_t at)
{
	uint32_t mask = index_mask(map), next = at;

	map->spare[map->spares++] = map->index[at] - 1;
	map->index[at] = 0;
	/* Move up what was pushed on by the one that is gone. */
	for (;;) {
		uint32_t home;

		next = (next + 1) & mask;
		if (!map->index[next])
			return;
		home = home_of(map, map->keys[map->index[next] - 1]);
		if (((next - home) & mask) < ((next - at) & mask))
			continue;
		map->index[at] = map->index[next];
		map->index[next] = 0;
		at = next;
	}
}

static long hash_new_entry(struct native_map *map, uint64_t key, uint32_t *entry)
{
	if (map->spares == 0 && map->used == map->max) {
		if (map->kind != NATIVE_LRU)
			return -E2BIG;
		/* Full without spares: every entry is in the index. Evict in turn. */
		hash_delete_at(map, place_of(map, map->keys[map->hand]));
		map->hand = (map->hand + 1) % map->max;
	}
	*entry = map->spares ? map->spare[--map->spares] : map->used++;
	map->keys[*entry] = key;
	map->index[place_of(map, key)] = *entry + 1;
	return 0;
}

static long hash_update(struct native_map *map, uint64_t key, const void *value, __u64 flags)
{
	uint32_t entry = map->index[place_of(map, key)];
	long error;

	if (entry && flags == BPF_NOEXIST)
		return -EEXIST;
	if (!entry && flags == BPF_EXIST)
		return -ENOENT;
	if (entry) {
		entry--;
	} else {
		error = hash_new_entry(map, key, &entry);
		if (error)
			return error;
	}
	memcpy(value_at(map, entry), value, map->value_size);
	return 0;
}

void *native_entry(const struct native_map *map, uint32_t entry, uint64_t *key)
{
	if (!map->values || entry >= map->used)
		return NULL;
	*key = map->keys[entry];
	return map->index[place_of(map, *key)] == entry + 1 ? value_at(map, entry) : NULL;
}

/* --- maps ------------------------------------------------------------------------------------- */

static uint64_t key_of(const void *key)
{
	uint64_t value;

	memcpy(&value, key, sizeof(value));
	return value;
}

static uint32_t number_of(const void *key)
{
	uint32_t value;

	memcpy(&value, key, sizeof(value));
	return value;
}

void *bpf_map_lookup_elem(void *of, const void *key)
{
	struct native_map *map = of;
	uint32_t entry;

	if (!native_map_ready(map))
		return NULL;
	if (map->kind == NATIVE_ARRAY) {
		entry = number_of(key);
		return entry < map->max ? value_at(map, entry) : NULL;
	}
	entry = map->index[place_of(map, key_of(key))];
	return entry ? value_at(map, entry - 1) : NULL;
}

long bpf_map_update_elem(void *of, const void *key, const void *value, __u64 flags)
{
	struct native_map *map = of;

	if (!native_map_ready(map))
		return -ENOMEM;
	if (map->kind == NATIVE_ARRAY) {
		void *to = bpf_map_lookup_elem(map, key);

		if (!to)
			return -E2BIG;
		memcpy(to, value, map->value_size);
		return 0;
	}
	return hash_update(map, key_of(key), value, flags);
}

long bpf_map_delete_elem(void *of, const void *key)
{
	struct native_map *map = of;
	uint32_t at;

	if (!native_map_ready(map) || map->kind == NATIVE_ARRAY)
		return -EINVAL;
	at = place_of(map, key_of(key));
	if (!map->index[at])
		return -ENOENT;
	hash_delete_at(map, at);
	return 0;
}

long bpf_map_push_elem(void *of, const void *value, __u64 flags)
{
	struct native_map *map = of;

	(void)flags;
	if (!native_map_ready(map) || map->tail - map->head == map->max)
		return -E2BIG;
	memcpy(value_at(map, (uint32_t)(map->tail++ % map->max)), value, map->value_size);
	return 0;
}

long bpf_map_pop_elem(void *of, void *value)
{
	struct native_map *map = of;

	if (!native_map_ready(map) || map->tail == map->head)
		return -ENOENT;
	memcpy(value, value_at(map, (uint32_t)(map->head++ % map->max)), map->value_size);
	return 0;
}

/* --- the ring ----------------------------------------------------------------------------------- */

/* A record: u64 mark, the event, padding to 8 bytes. The mark is the event's length, with a bit for what is not
 * submitted yet and one for what is not to be read; RING_WRAP: the rest up to the end of the ring is unused. */
#define RING_BUSY (1ull << 63)
#define RING_VOID (1ull << 62)
#define RING_WRAP (1ull << 61)

static uint64_t ring_mark(const struct native_map *ring, uint64_t at)
{
	return key_of(ring->values + at % ring->max);
}

static void ring_set(struct native_map *ring, uint64_t at, uint64_t mark)
{
	memcpy(ring->values + at % ring->max, &mark, sizeof(mark));
}

static uint64_t ring_whole(uint64_t mark)
{
	return 8 + (((uint32_t)mark + 7ull) & ~7ull);
}

void *bpf_ringbuf_reserve(void *of, __u64 size, __u64 flags)
{
	struct native_map *ring = of;
	uint64_t whole = ring_whole(size), at, rest;

	(void)flags;
	if (!size || size >> 31 || !native_map_ready(ring))
		return NULL;
	at = ring->tail;
	rest = ring->max - at % ring->max;
	if (rest < whole)
		at += rest;
	if (at + whole - ring->head > ring->max)
		return NULL;
	if (at != ring->tail)
		ring_set(ring, ring->tail, RING_WRAP);
	ring->tail = at + whole;
	ring_set(ring, at, size | RING_BUSY);
	return ring->values + at % ring->max + 8;
}

static void ring_settle(void *data, uint64_t bits)
{
	uint8_t *at = (uint8_t *)data - 8;
	uint64_t mark = (key_of(at) & ~RING_BUSY) | bits;

	memcpy(at, &mark, sizeof(mark));
}

void bpf_ringbuf_submit(void *data, __u64 flags)
{
	(void)flags;
	ring_settle(data, 0);
}

void bpf_ringbuf_discard(void *data, __u64 flags)
{
	(void)flags;
	ring_settle(data, RING_VOID);
}

uint32_t native_ring_next(struct native_map *ring, const void **event)
{
	if (!native_map_ready(ring))
		return 0;
	while (ring->head != ring->tail) {
		uint64_t mark = ring_mark(ring, ring->head);

		if (mark & RING_BUSY)
			return 0;
		if (mark & RING_WRAP) {
			ring->head += ring->max - ring->head % ring->max;
			continue;
		}
		*event = ring->values + ring->head % ring->max + 8;
		ring->head += ring_whole(mark);
		if (!(mark & RING_VOID))
			return (uint32_t)mark;
	}
	return 0;
}

/* --- sockets ------------------------------------------------------------------------------------ */

/* Of a packet that the capture cut off (tcpdump -s) the rest reads as zeros: a head that fits is read all the same. Not of
 * a datagram, which would look as if it said zeros. */
long bpf_skb_load_bytes(const skb_t *skb, __u32 offset, void *to, __u32 len)
{
	uint64_t captured = skb->data_end - skb->data, there;
	bool cut = skb->len > captured && skb->sk->type == STREAMS;

	if (offset > captured || (!cut && len > captured - offset) || (cut && offset == captured))
		return -EFAULT;
	there = len < captured - offset ? len : captured - offset;
	memcpy(to, (const uint8_t *)(uintptr_t)skb->data + offset, there);
	memset((uint8_t *)to + there, 0, len - there);
	return 0;
}

struct bpf_sock *bpf_sk_fullsock(struct bpf_sock *sk)
{
	return sk;
}

struct bpf_tcp_sock *bpf_tcp_sock(struct bpf_sock *sk)
{
	return sk && sk->protocol == 6 ? &((struct native_sock *)sk)->tcp : NULL;
}

void *bpf_sk_storage_get(void *of, void *sk, void *value, __u64 flags)
{
	struct native_map *map = of;
	struct native_sock *sock = sk;
	void **place;

	if (!map->storage) {
		if (storages == NATIVE_STORAGES)
			return NULL;
		map->storage = ++storages;
	}
	place = &sock->storage[map->storage - 1];
	if (!*place && (flags & BPF_SK_STORAGE_GET_F_CREATE)) {
		*place = calloc(1, map->value_size);
		if (*place && value)
			memcpy(*place, value, map->value_size);
	}
	return *place;
}

long bpf_sk_storage_delete(void *of, void *sk)
{
	struct native_map *map = of;
	struct native_sock *sock = sk;

	if (!map->storage || !sock->storage[map->storage - 1])
		return -ENOENT;
	free(sock->storage[map->storage - 1]);
	sock->storage[map->storage - 1] = NULL;
	return 0;
}

void native_sock_free(struct native_sock *sock)
{
	for (int i = 0; i < NATIVE_STORAGES; i++) {
		free(sock->storage[i]);
		sock->storage[i] = NULL;
	}
}
