/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the probe keeps for itself: per socket, per conversation, per split message. */
#ifndef KINDLING_STATE_H
#define KINDLING_STATE_H

#include "home.h"

/* Set by user space before the programs are loaded, constant afterwards. */
struct config {
	__u64 seed;                   /* of all ids: they differ from boot to boot */
	__u64 slow_ns[PROTOCOL_ROOM]; /* from this duration on a request is slow */
	__u32 op_budget;              /* operation slots of one owner */
	__u32 event_limit;            /* events a second; the rest is counted as held back */
	__u16 ephemeral_low; /* first local port that means "client" where nothing else tells */
	__u16 dns_port;
	__u16 ntp_port;
	__u16 pad;
	__u32 syn_retries; /* where the socket's own number cannot be asked: before 6.1 */
};

extern const volatile struct config config;

enum event_class {
	EVENTS_ODD = 0, /* slow or failed requests, connections that did not come to be */
	EVENTS_ANSWERS = 1,
	EVENTS_CLASSES = 2,
};

/* Written while the probe runs. */
struct control {
	__u32 adopted; /* user space: all older sockets are in the map "adopted" now */
	__u32 early; /* probe: payload came to a listening socket, so new connections must look for theirs */
	struct {
		__u64 second; /* probe: which one the number counts */
		__u64 count;
	} events[EVENTS_CLASSES];
};

enum conn_flag {
	CONN_CONNECTING = 1 << 1,  /* connect() was called, no SYN seen yet */
	CONN_SYN_SENT = 1 << 2,    /* the SYN is out */
	CONN_OPEN = 1 << 3,        /* established and counted */
	CONN_CLOSED = 1 << 4,      /* its end is counted */
	CONN_INFERRED = 1 << 5,    /* older than the agent */
	CONN_USER_CLOSED = 1 << 6, /* close() came before the end of the handshake */
	CONN_JOINED = 1 << 7,      /* the handshake was not seen */
};

enum half_flag {
	HALF_STARTED = 1 << 0, /* "next" holds a sequence number */
	HALF_RESET = 1 << 1,   /* a RST went this way */
};

/* One direction of a socket's packets. Written by the program of that direction alone. */
struct half {
	__u32 next;    /* sequence number after the highest byte seen */
	__u32 bytes;   /* not yet added to the flow */
	__u16 packets; /* the same */
	__u16 flags;   /* enum half_flag */
	__u32 missed;  /* packets that were not read, because one before them is missing */
};

/* Programs that the packet programs hand a packet to: a protocol each, so that each stays small enough for
 * the verifiers of old kernels, whatever else is followed. */
#define READER(protocol, asking) ((protocol)*2 + !!(asking))
enum reader {
	READER_NONE = 0,
	READER_UDP = 1,
	READER_COUNT = PROTOCOL_ROOM * 2,
};

enum direction {
	INGRESS = 0,
	EGRESS = 1,
};

#define RECENT_FLOWS 3

/* Of a word that holds a sequence number: else it holds none. */
#define SEQUENCE (1ULL << 32)

/*
 * A socket. flags, role, addresses: written at the events of its life (under the socket's lock). settled,
 * protocol, name, flow: written by the program of the request's direction, or at its close.
 */
struct conn {
	__u64 owner;
	__u64 name;
	__u64 opened_ns; /* SYN sent, or established */
	__u32 local[4];
	__u32 remote[4];
	__u16 local_port;
	__u16 remote_port;
	__u32 tgid;
	__u32 flow;
	__u32 flow_gen;
	struct half half[2]; /* by enum direction */
	__u64 connect_ns;
	union {
		__u64 recent[RECENT_FLOWS]; /* UDP: flows in which this socket is counted */
		__u64 begin; /* TCP: where the stream begins, if a later packet came first */
	};
	__u16 flags; /* enum conn_flag */
	__u8 role;
	__u8 protocol;
	__u8 settled;
	__u8 transport;
	__u8 sync; /* TCP: SYNs sent */
	__u8 tls_version;
	__u8 alpn;
	__u8 recent_next;
	__u8 candidate; /* protocol whose dissector reads the stream now; settled once it has proved right */
	__u8 early; /* the first request came before the socket was made, and waits in a stash */
	__u32 zero; /* always 0, which verifiers cannot know: see blur() */
};

#define WINDOW 256

/* Bytes of a message in memory that may be read at an index. Sixteen more, so that a load of two words at the last
 * index stays inside. */
struct window {
	__u8 at[WINDOW + 16];
};

/* What the reader of UDP packets works on: too large for the stack. */
struct udp_work {
	struct window window;
	struct conn conn;
};

/* What a scan of a head's lines has found. It lives in map memory so that verifiers know none of its values:
 * on the stack each combination of them would be a state of its own to walk through. */
struct lines {
	__u32 at; /* start of the line that was not complete, or the byte after the head */
	__u32 count;
	/* where the lines that matter begin, 0: none of them among these lines */
	__u16 length_at;
	__u16 coding_at;
	__u16 host_at;
	__u8 done;
	__u8 rest;  /* "at" is within a line: it matches nothing and ends no head */
	__u32 zero; /* always 0, which verifiers cannot know: see blur() */
};

/* Where a direction of a conversation stands. */
struct cursor {
	__u64 skip;   /* bytes of a body still to pass over, from pos on */
	__u64 length; /* announced by the head that is being read */
	__u32 pos;    /* sequence number of the next byte to read */
	__u32 start;  /* sequence number of this message's first byte */
	__u32 stash;  /* that many bytes from pos on are kept in the map of stashes */
	__u8 phase;   /* of the protocol's own enumeration, 0 = at the start of a message */
	__u8 flags;   /* of the protocol */
	__u8 astray; /* bytes were missed: the next packet that starts a message ends that; or STREAM_JOINED */
	__u8 pad;
	struct lines lines;
};

#define IN_FLIGHT 16 /* a power of two: verifiers understand a mask */
#define SEND_OPEN 0x3fffffff

/* A request that waits for its answer. */
struct request {
	__u64 op;
	__u64 first_ns;   /* first byte */
	__u64 bytes : 32; /* at most 4 GiB - 1 */
	__u64 send : 30; /* first to last byte, in 1,024 ns; SEND_OPEN: the last one is not seen yet */
	__u64 method : 2;
};

/* The conversation over a socket whose protocol is followed. asked*: written by the program of the request's
 * direction; answered*, response_*: by the other one. */
struct talk {
	struct window
		window; /* of the egress program: egress runs under the socket's lock, so it cannot nest here */
	struct cursor cursor[2]; /* by enum direction */
	__u32 asked;
	__u32 answered;
	__u32 asked_over; /* beyond IN_FLIGHT */
	__u32 answered_over;
	__u64 raw;    /* hash of the last request line as sent */
	__u64 raw_op; /* and its operation */
	__u64 op_key; /* operation slot last used, for the next request like it */
	__u32 op_slot;
	__u32 op_gen;
	__u64 response_first_ns;
	__u64 border[2]; /* by enum direction: where the next message begins, if that is known (SEQUENCE) */
	__u64 rest; /* of HTTP/1: hash of all that followed the target in the last plain request */
	__u64 seen_raw; /* the same two of the request that is being read */
	__u64 seen_rest;
	__u16 response_status;
	__u8 response_open; /* between first byte and end */
	__u8 pad0;
	__u16 response_head;   /* of HTTP/1: bytes of the last response's head */
	__u16 response_length; /* of HTTP/1: where in it the line before Content-Length ends */
	__u64 host;            /* id of the name in this head */
	__u8 head[EVENT_HEAD_BYTES]; /* of the newest request */
	__u32 head_len;
	__u32 zero; /* as in conn */
	struct request flight[IN_FLIGHT];
};

struct stash {
	__u64 ns;
	__u32 len;
	__u32 seq;   /* of the first byte; early data only */
	__u32 total; /* bytes of the packet; early data only */
	__u32 pad;
	struct window window;
	__u8 spill[WINDOW]; /* never used: lets verifiers see that an index and a length stay inside */
};

#endif
