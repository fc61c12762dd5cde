//! What is told of a run in its results: enough to know whether another run was the same.
//!
//! Invariant: two runs of one identity, but for proxy and time, ask the same in the same way. Awkward case: commands hold secrets, so of
//! the one that started the proxy a single word is told, unless the run was given a name for it.

use super::{Mode, Plan, name::name};
use crate::{record::Identity, workload::Workload};
use std::collections::BTreeMap;

/// The identity of this plan's run, which began at this Unix second.
pub(crate) fn identity(plan: &Plan, began: i64) -> Identity {
    Identity {
        workload: plan.workload.name.clone(),
        seed: plan.seed,
        scale: plan.scale(),
        mode: match plan.mode {
            Mode::Forward => "forward".to_owned(),
            Mode::Reverse => "reverse".to_owned(),
        },
        proxy: plan.proxy.to_string(),
        start: match &plan.name {
            Some(given) => Some(given.clone()),
            None => plan.start.as_deref().and_then(name),
        },
        cache: plan.cache,
        began,
        digest: digest(&plan.workload),
        options: options(plan),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
    }
}

/// A checksum of the workload as it was understood: what a file leaves out is in it as what it stands for.
fn digest(workload: &Workload) -> Option<String> {
    let text = toml::to_string(workload).ok()?;
    let mut crc = flate2::Crc::new();
    crc.update(text.as_bytes());
    Some(format!("{:08x}", crc.sum()))
}

/// What changes figures and stands nowhere else.
fn options(plan: &Plan) -> BTreeMap<String, String> {
    let adapts = (!plan.adapts.is_empty()).then(|| plan.adapts.to_string());
    // An origin elsewhere has the servers it was given itself.
    let servers = plan.origin.is_none().then(|| plan.servers.to_string());
    let told = [
        ("--servers", servers),
        ("--timeout", Some(plan.timeout.as_secs_f64().to_string())),
        ("--adapts", adapts),
        ("--origin", plan.origin.map(|address| address.to_string())),
        ("--closed", plan.closed.map(|number| number.to_string())),
        ("direct", plan.direct.then(|| "yes".to_owned())),
    ];
    let told = told.into_iter();
    told.filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::{net::SocketAddr, time::Duration};

    fn plan() -> Plan {
        let proxy = SocketAddr::from(([127, 0, 0, 1], 1));
        Plan::new(Workload::load("polymix-3").unwrap(), proxy)
    }

    #[test]
    fn a_name_that_is_given_goes_before_the_command() {
        let told = |start: Option<&str>, name: Option<&str>| {
            let plan = Plan {
                start: start.map(str::to_owned),
                name: name.map(str::to_owned),
                ..plan()
            };
            identity(&plan, 0).start
        };
        let squid = "taskset -c 0 bin/understudy-bed peer squid --port {port}";
        assert_eq!(told(Some(squid), None).as_deref(), Some("squid"));
        assert_eq!(told(Some(squid), Some("five")).as_deref(), Some("five"));
        assert_eq!(told(None, Some("five")).as_deref(), Some("five"));
        assert_eq!(told(None, None), None);
    }

    #[test]
    fn whatever_changes_what_is_asked_or_how_is_told() {
        let usual = identity(&plan(), 0);
        assert_eq!(identity(&plan(), 0), usual);
        let changes: [fn(&mut Plan); 7] = [
            // A file of the same name that says something else.
            |p| p.workload.demand.recurrence = 0.5,
            |p| p.workload.connections.robot_open = 5,
            |p| p.servers = 2,
            |p| p.timeout = Duration::from_secs(5),
            |p| p.adapts.add("gray", false).unwrap(),
            |p| p.adapts.add("gray", true).unwrap(),
            |p| p.origin = Some(p.proxy),
        ];
        let mut seen = vec![usual];
        for change in changes {
            let mut plan = plan();
            change(&mut plan);
            let found = identity(&plan, 0);
            assert!(!seen.contains(&found), "{found:?}");
            seen.push(found);
        }
    }

    #[test]
    fn servers_of_its_own_are_not_told_where_the_origin_is_elsewhere() {
        let told = |servers| {
            let plan = plan();
            let origin = Some(plan.proxy);
            let plan = Plan {
                servers,
                origin,
                ..plan
            };
            identity(&plan, 0)
        };
        assert_eq!(told(1), told(2));
        assert!(!told(2).options.contains_key("--servers"));
    }
}
