//! What waits for longer than it should, and what was given up; counted by `git webhook status`.

use super::mend;
use super::{About, Finding, Scene};
use crate::command::table::length;
use crate::command::targets::{self, State};
use crate::message;

/// Seconds: a receiver that is down for less is nobody's fault yet.
const LONG: i64 = 3600;

pub(super) fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let webhook = |arguments: String| mend::webhook(&scene.place.git_dir, &arguments);
    for row in targets::rows(&scene.place) {
        let name = row.target.as_str();
        let advice = |message: String| {
            let finding = Finding::advice(About::Backlog, message);
            if name.is_empty() { finding } else { finding.of(name) }
        };
        let quoted = mend::quote(name);
        let age = row.oldest.filter(|oldest| *oldest > LONG).map(length);
        match (row.state, &age) {
            (State::Parked, _) => {
                let finding = Finding::error(About::Backlog, message::check_parked(name)).of(name);
                findings.push(finding.mend(webhook(format!("enable {quoted}"))));
            }
            (State::Untold, Some(age)) => {
                findings.push(advice(message::check_untold(row.waiting, age)).mend(webhook("flush".into())));
            }
            (State::Removed, _) if row.waiting > 0 => {
                // flush sets them aside after a while; until then the target can come back.
                let command = webhook(format!("add {quoted} https://HOST/PATH"));
                findings.push(advice(message::check_removed(row.waiting, name)).mend(command));
            }
            // They wait until the target is right or enabled, which is told elsewhere.
            (State::Wrong | State::Disabled | State::Untold, _) => {}
            (_, Some(age)) => {
                let command = webhook(format!("flush --now --target {quoted}"));
                findings.push(advice(message::check_waiting(row.waiting, name, age)).mend(command));
            }
            _ => {}
        }
        if row.dead > 0 {
            let command = match row.state {
                State::Removed => "log --state dead".into(),
                _ => format!("redeliver --failed --target {quoted}"),
            };
            findings.push(advice(message::check_dead(row.dead, name)).mend(webhook(command)));
        }
    }
    findings
}
