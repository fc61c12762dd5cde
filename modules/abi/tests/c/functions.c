/*
 * Calls every function of us_host and checks what it answers. The first check that fails ends the hook with its line as the reason.
 */
#include "understudy.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static const us_host *host;

static enum us_verdict failed(int line, const char *what) {
    char text[300];
    snprintf(text, sizeof text, "line %d: %s", line, what);
    return host->fail(us_str(text));
}

#define CHECK(what) \
    do { \
        if (!(what)) return failed(__LINE__, #what); \
    } while (0)

static int owned_is(us_owned *owned, const char *text) {
    int same = us_is(us_of(owned->ptr, owned->len), text);
    us_release(owned);
    return same && owned->ptr == NULL;
}

static int init(void **self, us_proxy *proxy) {
    us_owned name, value;
    us_attention promise = us_attention_of(US_HOOK_BIT(US_HOOK_REQUEST_HEAD),
                                           US_HOOK_BIT(US_HOOK_REQUEST_OUT) | US_HOOK_BIT(US_HOOK_RESPONSE_RETURN),
                                           US_HOOK_BIT(US_HOOK_RESPONSE_HEAD));
    *self = calloc(1, 16);
#define SURE(what) \
    do { \
        if (!(what)) return (int)failed(__LINE__, #what); \
    } while (0)
    SURE(us_has(host, proxy_unref) && us_has(host, count));
    SURE(host->count(proxy, us_str("a_count"), 3) == US_OK && host->count(NULL, us_str("a_count"), 3) == US_ARGUMENT);
    SURE(host->count(proxy, us_str("A count"), 3) == US_ARGUMENT && host->count(proxy, us_of(NULL, 3), 3) == US_ARGUMENT);
    SURE(us_has(host, attend) && host->attend(NULL, &promise) == US_ARGUMENT && host->attend(proxy, NULL) == US_ARGUMENT);
    SURE(host->attend(proxy, &promise) == US_OK);
    promise.noted |= US_HOOK_BIT(US_HOOK_RESPONSE_BODY); /* Not a head. */
    SURE(host->attend(proxy, &promise) == US_ARGUMENT);
    promise = us_attention_of(0, 0, US_HOOK_BIT(US_HOOK_REQUEST_OUT)); /* A head that cannot be withheld. */
    SURE(host->attend(proxy, &promise) == US_ARGUMENT);
    promise = us_attention_of(UINT32_C(1) << 31, 0, 0); /* No hook. */
    SURE(host->attend(proxy, &promise) == US_ARGUMENT);
    promise = us_attention_of(0, 0, 0);
    promise.size = 8;
    SURE(host->attend(proxy, &promise) == US_ARGUMENT);
    SURE(host->option(proxy, us_str("color"), &value) == US_OK && owned_is(&value, "blue"));
    SURE(host->option(proxy, us_str("none"), &value) == US_ABSENT);
    SURE(host->option(NULL, us_str("color"), &value) == US_ARGUMENT);
    SURE(host->option(proxy, us_str("color"), NULL) == US_ARGUMENT);
    SURE(host->option_count(proxy) == 2 && host->option_count(NULL) == 0);
    SURE(host->option_at(proxy, 1, &name, &value) == US_OK);
    SURE(owned_is(&name, "list.0") && owned_is(&value, "first"));
    SURE(host->option_at(proxy, 2, &name, &value) == US_ABSENT);
    SURE(host->option_at(proxy, 0, &name, NULL) == US_ARGUMENT);
    SURE(host->setting(proxy, us_str("cache.memory"), &value) == US_OK && owned_is(&value, "64M"));
    SURE(host->watch(proxy, 3, US_READ, 11) == US_OK && host->unwatch(proxy, 3, US_READ) == US_OK);
    SURE(host->watch(proxy, -1, US_READ, 11) == US_ARGUMENT);
    SURE(host->watch(proxy, 3, (enum us_interest)7, 11) == US_ARGUMENT);
    SURE(host->closing(proxy, 4) == US_OK && host->closing(proxy, -4) == US_ARGUMENT);
    SURE(host->log(proxy, US_WARN, us_str("a line")) == US_OK);
    SURE(host->log(proxy, (enum us_level)9, us_str("a line")) == US_ARGUMENT);
    SURE(us_is(host->status_text(404), "Not Found") && us_is(host->status_text(70000), ""));
    SURE(host->proxy_ref(proxy) == proxy && host->proxy_ref(NULL) == NULL);
    host->proxy_unref(proxy);
    host->proxy_unref(NULL);
    SURE(host->number(proxy) == 42);
    return 0;
}

static void release(void *self) { free(self); }

static enum us_verdict request_head(void *self, us_transaction *tx, void **opaque) {
    us_address address;
    us_bytes name, value;
    us_object *object;
    us_owned owned;
    us_token token;
    uint16_t port;
    CHECK(self != NULL && *opaque == NULL);
    *opaque = self;
    CHECK(host->id(tx) == 7 && host->id(NULL) == 0);
    CHECK(host->hook(tx) == US_HOOK_REQUEST_HEAD && host->hook(NULL) == -1);
    CHECK(host->client(tx, &address) == US_OK && address.family == 4 && address.bytes[3] == 9 && address.port == 1234);
    CHECK(host->client(tx, NULL) == US_ARGUMENT);
    CHECK(us_is(host->method(tx), "GET") && us_is(host->url(tx), "http://origin.test/a?b"));
    CHECK(us_is(host->key(tx), "http://origin.test/a?b") && host->key(NULL).len == 0);
    object = host->object(tx);
    CHECK(object != NULL && us_is(host->object_key(object), "http://origin.test/a?b"));
    host->object_unref(object);
    CHECK(host->object(NULL) == NULL && host->proxy(NULL) == NULL && host->proxy(tx) != NULL);
    CHECK(host->token(tx, &token) == US_OK && token.transaction == 7 && token.call == 99);
    CHECK(host->token(tx, NULL) == US_ARGUMENT);

    CHECK(host->header_find(tx, us_str("A"), 0, &value) == US_OK && us_is(value, "1"));
    CHECK(host->header_find(tx, us_str("a"), 1, &value) == US_OK && us_is(value, "2"));
    CHECK(host->header_find(tx, us_str("a"), 2, &value) == US_ABSENT);
    CHECK(host->header_find(tx, us_of(NULL, 3), 0, &value) == US_ARGUMENT);
    CHECK(host->header_find(tx, us_str("a"), 0, NULL) == US_ARGUMENT);
    CHECK(host->header_find(NULL, us_str("a"), 0, &value) == US_ARGUMENT);
    CHECK(host->header_line(tx, 2, &name, &value) == US_OK && us_is(name, "B") && us_is(value, "3"));
    CHECK(host->header_line(tx, 3, &name, &value) == US_ABSENT && host->header_line(tx, 0, NULL, &value) == US_ARGUMENT);
    CHECK(host->header_add(tx, us_str("c"), us_str("4")) == US_OK);
    CHECK(host->header_add(tx, us_str("c d"), us_str("4")) == US_NAME);
    CHECK(host->header_add(tx, us_of("\xff", 1), us_str("4")) == US_NAME);
    CHECK(host->header_add(tx, us_str("c"), us_str("4\r\nx: y")) == US_VALUE);
    CHECK(host->header_add(tx, us_str("Transfer-Encoding"), us_str("chunked")) == US_FRAMING);
    CHECK(host->header_set(tx, us_str("a"), us_str("5")) == US_OK);
    CHECK(host->header_find(tx, us_str("a"), 0, &value) == US_OK && us_is(value, "5"));
    CHECK(host->header_delete(tx, us_str("b")) == US_OK && host->header_find(tx, us_str("b"), 0, &value) == US_ABSENT);
    CHECK(us_is(host->target(tx), "/a?b") && host->set_target(tx, us_str("/new")) == US_OK);
    CHECK(us_is(host->target(tx), "/new") && host->set_target(tx, us_str("new")) == US_TARGET);
    CHECK(host->status(tx) == 0 && host->set_status(tx, 404) == US_PLACE);
    CHECK(host->no_store(tx) == US_PLACE && host->set_freshness(tx, 3) == US_PLACE && host->keep_length(tx) == US_OK);
    CHECK(host->withhold_head(tx) == US_OK && host->withhold_head(NULL) == US_ARGUMENT);
    CHECK(host->skip_body(tx) == US_OK && host->skip_body(NULL) == US_ARGUMENT);
    CHECK(host->piece(tx).len == 0 && !host->is_last(tx) && host->held_count(tx) == 0);
    CHECK(host->held(tx, 0, &value) == US_ABSENT && host->keep(tx, 1, &owned) == US_ABSENT);
    CHECK(host->host_name(tx, &name, &port) == US_ABSENT && host->address_count(tx) == 0);
    CHECK(host->address(tx, 0, &address) == US_ABSENT);
    address.family = 4;
    CHECK(host->add_address(tx, &address) == US_PLACE && host->add_address(tx, NULL) == US_ARGUMENT);
    CHECK(host->entry(tx) == NULL && host->note(tx, us_str("n"), us_str("v")) == US_OK);
    CHECK(host->header_done(tx) == US_OK && host->header_add(tx, us_str("c"), us_str("6")) == US_SEALED);
    return US_PENDING;
}

static void free_opaque(void *self, uint64_t transaction, void *opaque) {
    /* Memory that is this instance's: wrong values would not be found in it. */
    if (self == opaque && transaction == 7) ((char *)self)[0] = 1;
}

/* Another thread has no transaction: it gives back its argument when it was told so. */
static void *elsewhere(void *argument) {
    us_transaction *tx = argument;
    us_bytes value;
    int stale = host->id(tx) == 0 && host->header_find(tx, us_str("a"), 0, &value) == US_STALE &&
                host->header_add(tx, us_str("a"), us_str("b")) == US_STALE && host->replace(tx, us_none()) == US_FAIL;
    return stale ? argument : NULL;
}

static enum us_verdict request_out(void *self, us_transaction *tx, void **opaque) {
    us_proxy *proxy = host->proxy(tx);
    us_token token = {7, 99};
    us_bytes none = us_none();
    us_field field = {us_str("a"), us_str("b")};
    us_answer *answer = host->answer_make();
    us_object *object = host->object_make(us_str("http://Origin.test/x"));
    us_operation operation;
    us_completion *completion = NULL;
    unsigned kind;
    pthread_t thread;
    void *told = NULL;
    (void)self;
    (void)opaque;
    CHECK(pthread_create(&thread, NULL, elsewhere, tx) == 0 && pthread_join(thread, &told) == 0 && told == tx);

    CHECK(host->answer_edit(answer, US_EDIT_ADD, us_str("a"), us_str("b"), 0) == US_OK);
    CHECK(host->answer_edit(answer, US_EDIT_SET, us_str("c"), us_str("d"), 0) == US_OK);
    CHECK(host->answer_edit(answer, US_EDIT_DELETE, us_str("e"), none, 0) == US_OK);
    CHECK(host->answer_edit(answer, US_EDIT_TARGET, none, us_str("/t"), 0) == US_OK);
    CHECK(host->answer_edit(answer, US_EDIT_STATUS, none, none, 404) == US_OK);
    CHECK(host->answer_edit(answer, US_EDIT_STATUS, none, none, 70000) == US_STATUS);
    CHECK(host->answer_edit(answer, US_EDIT_NO_STORE, none, none, 0) == US_OK);
    CHECK(host->answer_edit(answer, US_EDIT_FRESHNESS, none, none, 60) == US_OK);
    CHECK(host->answer_edit(answer, US_EDIT_KEEP_LENGTH, none, none, 0) == US_OK);
    CHECK(host->answer_edit(answer, US_EDIT_WITHHOLD_HEAD, none, none, 0) == US_OK);
    CHECK(host->answer_edit(answer, US_EDIT_SKIP_BODY, none, none, 0) == US_OK);
    CHECK(host->answer_edit(answer, US_EDIT_ADDRESS, none, us_str("2001:db8::1"), 0) == US_OK);
    CHECK(host->answer_edit(answer, US_EDIT_ADDRESS, none, us_str("nowhere"), 0) == US_ARGUMENT);
    CHECK(host->answer_edit(answer, US_EDIT_NOTE, us_str("n"), us_str("v"), 0) == US_OK);
    CHECK(host->answer_edit(answer, (enum us_edit)99, none, none, 0) == US_ARGUMENT);
    CHECK(host->answer_edit(NULL, US_EDIT_NO_STORE, none, none, 0) == US_ARGUMENT);
    CHECK(host->answer_respond(answer, 99, NULL, 0, none) == US_STATUS);
    CHECK(host->answer_respond(answer, 200, NULL, 3, none) == US_ARGUMENT);
    CHECK(host->answer_respond(answer, 200, &field, 1, us_str("body")) == US_OK);
    CHECK(host->resume(proxy, token, US_RESPOND, answer) == US_OK);
    answer = host->answer_make();
    CHECK(host->answer_replace(answer, us_str("other")) == US_OK);
    CHECK(host->resume(proxy, token, US_REPLACE, answer) == US_OK);
    answer = host->answer_make();
    CHECK(host->answer_fail(answer, us_str("too late")) == US_OK);
    CHECK(host->resume(proxy, token, US_FAIL, answer) == US_OK);
    CHECK(host->resume(proxy, token, US_DONE, NULL) == US_OK);
    CHECK(host->resume(proxy, token, US_RESPOND, NULL) == US_ARGUMENT);
    CHECK(host->resume(NULL, token, US_DONE, host->answer_make()) == US_ARGUMENT);
    host->answer_drop(host->answer_make());
    host->answer_drop(NULL);
    CHECK(host->inject(proxy, 8, us_str("more")) == US_OK && host->inject(NULL, 8, none) == US_ARGUMENT);

    CHECK(object != NULL && us_is(host->object_key(object), "http://origin.test:80/x"));
    CHECK(host->object_make(us_str("ftp://origin.test/")) == NULL && host->object_make(us_of("\xff", 1)) == NULL);
    CHECK(host->object_ref(object) == object && host->object_ref(NULL) == NULL);
    host->object_unref(object);
    host->object_unref(object);
    host->object_unref(NULL);
    CHECK(host->object_key(NULL).len == 0);
    object = host->object_of_key(us_str("k"));
    for (kind = US_QUERY; kind <= US_STATISTICS; ++kind) {
        operation = us_operation_of((enum us_operation_kind)kind, object);
        operation.number = 5;
        operation.seconds = -6;
        operation.limit = 7;
        operation.status = 200;
        operation.fields = &field;
        operation.field_count = 1;
        operation.body = us_str("x");
        CHECK(host->submit(proxy, kind, &operation) == US_OK);
    }
    operation.kind = 99;
    CHECK(host->submit(proxy, 0, &operation) == US_ARGUMENT && host->submit(proxy, 0, NULL) == US_ARGUMENT);
    operation = us_operation_of(US_LIST, NULL); /* From the beginning, and of all. */
    operation.limit = 9;
    CHECK(host->submit(proxy, 16, &operation) == US_OK);
    operation = us_operation_of(US_QUERY, NULL);
    CHECK(host->submit(proxy, 0, &operation) == US_ARGUMENT);
    operation = us_operation_of(US_QUERY, object);
    CHECK(host->perform(proxy, &operation, NULL) == US_ARGUMENT && host->perform(NULL, &operation, &completion) == US_ARGUMENT);
    CHECK(host->perform(proxy, &operation, &completion) == US_OK);
    CHECK(completion->kind == US_COMPLETED_PART && completion->flag == 1 && us_is(completion->body, "performed"));
    host->completion_drop(completion);
    host->completion_drop(NULL);
    operation.size = 4;
    CHECK(host->submit(proxy, 0, &operation) == US_ARGUMENT);
    host->object_unref(object);
    return host->respond(tx, 403, &field, 1, us_str("no"));
}

static enum us_verdict response_head(void *self, us_transaction *tx, void **opaque) {
    (void)self;
    (void)opaque;
    CHECK(host->status(tx) == 200 && host->set_status(tx, 404) == US_OK && host->status(tx) == 404);
    CHECK(host->set_status(tx, 65536 + 200) == US_STATUS && host->set_target(tx, us_str("/x")) == US_PLACE);
    CHECK(host->no_store(tx) == US_OK && host->set_freshness(tx, 3) == US_OK && host->target(tx).len == 0);
    CHECK(host->respond(tx, 99, NULL, 0, us_none()) == US_FAIL);
    return US_DONE;
}

static enum us_verdict response_return(void *self, us_transaction *tx, void **opaque) {
    (void)self;
    (void)opaque;
    host->header_add(tx, us_str("a"), us_str("b"));
    host->panicked(us_str("broken"));
    return US_CONTINUE;
}

static void give_back(void *owner) { ++*(int *)owner; }
static int given_back;

static enum us_verdict response_body(void *self, us_transaction *tx, void **opaque) {
    us_bytes value;
    us_owned owned, mine = {"mine", 4, &given_back, give_back};
    (void)self;
    (void)opaque;
    CHECK(us_is(host->piece(tx), "three") && host->is_last(tx) == 1 && host->held_count(tx) == 2);
    CHECK(host->held(tx, 1, &value) == US_OK && us_is(value, "two") && host->held(tx, 2, &value) == US_ABSENT);
    CHECK(host->keep(tx, 0, &owned) == US_OK && owned_is(&owned, "one"));
    CHECK(host->keep(tx, 2, &owned) == US_OK && owned_is(&owned, "three"));
    CHECK(host->keep(tx, 3, &owned) == US_ABSENT && host->keep(tx, 0, NULL) == US_ARGUMENT);
    /* Bytes told twice: the first are given back at once. */
    CHECK(host->replace_owned(tx, mine) == US_REPLACE && given_back == 0);
    CHECK(host->replace_owned(NULL, mine) == US_FAIL && given_back == 1);
    CHECK(host->replace(tx, us_of(NULL, 2)) == US_FAIL);
    CHECK(host->replace(tx, us_str("copied")) == US_REPLACE && given_back == 2);
    return host->replace_owned(tx, mine);
}

static enum us_verdict return_body(void *self, us_transaction *tx, void **opaque) {
    (void)self;
    (void)opaque;
    /* The pieces of this test say what to answer. */
    return (enum us_verdict)atoi(host->piece(tx).ptr);
}

static enum us_verdict resolve(void *self, us_transaction *tx, void **opaque) {
    us_bytes name;
    us_address address;
    uint16_t port;
    (void)self;
    (void)opaque;
    CHECK(host->host_name(tx, &name, &port) == US_OK && us_is(name, "origin.test") && port == 8080);
    CHECK(host->host_name(tx, NULL, &port) == US_ARGUMENT);
    CHECK(host->address_count(tx) == 1 && host->address(tx, 0, &address) == US_OK && address.family == 6);
    CHECK(host->address(tx, 0, NULL) == US_ARGUMENT && host->add_address(tx, &address) == US_OK);
    address.family = 5;
    CHECK(host->add_address(tx, &address) == US_ARGUMENT);
    return US_CONTINUE;
}

static void log_entry(void *self, us_transaction *tx, void **opaque) {
    const us_entry *entry = host->entry(tx);
    char text[100];
    (void)self;
    (void)opaque;
    snprintf(text, sizeof text, "%u %llu %.*s %u", entry->status, (unsigned long long)entry->elapsed_ns,
             (int)entry->code.len, entry->code.ptr, entry->aborted);
    host->note(tx, us_str("entry"), us_str(text));
}

static void timer(void *self, us_proxy *proxy) {
    (void)self;
    host->log(proxy, US_INFO, us_str("tick"));
}

static void completed(void *self, us_proxy *proxy, uint64_t tag, const us_completion *c) {
    char text[100];
    (void)self;
    snprintf(text, sizeof text, "tag %u kind %u status %u fields %u %.*s", (unsigned)tag, c->kind, c->status, c->field_count,
             (int)c->body.len, c->body.len ? c->body.ptr : "");
    if (c->kind == US_COMPLETED_LISTED && c->listed_count == 1 && c->flag) {
        const us_listed *one = c->listed;
        snprintf(text, sizeof text, "listed %.*s %u %u %d %.*s, then %.*s", (int)one->key.len, one->key.ptr, one->status, one->age,
                 (int)one->ttl, (int)one->content_type.len, one->content_type.ptr, (int)c->body.len, c->body.ptr);
    }
    if (c->kind == US_COMPLETED_STATISTICS && c->field_count == 1)
        snprintf(text, sizeof text, "%.*s=%.*s", (int)c->fields->name.len, c->fields->name.ptr, (int)c->fields->value.len,
                 c->fields->value.ptr);
    host->log(proxy, US_INFO, us_str(text));
}

static void ready(void *self, us_proxy *proxy, int fd, enum us_interest interest, uint64_t tag) {
    char text[100];
    (void)self;
    snprintf(text, sizeof text, "ready %d %d %u", fd, (int)interest, (unsigned)tag);
    host->log(proxy, US_INFO, us_str(text));
}

static int reconfigure(void *self, us_proxy *proxy) {
    (void)self;
    (void)proxy;
    host->fail(us_str("not these"));
    return 1;
}

static void fini(void *self, us_proxy *proxy) {
    (void)self;
    host->log(proxy, US_INFO, us_str("fini"));
}

US_EXPORT const us_module *understudy_module(const us_host *proxy) {
    static us_module module;
    host = proxy;
    module.size = sizeof module;
    module.major = US_MAJOR;
    module.minor = US_MINOR;
    module.flags = US_BLOCKING | US_ORDERS_ADDRESSES;
    module.timer_milliseconds = 2000;
    module.init = init;
    module.reconfigure = reconfigure;
    module.fini = fini;
    module.release = release;
    module.request_head = request_head;
    module.request_out = request_out;
    module.resolve = resolve;
    module.response_head = response_head;
    module.response_body = response_body;
    module.response_return = response_return;
    module.return_body = return_body;
    module.log = log_entry;
    module.free = free_opaque;
    module.timer = timer;
    module.completed = completed;
    module.ready = ready;
    return &module;
}
