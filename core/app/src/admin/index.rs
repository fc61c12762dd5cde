//! `/`: what there is to see.

use actix_web::{HttpResponse, http::header::ContentType};

const PAGE: &str = concat!(
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Understudy</title></head><body>\n",
    "<h1>Understudy ",
    env!("CARGO_PKG_VERSION"),
    "</h1>\n<ul>\n",
    "<li><a href=\"/status\">/status</a>: how things are (JSON)</li>\n",
    "<li><a href=\"/metrics\">/metrics</a>: counters and histograms (Prometheus)</li>\n",
    "<li><a href=\"/modules\">/modules</a>: the modules and what they cost (JSON)</li>\n",
    "<li><code>POST /content</code>: what is stored: query, fetch, read, inject, list, preload (JSON)</li>\n",
    "<li><code>/explain?url=...</code>: what would become of a request, and why (JSON)</li>\n",
    "<li><a href=\"/livez\">/livez</a>: the process runs</li>\n",
    "<li><a href=\"/readyz\">/readyz</a>: new work is taken</li>\n",
    "<li><a href=\"/proxy.pac\">/proxy.pac</a>: automatic configuration of clients</li>\n",
    "</ul>\n</body></html>\n"
);

/// The page.
pub(super) async fn get() -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header(("cache-control", "no-store"))
        .body(PAGE)
}
