//! From the configuration's values to what the proxy runs on.
//!
//! Invariant: nothing is parsed or checked here; every value was.

use crate::{
    admin::pac,
    config::{Values, listeners::Does, shape},
};
use std::sync::Arc;
use understudy_http::{semantics::freshness::Heuristic, wire::head::HeadLimits};
use understudy_proxy::settings::{
    Access, HostMode, Intercept, Limits, Listener, Mode, Settings, Timeouts,
};

/// Idle connections kept to one origin, and to all, by each worker.
const IDLE_PER_DESTINATION: usize = 256;
const IDLE_TOTAL: usize = 4096;

/// The proxy's settings.
pub(crate) fn settings(values: &Values) -> Settings {
    let head = HeadLimits {
        bytes: values.limits.head_size,
        target: values.limits.target_size,
        fields: values.limits.head_fields,
    };
    let cache = &values.cache;
    Settings {
        workers: values.workers,
        listeners: values
            .listeners
            .iter()
            .map(|l| Listener {
                name: l.name.clone(),
                address: l.address,
                mode: mode(&l.does),
            })
            .collect(),
        upstream: understudy_upstream::Config {
            connect_timeout: values.timeouts.connect,
            idle_timeout: values.timeouts.origin_idle,
            idle_per_destination: IDLE_PER_DESTINATION,
            idle_total: IDLE_TOTAL,
            head_limits: head,
            groups: values
                .groups
                .iter()
                .map(|g| understudy_upstream::GroupConfig {
                    name: g.name.clone(),
                    servers: g.servers.clone(),
                })
                .collect(),
        },
        cache: cache.enabled.then_some(understudy_cache::Config {
            memory: cache.memory,
            max_object: cache.max_object,
            max_variants: cache.max_variants,
        }),
        heuristic: Heuristic {
            percent: cache.heuristic_percent,
            max: u32::try_from(cache.heuristic_max.as_secs()).unwrap_or(u32::MAX),
        },
        limits: Limits {
            head,
            request_body: values.limits.request_body,
            connections: values.limits.connections,
            requests_per_connection: values.limits.requests_per_connection,
        },
        timeouts: Timeouts {
            head: values.timeouts.head,
            body: values.timeouts.body,
            idle: values.timeouts.idle,
            connect: values.timeouts.connect,
            first_byte: values.timeouts.first_byte,
            between_bytes: values.timeouts.between_bytes,
            tunnel: values.timeouts.tunnel,
        },
        access: Arc::new(Access {
            clients: values.access.clients.clone(),
            connect_ports: values.access.connect_ports.clone(),
            deny_to: values.access.deny_to.clone(),
            allow_to: values.access.allow_to.clone(),
            trusted: values.access.trusted_proxies.clone(),
        }),
        name: values.name.clone(),
        pac: values
            .listeners
            .iter()
            .find(|l| l.does == Does::Forward)
            .map(|l| Arc::from(pac::text(&pac::for_listener(l.address)))),
    }
}

fn mode(does: &Does) -> Mode {
    match does {
        Does::Forward => Mode::Forward,
        Does::Reverse { group, host } => Mode::Reverse {
            group: *group,
            host: host.clone().map_or(HostMode::Keep, HostMode::Set),
        },
        Does::Transparent {
            intercept,
            keep_client_address,
        } => Mode::Transparent {
            intercept: match intercept {
                shape::Intercept::Redirect => Intercept::Redirect,
                shape::Intercept::Tproxy => Intercept::Tproxy,
            },
            keep_client_address: *keep_client_address,
        },
    }
}
