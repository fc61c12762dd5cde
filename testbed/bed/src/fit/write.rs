//! The file of a fitted workload: what [`Workload::parse`] accepts, each figure under a comment that says where it is from.
//!
//! Invariant: what is written is this module's own words and numbers; nothing that stood in the log.

use super::{build::Fitted, survey::Survey};
use crate::workload::{Bodies, Workload};
use serde::Serialize;
use std::fmt::Write as _;

/// How wide comments are.
const WIDTH: usize = 110;

/// The text of the file.
#[must_use]
pub fn write(fitted: &Fitted, survey: &Survey) -> String {
    let mut out = File {
        text: String::new(),
        fitted,
    };
    let Workload {
        name,
        about,
        content,
        demand,
        types,
        methods,
        aborts,
        connections,
        network,
        phases,
    } = &fitted.workload;
    let (unread, left) = (&survey.unread, survey.left_out);
    out.comment(&format!(
        "Made by `understudy-bed fit` of {} lines ({:?} format): {} used; {} could not be read; left out {}: {} tunnels, {} answers of the \
         proxy itself, {} errors, {} redirects, {} other methods. No address, host or client of the log is in here.",
        unread.lines, survey.format, survey.requests.used, unread.bad, left.all(), left.tunnels, left.own, left.errors, left.redirects, left.methods
    ));
    out.key("name", name);
    out.key("about", about);
    for kind in content {
        let note = |key: &str| format!("{}.{key}", kind.name);
        out.part("[[content]]", &kind.name);
        out.key("name", &kind.name);
        out.key("bodies", &bodies(kind.bodies));
        out.key("direct", &kind.direct);
        out.noted("size", &note("size"), &kind.size);
        out.noted("cachable", &note("cachable"), &kind.cachable);
        out.comment("Assumed, as PolyMix has it: a log does not tell when objects change.");
        out.key("life", &kind.life);
    }
    out.part("[demand]", "demand");
    out.noted("robot_rate", "demand.robot_rate", &demand.robot_rate);
    out.noted("peak", "demand.peak", &demand.peak);
    out.noted("recurrence", "demand.recurrence", &demand.recurrence);
    out.noted("popularity", "demand.popularity", &demand.popularity);
    out.noted("working_set", "demand.working_set", &demand.working_set);
    out.key("working_set_share", &demand.working_set_share);
    out.part("[types]", "types");
    out.key("ims200", &types.ims200);
    out.key("ims304", &types.ims304);
    out.key("reload", &types.reload);
    out.part("[methods]", "methods");
    out.key("head", &methods.head);
    out.key("post", &methods.post);
    out.noted("post_size", "post_size", &methods.post_size);
    out.part("[aborts]", "aborts");
    out.key("robot", &aborts.robot);
    out.key("server", &aborts.server);
    out.part("[connections]", "connections");
    out.noted("robot", "connections.robot", &connections.robot);
    out.noted(
        "robot_open",
        "connections.robot_open",
        &connections.robot_open,
    );
    out.key("server", &connections.server);
    out.key("server_idle", &connections.server_idle);
    out.part("[network]", "network");
    out.noted("think", "network.think", &network.think);
    out.key("server_delay", &network.server_delay);
    for (n, phase) in phases.iter().enumerate() {
        out.part("[[phases]]", if n == 0 { "phases" } else { "" });
        out.key("name", &phase.name);
        out.key("seconds", &phase.seconds);
        out.key("from", &phase.from);
        out.key("to", &phase.to);
        out.key("measured", &phase.measured);
    }
    out.text
}

fn bodies(bodies: Bodies) -> String {
    // One word in lower case, as the enum's own serialisation has it.
    format!("{bodies:?}").to_lowercase()
}

struct File<'a> {
    text: String,
    fitted: &'a Fitted,
}

impl File<'_> {
    fn part(&mut self, header: &str, notes: &str) {
        self.text.push('\n');
        self.notes(notes);
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{header}");
    }

    fn noted(&mut self, key: &str, notes: &str, value: &impl Serialize) {
        self.notes(notes);
        self.key(key, value);
    }

    fn key(&mut self, key: &str, value: &impl Serialize) {
        // Numbers, words and tables of them all have a form in TOML.
        if let Ok(value) = toml::Value::try_from(value) {
            let _ = writeln!(self.text, "{key} = {value}");
        }
    }

    fn notes(&mut self, key: &str) {
        for note in self.fitted.notes.get(key).into_iter().flatten() {
            self.comment(note);
        }
    }

    fn comment(&mut self, text: &str) {
        let mut line = String::from("#");
        for word in text.split_whitespace() {
            if line.len() + word.len() >= WIDTH {
                let _ = writeln!(self.text, "{line}");
                line = String::from("#");
            }
            line.push(' ');
            line.push_str(word);
        }
        let _ = writeln!(self.text, "{line}");
    }
}
