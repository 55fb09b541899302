/* Sockets of every family that leads somewhere. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "escape.h"

static long opens(int family, int type, int protocol) {
    int fd = socket(family, type, protocol);
    if (fd < 0) {
        return -1;
    }
    (void)close(fd);
    return ESCAPE_WENT;
}

#define OPENS(name, family, type, protocol)                                                                            \
    static long name(void) {                                                                                           \
        return opens(family, type, protocol);                                                                          \
    }

OPENS(raw_ip, AF_INET, SOCK_RAW, IPPROTO_ICMP)
OPENS(raw_ip6, AF_INET6, SOCK_RAW, IPPROTO_ICMPV6)
OPENS(packets, AF_PACKET, SOCK_RAW, 0x0300)
OPENS(routes, AF_NETLINK, SOCK_RAW, 0)
OPENS(audit, AF_NETLINK, SOCK_RAW, 9)
OPENS(hypervisor, AF_VSOCK, SOCK_STREAM, 0)
OPENS(kernel_crypto, AF_ALG, SOCK_SEQPACKET, 0)
OPENS(bluetooth, AF_BLUETOOTH, SOCK_RAW, 0)
OPENS(kernel_keys, AF_KEY, SOCK_RAW, 2)
OPENS(express, 44 /* AF_XDP */, SOCK_RAW, 0)
OPENS(vpn, AF_PPPOX, SOCK_STREAM, 0)

static long connect_to(const char *address, unsigned short port) {
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(port)};
    (void)inet_pton(AF_INET, address, &there.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    int result = connect(fd, (struct sockaddr *)&there, sizeof there), failure = errno;
    (void)close(fd);
    errno = failure;
    return result == 0 || failure == EINPROGRESS ? ESCAPE_WENT : -1; /* in progress: its packet is out */
}

static long metadata(void) {
    return connect_to("169.254.169.254", 80);
}

static long outside(void) {
    return connect_to("192.0.2.1", 443); /* TEST-NET: nobody is disturbed where it goes through */
}

static long loopback(void) {
    return connect_to("127.0.0.1", 7801);
}

static long datagram(void) {
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(53)};
    (void)inet_pton(AF_INET, "192.0.2.1", &there.sin_addr);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? -1 : sendto(fd, "x", 1, 0, (struct sockaddr *)&there, sizeof there) < 0 ? -1 : ESCAPE_WENT;
}

/* The test listens at this name on the host. */
static long abstract_socket(void) {
    struct sockaddr_un there = {.sun_family = AF_UNIX};
    static const char name[] = "wayang-escape-test";
    memcpy(there.sun_path + 1, name, sizeof name - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? -1
                  : connect(fd, (struct sockaddr *)&there, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof name));
}

static long pair(void) {
    int ends[2];
    return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 ? -1 : ESCAPE_CONTAINED;
}

const escape_case escape_network[] = {
    {"raw_ip", raw_ip}, {"raw_ip6", raw_ip6}, {"packet_socket", packets}, {"netlink_route", routes}, {"netlink_audit", audit},
    {"vsock", hypervisor}, {"af_alg", kernel_crypto}, {"bluetooth", bluetooth}, {"af_key", kernel_keys}, {"af_xdp", express},
    {"pppox", vpn}, {"metadata_address", metadata}, {"connect_outside", outside}, {"connect_loopback", loopback},
    {"datagram_outside", datagram}, {"abstract_socket", abstract_socket}, {"socket_pair", pair}, {NULL, NULL},
};
