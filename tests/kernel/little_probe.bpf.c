// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The probe's tables with next to no probe: a packet of our own (test run; marked by its first bytes) adds 1 to the
 * operation of the number it carries. Programs, maps and the life of a slot are as in the real one.
 */
#include "../../bpf/slots.h"

const volatile struct config config SEC(".rodata") = {};

#define MARK 0x6b696e64u
#define PASS 1

struct message {
	__u32 mark;
	__u32 ask; /* 1: a query to remember */
	__u64 id;
};

/* As the real probe does: a socket keeps the slot it used last. */
struct memory {
	__u64 id;
	__u32 slot;
	__u32 gen;
};
HASH_MAP(memories, __u64, struct memory, 64);

static __noinline __u32 enter(__u64 id)
{
	__u32 slot = slot_find(&op_ids, id);
	struct op_slot *o;

	if (slot)
		return slot;
	slot = slot_take(&op_free);
	if (!slot) {
		lose(LOST_OP_FULL);
		return 0;
	}
	o = bpf_map_lookup_elem(&op_slots, &slot);
	if (!o)
		return 0;
	o->op = id;
	return slot_publish(&op_ids, &op_free, &o->head, id, slot);
}

static __always_inline void count(__u64 id)
{
	struct memory *m = bpf_map_lookup_elem(&memories, &id);
	struct memory fresh = {};
	struct op_slot *o;
	__u32 slot;

	if (m && m->slot) {
		slot = m->slot;
		o = bpf_map_lookup_elem(&op_slots, &slot);
		if (o && o->head.gen == m->gen) {
			atomic_add(&o->hist[0], 1);
			return;
		}
	}
	slot = enter(id);
	o = bpf_map_lookup_elem(&op_slots, &slot);
	if (!o)
		return;
	fresh.slot = slot;
	fresh.gen = o->head.gen;
	atomic_add(&o->hist[0], 1);
	bpf_map_update_elem(&memories, &id, &fresh, BPF_ANY);
}

static __always_inline void packet(struct __sk_buff *skb)
{
	struct pending p = {};
	struct message m;
	struct event_failure *e;

	if (bpf_skb_load_bytes(skb, 20, &m, sizeof(m)) || m.mark != MARK)
		return;
	count(m.id);
	if (!m.ask)
		return;
	p.ts = bpf_ktime_get_ns();
	p.op = m.id;
	bpf_map_update_elem(&pendings, &m.id, &p, BPF_ANY);
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return;
	__builtin_memset(e, 0, sizeof(*e));
	e->head.kind = EVENT_FAILURE;
	e->head.size = sizeof(*e);
	e->head.ts = p.ts;
	e->duration_ns = config.slow_ns[PROTOCOL_DNS];
	bpf_ringbuf_submit(e, 1);
}

SEC("cgroup_skb/ingress")
int kd_ingress(struct __sk_buff *skb)
{
	packet(skb);
	if (skb->len == 1)
		bpf_tail_call(skb, &readers_in, 1);
	return PASS;
}

SEC("cgroup_skb/egress")
int kd_egress(struct __sk_buff *skb)
{
	if (skb->len == 1)
		bpf_tail_call(skb, &readers_out, 1);
	return PASS;
}

/* In no way called: keeps the maps that only the real probe uses. */
SEC("sockops")
int kd_sockops(struct bpf_sock_ops *ops)
{
	__u64 key = ops->op;
	__u32 slot =
		slot_find(&owner_ids, key) + slot_find(&flow_ids, key) + slot_find(&name_ids, key);

	slot += 0;
	bpf_map_push_elem(&owner_free, &slot, BPF_ANY);
	if (bpf_map_lookup_elem(&owner_slots, &slot) && bpf_map_lookup_elem(&flow_slots, &slot) &&
	    bpf_map_lookup_elem(&name_slots, &slot) && bpf_map_lookup_elem(&control, &slot) &&
	    bpf_map_lookup_elem(&adopted, &key) && bpf_map_lookup_elem(&stashes, &key))
		return 1;
	return PASS;
}

struct abi {
	struct event_failure failure;
	enum lost lost;
};
__attribute__((used)) const struct abi *kd_abi SEC(".abi") = 0;

char kd_license[] SEC("license") = "Dual BSD/GPL";
