//! What reviews that push options opened need to know of the repository: they are kept elsewhere, and not in it.

use std::collections::HashSet;

use super::Reader;
use crate::event::{Review, ReviewRecord, Time};
use crate::ref_update::{ObjectId, RefUpdate};

/// A commit that is to be merged, and how it stands to its target.
pub struct Standing {
    /// The commit.
    pub head: ObjectId,
    /// Its message's first line, and what comes after it.
    pub message: (String, String),
    /// The commit of the target that it builds on.
    pub base: Option<ObjectId>,
    /// How many commits it has that the target has not.
    pub commits: u64,
}

impl Reader<'_> {
    /// How a branch that stands at `head` would be merged into a target; `None` where it cannot be read.
    pub fn standing(&mut self, head: ObjectId, target: &str) -> Option<Standing> {
        let commit = self.objects.peel(head).and_then(|id| self.commit(id))?;
        let target = self.branch_after(target);
        let hidden: Vec<_> = target.into_iter().collect();
        let range = self.revwalk.range(commit.id, &hidden, usize::MAX);
        let (title, rest) = commit.message.split_once('\n').unwrap_or((&commit.message, ""));
        Some(Standing {
            head: commit.id,
            message: (title.trim().to_owned(), rest.trim().to_owned()),
            base: target.and_then(|_| self.base(commit.id, &range.newest)),
            commits: range.total,
        })
    }

    /// The commit of a branch once the push was over; `None` where it is not there.
    pub fn branch_after(&mut self, branch: &str) -> Option<ObjectId> {
        let name = self.within(format!("refs/heads/{branch}").as_bytes());
        let id = self.moves().after.get(&name)?;
        self.objects.peel(id)
    }

    /// The commits that a push brought to a branch, and those that it took from it; to one that was not there it brought all, and
    /// one that is gone has lost none.
    pub fn exchange(&mut self, update: &RefUpdate) -> [HashSet<ObjectId>; 2] {
        let [old, new] = [update.old, update.new].map(|id| id.and_then(|id| self.objects.peel(id)));
        [self.between(old, new), if new.is_some() { self.between(new, old) } else { HashSet::new() }]
    }

    /// The merge that brought a commit to a branch; `None` where that was none of its own.
    pub fn merge_of(&mut self, commit: ObjectId, branch: &str) -> Option<ObjectId> {
        let tip = self.branch_after(branch)?;
        self.merge_on_first_parents(commit, tip)
    }

    /// A review as it was when this was kept; `None` where its commit cannot be read.
    pub fn review_from(&mut self, record: &ReviewRecord) -> Option<Review> {
        let id = |text: &str| ObjectId::from_hex(text.as_bytes()).flatten();
        Some(Review {
            number: record.number,
            title: record.title.clone(),
            description: record.description.clone(),
            source: record.source.clone(),
            target: record.target.clone(),
            author: record.author.clone(),
            reviewers: Vec::new(),
            created: Time::utc(record.created),
            updated: Time::utc(record.updated),
            state: record.state,
            head: self.commit(id(&record.head)?)?,
            base: id(&record.base),
            commits: record.commits,
            merge_commit: id(&record.merge_commit),
            resolved: None,
            commenters: Vec::new(),
            reason: String::new(),
        })
    }
}
