// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * An optional extra, an object of its own: packets that the kernel dropped, by its reason. Attached to the raw tracepoint
 * kfree_skb, which passes at drops only (consumed packets go through consume_skb). Raw, for a record in perf's own buffers
 * costs more than the count.
 */
#include "home.h"

#define REASONS 256

/* By enum skb_drop_reason of the running kernel; the last one takes what is beyond. The program adds, user space reads. */
SHARED_ARRAY(drops, __u64, REASONS);

/* Arguments: skb, location, reason (TRACE_EVENT(kfree_skb) in include/trace/events/skb.h, since 5.17), more since 6.11. */
SEC("raw_tp/kfree_skb")
int kd_drop(const __u64 *arguments)
{
	__u32 reason = arguments[2];
	__u64 *count;

	if (reason >= REASONS)
		reason = REASONS - 1;
	count = bpf_map_lookup_elem(&drops, &reason);
	if (count)
		atomic_add(count, 1);
	return 0;
}

char kd_license[] SEC("license") = "Dual BSD/GPL";
