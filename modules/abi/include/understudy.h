/*
 * understudy.h: what a module of the Understudy proxy cache is in C.
 *
 * A module is a shared object that exports one function, understudy_module. It is given the proxy's functions and returns its own:
 * a table of hooks, NULL where it has no interest. The table is Figure 2 of the DataReactor paper (USITS 2003); the paper's
 * names stand beside ours.
 *
 *     static enum us_verdict response_return(void *self, us_transaction *tx, void **opaque) {
 *         host->header_add(tx, us_str("X-Served-By"), us_str("my module"));
 *         return US_CONTINUE;
 *     }
 *
 * Rules
 *  - Versions. Each table begins with its size and version and only ever grows at its end. Another major version is refused;
 *    otherwise each side uses what both have. A function is there when us_has(table, function).
 *  - Threads. Hooks may be called from several threads at once, on different transactions; of one transaction one hook runs at a
 *    time. A us_transaction is valid on the thread and for the call it was given to, and elsewhere answers US_STALE. A
 *    us_proxy may be used from any thread, until fini, or longer with proxy_ref.
 *  - Memory. us_bytes is borrowed: from the proxy it is valid until the hook returns; to the proxy, until the function does (the
 *    proxy copies). us_owned is owned by who receives it, and given back by its release, from any thread. Whoever allocates frees.
 *  - Errors. Functions that can fail return an enum us_error, 0 for success. NULL and numbers out of range are errors, not crashes.
 *  - Exceptions and longjmp must not leave a hook.
 */
#ifndef UNDERSTUDY_H
#define UNDERSTUDY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define US_MAJOR 1
#define US_MINOR 2

/* ---- Words ------------------------------------------------------------------------------------------------------------- */

/* What a hook answers. */
enum us_verdict {
    US_CONTINUE = 0, /* Go on, with the edits made. */
    US_DONE = 1,     /* No longer interested in this transaction: no further hook but free. */
    US_RESPOND = 2,  /* Answer now; what respond() returns. Hooks with a head. */
    US_REPLACE = 3,  /* Other bytes instead of the piece and of what is held; what replace() returns. Body hooks. */
    US_DROP = 4,     /* Nothing instead of them. Body hooks. */
    US_HOLD = 5,     /* Keep the piece; a later verdict is about all that is held. Body hooks. */
    US_PENDING = 6,  /* The answer comes by resume(), with the token taken before. Heads, bodies, resolve. */
    US_FAIL = 7,     /* The module cannot do its work, its policy applies; what fail() returns. */
    US_FIRST = 8     /* After replace(): those bytes go on now, and the hook is called again for what is to follow. Body hooks. */
};

/* Which hook is called. */
enum us_hook {
    US_HOOK_REQUEST_HEAD = 0,
    US_HOOK_REQUEST_BODY = 1,
    US_HOOK_REQUEST_OUT = 2,
    US_HOOK_RESOLVE = 3,
    US_HOOK_RESPONSE_HEAD = 4,
    US_HOOK_RESPONSE_BODY = 5,
    US_HOOK_RESPONSE_RETURN = 6,
    US_HOOK_RETURN_BODY = 7,
    US_HOOK_LOG = 8,
    US_HOOK_FREE = 9,
    US_HOOK_TIMER = 10,
    US_HOOK_INIT = 11,
    US_HOOK_RECONFIGURE = 12,
    US_HOOK_FINI = 13,
    US_HOOK_COMPLETED = 14,
    US_HOOK_READY = 15
};

/* How a function ended. */
enum us_error {
    US_OK = 0,
    US_NAME = 1,      /* Not a token. */
    US_VALUE = 2,     /* Holds CR, LF, NUL or another control character. */
    US_FRAMING = 3,   /* Framing and the connection are the proxy's own. */
    US_SEALED = 4,    /* The headers were declared done. */
    US_PLACE = 5,     /* This hook has no such thing to edit. */
    US_STATUS = 6,    /* Not a status from 200 to 599. */
    US_TARGET = 7,    /* Not a URL or path of printable ASCII. */
    US_TOO_MUCH = 8,  /* Too many bytes of edits in one hook. */
    US_ABSENT = 9,    /* There is none of that name or number. */
    US_ARGUMENT = 10, /* NULL, or a number that stands for nothing. */
    US_STALE = 11,    /* The transaction is not that of the call in progress on this thread. */
    US_INTERNAL = 12  /* A fault in the proxy; it is in its log. */
};

enum us_level { US_DEBUG = 0, US_INFO = 1, US_WARN = 2, US_ERROR = 3 };
enum us_interest { US_READ = 0, US_WRITE = 1 };

/* Flags of a module. */
enum us_flag {
    US_BLOCKING = 1,         /* Hooks may wait on the spot, also in perform(). Refused inline. */
    US_SINGLE = 2,           /* Its state must be one: no more than one child process. */
    US_ONLY_LOOKS = 4,       /* Body hooks only look, so a body keeps its length. */
    US_ORDERS_ADDRESSES = 8, /* resolve is called again, with the addresses found, to order them. */
    US_ABORTS = 16,          /* A fault in it ends the process (a Rust module built with panic = "abort"). */
    US_FREE_IS_NO_HOOK = 32  /* free only releases what a hook left in its opaque value, and is not called without one. */
};

/* Bytes that lie elsewhere: borrowed. */
typedef struct us_bytes {
    const char *ptr;
    size_t len;
} us_bytes;

/* Bytes that are yours: give them back by release(owner), once, when release is not NULL. */
typedef struct us_owned {
    const char *ptr;
    size_t len;
    void *owner;
    void (*release)(void *owner);
} us_owned;

/* A field line of a head. */
typedef struct us_field {
    us_bytes name;
    us_bytes value;
} us_field;

/* An address: family 4 (the first four bytes) or 6; the port in the machine's order, 0 where there is none. */
typedef struct us_address {
    uint8_t family;
    uint8_t reserved;
    uint16_t port;
    uint8_t bytes[16];
} us_address;

/* Names a call that waits for resume(); valid once. */
typedef struct us_token {
    uint64_t transaction;
    uint64_t call;
} us_token;

typedef struct us_transaction us_transaction; /* A transaction, for the length of one call. */
typedef struct us_proxy us_proxy;             /* The proxy, as one instance of the module reaches it. */
typedef struct us_object us_object;           /* The name of a stored object, counted (ObjID). */
typedef struct us_answer us_answer;           /* How a pending call goes on; made by answer_make, consumed by resume. */

/* How a transaction ended: in log. */
typedef struct us_entry {
    uint32_t size;
    uint32_t status; /* Sent; 0 when the client went away before any. */
    uint64_t elapsed_ns;
    uint64_t bytes_out; /* Written to the client, head included. */
    uint64_t body_out;
    uint64_t body_in;
    us_bytes code;      /* TCP_HIT, TCP_MISS, ... (LogCode) */
    us_bytes hierarchy; /* HIER_DIRECT/192.0.2.1 (LogHier) */
    us_bytes timeout;   /* Which time-out ended it, or empty (LogTimeout). */
    us_bytes error;     /* What went wrong, or empty. */
    uint32_t aborted;   /* The client went away before the answer was complete. */
    uint32_t reserved;
} us_entry;

/* Something to be done with stored objects; what it completes with. */
enum us_operation_kind {
    US_QUERY = 0,          /* Is it there (ObjQuery)? FOUND or ABSENT. */
    US_FETCH = 1,          /* Fetch and store it (ObjFetch). FETCHED. */
    US_VALIDATE = 2,       /* Ask its origin whether it is good (ObjValidate). FETCHED or ABSENT. */
    US_SET_EXPIRATION = 3, /* Fresh until `seconds` since 1970 (ObjExpirationSet). DONE or ABSENT. */
    US_DELETE = 4,         /* Remove it (ObjDelete). DONE. */
    US_INJECT = 5,         /* Store status, fields, body (ObjInject). DONE or FAILED. */
    US_INJECT_START = 6,   /* Begin to, in pieces, as `number` (ObjInjectStart). Does not complete. */
    US_INJECT_BODY = 7,    /* One more piece, in `body` (ObjInjectBody). Does not complete. */
    US_INJECT_DONE = 8,    /* It is whole, and visible now (ObjInjectDone). DONE or FAILED. */
    US_INJECT_ABORT = 9,   /* Forget it. Does not complete. */
    US_READ_WHOLE = 10,    /* Read it whole (ObjRead). OBJECT or ABSENT. */
    US_READ_START = 11,    /* Begin to read it, as `number` (ObjReadStart). OBJECT without body, or ABSENT. */
    US_READ_PART = 12,     /* The next piece, at most `limit` bytes (ObjReadPart). PART. */
    US_READ_DONE = 13,     /* No more of it is wanted (ObjReadDone). Does not complete. */
    US_LIST = 14,          /* What is stored under keys that begin like `body`, behind `object` or NULL, `limit` at most. LISTED. */
    US_STATISTICS = 15     /* How the proxy and its cache do, in figures. STATISTICS. */
};

/* An operation; begin with us_operation_of(kind) and fill in what the kind names. All is borrowed and copied. */
typedef struct us_operation {
    uint32_t size;
    uint32_t kind;          /* enum us_operation_kind */
    const us_object *object;
    uint64_t number;        /* From number(): of an injection or a reading in pieces. */
    int64_t seconds;
    uint64_t limit;
    uint32_t status;
    uint32_t field_count;
    const us_field *fields;
    us_bytes body;
} us_operation;

enum us_completion_kind {
    US_COMPLETED_DONE = 0,
    US_COMPLETED_FOUND = 1,
    US_COMPLETED_ABSENT = 2,
    US_COMPLETED_FETCHED = 3,
    US_COMPLETED_OBJECT = 4,
    US_COMPLETED_PART = 5,
    US_COMPLETED_FAILED = 6,
    US_COMPLETED_LISTED = 7,
    US_COMPLETED_STATISTICS = 8
};

/* A stored object in a list. */
typedef struct us_listed {
    us_bytes key;          /* For object_of_key; the URL is what is before the first line feed. */
    us_bytes content_type; /* Its ptr is NULL when it has none. */
    uint64_t length;       /* Bytes of body. */
    int64_t ttl;           /* Seconds until it is stale, negative when it is. */
    uint32_t status;
    uint32_t age;          /* Seconds. */
} us_listed;

/* How an operation ended. */
typedef struct us_completion {
    uint32_t size;
    uint32_t kind;         /* enum us_completion_kind */
    uint32_t status;       /* FOUND, FETCHED, OBJECT */
    uint32_t flag;         /* FETCHED: it is stored now. PART: it is the last. FOUND: it has a type. LISTED: there is more. */
    uint64_t length;       /* FOUND: bytes of body. */
    int64_t ttl;           /* FOUND: seconds until it is stale, negative when it is. */
    uint32_t age;          /* FOUND: seconds. */
    uint32_t field_count;  /* OBJECT, STATISTICS: each is a name and a decimal number. */
    const us_field *fields;
    us_bytes body;         /* OBJECT, PART. LISTED: the key behind which it goes on. */
    us_bytes text;         /* FOUND: the content type. FAILED: why. */
    const us_listed *listed; /* LISTED; from here on only where `size` says so. */
    uint64_t listed_count;
} us_completion;

/* Edits of an answer (answer_edit): which of name, value and number each uses. */
enum us_edit {
    US_EDIT_ADD = 0,         /* name, value */
    US_EDIT_SET = 1,         /* name, value */
    US_EDIT_DELETE = 2,      /* name */
    US_EDIT_TARGET = 3,      /* value */
    US_EDIT_STATUS = 4,      /* number */
    US_EDIT_NO_STORE = 5,
    US_EDIT_FRESHNESS = 6,   /* number: seconds */
    US_EDIT_KEEP_LENGTH = 7,
    US_EDIT_ADDRESS = 8,     /* value: the address as text */
    US_EDIT_NOTE = 9,        /* name, value */
    US_EDIT_WITHHOLD_HEAD = 10,
    US_EDIT_SKIP_BODY = 11
};

/* What hooks on heads answer, where that is known before they are asked: sets of US_HOOK_BIT(...). */
typedef struct us_attention {
    uint32_t size;
    uint32_t unheard;  /* It does nothing there: they are not called, and the body behind such a head passes it by. */
    uint32_t noted;    /* It only takes note there: it answers US_CONTINUE and edits nothing. */
    uint32_t withheld; /* It withholds the head whenever a body is behind it, answers US_CONTINUE and edits nothing. */
} us_attention;

/* ---- The proxy's functions --------------------------------------------------------------------------------------------- */

typedef struct us_host {
    uint32_t size;
    uint16_t major;
    uint16_t minor;
    uint64_t features; /* Bits of what this proxy can do beyond its version. None are defined yet. */

    /* The transaction. */
    uint64_t (*id)(us_transaction *tx); /* Unique in the life of the proxy; 0 for none. */
    int (*hook)(us_transaction *tx);    /* enum us_hook; -1 for none. */
    int (*client)(us_transaction *tx, us_address *out);
    us_bytes (*method)(us_transaction *tx);
    us_bytes (*url)(us_transaction *tx); /* Normalised as the cache's key is; host:port for CONNECT. */
    us_bytes (*key)(us_transaction *tx); /* The key of its object. */
    us_object *(*object)(us_transaction *tx); /* The name of its object; give it back by object_unref. */
    us_proxy *(*proxy)(us_transaction *tx);
    int (*token)(us_transaction *tx, us_token *out); /* Take it before US_PENDING is returned. */

    /* Its head: immediate, what was added is found at once. */
    int (*header_find)(us_transaction *tx, us_bytes name, size_t index, us_bytes *value); /* HeaderFind */
    int (*header_line)(us_transaction *tx, size_t index, us_bytes *name, us_bytes *value);
    int (*header_add)(us_transaction *tx, us_bytes name, us_bytes value); /* HeaderAdd */
    int (*header_set)(us_transaction *tx, us_bytes name, us_bytes value); /* All lines of it become one. */
    int (*header_delete)(us_transaction *tx, us_bytes name);              /* HeaderDelete */
    int (*header_done)(us_transaction *tx); /* HeaderDone: later edits in this hook are refused. */
    us_bytes (*target)(us_transaction *tx); /* Of a request, edits applied. */
    int (*set_target)(us_transaction *tx, us_bytes target); /* http://host/path, or /path. */
    uint32_t (*status)(us_transaction *tx); /* Of a response, edits applied; 0 for none. */
    int (*set_status)(us_transaction *tx, uint32_t status);
    int (*no_store)(us_transaction *tx);                        /* In response_head. */
    int (*set_freshness)(us_transaction *tx, uint32_t seconds); /* In response_head. */
    int (*keep_length)(us_transaction *tx); /* The body hook gives back as many bytes as it takes. */

    /* A piece of its body. */
    us_bytes (*piece)(us_transaction *tx);
    int (*is_last)(us_transaction *tx);       /* 1: no piece follows. */
    size_t (*held_count)(us_transaction *tx); /* Pieces that the module holds, before this one. */
    int (*held)(us_transaction *tx, size_t index, us_bytes *out);
    int (*keep)(us_transaction *tx, size_t index, us_owned *out); /* A held piece, or at held_count the piece, without a copy. */

    /* Addresses, in resolve. */
    int (*host_name)(us_transaction *tx, us_bytes *name, uint16_t *port);
    size_t (*address_count)(us_transaction *tx);
    int (*address)(us_transaction *tx, size_t index, us_address *out);
    int (*add_address)(us_transaction *tx, const us_address *address); /* Dial it, behind those added before. */

    /* The log. */
    const us_entry *(*entry)(us_transaction *tx); /* NULL but in log. */
    int (*note)(us_transaction *tx, us_bytes name, us_bytes value); /* A word for the access log. */

    /* Verdicts that carry something: return what these return. An argument that will not do makes it US_FAIL. */
    enum us_verdict (*respond)(us_transaction *tx, uint32_t status, const us_field *fields, size_t count, us_bytes body);
    enum us_verdict (*replace)(us_transaction *tx, us_bytes bytes);       /* Copied. */
    enum us_verdict (*replace_owned)(us_transaction *tx, us_owned bytes); /* Released when sent, or at once on US_FAIL. */
    enum us_verdict (*fail)(us_bytes why); /* Why the hook, init, reconfigure or understudy_module is about to fail. */
    void (*panicked)(us_bytes why);        /* This instance is broken: its edits are undone and another instance is made. */

    /* The end of a US_PENDING, from any thread. */
    us_answer *(*answer_make)(void);
    void (*answer_drop)(us_answer *answer); /* Only of an answer that is not given to resume. */
    int (*answer_edit)(us_answer *answer, enum us_edit edit, us_bytes name, us_bytes value, uint32_t number);
    int (*answer_respond)(us_answer *answer, uint32_t status, const us_field *fields, size_t count, us_bytes body);
    int (*answer_replace)(us_answer *answer, us_bytes bytes);       /* Copied. */
    int (*answer_replace_owned)(us_answer *answer, us_owned bytes); /* Released in any case. */
    int (*answer_fail)(us_answer *answer, us_bytes why);
    /* The answer may be NULL, and is consumed in any case. A late, second or unknown token is dropped and counted. */
    int (*resume)(us_proxy *proxy, us_token token, enum us_verdict verdict, us_answer *answer);

    /* Bytes into an answer in progress (RespBodyInject); needs a return_body that does not only look. */
    int (*inject)(us_proxy *proxy, uint64_t transaction, us_bytes bytes);

    /* Stored objects. */
    us_object *(*object_make)(us_bytes url);   /* ObjIDMake; NULL when it is no http URL. */
    us_object *(*object_of_key)(us_bytes key); /* From what object_key gave. */
    us_object *(*object_ref)(us_object *object); /* ObjIDRef */
    void (*object_unref)(us_object *object);     /* ObjIDUnref */
    us_bytes (*object_key)(const us_object *object); /* Valid as long as the object is. */
    uint64_t (*number)(us_proxy *proxy); /* A new number, for an injection or a reading in pieces. */
    int (*submit)(us_proxy *proxy, uint64_t tag, const us_operation *operation); /* Ends in completed, with the tag. */
    /* Does it and waits. Only for US_BLOCKING modules, and not in init; for others it FAILED. */
    int (*perform)(us_proxy *proxy, const us_operation *operation, us_completion **out);
    void (*completion_drop)(us_completion *completion); /* Of one from perform. */

    /* Descriptors: they stay the module's. */
    int (*watch)(us_proxy *proxy, int fd, enum us_interest interest, uint64_t tag); /* FDPollReadNotify, FDPollWriteNotify */
    int (*unwatch)(us_proxy *proxy, int fd, enum us_interest interest);             /* FDPollReadClear, FDPollWriteClear */
    int (*closing)(us_proxy *proxy, int fd);                                        /* FDPollClose */

    /* Configuration (ConfigOptionFind). */
    int (*option)(us_proxy *proxy, us_bytes name, us_owned *value);
    size_t (*option_count)(us_proxy *proxy);
    int (*option_at)(us_proxy *proxy, size_t index, us_owned *name, us_owned *value);
    int (*setting)(us_proxy *proxy, us_bytes name, us_owned *value); /* Of the proxy, such as cache.memory. */

    /* The rest. */
    int (*log)(us_proxy *proxy, enum us_level level, us_bytes text);
    us_bytes (*status_text)(uint32_t status); /* StringFromStatus */
    us_proxy *(*proxy_ref)(us_proxy *proxy);
    void (*proxy_unref)(us_proxy *proxy);

    /* Since 1.1. */

    /* In request_head and response_head: the head waits until this module's hook on the body behind it has given its first bytes, or
       all of it. Until then that hook may edit the head unseen, and respond(). */
    int (*withhold_head)(us_transaction *tx);

    /* Adds to a counter of the module's own: a-z, 0-9 and _, 64 bytes, 64 names. */
    int (*count)(us_proxy *proxy, us_bytes name, uint64_t amount);

    /* In request_head, response_head and response_return: this module's hook on the body behind it is not called. */
    int (*skip_body)(us_transaction *tx);

    /* Since 1.2. */

    /* From now on the module needs no more of its hooks than this: a promise about their answers that saves crossings in threads and
       in a child. For init and reconfigure. Of heads only: US_ARGUMENT for other hooks, and nothing is promised. */
    int (*attend)(us_proxy *proxy, const us_attention *attention);
} us_host;

/* ---- The module's functions -------------------------------------------------------------------------------------------- */

typedef enum us_verdict (*us_hook_function)(void *self, us_transaction *tx, void **opaque);

typedef struct us_module {
    uint32_t size;
    uint16_t major;
    uint16_t minor;
    uint64_t features; /* Bits of us_host.features that it cannot do without. */
    const char *name;
    const char *version;
    uint32_t flags;              /* enum us_flag */
    uint32_t timer_milliseconds; /* Between two calls of timer (dfp_timerFreq); 0: none. */

    /* Its life. init makes the instance and puts it into *self, where all others find it; non-zero refuses, see fail(). */
    int (*init)(void **self, us_proxy *proxy);       /* dfp_init */
    int (*reconfigure)(void *self, us_proxy *proxy); /* dfp_reconfig; non-zero keeps the old options. */
    void (*fini)(void *self, us_proxy *proxy);       /* dfp_fini: after the last transaction. */
    void (*release)(void *self); /* Last of all, also where fini was not called: a refused or broken instance. */

    us_hook_function request_head;    /* dfp_reqHeader: before the cache is asked. */
    us_hook_function request_body;    /* dfp_reqBody: a piece of a request's body. */
    us_hook_function request_out;     /* dfp_reqOut: before a request goes to an origin. */
    us_hook_function resolve;         /* dfp_dnsResolv: a host needs addresses. */
    us_hook_function response_head;   /* dfp_respHeader: before an answer is stored. */
    us_hook_function response_body;   /* dfp_respBody: a piece of it; what results is stored. */
    us_hook_function response_return; /* dfp_respReturn: an answer goes to a client, hit or miss. */
    us_hook_function return_body;     /* A piece of it; never stored. */
    void (*log)(void *self, us_transaction *tx, void **opaque); /* dfp_logging */
    /* Once, last, for a transaction of which any hook was called (dfp_opaqueFree). */
    void (*free)(void *self, uint64_t transaction, void *opaque);

    void (*timer)(void *self, us_proxy *proxy);
    void (*completed)(void *self, us_proxy *proxy, uint64_t tag, const us_completion *completion);
    void (*ready)(void *self, us_proxy *proxy, int fd, enum us_interest interest, uint64_t tag);
} us_module;

#if defined(__GNUC__)
#define US_EXPORT __attribute__((visibility("default")))
#else
#define US_EXPORT
#endif

/* What a module exports. The proxy's table stays for ever; so must the module's. NULL refuses to load, see fail(). */
US_EXPORT const us_module *understudy_module(const us_host *host);

/* ---- Conveniences ------------------------------------------------------------------------------------------------------ */

/* Whether a table of the other side has this function. */
#define us_has(table, function) \
    ((table)->size >= offsetof(us_host, function) + sizeof((table)->function) && (table)->function != NULL)

static inline us_bytes us_of(const void *ptr, size_t len) {
    us_bytes bytes;
    bytes.ptr = (const char *)ptr;
    bytes.len = len;
    return bytes;
}

static inline us_bytes us_str(const char *text) {
    return us_of(text, text == NULL ? 0 : strlen(text));
}

static inline us_bytes us_none(void) {
    return us_of(NULL, 0);
}

static inline int us_is(us_bytes bytes, const char *text) {
    size_t len = strlen(text);
    return bytes.len == len && (len == 0 || memcmp(bytes.ptr, text, len) == 0);
}

static inline void us_release(us_owned *bytes) {
    if (bytes->release != NULL) bytes->release(bytes->owner);
    memset(bytes, 0, sizeof *bytes);
}

/* A hook as a member of a set. */
#define US_HOOK_BIT(hook) (UINT32_C(1) << (hook))

static inline us_attention us_attention_of(uint32_t unheard, uint32_t noted, uint32_t withheld) {
    us_attention attention;
    attention.size = (uint32_t)sizeof attention;
    attention.unheard = unheard;
    attention.noted = noted;
    attention.withheld = withheld;
    return attention;
}

static inline us_operation us_operation_of(enum us_operation_kind kind, const us_object *object) {
    us_operation operation;
    memset(&operation, 0, sizeof operation);
    operation.size = (uint32_t)sizeof operation;
    operation.kind = (uint32_t)kind;
    operation.object = object;
    return operation;
}

#ifdef __cplusplus
}
#endif

#endif
