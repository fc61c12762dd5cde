/*
 * Changes bodies, requests' and answers': option "does" = "upper" makes ASCII letters capitals piece by piece and keeps the length;
 * "reverse" holds a body until its end and gives it back from its last byte to its first.
 */
#include "understudy.h"
#include <stdlib.h>

static const us_host *host;
static int reverses;

static int init(void **self, us_proxy *proxy) {
    us_owned value;
    (void)self;
    if (host->option(proxy, us_str("does"), &value) != US_OK) return 1;
    reverses = us_is(us_of(value.ptr, value.len), "reverse");
    us_release(&value);
    return 0;
}

static enum us_verdict head(void *self, us_transaction *tx, void **opaque) {
    (void)self;
    (void)opaque;
    if (!reverses) host->keep_length(tx);
    return US_CONTINUE;
}

static enum us_verdict body(void *self, us_transaction *tx, void **opaque) {
    us_bytes piece = host->piece(tx);
    size_t held = host->held_count(tx), total = piece.len, at = 0;
    enum us_verdict verdict;
    char *out;
    (void)self;
    (void)opaque;
    if (reverses && !host->is_last(tx)) return US_HOLD;
    for (size_t i = 0; i < held; i++) {
        us_bytes one;
        if (host->held(tx, i, &one) != US_OK) return US_FAIL;
        total += one.len;
    }
    if (total == 0) return US_CONTINUE;
    out = malloc(total);
    if (out == NULL) return US_FAIL;
    for (size_t i = 0; i <= held; i++) {
        us_bytes one = piece;
        if (i < held) host->held(tx, i, &one);
        memcpy(out + at, one.ptr, one.len);
        at += one.len;
    }
    if (reverses) {
        for (size_t i = 0; i < total / 2; i++) {
            char swap = out[i];
            out[i] = out[total - 1 - i];
            out[total - 1 - i] = swap;
        }
    } else {
        for (size_t i = 0; i < total; i++)
            if (out[i] >= 'a' && out[i] <= 'z') out[i] = (char)(out[i] - 'a' + 'A');
    }
    verdict = host->replace(tx, us_of(out, total));
    free(out);
    return verdict;
}

static us_module module;

US_EXPORT const us_module *understudy_module(const us_host *proxy) {
    host = proxy;
    module.size = sizeof module;
    module.major = US_MAJOR;
    module.minor = US_MINOR;
    module.name = "turns";
    module.version = "1";
    module.init = init;
    module.request_head = head;
    module.request_body = body;
    module.response_head = head;
    module.response_body = body;
    return &module;
}
