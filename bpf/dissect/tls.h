/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * TLS: the ClientHello (RFC 8446, 4.1.2) only: server name (RFC 6066, 3), ALPN (RFC 7301), the highest version offered.
 * Read extension by extension, so a hello over several segments needs no buffer of its own.
 */
#ifndef KINDLING_TLS_H
#define KINDLING_TLS_H

#include "dissect.h"

enum tls_phase {
	TLS_START = 0,
	TLS_COMPRESSION, /* behind the cipher suites */
	TLS_EXTENSIONS,
};

#define TLS_HANDSHAKE 0x16
#define TLS_CLIENT_HELLO 1

#define TLS_EXT_SERVER_NAME 0
#define TLS_EXT_ALPN 16
#define TLS_EXT_VERSIONS 43

static __always_inline int tls_hello(struct conn *c, struct talk *t, struct cursor *cu,
				     struct window *w, struct view *v)
{
	__u32 at = v->at, left = v->n - at, session, ciphers;

	if (BYTE(w, at) != TLS_HANDSHAKE || (left > 1 && BYTE(w, at + 1) != 3) ||
	    (left > 5 && BYTE(w, at + 5) != TLS_CLIENT_HELLO))
		return STEP_ALIEN;
	if (left < 44)
		return STEP_MORE;
	session = BYTE(w, at + 43);
	if (session > 32)
		return STEP_ALIEN;
	if (left < 46 + session)
		return STEP_MORE;
	ciphers = SHORT(w, at + 44 + session);
	c->tls_version = BYTE(w, at + 10);
	cu->start = v->base + at + 5 + SHORT(w, at + 3); /* where the record ends */
	cu->skip = ciphers;
	cu->phase = TLS_COMPRESSION;
	t->host = 0;
	v->at = at + 46 + session;
	return STEP_ON;
}

/* Whether what was read so far, or is kept, is the beginning of a ClientHello. */
static __always_inline int tls_began(const struct cursor *cu)
{
	return cu->phase != TLS_START || cu->stash > 5;
}

static __always_inline void tls_server_name(struct talk *t, struct window *w, __u32 at, __u32 len)
{
	__u32 name = SHORT(w, at + 3);

	/* list length, type 0 = host name, name length */
	if (len < 5 || BYTE(w, at + 2) || name > len - 5 || name > NAME_TEXT || !name)
		return;
	at += 5;
	t->host = name_id(w, at, name, NAME(NAME_SNI, PROTOCOL_TLS), 0, t->zero);
	name_enter(w, t->host, at, name, NAME(NAME_SNI, PROTOCOL_TLS));
}

static __always_inline void tls_alpn(struct conn *c, struct window *w, __u32 at)
{
	__u32 len = BYTE(w, at + 2), two = SHORT(w, at + 3);

	if (len == 2 && two == ('h' << 8 | '2'))
		c->alpn = ALPN_H2;
	else if (len == 2 && two == ('h' << 8 | '3'))
		c->alpn = ALPN_H3;
	else if (len == 8 && two == ('h' << 8 | 't') && BYTE(w, at + 8) == '1' &&
		 BYTE(w, at + 10) == '1')
		c->alpn = ALPN_HTTP11;
	else
		c->alpn = ALPN_OTHER;
}

static __always_inline void tls_versions(struct conn *c, struct window *w, __u32 at, __u32 len)
{
	for (__u32 i = 1; i < 17; i += 2) {
		if (i + 1 >= len)
			break;
		/* GREASE values (RFC 8701) have no 3 in the first byte */
		if (BYTE(w, at + i) == 3 && BYTE(w, at + i + 1) > c->tls_version)
			c->tls_version = BYTE(w, at + i + 1);
	}
}

static __always_inline int tls_done(struct conn *c, struct talk *t)
{
	conn_settle(c, t->host, PROTOCOL_TLS);
	return STEP_QUIET;
}

static __always_inline int tls_extension(struct conn *c, struct talk *t, struct cursor *cu,
					 struct window *w, struct view *v)
{
	__u32 at = v->at, left = v->n - at, type, len;

	if ((__s32)(cu->start - (v->base + at)) < 4)
		return tls_done(c, t);
	if (left < 4)
		return STEP_MORE;
	type = SHORT(w, at);
	len = SHORT(w, at + 2);
	if (type == TLS_EXT_SERVER_NAME || type == TLS_EXT_ALPN || type == TLS_EXT_VERSIONS) {
		if (left < 4 + len && !view_full(v))
			return STEP_MORE;
		/* of a list that is longer than the window the first entry is all that is read */
		if (type == TLS_EXT_ALPN)
			tls_alpn(c, w, at + 4);
		if (left >= 4 + len) {
			if (type == TLS_EXT_SERVER_NAME)
				tls_server_name(t, w, at + 4, len);
			else if (type == TLS_EXT_VERSIONS)
				tls_versions(c, w, at + 4, len);
		}
	}
	v->at = at + 4;
	cu->skip = len;
	/* at once: the client's next packet comes after the server's first, which ends the reading */
	if ((__s32)(cu->start - (v->base + at + 4 + len)) < 4)
		return tls_done(c, t);
	return STEP_ON;
}

static __always_inline int tls_step(struct conn *c, struct talk *t, struct cursor *cu,
				    struct window *w, struct view *v)
{
	__u32 left = v->n - v->at, len;

	if (cu->phase == TLS_START)
		return tls_hello(c, t, cu, w, v);
	if (cu->phase == TLS_EXTENSIONS)
		return tls_extension(c, t, cu, w, v);
	len = BYTE(w, v->at);
	if (left < 3 + len)
		return view_full(v) ? STEP_ALIEN : STEP_MORE;
	v->at += 3 + len;
	cu->phase = TLS_EXTENSIONS;
	return STEP_ON;
}

#endif
