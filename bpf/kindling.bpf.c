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

#define CALL_READER(skb, map, reader)                                                              \
	do {                                                                                       \
		if ((reader) == READER(PROTOCOL_HTTP1, 0))                                         \
			tail_call(skb, &map, READER(PROTOCOL_HTTP1, 0));                           \
		else if ((reader) == READER(PROTOCOL_HTTP1, 1))                                    \
			tail_call(skb, &map, READER(PROTOCOL_HTTP1, 1));                           \
		else if (reader)                                                                   \
			bpf_tail_call(skb, &map, reader);                                          \
	} while (0)

SEC("cgroup_skb/ingress")
int kd_ingress(struct __sk_buff *skb)
{
	int reader = hook_packet(skb, INGRESS);

	CALL_READER(skb, readers_in, reader);
	return PASS;
}

SEC("cgroup_skb/egress")
int kd_egress(struct __sk_buff *skb)
{
	int reader = hook_packet(skb, EGRESS);

	CALL_READER(skb, readers_out, reader);
	return PASS;
}

/* A reader calls itself while its packet holds more messages; the kernel ends that after 33 calls. Sections are
 * "attach point/readers map/index". */
#define STREAM_READER(name, attach, map, index, direction)                                         \
	SEC("cgroup_skb/" attach "/" #map "/" #index)                                              \
	int kd_##name(struct __sk_buff *skb)                                                       \
	{                                                                                          \
		int reader = hook_read(skb, direction, (index) / 2, (index) % 2);                  \
                                                                                                   \
		if (reader) {                                                                      \
			bpf_tail_call(skb, &map, reader);                                          \
			hook_unread(skb, direction);                                               \
		}                                                                                  \
		return PASS;                                                                       \
	}

/* Requests come in at a server and go out from a client; responses the other way. */
#define STREAM_READERS(name, response, request)                                                    \
	STREAM_READER(name##_req_in, "ingress", readers_in, request, INGRESS)                      \
	STREAM_READER(name##_req_out, "egress", readers_out, request, EGRESS)                      \
	STREAM_READER(name##_rsp_in, "ingress", readers_in, response, INGRESS)                     \
	STREAM_READER(name##_rsp_out, "egress", readers_out, response, EGRESS)

STREAM_READERS(http1, 4, 5)
_Static_assert(READER(PROTOCOL_HTTP1, 1) == 5, "the number stands in the section's name");
STREAM_READERS(dns, 6, 7)
_Static_assert(READER(PROTOCOL_DNS, 1) == 7, "the number stands in the section's name");
STREAM_READER(tls_req_in, "ingress", readers_in, 9, INGRESS)
STREAM_READER(tls_req_out, "egress", readers_out, 9, EGRESS)
_Static_assert(READER(PROTOCOL_TLS, 1) == 9, "the number stands in the section's name");

SEC("cgroup_skb/ingress/readers_in/1")
int kd_udp_in(struct __sk_buff *skb)
{
	hook_read_udp(skb, INGRESS);
	return PASS;
}

SEC("cgroup_skb/egress/readers_out/1")
int kd_udp_out(struct __sk_buff *skb)
{
	hook_read_udp(skb, EGRESS);
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
	enum abi_version version;
};
const struct abi *kd_abi SEC(".abi") = 0;

char kd_license[] SEC("license") = "Dual BSD/GPL";
