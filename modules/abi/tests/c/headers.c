/* Edits heads, and counts in its opaque value. */
#include "understudy.h"
#include <stdlib.h>

static const us_host *host;

static enum us_verdict request_head(void *self, us_transaction *tx, void **opaque) {
    us_bytes value;
    (void)self;
    if (*opaque == NULL) *opaque = calloc(1, sizeof(int));
    ++*(int *)*opaque;
    if (host->header_find(tx, us_str("x-in"), 0, &value) != US_OK) return host->fail(us_str("no x-in"));
    /* The value stays where it is, whatever is added. */
    for (int i = 0; i < 100; ++i)
        if (host->header_add(tx, us_str("x-out"), value) != US_OK) return host->fail(us_str("no room"));
    host->header_set(tx, us_str("x-twice"), us_str("once"));
    host->header_delete(tx, us_str("x-in"));
    if (!us_is(value, "seen")) return host->fail(us_str("the value moved"));
    return US_CONTINUE;
}

static void release_opaque(void *self, uint64_t transaction, void *opaque) {
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
    module.name = "headers";
    module.version = "1.2";
    module.request_head = request_head;
    module.free = release_opaque;
    return &module;
}
