// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * An optional extra, an object of its own: packets that the kernel dropped, by its reason. Attached to the tracepoint
 * skb:kfree_skb, which passes at drops only (consumed packets go through skb:consume_skb).
 */
#include "home.h"

#define REASONS 256

static long (*const bpf_probe_read_kernel)(void *to, __u32 size, const void *from) = (void *)113;

/* Of the field "reason" in the tracepoint's record: differs from kernel to kernel, user space reads it in tracefs. */
const volatile __u32 reason_offset SEC(".rodata") = 0;

/* By enum skb_drop_reason of the running kernel; the last one takes what is beyond. The program adds, user space reads. */
SHARED_ARRAY(drops, __u64, REASONS);

SEC("tp/skb/kfree_skb")
int kd_drop(void *record)
{
	__u32 reason = 0;
	__u64 *count;

	bpf_probe_read_kernel(&reason, sizeof(reason), record + reason_offset);
	if (reason >= REASONS)
		reason = REASONS - 1;
	count = bpf_map_lookup_elem(&drops, &reason);
	if (count)
		atomic_add(count, 1);
	return 0; /* no record for perf's own buffers */
}

char kd_license[] SEC("license") = "Dual BSD/GPL";
