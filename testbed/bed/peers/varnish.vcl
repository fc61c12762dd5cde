# Varnish in front of one origin. The built-in rules follow.
vcl 4.1;

backend origin { .host = "@ORIGIN_HOST@"; .port = "@ORIGIN_PORT@"; }

sub vcl_recv {
    # What others do without being told: a client's no-cache reaches the origin (RFC 9111 section 5.2.1.4).
    if (req.http.Cache-Control ~ "no-cache" || req.http.Pragma ~ "no-cache") {
        set req.hash_always_miss = true;
    }
}
