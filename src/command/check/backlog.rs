//! What waits for longer than it should, and dead letters; counted by `git webhook status`.

use super::Scene;
use super::finding::{Finding, Kind};
use super::mend::{Mend, edit, protected_file, set, webhook};
use crate::command::table::length;
use crate::message;
use crate::overview::{self, TargetState as State};
use crate::pipeline::{Pipeline, Withheld};
use crate::ref_update::RefEvent;
use crate::target::{Target, TargetName};
use crate::text::sanitise;

/// Seconds: a receiver that is down for less is nobody's fault yet.
const LONG: i64 = 3600;

pub(super) fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let verb = |words: &[&str]| webhook(&scene.place.git_dir, words);
    let pipeline = scene.place.pipeline();
    for row in overview::targets(&pipeline) {
        let name = row.target.as_str();
        let advice = |kind: Kind, message: String| {
            let finding = Finding::advice(kind, message);
            if name.is_empty() { finding } else { finding.of(name) }
        };
        let age = row.oldest.filter(|oldest| *oldest > LONG).map(length);
        match (row.state, &age) {
            (State::Parked, _) => {
                let finding = Finding::error(Kind::Parked, message::check_parked(name)).of(name);
                findings.push(finding.mend(verb(&["enable", name])));
            }
            (State::Untold, Some(age)) => {
                findings.push(advice(Kind::Untold, message::check_untold(row.waiting, age)).mend(verb(&["flush"])));
            }
            (State::Removed, _) if row.waiting > 0 => {
                // flush makes them dead letters after a while; until then the target can come back.
                let mend = match TargetName::new(name).is_valid() {
                    true => verb(&["add", name, "https://HOST/PATH"]),
                    false => verb(&["log", "--state", "waiting"]),
                };
                findings.push(advice(Kind::Removed, message::check_removed(row.waiting, name)).mend(mend));
            }
            // They wait until the target is right or enabled, which is told elsewhere.
            (
                State::Wrong
                | State::Disabled
                | State::OffByRepository
                | State::Untold
                | State::Stuck
                | State::Displaced
                | State::Unknown,
                _,
            ) => {}
            // Nothing waits here: the broker has it, and nobody tells of it.
            (State::Ok, Some(age)) if row.waiting == 0 && row.published > 0 => {
                findings.push(
                    advice(Kind::Unworked, message::check_unworked(row.published, name, age)).mend(Mend::FleetStatus),
                );
            }
            _ if let Some(withheld) = withheld(&pipeline, name) => findings.push(of_withheld(scene, withheld)),
            (_, Some(age)) => {
                let mend = verb(&["flush", "--now", "--target", name]);
                findings.push(advice(Kind::Waiting, message::check_waiting(row.waiting, name, age)).mend(mend));
            }
            _ => {}
        }
        if let Some(bytes) = row.max_body {
            let finding = advice(Kind::BodyLimit, message::takes_no_larger(name, bytes));
            let key = format!("webhook.{name}.maxBody");
            // Where somebody else owns the target, he sets it.
            let file = scene.place.common_dir.join("config");
            let is_own = scene.entries.iter().any(|entry| {
                entry.key == "url" && entry.subsection.as_deref() == Some(name.as_bytes()) && *entry.file == *file
            });
            findings.push(if is_own { finding.mend(set(&file, &key, bytes.max(1024).to_string())) } else { finding });
        }
        if row.unseen > 0 {
            let mend = match row.state {
                // Nothing can be sent to it before it is mended.
                State::Removed | State::Wrong => verb(&["dead"]),
                _ => verb(&["redeliver", "--failed", "--target", name]),
            };
            findings.push(advice(Kind::Dead, message::check_dead(row.unseen, name)).mend(mend));
        }
    }
    findings
}

/// Why pushes wait that the target is told nothing of, and the namespace of the first.
fn withheld<'p>(pipeline: &Pipeline<'p>, name: &str) -> Option<(&'p Target, String, Withheld)> {
    let target = *pipeline.targets.iter().find(|target| target.name.as_str() == name)?;
    let waiting = pipeline.spool.queue(&target.name).deferred();
    let why = |line: &RefEvent| {
        let namespace = line.update.name.namespace();
        Some((target, sanitise(&namespace.text()), pipeline.withholds(target, &namespace)?))
    };
    waiting.iter().find_map(|push| pipeline.withheld(target, &push.receipt)?.lines.iter().find_map(why))
}

fn of_withheld(scene: &Scene<'_>, (target, namespace, why): (&Target, String, Withheld)) -> Finding {
    let name = target.name.as_str();
    let message = match why {
        Withheld::Alike => message::check_withheld(name),
        Withheld::NoName => message::check_withheld_name(name, namespace),
    };
    let file = match target.is_protected {
        true => protected_file(scene.is_shared(), scene.environment),
        false => Some(scene.place.common_dir.join("config")),
    };
    let finding = Finding::error(Kind::Withheld, message).of(name);
    match file {
        Some(file) => finding.mend(edit(&file)),
        None => finding,
    }
}
