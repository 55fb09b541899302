/* A worker's network: what a profile says of it, and what its namespace is given.
 *
 * Level granted, in order: the daemon makes a socket pair and hands one end to the worker by way of the spawner and the
 * zygote (descriptor WY_WORKER_FD_NETWORK until the sandbox stands). The worker, in a fresh namespace with nothing but lo,
 * listens on WY_PROXY_PORT there and sends the listening socket over the pair, then closes both. A listening socket belongs
 * to the namespace in which it was made, whoever holds it: the daemon accepts there and connects from the host's namespace,
 * only to what the task was granted. Nothing else leads out: there is no route but lo's. */
#ifndef WAYANG_SANDBOX_NETWORK_H
#define WAYANG_SANDBOX_NETWORK_H

#include "base/status.h"
#include "sandbox/policy_text.h"
#include "sandbox/profile.h"

/* Where the proxy (HTTP CONNECT, HTTP with absolute addresses, SOCKS5) is found in a worker's namespace; mirrored by
 * src/Wayang.Fast.Execution/Network/GrantedNetwork.cs. */
#define WY_PROXY_PORT 3128u

/* Lines of a profile: `network none|loopback|granted|host` and `destination HOST:PORT`. */
wy_status wy_network_read_level(const wy_text *text, wy_profile *profile, const char *value, wy_error *error);
wy_status wy_network_add_destination(const wy_text *text, wy_profile *profile, const char *value, wy_error *error);

/* In a worker, in its own namespace, while it has CAP_NET_ADMIN there: sets lo up. */
wy_status wy_network_bring_up(wy_error *error);

/* In a worker, after wy_network_bring_up: listens on WY_PROXY_PORT and sends the socket over `channel`, one byte with one
 * descriptor. Closes its own copy, never `channel`. */
wy_status wy_network_offer_proxy(int channel, wy_error *error);

#endif
