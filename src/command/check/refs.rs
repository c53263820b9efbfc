//! What is odd about the refs, and about what targets want of them.

use std::collections::HashSet;
use std::path::Path;

use super::Scene;
use super::finding::{Finding, Kind};
use super::mend::{self, git};
use super::receivers::{file_of, key};
use crate::event;
use crate::message;
use crate::ref_update::{Namespace, RefName};
use crate::repository::{self, Head, Links, Refs};
use crate::target::Target;

pub(super) fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let place = &scene.place;
    // What cannot be read is told elsewhere.
    let Ok(refs) = repository::all(&place.common_dir, place.configuration.layout) else { return Vec::new() };
    let mut findings: Vec<_> = head(scene, &refs).into_iter().collect();
    let direct = refs.direct.iter().map(|(name, _)| name);
    let names: Vec<_> = direct.chain(refs.symbolic.iter().map(|(name, _)| name)).cloned().collect();
    findings.extend(place.configuration.ready().filter_map(|target| patterns(scene, target, &names)));
    findings.extend(dangling(scene, refs));
    findings
}

/// HEAD that clones, and receivers, can take for nothing.
fn head(scene: &Scene<'_>, refs: &Refs) -> Option<Finding> {
    let place = &scene.place;
    let (common_dir, layout, own) = (&place.common_dir, place.configuration.layout, Namespace::default());
    let head = Head::of(common_dir, layout, &own);
    let is_there = matches!(&head, Head::Branch(name) if refs.id(name).is_some());
    // Beside a work tree it is its user's to detach.
    if is_there || common_dir.file_name() == Some(Path::new(".git").as_os_str()) {
        return None;
    }
    let message = match &head {
        Head::Branch(name) => message::check_unborn_head(name_of(name)),
        Head::Other(_) | Head::Detached(_) => message::check_head_no_branch().into(),
    };
    let same = match head {
        Head::Branch(_) => None,
        head => head.default_branch(common_dir, layout, &own),
    };
    let newest = || Some(repository::newest_branch(refs, &place.objects().ok()?)?.0);
    // Without any branch it is new, and waits for its first.
    let branch = same.or_else(newest)?;
    let mend = git(&place.git_dir, &["symbolic-ref", "HEAD", &name_of(&branch)]);
    Some(Finding::advice(Kind::HeadNamesNothing, message).mend(mend))
}

/// Patterns that were written as elsewhere.
fn patterns(scene: &Scene<'_>, target: &Target, refs: &[RefName]) -> Option<Finding> {
    let mistaken = target.refs.mistaken(refs);
    let (word, meant) = mistaken.first()?;
    let message = message::check_pattern(&target.name, word, meant);
    let words = target.refs.words().map(|word| {
        let meant = mistaken.iter().find(|(other, _)| *other == word);
        meant.map_or(word.clone(), |(_, meant)| meant.clone())
    });
    let words = words.collect::<Vec<_>>().join(" ");
    let mend = mend::set(&file_of(scene, target, "ref"), &key(target, "ref"), words);
    Some(Finding::advice(Kind::OddPattern, message).of(target.name.as_str()).mend(mend))
}

/// Symbolic refs that lead nowhere.
fn dangling(scene: &Scene<'_>, mut refs: Refs) -> Vec<Finding> {
    let place = &scene.place;
    // Of those that lead nowhere git lists none.
    let links = Links::new(&place.common_dir, place.configuration.layout);
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
