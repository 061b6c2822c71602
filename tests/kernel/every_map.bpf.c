// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* One program that uses every kind of map and relocation that the loader must get right. */
#include "../../bpf/home.h"

struct settings {
	__u64 add;
	__u16 list[3];
	__u16 pad;
};

struct row {
	struct slot_head head;
	__u64 count;
	__u64 sum;
};

struct note {
	__u32 number;
	__u32 length;
	__u64 sum;
};

struct wide {
	struct note note;
	__u8 more[240];
};

const volatile struct settings settings SEC(".rodata") = {};
const volatile __u32 threshold SEC(".rodata") = 7;

HASH_MAP(ids, __u64, __u32, 16);
SHARED_ARRAY(rows, struct row, 300);
QUEUE_MAP(free, __u32, 300);
LRU_MAP(seen, __u64, __u64, 16);
CPU_ARRAY(scratch, struct note, 1);
RING_MAP(events, 4096);
SOCKET_STORAGE(sockets, struct row, BPF_F_CLONE);
PROGRAM_ARRAY(again, 2);

static __noinline __u64 twice(__u64 x)
{
	__u32 key = 2;
	struct row *r = bpf_map_lookup_elem(&rows, &key);

	if (r)
		atomic_add(&r->count, 1);
	return x * 2;
}

static __noinline __u64 four_times(__u64 x)
{
	return twice(twice(x));
}

SEC("cgroup_skb/ingress")
int kd_main(struct __sk_buff *skb)
{
	__u32 slot = 0, zero = 0;
	__u64 id = skb->len;
	struct note *note = bpf_map_lookup_elem(&scratch, &zero);
	struct bpf_sock *sk = skb->sk;
	struct row *row;
	struct wide *event;

	if (!note)
		return 1;
	note->number++;
	bpf_map_update_elem(&seen, &id, &id, BPF_ANY);
	if (!bpf_map_lookup_elem(&ids, &id)) {
		if (bpf_map_pop_elem(&free, &slot))
			return 1;
		bpf_map_update_elem(&ids, &id, &slot, BPF_NOEXIST);
		row = bpf_map_lookup_elem(&rows, &slot);
		if (!row)
			return 1;
		row->head.id = id;
		row->head.live = 1;
	}
	__u32 *found = bpf_map_lookup_elem(&ids, &id);

	if (!found)
		return 1;
	slot = *found;
	row = bpf_map_lookup_elem(&rows, &slot);
	if (!row)
		return 1;
	atomic_add(&row->count, 1);
	atomic_add(&row->sum, four_times(settings.add) + settings.list[1] + threshold);
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (event) {
		event->note.number = note->number;
		event->note.length = skb->len;
		event->note.sum = row->sum;
		for (int i = 0; i < 240; i++)
			event->more[i] = note->number;
		if (note->number % 5 == 0)
			bpf_ringbuf_discard(event, 1);
		else
			bpf_ringbuf_submit(event, 1);
	}
	if (sk) {
		sk = bpf_sk_fullsock(sk);
		if (sk) {
			row = bpf_sk_storage_get(&sockets, sk, 0, 1);
			if (row)
				row->count++;
		}
	}
	bpf_tail_call(skb, &again, 1);
	return 1;
}

SEC("cgroup_skb/egress/again/1")
int kd_tail(struct __sk_buff *skb)
{
	__u32 key = 1;
	struct row *row = bpf_map_lookup_elem(&rows, &key);

	if (row)
		atomic_add(&row->sum, twice(skb->len));
	return 1;
}

__attribute__((used)) const struct wide *kd_abi SEC(".abi") = 0;

char kd_license[] SEC("license") = "Dual BSD/GPL";
