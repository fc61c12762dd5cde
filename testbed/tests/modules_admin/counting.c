/* Counts its answers, and 512 bytes for each; and a name that is none. */
#include "understudy.h"

static const us_host *host;

static enum us_verdict response_return(void *self, us_transaction *tx, void **opaque) {
    us_proxy *proxy = host->proxy(tx);
    (void)self, (void)opaque;
    if (!us_has(host, count) || host->count(proxy, us_str("answers"), 1) != US_OK) return host->fail(us_str("not counted"));
    host->count(proxy, us_str("bytes_512"), 512);
    return host->count(proxy, us_str("A\"}"), 1) == US_ARGUMENT ? US_CONTINUE : host->fail(us_str("counted"));
}

US_EXPORT const us_module *understudy_module(const us_host *given) {
    static us_module module;
    host = given;
    module.size = sizeof module;
    module.major = US_MAJOR;
    module.minor = US_MINOR;
    module.name = "counting";
    module.version = "1";
    module.response_return = response_return;
    return &module;
}
