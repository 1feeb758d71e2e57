/*
 * std::net refers to these on wasm32-wasip2, and a preview-1 libc does not have them.
 * No guest of ours opens a socket: every one of them refuses.
 */
#include <errno.h>
#include <stddef.h>

static int refuse(void) {
    errno = ENOTSUP;
    return -1;
}

int socket(int domain, int type, int protocol) { return refuse(); }
int connect(int socket, const void *address, unsigned length) { return refuse(); }
int bind(int socket, const void *address, unsigned length) { return refuse(); }
int listen(int socket, int backlog) { return refuse(); }
int getsockname(int socket, void *address, unsigned *length) { return refuse(); }
int getpeername(int socket, void *address, unsigned *length) { return refuse(); }
int setsockopt(int socket, int level, int name, const void *value, unsigned length) { return refuse(); }

long sendto(int socket, const void *data, unsigned long size, int flags, const void *to, unsigned length) {
    return refuse();
}

long recvfrom(int socket, void *data, unsigned long size, int flags, void *from, unsigned *length) {
    return refuse();
}

/* EAI_FAIL: not an errno, so that std does not look at one. */
int getaddrinfo(const char *node, const char *service, const void *hints, void **result) { return -4; }
void freeaddrinfo(void *list) {}
const char *gai_strerror(int code) { return "sockets are not supported"; }
