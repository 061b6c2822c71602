/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Every map: who inserts, who deletes, who reads, its bound. Names have at most 15 characters.
 *
 * A table is three maps: "..._ids" finds the number of a slot by a 64-bit id, "..._slots" holds the
 * slots (user space maps it), "..._free" the numbers of free slots. Slot 0 is "other": it takes what
 * found no slot. Insert: the probe, on first sight. Delete and put back: user space, after a grace
 * period (ARCHITECTURE.md, "The life of a slot"). Bounds here are defaults; user space may set others.
 */
#ifndef KINDLING_MAPS_H
#define KINDLING_MAPS_H

#include "home.h"
#include "state.h"

#define TABLE(name, SLOT, N)                                                                       \
	HASH_MAP(name##_ids, __u64, __u32, N);                                                     \
	SHARED_ARRAY(name##_slots, SLOT, N);                                                       \
	QUEUE_MAP(name##_free, __u32, N)

TABLE(owner, struct owner_slot, 2048);
TABLE(flow, struct flow_slot, 16384);
TABLE(op, struct op_slot, 8192);
TABLE(name, struct name_slot, 8192);

/* One value, n[enum lost]. The probe adds, user space reads. */
struct losses {
	__u64 n[LOST_COUNT];
};
SHARED_ARRAY(losses, struct losses, 1);

/* One value. User space writes, the probe reads; but events_*: the probe writes. */
SHARED_ARRAY(control, struct control, 1);

/* Sockets older than the agent, by cookie. User space inserts and deletes, the probe reads. */
HASH_MAP(adopted, __u64, struct adopted, 65536);

/* UDP queries in flight, by a mix of socket, remote and query id. The probe inserts; the probe (answer) or
 * user space (no answer in time) deletes. */
HASH_MAP(pendings, __u64, struct pending, 8192);

/* First bytes of a split or early message, by a mix of socket and direction. The probe inserts and deletes;
 * user space deletes what is older than a minute. */
HASH_MAP(stashes, __u64, struct stash, 1024);

/* Answers whose content was sent to user space, by a mix of the content: value is when. */
LRU_MAP(answers, __u64, __u64, 8192);

/* Per-socket state: inserted at socket creation or first sight, freed with the socket. Cloned from the
 * listener to each accepted socket. */
SOCKET_STORAGE(conns, struct conn, BPF_F_CLONE);

/* State of a dissected conversation: only sockets whose protocol is followed have one. */
SOCKET_STORAGE(talks, struct talk, 0);

/* What ingress programs work on. Ingress runs in softirq only, so it cannot nest on its CPU; egress may, and
 * keeps its window in the socket's talk, or (UDP) in one of the works. */
CPU_ARRAY(ingress_work, struct udp_work, 1);

/* Events. Nobody is woken: user space polls on a clock. */
RING_MAP(events, 1 << 20);

/* The programs that read a protocol's messages, by enum reader. User space fills them in from the sections'
 * names. Two maps: the kernel lets only programs of one attach type share one. */
PROGRAM_ARRAY(readers_in, READER_COUNT);
PROGRAM_ARRAY(readers_out, READER_COUNT);

/* What egress programs of UDP work on, each under a number of its own: the same socket's egress runs on several
 * processors at once, and is preempted. The probe inserts and deletes. */
HASH_MAP(works, __u64, struct udp_work, 256);
SHARED_ARRAY(zero_work, struct udp_work, 1);

/* Nothing but zeros: a stash's first value, too large for the stack. */
SHARED_ARRAY(zero_stash, struct stash, 1);

#endif
