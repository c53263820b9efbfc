//! Of what `git webhook test` tells: a branch or tag, and the commits that it is said to have brought.

use clap::ValueEnum;

use super::failure::Failure;
use super::place::{Place, resolve};
use super::terminal;
use crate::message;
use crate::ref_update::{Namespace, ObjectId, RefKind, RefName, RefUpdate};
use crate::repository::{self, Head};

/// How many commits a test tells: GitLab's test button sends three.
const COMMITS: usize = 3;

/// What a test sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum TestEvent {
    /// The newest commits of the branch HEAD names, or of the newest one
    Push,
    /// The last tag by name
    TagPush,
    /// That branch, as if it were new, in the forge's separate event
    Create,
    /// That branch, as if it were gone
    Delete,
    /// A comment on the newest commit
    Note,
    /// A request to merge that branch into the default branch
    MergeRequest,
    /// What the forge sends to try a receiver out
    Ping,
}

/// Of what a test tells, where somebody says.
#[derive(Clone, Copy)]
pub(super) struct Choice<'c> {
    pub(super) r#ref: Option<&'c str>,
    pub(super) commit: Option<&'c str>,
}

/// The update that a test tells of, as if it had been pushed.
pub(super) fn update(
    place: &Place,
    objects: &repository::Objects,
    event: TestEvent,
    choice: Choice<'_>,
) -> Result<RefUpdate, Failure> {
    let layout = place.configuration.layout;
    let format = layout.object_format;
    let commit = choice.commit.map(|name| {
        let id = resolve(&format!("{name}^{{commit}}"));
        id.ok_or_else(|| Failure::new(message::no_commit(name)))
    });
    let commit = commit.transpose()?;
    let chosen = choice.r#ref.map(|name| named(place, name)).transpose()?;
    if let TestEvent::TagPush = event {
        let (name, id) = chosen.map_or_else(|| last_tag(place), Ok)?;
        return Ok(RefUpdate { old: None, new: Some(commit.unwrap_or(id)), format, name, alias: None });
    }
    let (name, tip) = chosen.map_or_else(|| branch(place, objects), Ok)?;
    let tip = commit.unwrap_or(tip);
    let (old, new) = match event {
        TestEvent::Create => (None, Some(tip)),
        TestEvent::Delete => (Some(tip), None),
        // As many as there are.
        _ => ((1..=COMMITS).rev().find_map(|count| repository::ancestor(objects, tip, count)), Some(tip)),
    };
    Ok(RefUpdate { old, new, format, name, alias: None })
}

/// The branch or tag that a person calls so, whole or short, and where it points.
pub(super) fn named(place: &Place, name: &str) -> Result<(RefName, ObjectId), Failure> {
    let refs = repository::all(&place.common_dir, place.configuration.layout);
    let refs = refs.map_err(|why| Failure::new(why.to_string()))?;
    let names =
        ["", "refs/", "refs/heads/", "refs/tags/"].map(|start| RefName::new(format!("{start}{name}").as_bytes()));
    let told = names.into_iter().filter(|name| matches!(name.kind(), RefKind::Branch | RefKind::Tag));
    let found = told.filter_map(|name| Some((refs.id(&name)?, name))).next();
    found.map(|(id, name)| (name, id)).ok_or_else(|| Failure::new(message::no_branch_of(name)))
}

/// The branch that HEAD names, where it is there; else the newest, and says so.
fn branch(place: &Place, objects: &repository::Objects) -> Result<(RefName, ObjectId), Failure> {
    let (common_dir, layout) = (&place.common_dir, place.configuration.layout);
    let refs = repository::all(common_dir, layout).map_err(|why| Failure::new(why.to_string()))?;
    if let Head::Branch(name) = Head::of(common_dir, layout, &Namespace::default())
        && let Some(tip) = refs.id(&name)
    {
        return Ok((name, tip));
    }
    let newest = repository::newest_branch(&refs, objects).ok_or_else(|| Failure::new(message::no_commit_yet()))?;
    terminal::note(message::takes_newest_branch(newest.0.short_text()));
    Ok(newest)
}

/// The newest commit but one and the newest of the branch that HEAD names, for a forge whose ping tells of them; the zero id where
/// there is none.
pub(super) fn newest(place: &Place, objects: &repository::Objects) -> [String; 2] {
    let format = place.configuration.layout.object_format;
    let (common_dir, layout) = (&place.common_dir, place.configuration.layout);
    let head =
        Head::of(common_dir, layout, &Namespace::default()).default_branch(common_dir, layout, &Namespace::default());
    let tip = head.and_then(|name| repository::all(common_dir, layout).ok()?.id(&name));
    let before = tip.and_then(|tip| repository::ancestor(objects, tip, 1));
    [before, tip].map(|id| id.map_or_else(|| format.zero_id(), |id| id.to_string()))
}

fn last_tag(place: &Place) -> Result<(RefName, ObjectId), Failure> {
    let refs =
        repository::all(&place.common_dir, place.configuration.layout).map_err(|why| Failure::new(why.to_string()))?;
    let tags = refs.direct.into_iter().filter(|(name, _)| name.kind() == RefKind::Tag);
    tags.max().ok_or_else(|| Failure::new(message::no_tag_yet()))
}
