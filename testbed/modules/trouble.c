/*
 * Gets into the trouble that a request's path names, so that good transactions run through it at the same time: /do/segv, abort, exit,
 * hang, leak, garbage, never, twice, late, wake, gate, before, unknown, fail, panic, verdict, untaken; others go on with an X-Trouble
 * field. "panic" is what a Rust module's panic comes to.
 * "late" is resumed by the next that says "wake", which waits for it; "gate" holds its thread until the file of option "gate" is there.
 * Every request_head and free is a line "head ID" or "free ID" in the file of option "journal", which outlives any child.
 * A start that finds the file of option "flag" removes it and dies; one that finds that of option "doom" dies and leaves it.
 */
#define _GNU_SOURCE
#include "understudy.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const us_host *host;
static int journal = -1;
static char gate[512];

static int option(us_proxy *proxy, const char *name, char *out, size_t size) {
    us_owned value;
    if (host->option(proxy, us_str(name), &value) != US_OK || value.len >= size) return 0;
    memcpy(out, value.ptr, value.len);
    out[value.len] = 0;
    us_release(&value);
    return 1;
}

static int init(void **self, us_proxy *proxy) {
    char text[512];
    (void)self;
    if (option(proxy, "flag", text, sizeof text) && unlink(text) == 0) _exit(9);
    if (option(proxy, "doom", text, sizeof text) && access(text, F_OK) == 0) _exit(9);
    option(proxy, "gate", gate, sizeof gate);
    if (option(proxy, "journal", text, sizeof text)) journal = open(text, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    return journal < 0;
}

static void line(const char *word, uint64_t id) {
    char text[64];
    int n = snprintf(text, sizeof text, "%s %llu %d\n", word, (unsigned long long)id, (int)getpid());
    if (write(journal, text, (size_t)n) != n) abort();
}

static struct {
    pthread_mutex_t lock;
    us_proxy *proxy; /* NULL: nobody waits. */
    us_token token;
} late = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Resumes whom "late" left waiting. Its line in the journal comes before it waits, so that it may not be there yet. */
static void wake(void) {
    pthread_mutex_lock(&late.lock);
    while (late.proxy == NULL) {
        pthread_mutex_unlock(&late.lock);
        usleep(1000);
        pthread_mutex_lock(&late.lock);
    }
    host->resume(late.proxy, late.token, US_CONTINUE, NULL);
    host->proxy_unref(late.proxy);
    late.proxy = NULL;
    pthread_mutex_unlock(&late.lock);
}

static void garbage(void) {
    char noise[256];
    memset(noise, 0xEE, sizeof noise);
    for (int fd = 3; fd < 1024; fd++) {
        struct stat is;
        if (fstat(fd, &is) == 0 && S_ISSOCK(is.st_mode)) (void)!send(fd, noise, sizeof noise, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

static enum us_verdict request_head(void *self, us_transaction *tx, void **opaque) {
    us_bytes url = host->url(tx);
    us_proxy *proxy = host->proxy(tx);
    const char *at = memmem(url.ptr, url.len, "/do/", 4);
    char word[16] = {0};
    us_token token;
    (void)self;
    *opaque = (void *)(uintptr_t)host->id(tx);
    line("head", host->id(tx));
    if (at == NULL) {
        host->header_add(tx, us_str("X-Trouble"), us_str("none"));
        return US_CONTINUE;
    }
    at += 4;
    for (size_t i = 0; i + 1 < sizeof word && at + i < url.ptr + url.len && at[i] != '/'; i++) word[i] = at[i];
    if (!strcmp(word, "segv")) *(volatile int *)0 = 1;
    if (!strcmp(word, "abort")) abort();
    if (!strcmp(word, "exit")) _exit(7);
    if (!strcmp(word, "hang")) for (;;) pause();
    if (!strcmp(word, "leak")) {
        for (;;) {
            char *more = malloc(16 << 20);
            if (more == NULL) abort();
            memset(more, 1, 16 << 20);
        }
    }
    if (!strcmp(word, "gate")) {
        while (access(gate, F_OK) != 0) usleep(1000);
        return US_CONTINUE;
    }
    if (!strcmp(word, "wake")) {
        wake();
        return US_CONTINUE;
    }
    if (!strcmp(word, "garbage")) {
        garbage();
        return US_CONTINUE;
    }
    if (!strcmp(word, "verdict")) return US_HOLD;
    if (!strcmp(word, "untaken")) return US_PENDING;
    if (!strcmp(word, "panic")) {
        host->panicked(us_str("asked to"));
        return US_CONTINUE;
    }
    if (!strcmp(word, "fail")) return host->fail(us_str("asked to"));
    if (host->token(tx, &token) != US_OK) return US_FAIL;
    if (!strcmp(word, "never")) return US_PENDING;
    if (!strcmp(word, "before")) {
        host->resume(proxy, token, US_CONTINUE, NULL);
        return US_PENDING;
    }
    if (!strcmp(word, "twice")) {
        host->resume(proxy, token, US_CONTINUE, NULL);
        host->resume(proxy, token, US_FAIL, NULL);
        return US_PENDING;
    }
    if (!strcmp(word, "unknown")) {
        us_token other = {token.transaction + 1000000, token.call + 1000000};
        host->resume(proxy, other, US_FAIL, NULL);
        host->resume(proxy, token, US_CONTINUE, NULL);
        return US_PENDING;
    }
    if (!strcmp(word, "late")) {
        pthread_mutex_lock(&late.lock);
        late.proxy = host->proxy_ref(proxy);
        late.token = token;
        pthread_mutex_unlock(&late.lock);
        return US_PENDING;
    }
    return US_CONTINUE;
}

static void release(void *self, uint64_t transaction, void *opaque) {
    (void)self;
    line((uint64_t)(uintptr_t)opaque == transaction ? "free" : "wrong", transaction);
}

static us_module module;

US_EXPORT const us_module *understudy_module(const us_host *proxy) {
    host = proxy;
    module.size = sizeof module;
    module.major = US_MAJOR;
    module.minor = US_MINOR;
    module.name = "trouble";
    module.version = "1";
    module.init = init;
    module.request_head = request_head;
    module.free = release;
    return &module;
}
