/*
 * Asks a service on 127.0.0.1 (option "service": its port) before a request whose path begins with /wait goes on, and holds no
 * thread meanwhile: Pending, the descriptor watched, resumed from ready. What the service said becomes X-Waited of the request.
 */
#define _GNU_SOURCE
#include "understudy.h"
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const us_host *host;
static uint16_t port;

struct waiting {
    us_token token;
    int fd;
};

static int init(void **self, us_proxy *proxy) {
    us_owned value;
    char text[8] = {0};
    (void)self;
    if (host->option(proxy, us_str("service"), &value) != US_OK || value.len >= sizeof text) return 1;
    memcpy(text, value.ptr, value.len);
    us_release(&value);
    port = (uint16_t)atoi(text);
    return 0;
}

static enum us_verdict request_head(void *self, us_transaction *tx, void **opaque) {
    us_bytes url = host->url(tx);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct waiting *waiting;
    (void)self;
    (void)opaque;
    if (memmem(url.ptr, url.len, "/wait", 5) == NULL) return US_CONTINUE;
    waiting = malloc(sizeof *waiting);
    if (waiting == NULL) return host->fail(us_str("no memory"));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    waiting->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (waiting->fd < 0) return host->fail(us_str("no socket"));
    if (connect(waiting->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)
        return host->fail(us_str("cannot connect"));
    if (host->token(tx, &waiting->token) != US_OK) return host->fail(us_str("no token"));
    if (host->watch(host->proxy(tx), waiting->fd, US_READ, (uint64_t)(uintptr_t)waiting) != US_OK)
        return host->fail(us_str("cannot watch"));
    return US_PENDING;
}

static void ready(void *self, us_proxy *proxy, int fd, enum us_interest interest, uint64_t tag) {
    struct waiting *waiting = (struct waiting *)(uintptr_t)tag;
    us_answer *answer;
    char said[64];
    ssize_t n = read(fd, said, sizeof said);
    (void)self;
    (void)interest;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    host->closing(proxy, fd);
    close(fd);
    answer = host->answer_make();
    if (n > 0) host->answer_edit(answer, US_EDIT_ADD, us_str("X-Waited"), us_of(said, (size_t)n), 0);
    host->resume(proxy, waiting->token, n > 0 ? US_CONTINUE : US_FAIL, answer);
    free(waiting);
}

static us_module module;

US_EXPORT const us_module *understudy_module(const us_host *proxy) {
    host = proxy;
    module.size = sizeof module;
    module.major = US_MAJOR;
    module.minor = US_MINOR;
    module.name = "waits";
    module.version = "1";
    module.init = init;
    module.request_head = request_head;
    module.ready = ready;
    return &module;
}
