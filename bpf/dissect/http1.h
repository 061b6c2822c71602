/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * HTTP/1.x (RFC 9112): message framing, the request's method and target, Host, the response's status.
 * No other header's value is read, and no body.
 */
#ifndef KINDLING_HTTP1_H
#define KINDLING_HTTP1_H

#include "dissect.h"
#include "exchange.h"

enum http1_phase {
	HTTP1_START = 0,
	HTTP1_LINES,   /* within a head, at the start of a line */
	HTTP1_LONG,    /* within a line that is longer than the window */
	HTTP1_CHUNK,   /* at a chunk's size line */
	HTTP1_TRAILER, /* at a line after the last chunk */
	HTTP1_BODY,    /* at the end of a body of known length, once skip is done */
	HTTP1_RAW,     /* until the connection closes */
};

enum http1_flag {
	HTTP1_CHUNKED = 1 << 0,
	HTTP1_LENGTH = 1 << 1,
	HTTP1_INTERIM = 1 << 2, /* a 1xx response: the real one follows */
};

enum http1_method { METHOD_OTHER = 0, METHOD_HEAD = 1, METHOD_CONNECT = 2 };

#define FOUR(a, b, c, d) ((__u32)(a) | (__u32)(b) << 8 | (__u32)(c) << 16 | (__u32)(d) << 24)
#define EIGHT(a, b, c, d, e, f, g, h) ((__u64)FOUR(a, b, c, d) | (__u64)FOUR(e, f, g, h) << 32)

#define HTTP1_MAX_LINES 256

/* Lines read in one go; more of them in one window are read in the next. */
#define HTTP1_WINDOW_LINES 24

/* Of a target that is so long, the beginning says enough. */
#define HTTP1_TARGET 128

/* Of so many segments, too. */
#define HTTP1_SEGMENTS 24

/* Bytes to pass over until the connection closes. */
#define HTTP1_ENDLESS (1ULL << 62)

/* First four bytes of the methods of RFC 9110, 5789, 4918, 3253, 3744, 5323, 2068. */
static __always_inline int http1_is_method(__u32 four)
{
	return four == FOUR('G', 'E', 'T', ' ') || four == FOUR('P', 'O', 'S', 'T') ||
	       four == FOUR('P', 'U', 'T', ' ') || four == FOUR('H', 'E', 'A', 'D') ||
	       four == FOUR('D', 'E', 'L', 'E') || four == FOUR('O', 'P', 'T', 'I') ||
	       four == FOUR('P', 'A', 'T', 'C') || four == FOUR('C', 'O', 'N', 'N') ||
	       four == FOUR('T', 'R', 'A', 'C') || four == FOUR('P', 'R', 'O', 'P') ||
	       four == FOUR('R', 'E', 'P', 'O') || four == FOUR('M', 'K', 'C', 'O') ||
	       four == FOUR('S', 'E', 'A', 'R') || four == FOUR('P', 'U', 'R', 'G');
}

/* Eight bytes of a header's name, in lower case. */
static __always_inline __u64 http1_name(const struct window *w, __u32 at)
{
	return WORD(w, at) | ONES * 0x20;
}

static __always_inline int http1_is_content(__u64 name)
{
	return name == EIGHT('c', 'o', 'n', 't', 'e', 'n', 't', '-');
}

static __always_inline int http1_is_length(__u64 name)
{
	return name << 8 == EIGHT(0, 'l', 'e', 'n', 'g', 't', 'h', ':');
}

/* Remembers where a line begins that matters, plus one: 0 means none. */
static __always_inline void http1_line(const struct window *w, struct lines *l)
{
	__u64 name = http1_name(w, l->at);

	if (http1_is_content(name)) {
		if (http1_is_length(http1_name(w, l->at + 8)))
			l->length_at = l->at + 1;
	} else if (name == EIGHT('t', 'r', 'a', 'n', 's', 'f', 'e', 'r')) {
		l->coding_at = l->at + 1;
	} else if (name << 24 == EIGHT(0, 0, 0, 'h', 'o', 's', 't', ':')) {
		l->host_at = l->at + 1;
	}
}

static __always_inline void http1_begin(struct lines *l, __u32 at)
{
	l->at = at;
	l->length_at = 0;
	l->coding_at = 0;
	l->host_at = 0;
	l->done = 0;
}

/* Reads complete lines from l->at on. */
static __noinline int http1_scan(const struct window *w, struct lines *l, __u32 bytes)
{
	/* words, not halves of them: version 2 of the instruction set has no other arithmetic */
	__u64 i, zero, n = bytes;

	if (!w || !l)
		return 0;
	zero = l->zero;
	i = l->at;
	for (int k = 0; k < WINDOW / 16 + HTTP1_WINDOW_LINES; k++) {
		__u64 first, second, m, j;

		i = blur_index(i, zero);
		if (i >= n)
			break;
		first = WORD(w, i) ^ ONES * '\n';
		second = WORD2(w, i) ^ ONES * '\n';
		/* none of the bytes is LF, unless some are beyond ASCII */
		if (!(((first - ONES) | (second - ONES)) & HIGHS)) {
			i += 16;
			continue;
		}
		m = (first - ONES) & ~first & HIGHS;
		if (!m) {
			m = (second - ONES) & ~second & HIGHS;
			i += 8;
			if (!m) {
				i += 8;
				continue;
			}
		}
		j = blur_index(i + first_byte(m), zero);
		if (j >= n)
			break;
		l->count++;
		if (l->rest) {
			l->rest = 0;
		} else if (j - l->at < 2 && (j == l->at || BYTE(w, l->at) == '\r')) {
			l->at = j + 1;
			l->done = 1;
			break;
		} else {
			http1_line(w, l);
		}
		l->at = j + 1;
		i = j + 1;
	}
	return 0;
}

/* The decimal number at index i; stops at the first byte that is no digit. */
static __always_inline __u64 http1_number(const struct window *w, __u32 i)
{
	__u64 v = 0;

	if (BYTE(w, i) == ' ')
		i++;
#pragma clang loop unroll(disable)
	for (int k = 0; k < 18; k++) {
		__u32 d = BYTE(w, i + k) - '0';

		if (d > 9)
			break;
		v = v * 10 + d;
	}
	return v;
}

/* How many of the bytes of a word are digits. */
static __always_inline __u64 count_digits(__u64 x)
{
	__u64 low = x & ~HIGHS;

	x = (low + ONES * (0x80 - '0')) & ~(low + ONES * (0x80 - '9' - 1)) & ~x & HIGHS;
	return ((x >> 7) * ONES) >> 56;
}

static __always_inline __u64 count_dots(__u64 x)
{
	x ^= ONES * '.';
	x = ~(((x & ~HIGHS) + ~HIGHS) | x) & HIGHS;
	return ((x >> 7) * ONES) >> 56;
}

/* What is known of a segment so far. */
struct segment {
	__u64 start, len, digits, dots, version;
};

static __always_inline __u64 segment_varies(const struct segment *s)
{
	__u64 version = s->version & is_below(s->len, 9) &
			is_zero((s->digits + s->dots + 1) ^ s->len);

	return (is_below(2, s->digits) | (is_below(0, s->digits) & is_zero(s->digits ^ s->len)) |
		is_below(32, s->len)) &
	       ~version;
}

/*
 * Rewrites the target in [first, until) of the window so that what varies collapses to '*', and returns its new end.
 * A segment varies if it has three digits or more, nothing but digits, or more than 32 characters; versions
 * like v1.25 stay. The bytes behind the old end stay as they are.
 */
static __noinline int http1_collapse(struct window *w, const struct lines *l, __u32 first,
				     __u32 until)
{
	/* words, not halves of them: see http1_scan() */
	__u64 from = first, end = until, out = from, zero;
	struct segment s = { .start = from };

	if (!w || !l)
		return 0;
	zero = l->zero;
	for (int k = 0; k < HTTP1_TARGET / 8 + HTTP1_SEGMENTS; k++) {
		__u64 x, n, mask, ends, last;

		from = blur_index(from, zero);
		out = blur_index(out, zero);
		s.start = blur_index(s.start, zero);
		s.len = blur_index(s.len, zero);
		s.digits = blur_index(s.digits, zero);
		s.dots = blur_index(s.dots, zero);
		s.version = blur_index(s.version, zero);
		x = WORD(w, from);
		n = first_byte(bytes_equal(x, '/')); /* 8 where there is none */
		last = !is_below(from + n, end);
		opaque(last);
		n ^= (n ^ (end - from)) & -last;
		opaque(n);
		ends = last | is_below(n, 8);
		mask = (1ULL << (n * 4 & 63) << (n * 4 & 63)) - 1;
		x &= mask;
		s.version |= is_zero(s.len) & is_zero((x & 0xff) ^ 'v');
		s.digits += count_digits(x);
		s.dots += count_dots(x);
		s.len += n;
		word_put(&w->at[out & (WINDOW - 1)], x | (WORD(w, out) & ~mask));
		out += n;
		from += n;
		if (!ends)
			continue;
		if (segment_varies(&s)) {
			BYTE(w, s.start) = '*';
			out = s.start + 1;
		}
		if (last)
			break;
		s.len = s.digits = s.dots = s.version = 0;
		BYTE(w, out) = '/';
		out++;
		from++;
		s.start = out;
	}
	return blur_index(out, zero);
}

/*
 * The target's end (' ', '?', CR or LF) from index i on, and the hash of all bytes from "from" to there; the end is n
 * where it has none.
 */
static __always_inline __u32 http1_target(const struct window *w, const struct lines *l, __u32 from,
					  __u64 i, __u64 n, __u64 *hash)
{
	__u64 h = mix(config.seed, WORD(w, from)), zero = l->zero;

	for (int k = 0; k < WINDOW / 8; k++) {
		__u64 x, m;

		i = blur_index(i, zero);
		if (i >= n)
			break;
		x = WORD(w, i);
		/* below '!' are blank, CR and LF; only the lowest match is exact, and it is the one that counts */
		m = ((x - ONES * '!') & ~x & HIGHS) | bytes_equal(x, '?');
		if (m) {
			__u64 j = first_byte(m);

			if (j)
				h = mix(h, x & ((1ULL << (j * 8)) - 1));
			i += j;
			h = mix(h, j);
			break;
		}
		h = mix(h, x);
		i += 8;
	}
	*hash = h;
	i = blur_index(i, zero);
	return i < n ? i : n;
}

/* Index after the method and its space, 0: this is no request. */
static __always_inline __u32 http1_method_end(const struct window *w, __u32 at)
{
#pragma clang loop unroll(disable)
	for (__u32 k = 3; k < 12; k++) {
		__u8 c = BYTE(w, at + k);

		if (c == ' ')
			return at + k + 1;
		if (c < 'A' || c > 'Z')
			return 0;
	}
	return 0;
}

/* The operation of a request line whose target is collapsed and ends at end. */
static __noinline __u64 http1_operation(const struct window *w, const struct lines *l, __u32 at,
					__u32 end)
{
	__u32 len;
	__u64 id;

	if (!w || !l)
		return 0;
	len = end - at;
	if (len > NAME_TEXT)
		len = NAME_TEXT;
	id = name_id(w, at, len, NAME(NAME_OP, PROTOCOL_HTTP1), 0, l->zero);
	return name_enter(w, id, at, len, NAME(NAME_OP, PROTOCOL_HTTP1));
}

static __always_inline void http1_keep_head(struct talk *t, const struct window *w, __u32 at,
					    __u32 end)
{
	__u32 len = end - at;

	/* all of it: an event takes what belongs to the head */
	t->head_len = len < EVENT_HEAD_BYTES ? len : EVENT_HEAD_BYTES;
	for (__u32 i = 0; i < EVENT_HEAD_BYTES; i += 8)
		word_put(t->head + i, WORD(w, at + i));
}

/* Keeps what a request line says up to its target's end, unless the last one said the same. */
static __always_inline void http1_raw(struct talk *t, struct window *w, const struct lines *l,
				      __u32 at, __u32 target, __u32 end, __u64 hash)
{
	if (t->raw == hash)
		return;
	end = blur_index(end, l->zero);
	http1_keep_head(t, w, at, end);
	t->raw_op = http1_operation(w, l, at, http1_collapse(w, l, target, end));
	t->raw = hash;
}

static __always_inline int http1_request_line(struct talk *t, struct cursor *cu, struct window *w,
					      struct view *v)
{
	__u32 at = v->at, left = v->n - at, target, end, method = METHOD_OTHER;
	__u32 four = (__u32)WORD(w, at);
	__u64 hash;

	if (left < 4)
		return STEP_MORE;
	if (!http1_is_method(four))
		return STEP_ALIEN;
	if (left < 12 && !view_full(v))
		return STEP_MORE;
	target = http1_method_end(w, at);
	target = blur_index(target, cu->lines.zero);
	if (!target)
		return STEP_ALIEN;
	end = http1_target(w, &cu->lines, at, target, v->n, &hash);
	if (end >= v->n && !view_full(v))
		return STEP_MORE;
	if (four == FOUR('H', 'E', 'A', 'D'))
		method = METHOD_HEAD;
	else if (four == FOUR('C', 'O', 'N', 'N'))
		method = METHOD_CONNECT;
	http1_raw(t, w, &cu->lines, at, target, end, hash);
	cu->start = v->base + at;
	cu->length = 0;
	cu->lines.count = 0;
	cu->flags = 0;
	cu->phase = HTTP1_LONG; /* the rest of the request line is of no interest */
	exchange_ask(t, t->raw_op, method, v);
	t->host = 0;
	v->at = end;
	return STEP_ON;
}

/* The status of a response that begins at an index; 0: none begins there. */
static __always_inline __u32 http1_status(const struct window *w, __u32 at)
{
	__u32 a, b, d;

	if (WORD(w, at) << 8 != EIGHT(0, 'H', 'T', 'T', 'P', '/', '1', '.'))
		return 0;
	a = BYTE(w, at + 9) - '0';
	b = BYTE(w, at + 10) - '0';
	d = BYTE(w, at + 11) - '0';
	if (a > 9 || b > 9 || d > 9)
		return 0;
	return a * 100 + b * 10 + d;
}

static __always_inline int http1_status_line(struct conn *c, struct talk *t, struct cursor *cu,
					     struct window *w, struct view *v)
{
	__u32 at = v->at, left = v->n - at, status;

	if (left < 13 && !view_full(v))
		return STEP_MORE;
	status = http1_status(w, at);
	if (!status)
		return STEP_ALIEN;
	exchange_cut(c, t, cu, v->base + at, v);
	cu->start = v->base + at;
	cu->length = 0;
	cu->lines.count = 0;
	cu->flags = 0;
	cu->phase = HTTP1_LONG;
	if (status < 200 && status != 101)
		cu->flags = HTTP1_INTERIM;
	else
		exchange_answer(t, status, cu->astray, v);
	v->at = at + 12;
	return STEP_ON;
}

/* Index of the first LF from i on, n where there is none. */
static __always_inline __u32 http1_line_end(const struct window *w, __u32 i, __u32 n, __u32 zero)
{
	for (int k = 0; k < WINDOW / 8; k++) {
		__u64 m;

		i = blur_index(i, zero);
		if (i >= n)
			break;
		m = bytes_equal(WORD(w, i), '\n');
		if (m) {
			i += first_byte(m);
			break;
		}
		i += 8;
	}
	i = blur_index(i, zero);
	return i < n ? i : n;
}

/* The name by which a client addresses its server. */
static __noinline int http1_host(struct talk *t, const struct window *w, const struct lines *l,
				 __u32 n)
{
	__u32 at, end;

	if (!t || !w || !l)
		return 0;
	at = l->host_at + 4; /* "host:", and the index is one too high */
	if (BYTE(w, at) == ' ')
		at++;
	end = http1_line_end(w, at, n, t->zero);
	if (BYTE(w, end - 1) == '\r')
		end--;
	at = blur_index(at, t->zero);
	end = blur_index(end, t->zero);
	if (end <= at || end - at > NAME_TEXT)
		return 0;
	t->host = name_id(w, at, end - at, NAME(NAME_HOST, PROTOCOL_HTTP1), 0, t->zero);
	name_enter(w, t->host, at, end - at, NAME(NAME_HOST, PROTOCOL_HTTP1));
	return 0;
}

/* Whether the last coding of a Transfer-Encoding line is "chunked". */
static __always_inline int http1_is_chunked(const struct window *w, const struct lines *l, __u32 n)
{
	const __u64 chunked = EIGHT(0, 'c', 'h', 'u', 'n', 'k', 'e', 'd');
	__u32 end = http1_line_end(w, l->coding_at, n, l->zero);

	if (BYTE(w, end - 1) == '\r')
		end--;
	return (WORD(w, end - 7) | ONES * 0x20) << 8 == chunked;
}

/* A request's head is complete. */
static __always_inline void http1_asked(struct conn *c, struct talk *t, struct cursor *cu,
					struct view *v, __u32 head)
{
	conn_settle(c, t->host, PROTOCOL_HTTP1);
	exchange_border(c, t, !exchange_way(c));
	if (cu->flags & HTTP1_CHUNKED) {
		cu->phase = HTTP1_CHUNK;
	} else if (cu->flags & HTTP1_LENGTH && cu->length) {
		cu->phase = HTTP1_BODY;
		cu->skip = cu->length;
	} else {
		cu->phase = HTTP1_START;
		exchange_asked(t, head, v);
	}
}

/* A response's head is complete (message body length: RFC 9112, 6.3). */
static __always_inline int http1_answered(struct conn *c, struct talk *t, struct cursor *cu,
					  struct view *v, __u32 head)
{
	__u32 status = t->response_status, method = exchange_method(t);

	cu->phase = HTTP1_START;
	if (cu->flags & HTTP1_INTERIM)
		return STEP_ON;
	if (status == 101 || (method == METHOD_CONNECT && status < 300)) {
		exchange_answered(c, t, head, v);
		return STEP_QUIET;
	}
	if (method != METHOD_HEAD && status != 204 && status != 304) {
		if (cu->flags & HTTP1_CHUNKED) {
			cu->phase = HTTP1_CHUNK;
			return STEP_ON;
		}
		if (!(cu->flags & HTTP1_LENGTH)) {
			cu->phase = HTTP1_RAW;
			cu->skip = HTTP1_ENDLESS;
			return STEP_ON;
		}
		if (cu->length) {
			cu->phase = HTTP1_BODY;
			cu->skip = cu->length;
			return STEP_ON;
		}
	}
	exchange_answered(c, t, head, v);
	return STEP_ON;
}

/* A chunk's size line (RFC 9112, 7.1). */
static __noinline int http1_chunk(struct cursor *cu, struct window *w, struct view *v)
{
	__u32 zero, i, lf;

	if (!cu || !w || !v)
		return STEP_ALIEN;
	zero = cu->lines.zero;
	i = v->at;

	cu->length = 0;
	for (int k = 0; k < 16; k++) {
		__u32 c, d;

		i = blur_index(i, zero);
		c = BYTE(w, i);
		d = c - '0';
		if (d > 9) {
			d = (c | 0x20) - 'a';
			if (d > 5)
				break;
			d += 10;
		}
		cu->length = cu->length << 4 | d;
		i++;
	}
	i = blur_index(i, zero);
	lf = http1_line_end(w, i, v->n, zero);
	if (lf >= v->n)
		return view_full(v) ? STEP_ALIEN : STEP_MORE;
	if (i == v->at)
		return STEP_ALIEN;
	v->at = lf + 1;
	if (!cu->length) {
		cu->phase = HTTP1_TRAILER;
		return STEP_ON;
	}
	cu->skip = cu->length + 2;
	return STEP_ON;
}

/* The end of a message whose last byte is before sequence number end. */
static __always_inline void http1_end(struct conn *c, struct talk *t, struct cursor *cu, __u32 end,
				      struct view *v, int asking)
{
	__u32 bytes = end - cu->start;

	cu->phase = HTTP1_START;
	if (asking)
		exchange_asked(t, bytes, v);
	else
		exchange_answered(c, t, bytes, v);
}

/* What the lines of a head say about the body and the host. */
static __always_inline void http1_learn(struct conn *c, struct talk *t, struct cursor *cu,
					struct window *w, struct view *v, int asking)
{
	struct lines *l = &cu->lines;

	if (l->length_at) {
		cu->length = http1_number(w, l->length_at + 14);
		cu->flags |= HTTP1_LENGTH;
	}
	if (l->coding_at && http1_is_chunked(w, l, v->n))
		cu->flags |= HTTP1_CHUNKED;
	if (asking && l->host_at && c->role == ROLE_CLIENT && !c->settled)
		http1_host(t, w, l, v->n);
}

/* Lines of a head, or behind the last chunk. */
static __always_inline int http1_lines(struct conn *c, struct talk *t, struct cursor *cu,
				       struct window *w, struct view *v, int asking)
{
	struct lines *l = &cu->lines;
	__u32 first = blur_index(v->at, l->zero), count = l->count, end;

	l->rest = cu->phase == HTTP1_LONG;
	http1_begin(l, first);
	http1_scan(w, l, v->n);
	if (l->count > HTTP1_MAX_LINES) {
		lose(LOST_HEAD_TOO_LONG);
		return STEP_ALIEN;
	}
	v->at = l->at;
	end = v->base + l->at;
	if (cu->phase != HTTP1_TRAILER) {
		http1_learn(c, t, cu, w, v, asking);
		if (l->count != count)
			cu->phase = HTTP1_LINES;
		if (l->done && !asking)
			return http1_answered(c, t, cu, v, end - cu->start);
		if (l->done)
			http1_asked(c, t, cu, v, end - cu->start);
	} else if (l->done) {
		http1_end(c, t, cu, end, v, asking);
	}
	if (l->done || l->at != first)
		return STEP_ON;
	if (cu->phase == HTTP1_LONG || view_full(v)) {
		if (cu->phase != HTTP1_TRAILER)
			cu->phase = HTTP1_LONG;
		v->at = v->n;
		return STEP_ON;
	}
	return STEP_MORE;
}

/* One unit. cursor.skip is 0 when it is called. */
static __always_inline int http1_step(struct conn *c, struct talk *t, struct cursor *cu,
				      struct window *w, struct view *v, int asking)
{
	__u32 phase = cu->phase;
	int step;

	if (phase == HTTP1_CHUNK)
		return http1_chunk(cu, w, v);
	if (phase == HTTP1_BODY || phase == HTTP1_RAW)
		return STEP_QUIET;
	if (phase == HTTP1_START) {
		step = asking ? http1_request_line(t, cu, w, v) : http1_status_line(c, t, cu, w, v);
		if (step != STEP_ON)
			return step;
	}
	step = http1_lines(c, t, cu, w, v, asking);
	/* a first line is a unit of its own, whatever becomes of the next */
	return step == STEP_MORE && phase == HTTP1_START ? STEP_ON : step;
}

static __always_inline int http1_in_head(const struct cursor *cu)
{
	return cu->phase == HTTP1_LINES || cu->phase == HTTP1_LONG;
}

/* Of a head in which bytes are missing the next line will do. */
static __always_inline int http1_jump(struct cursor *cu, __u32 seq)
{
	if (!http1_in_head(cu))
		return 0;
	cu->pos = seq;
	cu->stash = 0;
	cu->phase = HTTP1_LONG;
	return 1;
}

/* The rest of a request's head, up to end, came before its beginning and is gone: it is taken to have ended with it. */
static __noinline int http1_cut(struct conn *c, struct talk *t, struct cursor *cu, __u32 end)
{
	struct view v = { .now = bpf_ktime_get_ns() };

	if (!c || !t || !cu)
		return 0;
	cu->flags = 0;
	http1_asked(c, t, cu, &v, end - cu->start);
	cu->pos = end;
	cu->stash = 0;
	return 0;
}

/* The rest of a first request, up to end, was not kept: what is in it is not known, but that it came. */
static __noinline int http1_early_end(struct conn *c, struct talk *t, struct cursor *cu, __u32 end)
{
	struct view v = { .now = bpf_ktime_get_ns() };
	__u32 left;

	if (!c || !t || !cu)
		return 0;
	left = end - cu->pos;
	if (!left)
		return 0;
	if (cu->skip > left) {
		cu->skip -= left;
	} else if (cu->phase != HTTP1_START) {
		cu->skip = 0;
		cu->phase = HTTP1_START;
		conn_settle(c, 0, PROTOCOL_HTTP1);
		exchange_asked(t, end - cu->start, &v);
	} else {
		lose(LOST_GAP);
	}
	cu->pos = end;
	cu->stash = 0;
	return 0;
}

#endif
