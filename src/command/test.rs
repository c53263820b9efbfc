//! `git webhook test`: a real event made from the repository's newest commits, sent to one target.

use clap::ValueEnum;

use super::place::Place;
use super::{Failure, failure};
use crate::delivery::Outcome;
use crate::dispatch;
use crate::process::Environment;
use crate::receive::{self, Source};
use crate::ref_update::{RefKind, RefName, RefUpdate};
use crate::report::{Notice, Summary, sanitise};
use crate::repository::{self};
use crate::spool::{Line, Receipt};
use crate::target::Target;

/// How many commits a test tells: GitLab's test button sends three.
const COMMITS: usize = 3;

/// What a test sends.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum TestEvent {
    /// The newest commits of the branch HEAD names.
    Push,
    /// The last tag by name.
    TagPush,
}

/// Whether the receiver took it.
pub(super) fn run(name: &str, event: TestEvent, environment: &Environment) -> Result<bool, Failure> {
    let mut place = Place::find(environment)?;
    place.enter()?;
    let target = find_target(&place, name)?;
    let objects = place.objects()?;
    let wanted = receive::wanted_by([target].into_iter());
    let update = update(&place, &objects, event)?;
    let Some(event) = place.event(&objects, &update, wanted, environment) else {
        return failure("nothing to send");
    };
    let line = Line { update, event: event.id };
    let receipt = Receipt::new(vec![line.clone()], environment, &place.configuration.settings.user_variables);
    let source = Source::new(0, 0, &receipt, &line, &event);
    let Some((_, delivery)) = receive::address(&event, &[target], std::iter::once(0), &source).pop() else {
        return failure(format!("format {} has no event for this", target.format.name));
    };
    let outcome = dispatch::send_once(target, &delivery).outcome;
    Ok(tell(target, &line.update.name, &outcome))
}

fn find_target<'a>(place: &'a Place, name: &str) -> Result<&'a Target, Failure> {
    if let Some(target) = place.configuration.targets.iter().find(|target| target.name == name) {
        return Ok(target);
    }
    if let Some(broken) = place.configuration.broken.iter().find(|target| target.name == name) {
        let problems: Vec<_> = broken.problems.iter().map(ToString::to_string).collect();
        return failure(problems.join("; "));
    }
    let names: Vec<_> = place.configuration.targets.iter().map(|target| target.name.as_str()).collect();
    match names.as_slice() {
        [] => {
            failure(format!("no target '{name}': there is none; add one with git config webhook.{name}.url https://…"))
        }
        names => failure(format!("no target '{name}': there are {}", names.join(", "))),
    }
}

fn update(place: &Place, objects: &repository::Objects, event: TestEvent) -> Result<RefUpdate, Failure> {
    let layout = place.configuration.layout;
    match event {
        TestEvent::Push => {
            let head = repository::head(&place.common_dir, layout).filter(|name| name.kind() == RefKind::Branch);
            let tip = head.as_ref().and_then(|name| repository::resolve(&place.common_dir, layout, name));
            let (Some(name), Some(tip)) = (head, tip) else {
                return failure("the branch that HEAD names has no commit yet: push one first");
            };
            let old = repository::ancestor(objects, tip, COMMITS);
            Ok(RefUpdate { old, new: Some(tip), format: layout.object_format, name })
        }
        TestEvent::TagPush => {
            let (name, id) = last_tag(place)?;
            Ok(RefUpdate { old: None, new: Some(id), format: layout.object_format, name })
        }
    }
}

fn last_tag(place: &Place) -> Result<(RefName, crate::ref_update::ObjectId), Failure> {
    let refs =
        repository::all(&place.common_dir, place.configuration.layout).map_err(|why| Failure(why.to_string()))?;
    let tags = refs.direct.into_iter().filter(|(name, _)| name.kind() == RefKind::Tag);
    tags.max().ok_or_else(|| Failure("there is no tag yet: push one first".into()))
}

/// Prints what the pusher would read, and to whom the failure's detail belongs: the administrator.
fn tell(target: &Target, name: &RefName, outcome: &Outcome) -> bool {
    let summary = Summary { target: &target.name, outcomes: vec![(name, outcome)], is_kept: false };
    println!("{}", sanitise(&Notice::Target(summary).to_string()));
    if let Outcome::Failed(failure) = outcome {
        eprintln!("error: {}: {}", target.address.origin(), sanitise(&failure.to_string()));
    }
    matches!(outcome, Outcome::Delivered { .. })
}
