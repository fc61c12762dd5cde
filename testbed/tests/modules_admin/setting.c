/* Writes into every answer what the proxy says of its setting cache.memory. */
#include "understudy.h"

static const us_host *host;
static us_owned memory;

static int init(void **self, us_proxy *proxy) {
    (void)self;
    if (host->setting(proxy, us_str("cache.memory"), &memory) != US_OK)
        return (int)host->fail(us_str("no such setting"));
    return 0;
}

static enum us_verdict response_return(void *self, us_transaction *tx, void **opaque) {
    (void)self;
    (void)opaque;
    host->header_set(tx, us_str("X-Memory"), us_of(memory.ptr, memory.len));
    return US_CONTINUE;
}

static us_module module;

US_EXPORT const us_module *understudy_module(const us_host *proxy) {
    host = proxy;
    module.size = sizeof module;
    module.major = US_MAJOR;
    module.minor = US_MINOR;
    module.name = "setting";
    module.version = "1";
    module.init = init;
    module.response_return = response_return;
    return &module;
}
