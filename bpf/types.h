/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Every structure that crosses from the probe to user space, and nothing else.
 *
 * User space reads the layouts from the compiled object's BTF: no layout is written twice.
 * Addresses are 16 bytes in network order, IPv4 as v4-mapped IPv6 (::ffff:a.b.c.d).
 * Times are nanoseconds of CLOCK_MONOTONIC (live) or of the packets' own clock (replay).
 */
#ifndef KINDLING_TYPES_H
#define KINDLING_TYPES_H

#include <linux/types.h>

/* Raised whenever what a pinned map holds means something else than it did: layouts are compared anyway. */
enum abi_version { ABI_VERSION = 2 };

enum role {
	ROLE_UNKNOWN = 0,
	ROLE_CLIENT = 1,
	ROLE_SERVER = 2,
};

/* What speaks over a connection. A new one gets a header in dissect/ and a parser in Python. */
enum protocol {
	PROTOCOL_UNDECIDED = 0, /* no payload seen yet */
	PROTOCOL_UNKNOWN = 1,
	PROTOCOL_HTTP1 = 2,
	PROTOCOL_DNS = 3,
	PROTOCOL_TLS = 4,
	PROTOCOL_NTP = 5,
	PROTOCOL_COUNT = 6,
	PROTOCOL_ROOM = 8, /* a power of two: verifiers understand a mask */
};

/* Why a connection did not come to be, or ended. */
enum failure {
	FAILURE_REFUSED = 0, /* RST answered the SYN */
	FAILURE_RESET = 1,   /* RST after the other side had called too: a SYN crossed ours */
	FAILURE_TIMEOUT = 2, /* nobody answered, for the kernel's or the application's patience */
	FAILURE_UNREACHABLE = 3, /* ICMP said so, or no neighbour answered */
	FAILURE_LOCAL = 4,       /* connect() failed in this kernel before a packet left */
	FAILURE_ABORTED = 5,     /* the application gave up at once */
	FAILURE_COUNT = 6,
};

/* Each way in which something was not counted or not shown. The sentence is what users read. */
enum lost {
	LOST_FLOW_FULL = 0,      /* no free flow slot: counted under the flow "other" */
	LOST_OP_FULL = 1,        /* no free operation slot: counted under the operation "other" */
	LOST_OP_BUDGET = 2,      /* workload has too many operations: counted under "other" */
	LOST_NAME_FULL = 3,      /* no free name slot: the name is missing, the counts are not */
	LOST_OWNER_FULL = 4,     /* no free owner slot: the owner is shown as unknown */
	LOST_STORAGE = 5,        /* no memory for a socket's state: the connection is not counted */
	LOST_HEADER = 6,         /* a packet's headers could not be read */
	LOST_PAYLOAD = 7,        /* a packet's payload could not be read */
	LOST_GAP = 8,            /* bytes of a message were missed; its requests may be missing */
	LOST_STASH_FULL = 9,     /* no room to keep the first part of a split head */
	LOST_PIPELINE = 10,      /* too many requests in flight: counted, latency unknown */
	LOST_PENDING_FULL = 11,  /* too many queries in flight: counted, answer not matched */
	LOST_EVENT_RING = 12,    /* the ring was full: a slow or failed request was not sent */
	LOST_EVENT_LIMIT = 13,   /* the rate limit held a slow or failed request back */
	LOST_DNS_LIMIT = 14,     /* the rate limit held an answer back: names may be missing */
	LOST_HEAD_TOO_LONG = 15, /* a message head was longer than the probe follows */
	LOST_COUNT = 16,
};

/* First in every slot. gen: written by user space alone; live: set by the kernel once the key is
 * in the table, cleared by user space when the slot is given back. */
struct slot_head {
	__u32 gen;
	__u32 live;
	__u64 id; /* the key in the table's hash map */
};

/* --- owners: who opened the socket ------------------------------------------------------ */

struct owner_key {
	__u64 cgroup; /* cgroup v2 id */
	__u64 netns;  /* network namespace cookie */
	char comm[16];
};

struct owner_slot {
	struct slot_head head;
	struct owner_key key;
	__u32 tgid; /* the first process seen under this key */
	__u32 uid;
	__u32 ops_added;   /* operation slots taken; the kernel writes */
	__u32 ops_removed; /* operation slots given back; user space writes */
};

/* --- flows: an owner, a remote endpoint, and all connections between them ---------------- */

struct flow_key {
	__u64 owner; /* id of an owner, 0: unknown; top bit set: given by user space (inferred) */
	__u64 name;  /* id of the name (Host, SNI) by which a client addressed the remote, or 0 */
	__u32 local[4];
	__u32 remote[4];
	__u16 port; /* of the service: the remote port of a client, the local port of a server */
	__u8 role;
	__u8 transport; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 protocol;
	__u8 inferred; /* role or owner was found out afterwards */
	__u16 pad;
};

struct flow_slot {
	struct slot_head head;
	struct flow_key key;
	__u64 parent; /* the id under which this flow's operations are counted */
	__u64 opened; /* connections; for UDP, sockets that spoke with the remote */
	__u64 unsettled; /* established, name and protocol not known yet: a gauge, may be -1 for a moment */
	__u64 closed; /* of the opened ones */
	__u64 closed_reset;
	__u64 failed[FAILURE_COUNT];
	__u64 connect_ns; /* sum over connected_count */
	__u64 connect_count;
	__u64 duration_ns; /* sum over closed */
	__u64 bytes_out;
	__u64 bytes_in;
	__u64 packets_out; /* with payload; segments as they are on the wire */
	__u64 packets_in;
	__u64 retransmits; /* segments sent again, SYN included */
	__u64 resets_out;
	__u64 resets_in;
	__u32 srtt_us;    /* last */
	__u32 rtt_min_us; /* least so far, 0: none */
	__u8 tls_version; /* 0: none, else minor of the TLS version the client offered: 3 = 1.2, 4 = 1.3 */
	__u8 alpn;        /* enum alpn, what the client offered first */
	__u16 client_port; /* of the newest connection of a client, 0: none */
	__u32 pad2;
};

enum alpn { ALPN_NONE = 0, ALPN_HTTP11 = 1, ALPN_H2 = 2, ALPN_H3 = 3, ALPN_OTHER = 4 };

/* --- operations: what was asked, under a flow (client) or an endpoint (server) ------------ */

/* Log-linear histogram: HIST_SUB buckets an octave from 2^HIST_MIN_LOG2 ns on, so the middle of a
 * bucket is off by at most 12.5 %. The first bucket holds all below, the last all above. */
#define HIST_MIN_LOG2 10
#define HIST_MAX_LOG2 37
#define HIST_SUB 4
#define HIST_BUCKETS ((HIST_MAX_LOG2 - HIST_MIN_LOG2) * HIST_SUB + 2)

#define OP_OTHER 1ULL /* the operation that takes what is beyond a budget */

#define STATUS_NONE 0 /* no answer came */

struct op_slot {
	struct slot_head head;
	__u64 parent; /* flow_slot.parent */
	__u64 op;     /* id of a name of kind NAME_OP, or OP_OTHER */
	__u16 status; /* HTTP status, DNS rcode + 1, 0: no answer */
	__u8 protocol;
	__u8 role;
	__u32 pad;
	__u64 slow;        /* beyond the protocol's threshold */
	__u64 duration_ns; /* sum: first byte of the request to last byte of the response */
	__u64 send_ns;     /* first to last byte of the request */
	__u64 wait_ns;     /* last byte of the request to first byte of the response */
	__u64 receive_ns;  /* first to last byte of the response */
	__u64 request_bytes;
	__u64 response_bytes;
	__u64 pad2[6];            /* slots of 1024 bytes begin at a cache line */
	__u64 hist[HIST_BUCKETS]; /* of the whole duration; their sum is the count of requests */
};

/* --- names: the dictionary of operations, hosts, server names ----------------------------- */

enum name_kind {
	NAME_OP = 1,   /* text is what the protocol's Python parser reads */
	NAME_HOST = 2, /* HTTP Host, as sent */
	NAME_SNI = 3,
};

#define NAME_TEXT 232

struct name_slot {
	struct slot_head head;
	__u8 kind;
	__u8 protocol;
	__u16 len;
	__u32 pad;
	__u8 text[NAME_TEXT];
};

/* --- events on the ring ------------------------------------------------------------------- */

enum event_kind {
	EVENT_REQUEST = 1, /* slow or failed */
	EVENT_FAILURE = 2, /* a connection that did not come to be */
	EVENT_DNS = 3,     /* an answer whose content is new */
};

struct event_head {
	__u16 kind;
	__u16 size; /* of the whole event, this head included */
	__u32 tgid;
	__u64 ts;
	__u64 owner;
	__u64 flow; /* id of the flow, 0: not settled */
	__u32 local[4];
	__u32 remote[4];
	__u16 local_port;
	__u16 remote_port;
	__u8 role;
	__u8 transport;
	__u8 protocol;
	__u8 pad;
};

#define EVENT_HEAD_BYTES 64

struct event_request {
	struct event_head head;
	__u64 op;
	__u64 send_ns;
	__u64 wait_ns;
	__u64 receive_ns;
	__u64 request_bytes;
	__u64 response_bytes;
	__u16 status;
	__u8 slow;
	__u8 request_len; /* bytes of request_head in use */
	__u32 pad;
	__u8 request_head[EVENT_HEAD_BYTES]; /* up to the query string */
};

struct event_failure {
	struct event_head head;
	__u64 duration_ns;
	__u32 reason; /* enum failure */
	__u32 pad;
};

#define EVENT_DNS_BYTES 1024

struct event_dns {
	struct event_head head;
	__u32 len; /* bytes of message in use; the rest of the answer was longer */
	__u32 full_len;
	__u8 message[EVENT_DNS_BYTES];
};

/* --- what user space gives the probe ------------------------------------------------------- */

/* A socket older than the agent, by its cookie: found by sock_diag before and after attaching. */
struct adopted {
	__u64 owner; /* top bit set */
	__u32 tgid;
	__u8 role;
	__u8 pad[3];
};

/* A query in flight over UDP. User space deletes what waits for too long and counts it as unanswered:
 * whoever deletes the entry counts it, so it is counted once. */
struct pending {
	__u64 ts;
	__u64 parent;
	__u64 flow;
	__u64 op;
	__u64 owner;
	__u32 request_bytes;
	__u8 protocol;
	__u8 role;
	__u16 pad;
};

#endif
