//! From the configuration's values to what the proxy runs on.
//!
//! Invariant: nothing is parsed or checked here; every value was.

use crate::{
    admin::pac,
    config::{Values, listeners::Does, shape},
};
use std::sync::Arc;
use understudy_http::wire::head::HeadLimits;
use understudy_proxy::settings::{
    Access, HostMode, Intercept, Limits, Listener, Mode, Settings, Timeouts,
};

/// Idle connections kept to one origin, and to all, by each worker.
const IDLE_PER_DESTINATION: usize = 256;
const IDLE_TOTAL: usize = 4096;

/// The proxy's settings, with these modules.
pub(crate) fn settings(values: &Values, modules: understudy_proxy::Modules) -> Settings {
    let head = HeadLimits {
        bytes: values.limits.head_size,
        target: values.limits.target_size,
        fields: values.limits.head_fields,
    };
    let cache = &values.cache;
    Settings {
        modules,
        workers: values.workers,
        listeners: values
            .listeners
            .iter()
            .map(|l| Listener {
                name: l.name.clone(),
                address: l.address,
                mode: mode(&l.does, &values.groups),
                purge: l.purge.clone(),
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
        range_miss: cache.range_miss,
        heuristic: cache.heuristic(),
        rules: values.rules.clone(),
        targets: cache.targets.clone().into(),
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

fn mode(does: &Does, groups: &[crate::config::listeners::Group]) -> Mode {
    match does {
        Does::Forward => Mode::Forward,
        Does::Reverse { group, host } => Mode::Reverse {
            group: groups
                .get(*group)
                .map_or_else(String::new, |g| g.name.clone()),
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::settings;
    use crate::config::{Layers, layers::Flags, load};
    use understudy_proxy::settings::{HostMode, Intercept, Mode, Settings};
    use understudy_upstream::DialPolicy;

    fn of(text: &str) -> Settings {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("proxy.toml");
        std::fs::write(&path, text).unwrap();
        let flags = Flags {
            config: Some(path.display().to_string()),
            ..Flags::default()
        };
        settings(
            &load(&Layers::new(&flags, |_| None).unwrap())
                .unwrap()
                .values,
            understudy_proxy::Modules::default(),
        )
    }

    #[test]
    fn the_defaults_are_safe() {
        let s = of("");
        assert_eq!(s.listeners[0].mode, Mode::Forward);
        assert_eq!(s.listeners[0].address.to_string(), "127.0.0.1:3128");
        assert_eq!(s.access.connect_ports, [443]);
        for (client, want) in [
            ("127.0.0.1", true),
            ("192.168.1.2", true),
            ("::ffff:10.0.0.1", true),
            ("8.8.8.8", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(s.access.client(client.parse().unwrap()), want, "{client}");
        }
        let refused = [
            "127.0.0.1",
            "::1",
            "169.254.169.254",
            "::ffff:127.0.0.1",
            "0.0.0.0",
            "::",
            "fe80::1",
            "224.0.0.1",
            "64:ff9b::7f00:1",
            "2002:a9fe:a9fe::1",
            "fd00:ec2::254",
            "100.100.100.200",
        ];
        for address in refused {
            assert!(!s.access.allows(address.parse().unwrap()), "{address}");
        }
        for address in ["8.8.8.8", "10.0.0.1", "2001:db8::1", "64:ff9b::808:808"] {
            assert!(s.access.allows(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn what_is_allowed_is_stronger_than_what_is_refused() {
        let s = of("[access]\nallow_to = [\"127.0.0.1\"]\ndeny_to = [\"all\"]\n");
        for (address, want) in [
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("8.8.8.8", false),
        ] {
            assert_eq!(s.access.allows(address.parse().unwrap()), want, "{address}");
        }
    }

    #[test]
    fn every_mode_reaches_the_proxy() {
        let s = of(
            "[[upstream]]\nname = \"a\"\nservers = [\"a:1\"]\n[[upstream]]\nname = \"b\"\nservers = [\"[::1]:2\", \"http://c\"]\n\
                    [[listen]]\nname = \"r\"\naddress = \"127.0.0.1:1\"\nto = \"b\"\nhost = \"set:w.example\"\n\
                    [[listen]]\nname = \"t\"\naddress = \"127.0.0.1:2\"\nmode = \"transparent\"\nintercept = \"tproxy\"\nkeep_client_address = true\n\
                    [[listen]]\nname = \"f\"\naddress = \"0.0.0.0:3\"\n",
        );
        let modes: Vec<_> = s.listeners.iter().map(|l| l.mode.clone()).collect();
        let reverse = Mode::Reverse {
            group: "b".to_owned(),
            host: HostMode::Set("w.example".to_owned()),
        };
        assert_eq!(
            modes,
            [
                reverse,
                Mode::Transparent {
                    intercept: Intercept::Tproxy,
                    keep_client_address: true
                },
                Mode::Forward
            ]
        );
        assert_eq!(
            s.upstream.groups[1].servers,
            [("::1".to_owned(), 2), ("c".to_owned(), 80)]
        );
        assert!(s.pac.unwrap().contains("PROXY {proxy}; DIRECT"));
    }

    #[test]
    fn a_cache_that_is_off_is_none() {
        assert!(of("[cache]\nenabled = false\n").cache.is_none());
        let cache = of("[cache]\nmemory = \"32M\"\nmax_variants = 3\n")
            .cache
            .unwrap();
        assert_eq!(
            (cache.memory, cache.max_object, cache.max_variants),
            (32 << 20, 2 << 20, 3)
        );
    }
}
