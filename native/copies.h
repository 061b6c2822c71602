/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One packet seen twice. A capture of all interfaces of a host has what it forwards once coming in and once going
 * out, and on each bridge between; a mirror port often doubles. None of that is a retransmission.
 */
#ifndef KINDLING_NATIVE_COPIES_H
#define KINDLING_NATIVE_COPIES_H

#include "link.h"

void copies_reset(void);

/* Whether the very same packet was seen a moment before: same headers, checksum and, of IPv4, identification. */
bool copies_seen(const struct ip_packet *ip, uint64_t now_ns);

#endif
