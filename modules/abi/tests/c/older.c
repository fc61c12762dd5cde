/*
 * A proxy that is older than the module in Rust which is loaded here: that sees the proxy's table as TABLE bytes of version 1.1.
 */
#include "understudy.h"
#include <dlfcn.h>
#include <stdlib.h>

US_EXPORT const us_module *understudy_module(const us_host *host) {
    /* No byte more: what is behind it is nobody's. */
    us_host *older = malloc(TABLE);
    void *library = dlopen(GUEST, RTLD_NOW | RTLD_LOCAL);
    void *entry;
    if (library == NULL) {
        host->fail(us_str(dlerror()));
        return NULL;
    }
    memcpy(older, host, TABLE);
    older->size = TABLE;
    older->minor = 1;
    entry = dlsym(library, "understudy_module_of_guest");
    return ((const us_module *(*)(const us_host *))entry)(older);
}
