//! `/status`: how things are, as JSON.

use crate::{
    log::json::outcome_words,
    messages::{Ask, Receipt, Report},
    overseer::Overseer,
};
use actix::Addr;
use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// The report.
pub(super) async fn get(overseer: web::Data<Addr<Overseer>>) -> HttpResponse {
    match overseer.send(Ask).await {
        Ok(report) => HttpResponse::Ok()
            .insert_header(("cache-control", "no-store"))
            .json(document(&report, SystemTime::now())),
        Err(_) => HttpResponse::ServiceUnavailable().finish(),
    }
}

/// The document. Times are seconds (since 1970 where they are moments), sizes are bytes.
pub(super) fn document(report: &Report, now: SystemTime) -> Value {
    let c = &report.counters;
    let values = &report.loaded.values;
    let outcomes: Map<String, Value> = outcome_words()
        .zip(c.outcomes)
        .map(|(word, n)| (word.to_owned(), n.into()))
        .collect();
    let classes: Map<String, Value> = (1..)
        .zip(c.classes)
        .map(|(class, n)| (format!("{class}xx"), n.into()))
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started": seconds(report.started),
        "uptime": now.duration_since(report.started).unwrap_or_default().as_secs(),
        "draining": report.draining,
        "pid": std::process::id(),
        "listeners": report.listeners.iter().map(|(name, mode, address)| json!({"name": name, "mode": mode, "address": address})).collect::<Vec<_>>(),
        "workers": values.workers,
        "cache": report.cache.map(|s| json!({
            "entries": s.entries, "bytes": s.bytes, "ceiling": s.ceiling, "fills": s.fills, "stored": s.stored, "evicted": s.evicted,
            "evicted_bytes": s.evicted_bytes, "invalidated": s.invalidated, "freshened": s.freshened,
        })),
        "connections": {"open": c.connections_open, "accepted": c.connections, "refused": c.connections_refused},
        "transactions": {"open": c.transactions_open, "requests": c.requests, "outcomes": outcomes, "responses": classes},
        "bytes": {"received": c.bytes_in, "sent": c.bytes_out},
        "origins": {
            "requests": c.origin_requests, "received": c.origin_bytes_in, "connects": c.origin_connects, "failures": c.origin_failures,
            "idle": c.origin_idle, "background_validations": {"done": c.background[0], "failed": c.background[1]},
        },
        "modules": report.modules.iter().map(crate::modules::report::ModuleReport::document).collect::<Vec<_>>(),
        "access_log": {"written": report.log.0, "dropped": report.log.1},
        "configuration": {
            "file": report.loaded.file.as_ref().map(|f| f.display().to_string()),
            "loaded": seconds(report.loaded.at),
            "reloads": {"done": report.reloads.0, "refused": report.reloads.1},
            "last_reload": report.receipt.as_ref().map(receipt),
        },
    })
}

fn receipt(receipt: &Receipt) -> Value {
    match &receipt.outcome {
        Ok(parts) => {
            let parts: Map<String, Value> = parts
                .iter()
                .map(|p| (p.name.to_string(), p.done.into()))
                .collect();
            json!({"at": seconds(receipt.at), "outcome": "reloaded", "parts": parts})
        }
        Err(reasons) => {
            json!({"at": seconds(receipt.at), "outcome": "refused", "reasons": reasons})
        }
    }
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
