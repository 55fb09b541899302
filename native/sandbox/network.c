#include "sandbox/network.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROXY_BACKLOG 64

wy_status wy_network_read_level(const wy_text *text, wy_profile *profile, const char *value, wy_error *error) {
    static const char *const levels[] = {"none", "loopback", "granted", "host"};
    for (uint32_t i = 0; value != NULL && i < sizeof levels / sizeof levels[0]; i++) {
        if (strcmp(value, levels[i]) == 0) {
            profile->network = i;
            return WY_OK;
        }
    }
    return wy_text_fail(text, error, "network: allowed: none, loopback, granted, host");
}

wy_status wy_network_add_destination(const wy_text *text, wy_profile *profile, const char *value, wy_error *error) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_*/:[]";
    size_t length = value == NULL ? 0 : strlen(value);
    if (length == 0 || length >= sizeof profile->destinations[0] || strspn(value, allowed) != length ||
        strchr(value, ':') == NULL) {
        return wy_text_fail(text, error, "destination: HOST:PORT is allowed, where HOST may be *, *.DOMAIN or ADDRESS/BITS "
                                         "and PORT may be *");
    }
    if (profile->destination_count == WY_PROFILE_MAX_DESTINATIONS) {
        return wy_text_fail(text, error, "over %u destinations", WY_PROFILE_MAX_DESTINATIONS);
    }
    memcpy(profile->destinations[profile->destination_count++], value, length + 1);
    return WY_OK;
}

static wy_status network_fail(wy_error *error, const char *what) {
    int cause = errno;
    return wy_fail(error, WY_SYSTEM, cause, "network", "%s: %s", what, strerror(cause));
}

wy_status wy_network_bring_up(wy_error *error) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    memcpy(request.ifr_name, "lo", sizeof "lo");
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return network_fail(error, "cannot make a socket");
    }
    int failed = ioctl(fd, SIOCGIFFLAGS, &request) != 0;
    request.ifr_flags |= IFF_UP;
    failed = failed || ioctl(fd, SIOCSIFFLAGS, &request) != 0;
    wy_status status = failed ? network_fail(error, "cannot set lo up") : WY_OK;
    (void)close(fd);
    return status;
}

static int send_descriptor(int channel, int descriptor) {
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr aligned;
    } ancillary;
    char byte = 1;
    memset(&ancillary, 0, sizeof ancillary);
    struct iovec part = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = ancillary.bytes, .msg_controllen = sizeof ancillary.bytes};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
    ssize_t sent = 0;
    do {
        sent = sendmsg(channel, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent == 1 ? 0 : -1;
}

wy_status wy_network_offer_proxy(int channel, wy_error *error) {
    struct sockaddr_in here = {
        .sin_family = AF_INET, .sin_port = htons(WY_PROXY_PORT), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return network_fail(error, "cannot make the proxy's socket");
    }
    wy_status status = WY_OK;
    if (bind(fd, (struct sockaddr *)&here, sizeof here) != 0 || listen(fd, PROXY_BACKLOG) != 0) {
        status = network_fail(error, "cannot listen for the proxy");
    } else if (send_descriptor(channel, fd) != 0) {
        status = network_fail(error, "cannot hand the proxy's socket over");
    }
    (void)close(fd);
    return status;
}
