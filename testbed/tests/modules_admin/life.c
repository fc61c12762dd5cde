/* Says in the proxy's log that it ends, and writes to address 0 at its beginning when told so by an option. */
#include "understudy.h"

static const us_host *host;

static int init(void **self, us_proxy *proxy) {
    us_owned value;
    (void)self;
    if (host->option(proxy, us_str("crash"), &value) == US_OK) *(volatile int *)0 = 1;
    return 0;
}

static void fini(void *self, us_proxy *proxy) {
    (void)self;
    host->log(proxy, US_INFO, us_str("goodbye"));
}

static enum us_verdict request_head(void *self, us_transaction *tx, void **opaque) {
    (void)self;
    (void)tx;
    (void)opaque;
    return US_CONTINUE;
}

static us_module module;

US_EXPORT const us_module *understudy_module(const us_host *proxy) {
    host = proxy;
    module.size = sizeof module;
    module.major = US_MAJOR;
    module.minor = US_MINOR;
    module.name = "life";
    module.version = "1";
    module.init = init;
    module.fini = fini;
    module.request_head = request_head;
    return &module;
}
