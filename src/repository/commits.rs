//! The commits of a repository as far as they have been looked at, by numbers that are given as they are named: their times and
//! parents, read once.
//!
//! A first push of a million commits holds them all, so a commit takes some seventy bytes, and none of them has an allocation of
//! its own.

use std::collections::HashSet;
use std::ops::Range;

use super::object::links;
use super::{Kind, Objects};
use crate::ref_update::ObjectId;

/// A table of commits.
pub struct Commits<'a> {
    objects: &'a Objects,
    /// Commits whose parents are not here, as `shallow` lists them: git takes them for roots.
    shallow: HashSet<ObjectId>,
    commits: Vec<Known>,
    /// The parents of those that were read, one commit's after the other's.
    parents: Vec<u32>,
    /// Numbers by what the ids begin with; a place without one is `FREE`.
    slots: Vec<u32>,
    /// How many were read.
    read: usize,
    /// Room for the parents that the one being read names.
    named: Vec<ObjectId>,
}

struct Known {
    id: ObjectId,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    /// Named as a parent, not read yet.
    Unread,
    /// Not there, or no commit: a shallow or partial repository, or a broken one.
    Missing,
    /// Read: its time, and where in the list its parents stand.
    Read { time: i64, first: u32, count: u32 },
}

const FREE: u32 = u32::MAX;

/// So many commits are looked for among those that refs lead to.
const FIRST: usize = 16;

impl<'a> Commits<'a> {
    /// With nothing read.
    pub fn new(objects: &'a Objects, shallow: HashSet<ObjectId>) -> Self {
        Self {
            objects,
            shallow,
            commits: Vec::new(),
            parents: Vec::new(),
            slots: vec![FREE; 64],
            read: 0,
            named: Vec::new(),
        }
    }

    /// Where they are read from.
    pub fn objects(&self) -> &'a Objects {
        self.objects
    }

    /// How many have a number: those below it.
    pub fn count(&self) -> usize {
        self.commits.len()
    }

    /// How many were read from the objects.
    pub fn read(&self) -> usize {
        self.read
    }

    /// The number of an id, given now if it has none.
    pub fn number(&mut self, id: ObjectId) -> u32 {
        if self.commits.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let slot = self.slot(id);
        if self.slots[slot] == FREE {
            self.slots[slot] = self.commits.len() as u32;
            self.commits.push(Known { id, state: State::Unread });
        }
        self.slots[slot]
    }

    /// The id of a number.
    pub fn id(&self, number: u32) -> ObjectId {
        self.commits[number as usize].id
    }

    /// The commit time, read if need be; `None` for what is no commit here.
    pub fn time(&mut self, number: u32) -> Option<i64> {
        if matches!(self.commits[number as usize].state, State::Unread) {
            self.commits[number as usize].state = self.load(self.id(number));
        }
        self.read_time(number)
    }

    /// The commit time of what was read.
    pub fn read_time(&self, number: u32) -> Option<i64> {
        match self.commits[number as usize].state {
            State::Read { time, .. } => Some(time),
            State::Unread | State::Missing => None,
        }
    }

    /// Whether it was looked for and is no commit here.
    pub fn is_missing(&self, number: u32) -> bool {
        matches!(self.commits[number as usize].state, State::Missing)
    }

    /// Parents of a commit that was read; none of any other.
    pub fn parents(&self, number: u32) -> &[u32] {
        &self.parents[self.parents_at(number)]
    }

    /// Where in the list they stand, for whoever changes flags meanwhile.
    pub fn parents_at(&self, number: u32) -> Range<usize> {
        match self.commits[number as usize].state {
            State::Read { first, count, .. } => first as usize..(first + count) as usize,
            State::Unread | State::Missing => 0..0,
        }
    }

    /// What stands at a place of the list of parents.
    pub fn parent(&self, place: usize) -> u32 {
        self.parents[place]
    }

    fn load(&mut self, id: ObjectId) -> State {
        self.read += 1;
        // The first that a walk comes to are those that refs lead to.
        let objects = self.objects;
        let object = if self.read <= FIRST { objects.recall(id) } else { objects.read(id) };
        let Some(object) = object.filter(|object| object.kind() == Kind::Commit) else {
            return State::Missing;
        };
        let is_root = self.shallow.contains(&id);
        let first = self.parents.len();
        let mut named = std::mem::take(&mut self.named);
        let time = links(object.data(), &mut named);
        for parent in named.drain(..).filter(|_| !is_root) {
            let parent = self.number(parent);
            self.parents.push(parent);
        }
        self.named = named;
        State::Read { time, first: first as u32, count: (self.parents.len() - first) as u32 }
    }

    /// Where the id is, or would be. What somebody makes ids to begin alike for costs him more than us.
    fn slot(&self, id: ObjectId) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = start(id) & mask;
        while self.slots[slot] != FREE && self.id(self.slots[slot]) != id {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn grow(&mut self) {
        let size = self.slots.len() * 2;
        self.slots = vec![FREE; size];
        for number in 0..self.commits.len() {
            let slot = self.slot(self.commits[number].id);
            self.slots[slot] = number as u32;
        }
    }
}

/// Ids are hashes themselves.
fn start(id: ObjectId) -> usize {
    id.as_bytes().iter().take(8).fold(0, |start, byte| start << 8 | usize::from(*byte))
}
