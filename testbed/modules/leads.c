/* Leads every request for the path /led to the URL of option "to". */
#include "understudy.h"

static const us_host *host;
static us_owned to;

static int init(void **self, us_proxy *proxy) {
    (void)self;
    return host->option(proxy, us_str("to"), &to) == US_OK ? 0 : 1;
}

static enum us_verdict head(void *self, us_transaction *tx, void **opaque) {
    (void)self;
    (void)opaque;
    if (!us_is(host->target(tx), "/led")) return US_CONTINUE;
    return host->set_target(tx, us_of(to.ptr, to.len)) == US_OK ? US_CONTINUE : US_FAIL;
}

static us_module module;

US_EXPORT const us_module *understudy_module(const us_host *proxy) {
    host = proxy;
    module.size = sizeof module;
    module.major = US_MAJOR;
    module.minor = US_MINOR;
    module.name = "leads";
    module.version = "1";
    module.init = init;
    module.request_head = head;
    return &module;
}
