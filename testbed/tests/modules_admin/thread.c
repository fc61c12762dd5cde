/* Starts a thread, which removes the file of option "doom" when it is there, and then writes to address 0: in no hook of this module. */
#define _GNU_SOURCE
#include "understudy.h"
#include <pthread.h>
#include <unistd.h>

static const us_host *host;
static char doom[512];

static void *wait_for_doom(void *nothing) {
    (void)nothing;
    while (unlink(doom) != 0) usleep(1000);
    *(volatile int *)0 = 1;
    return NULL;
}

static int init(void **self, us_proxy *proxy) {
    us_owned value;
    pthread_t thread;
    (void)self;
    if (host->option(proxy, us_str("doom"), &value) != US_OK || value.len >= sizeof doom) return 1;
    memcpy(doom, value.ptr, value.len);
    us_release(&value);
    return pthread_create(&thread, NULL, wait_for_doom, NULL);
}

static enum us_verdict response_return(void *self, us_transaction *tx, void **opaque) {
    (void)self;
    (void)opaque;
    host->header_add(tx, us_str("X-Thread"), us_str("there"));
    return US_CONTINUE;
}

static us_module module;

US_EXPORT const us_module *understudy_module(const us_host *proxy) {
    host = proxy;
    module.size = sizeof module;
    module.major = US_MAJOR;
    module.minor = US_MINOR;
    module.name = "thread";
    module.version = "1";
    module.init = init;
    module.response_return = response_return;
    return &module;
}
