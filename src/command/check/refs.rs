//! What is odd about the refs: symbolic ones that lead nowhere.

use std::collections::HashSet;

use super::Scene;
use super::finding::{Finding, Kind};
use super::mend::git;
use crate::event;
use crate::message;
use crate::ref_update::RefName;
use crate::repository::{self, Links};

pub(super) fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let place = &scene.place;
    // What cannot be read is told elsewhere.
    let layout = place.configuration.layout;
    let Ok(mut refs) = repository::all(&place.common_dir, layout) else { return Vec::new() };
    // Of those that lead nowhere git lists none.
    let links = Links::new(&place.common_dir, layout);
    let known = place.pipeline().spool.snapshot().ok().flatten().map(|snapshot| snapshot.links).unwrap_or_default();
    let unseen = known.into_keys().filter(|name| !refs.symbolic.iter().any(|(other, _)| other == name));
    let unseen: Vec<_> = unseen.filter_map(|name| Some((name.clone(), links.behind(&name, true)?))).collect();
    refs.symbolic.extend(unseen);
    let there: HashSet<_> =
        refs.direct.iter().map(|(name, _)| name).chain(refs.symbolic.iter().map(|(name, _)| name)).collect();
    let dangling = refs.symbolic.iter().filter(|(name, target)| event::can_tell_of(name) && !there.contains(target));
    let finding = |(name, target): &(RefName, RefName)| {
        let (name, target) = (name_of(name), name_of(target));
        let message = message::check_dangling_alias(&name, target);
        Finding::advice(Kind::DanglingAlias, message).mend(git(&place.git_dir, &["symbolic-ref", "--delete", &name]))
    };
    dangling.map(finding).collect()
}

/// The name that git knows it by, whatever its namespace.
fn name_of(name: &RefName) -> String {
    String::from_utf8_lossy(name.whole()).into_owned()
}
