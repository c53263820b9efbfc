//! How a push stands to what was there before: which commits the repository had, which other ref points to the same.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::revwalk::{Hidden, Range};
use super::{Reader, refs};
use crate::event::Push;
use crate::message;
use crate::ref_update::{Alias, ObjectId, RefKind, RefName, RefUpdate};

impl Reader<'_> {
    /// Whether a tag was moved to where its old commit is no ancestor of, or from or to what is no commit.
    pub(super) fn is_moved_aside(&mut self, update: &RefUpdate) -> bool {
        let (Some(old), Some(new)) = (update.old, update.new) else { return false };
        let commits = self.objects.peel(old).zip(self.objects.peel(new));
        commits.is_none_or(|(old, new)| !self.revwalk.range(new, &[old], 0).builds_on_hidden)
    }

    /// Of the commits that a push tells those that the repository had before it. `is_brought`: no ref could lead to them but those
    /// that the push names.
    pub(super) fn known(&mut self, push: &Push, is_brought: bool) -> HashSet<ObjectId> {
        let Some(head) = push.head().map(|commit| commit.id) else { return HashSet::new() };
        if push.update.old.is_none() && push.total > 0 {
            // The commits of a creation are those that are new.
            return HashSet::new();
        }
        let fresh = match is_brought {
            true => self.not_in_old_ids(head),
            false => self.not_before(head, usize::MAX),
        };
        let fresh: HashSet<_> = fresh.newest.into_iter().collect();
        let listed = push.commits.iter().map(|commit| commit.id).chain([head]);
        listed.filter(|id| !fresh.contains(id)).collect()
    }

    /// The commits reachable from `tip` and from nothing that the push's own refs pointed to before it.
    fn not_in_old_ids(&mut self, tip: ObjectId) -> Range {
        let old = self.updates.iter().filter_map(|update| update.old);
        let mut hidden = self.old.take().unwrap_or_else(|| self.revwalk.hide(old.collect()));
        let range = self.revwalk.range_without(&mut hidden, tip, usize::MAX);
        self.old = Some(hidden);
        range
    }

    /// Another branch that points to the same commit after the push: the default branch before others, then by name. `is_brought`: it can only be one that the push names.
    pub(super) fn same_tip(
        &mut self,
        update: &RefUpdate,
        default_branch: Option<&str>,
        is_brought: bool,
    ) -> Option<String> {
        let new = update.new?;
        let peeled = self.objects.peel(new);
        let same: Vec<_> = [Some(new), peeled.filter(|peeled| *peeled != new)].into_iter().flatten().collect();
        let names: Vec<&RefName> = match is_brought {
            true => {
                let is_same = |it: &&RefUpdate| it.new.is_some_and(|id| same.contains(&id));
                let names = self.updates.iter().filter(is_same).map(|update| &update.name);
                names.filter(|name| name.kind() == RefKind::Branch).collect()
            }
            false => {
                let named = self.named();
                same.iter().filter_map(|id| named.get(id)).flatten().collect()
            }
        };
        let others = names.into_iter().filter(|name| **name != update.name);
        let is_default = |name: &RefName| default_branch.is_some_and(|branch| name.short_text() == branch);
        let first = others.min_by_key(|name| (!is_default(name), (*name).clone()))?;
        Some(first.text().into_owned())
    }

    /// Branches by what they point to: those of today, with what the push itself says of its own.
    fn named(&mut self) -> &HashMap<ObjectId, Vec<RefName>> {
        let refs = self.refs();
        self.named.get_or_insert_with(|| {
            let mut ids: HashMap<&RefName, Option<ObjectId>> =
                refs.direct.iter().map(|(name, id)| (name, Some(*id))).collect();
            ids.extend(self.updates.iter().map(|update| (&update.name, update.new)));
            let mut named: HashMap<ObjectId, Vec<RefName>> = HashMap::new();
            for (name, id) in ids {
                if let Some(id) = id.filter(|_| name.kind() == RefKind::Branch) {
                    named.entry(id).or_default().push(name.clone());
                }
            }
            named
        })
    }

    /// The refs as they were when the push was over, as far as is known what moved them since.
    pub(super) fn refs(&mut self) -> Arc<refs::Refs> {
        let read = || {
            let mut refs = refs::all(&self.common_dir, self.layout).unwrap_or_else(|error| {
                log::error!("{}", message::others_listed_as_new(error));
                refs::Refs::default()
            });
            // From the newest back, so that the oldest has the last word.
            let later = self.later.map(|later| later()).unwrap_or_default();
            let then: HashMap<_, _> = later.iter().rev().map(|update| (&update.name, update.old)).collect();
            refs.direct.retain(|(name, _)| !then.contains_key(name));
            refs.direct.extend(then.into_iter().filter_map(|(name, old)| Some((name.clone(), old?))));
            // Those of others are none of a namespace's repository.
            refs.direct.retain(|(name, _)| name.is_in(&self.namespace));
            Arc::new(refs)
        };
        Arc::clone(self.refs.get_or_insert_with(read))
    }

    /// The commits reachable from `tip` that no ref led to before the push, the newest `limit` of them listed.
    pub(super) fn not_before(&mut self, tip: ObjectId, limit: usize) -> Range {
        let mut prior = self.prior.take().unwrap_or_else(|| self.prior_tips());
        let range = self.revwalk.range_without(&mut prior, tip, limit);
        self.prior = Some(prior);
        range
    }

    /// The commits that refs pointed to before the push: those of today that the push did not name, and the old ids of
    /// those it did.
    fn prior_tips(&mut self) -> Hidden {
        let now = self.refs();
        let mut named: HashSet<&RefName> = self.updates.iter().map(|update| &update.name).collect();
        // A push to a symbolic ref moved the ref it names, and what happened to itself did not.
        let is_itself = |update: &RefUpdate| matches!(update.alias.as_deref(), Some(Alias::Itself(_)));
        let own: HashSet<_> = self.updates.iter().filter(|it| is_itself(it)).map(|update| &update.name).collect();
        let named_so = |name: &RefName| named.contains(name) && !own.contains(name);
        let moved = now.symbolic.iter().filter(|(name, _)| named_so(name)).map(|(_, target)| target);
        named.extend(moved.collect::<Vec<_>>());
        let others = now.direct.iter().filter(|(name, _)| !named.contains(name));
        let mut ids: Vec<ObjectId> = others.map(|(_, id)| *id).collect();
        ids.extend(self.updates.iter().filter_map(|update| update.old));
        self.revwalk.hide(ids)
    }
}
