/* Writes to address 0 when it is asked for a path that ends in "crash". */
#include "understudy.h"
#include <stdlib.h>

static const us_host *host;

static enum us_verdict request_head(void *self, us_transaction *tx, void **opaque) {
    us_bytes url = host->url(tx);
    (void)self;
    (void)opaque;
    if (url.len >= 5 && memcmp(url.ptr + url.len - 5, "crash", 5) == 0) *(volatile int *)0 = 1;
    return US_CONTINUE;
}

static enum us_verdict response_return(void *self, us_transaction *tx, void **opaque) {
    (void)self;
    (void)opaque;
    host->header_add(tx, us_str("X-Crash"), us_str("not yet"));
    return US_CONTINUE;
}

static us_module module;

US_EXPORT const us_module *understudy_module(const us_host *proxy) {
    host = proxy;
    module.size = sizeof module;
    module.major = US_MAJOR;
    module.minor = US_MINOR;
    module.name = "crash";
    module.version = "1";
    module.request_head = request_head;
    module.response_return = response_return;
    return &module;
}
