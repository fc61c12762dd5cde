/* Writes into every answer what the proxy said of its setting cache.memory when it was told its options, and what it says now. */
#include "understudy.h"

static const us_host *host;
static us_owned memory;

static int init(void **self, us_proxy *proxy) {
    (void)self;
    if (host->setting(proxy, us_str("cache.memory"), &memory) != US_OK)
        return (int)host->fail(us_str("no such setting"));
    return 0;
}

static int reconfigure(void *self, us_proxy *proxy) {
    us_owned value;
    (void)self;
    us_release(&memory);
    if (host->setting(proxy, us_str("cache.memory"), &memory) != US_OK)
        return (int)host->fail(us_str("no such setting"));
    if (host->option(proxy, us_str("refuse"), &value) == US_OK) {
        us_release(&value);
        return (int)host->fail(us_str("as it was told"));
    }
    return 0;
}

static enum us_verdict response_return(void *self, us_transaction *tx, void **opaque) {
    us_owned now;
    (void)self;
    (void)opaque;
    host->header_set(tx, us_str("X-Memory"), us_of(memory.ptr, memory.len));
    if (host->setting(host->proxy(tx), us_str("cache.memory"), &now) == US_OK) {
        host->header_set(tx, us_str("X-Now"), us_of(now.ptr, now.len));
        us_release(&now);
    }
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
    module.reconfigure = reconfigure;
    module.response_return = response_return;
    return &module;
}
