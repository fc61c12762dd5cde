/*
 * Tells in X-Trace of each answer in which order its hooks ran, joined by "-"; the opaque value carries that from hook to hook. A hook
 * in another process, or on another instance, than the transaction's first is a failure.
 */
#include "understudy.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const us_host *host;

struct trace {
    int pid;
    const void *self;
    char order[64];
};

static enum us_verdict step(void *self, void **opaque, const char *name) {
    struct trace *trace = *opaque;
    if (trace == NULL) {
        trace = *opaque = calloc(1, sizeof *trace);
        if (trace == NULL) return US_FAIL;
        trace->pid = (int)getpid();
        trace->self = self;
    }
    if (trace->pid != (int)getpid() || trace->self != self) return host->fail(us_str("in another place than it began"));
    if (strlen(trace->order) + strlen(name) + 2 > sizeof trace->order) return host->fail(us_str("too many hooks"));
    if (*trace->order) strcat(trace->order, "-");
    strcat(trace->order, name);
    return US_CONTINUE;
}

static int init(void **self, us_proxy *proxy) {
    (void)proxy;
    *self = malloc(1); /* An address of this instance's own. */
    return *self == NULL;
}

static void release_self(void *self) {
    free(self);
}

static enum us_verdict request_head(void *self, us_transaction *tx, void **opaque) {
    (void)tx;
    return step(self, opaque, "head");
}

static enum us_verdict request_out(void *self, us_transaction *tx, void **opaque) {
    (void)tx;
    return step(self, opaque, "out");
}

static enum us_verdict response_head(void *self, us_transaction *tx, void **opaque) {
    (void)tx;
    return step(self, opaque, "response");
}

static enum us_verdict response_return(void *self, us_transaction *tx, void **opaque) {
    enum us_verdict verdict = step(self, opaque, "return");
    if (verdict == US_CONTINUE) host->header_add(tx, us_str("X-Trace"), us_str(((struct trace *)*opaque)->order));
    return verdict;
}

static enum us_verdict return_body(void *self, us_transaction *tx, void **opaque) {
    struct trace *trace = *opaque;
    us_bytes piece = host->piece(tx);
    if (trace == NULL || trace->pid != (int)getpid() || trace->self != self) return host->fail(us_str("a body elsewhere"));
    return piece.len == 0 ? US_CONTINUE : host->replace(tx, piece);
}

static void release(void *self, uint64_t transaction, void *opaque) {
    (void)self;
    (void)transaction;
    free(opaque);
}

static us_module module;

US_EXPORT const us_module *understudy_module(const us_host *proxy) {
    host = proxy;
    module.size = sizeof module;
    module.major = US_MAJOR;
    module.minor = US_MINOR;
    module.name = "trace";
    module.version = "1";
    module.init = init;
    module.release = release_self;
    module.request_head = request_head;
    module.request_out = request_out;
    module.response_head = response_head;
    module.response_return = response_return;
    module.return_body = return_body;
    module.free = release;
    return &module;
}
