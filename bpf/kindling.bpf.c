// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The probe: a table of contents. Each hook is here, its work in the header it calls. All programs are attached to
 * the root of cgroup v2; none traces a system call.
 *
 * EVERY EXIT RETURNS 1: another value would drop a packet or refuse a call (tools/prove_exits.py proves it).
 */
#include "hooks.h"

const volatile struct config config SEC(".rodata") = {};

#define PASS 1

SEC("cgroup_skb/ingress")
int kd_ingress(struct __sk_buff *skb)
{
	if (hook_packet(skb, INGRESS))
		bpf_tail_call(skb, &again, INGRESS);
	return PASS;
}

SEC("cgroup_skb/egress")
int kd_egress(struct __sk_buff *skb)
{
	if (hook_packet(skb, EGRESS))
		bpf_tail_call(skb, &again, EGRESS);
	return PASS;
}

SEC("cgroup/sock_create")
int kd_sock_create(struct bpf_sock *sk)
{
	hook_sock_create(sk);
	return PASS;
}

SEC("cgroup/sock_release")
int kd_sock_release(struct bpf_sock *sk)
{
	hook_sock_release(sk);
	return PASS;
}

SEC("cgroup/connect4")
int kd_connect4(struct bpf_sock_addr *ctx)
{
	hook_connect(ctx, AF_INET);
	return PASS;
}

SEC("cgroup/connect6")
int kd_connect6(struct bpf_sock_addr *ctx)
{
	hook_connect(ctx, AF_INET6);
	return PASS;
}

SEC("sockops")
int kd_sockops(struct bpf_sock_ops *ops)
{
	hook_sockops(ops);
	return PASS;
}

/* Puts the structures that only cross to user space into the object's BTF. */
struct abi {
	struct event_request request;
	struct event_failure failure;
	struct event_dns dns;
	enum event_kind event_kind;
	enum role role;
	enum protocol protocol;
	enum failure reason;
	enum lost lost;
	enum name_kind name_kind;
	enum alpn alpn;
};
const struct abi *kd_abi SEC(".abi") = 0;

char kd_license[] SEC("license") = "Dual BSD/GPL";
