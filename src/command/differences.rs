//! What moved the refs and nobody told: the snapshot with all that is known of pushes drawn in, beside the refs as they are.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::failure::{Failure, failure};
use super::place::Place;
use crate::config::Configured;
use crate::event;
use crate::message;
use crate::pipeline::{Pipeline, may_want};
use crate::ref_update::{Alias, ObjectFormat, RefEvent, RefName, RefUpdate};
use crate::repository::{self, Ancestry, Links};
use crate::spool::{Filter, Receipt, RefSnapshot, Step};

/// More refs that were rewound or deleted than this are announced only when somebody says that he means it: after a restored
/// backup, or on a disk that is mounted in part, they are no news.
pub(super) const MOST_LOST: usize = 20;

/// The refs as they are of which anything can be told, with those that their symbolic ones lead to.
fn refs(place: &Place, sequence: u64) -> Result<RefSnapshot, Failure> {
    let refs = repository::all(&place.common_dir, place.configuration.layout);
    let refs = refs.map_err(|error| Failure::new(error.to_string()))?;
    let links: BTreeMap<_, _> = refs.symbolic.into_iter().filter(|(name, _)| event::can_tell_of(name)).collect();
    let led_to: HashSet<_> = links.values().collect();
    let is_told = |name: &RefName| event::can_tell_of(name) || led_to.contains(name);
    let refs = refs.direct.into_iter().filter(|(name, _)| is_told(name)).collect();
    Ok(RefSnapshot { sequence, refs, links, asked: asked(place), is_whole: true })
}

/// The targets that are enabled, with what they want.
pub(super) fn asked(place: &Place) -> Vec<Filter> {
    place.configuration.ready().filter(|target| target.switch.is_on()).map(Filter::of).collect()
}

/// The number first: a push that comes between is then in the refs and after the number, and drawing it twice changes
/// nothing.
pub(super) fn take_snapshot(place: &Place, pipeline: &Pipeline<'_>) -> Result<(), Failure> {
    let sequence = pipeline.spool.last_sequence();
    // What is sent from memory on a full disk has ids that are made of it.
    pipeline.spool.identity();
    pipeline.spool.set_snapshot(&refs(place, sequence)?).map_err(|error| Failure::new(error.to_string()))
}

/// What moved the refs and was not told to everybody, as far as any target wants it.
pub(super) struct Differences {
    /// The snapshot with what was told drawn in.
    pub(super) snapshot: RefSnapshot,
    /// Whether it has other refs than the one that was kept.
    pub(super) is_changed: bool,
    /// What was told from memory, to some that wanted it and not to others; they know it under these ids.
    pub(super) partly: Vec<RefEvent>,
    /// What was told to nobody.
    pub(super) untold: Vec<RefUpdate>,
    /// What nobody is to be told: of no target's refs, or alias and branch that took each other's place. The commits are known.
    pub(super) beside: Vec<RefUpdate>,
    /// What lies between pushes, and was told to nobody.
    pub(super) steps: Vec<Step>,
    /// There are more steps, of which nothing is told yet. They are seen between records that come after the snapshot: a
    /// newer one would hide them for ever.
    pub(super) are_steps_left: bool,
    /// Refs that moved and have a push under way, which is left to its own hook.
    pub(super) under_way: usize,
}

impl Differences {
    pub(super) fn updates(&self) -> impl Iterator<Item = &RefUpdate> {
        let steps = self.steps.iter().map(|step| &step.update);
        steps.chain(self.partly.iter().map(|line| &line.update)).chain(&self.untold)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.updates().next().is_none()
    }

    /// How many refs were rewound or deleted.
    pub(super) fn lost(&self, place: &Place) -> Result<usize, Failure> {
        // Most often there is nothing to be read.
        if self.updates().all(|update| update.old.is_none()) {
            return Ok(0);
        }
        let objects = place.objects()?;
        let mut ancestry = Ancestry::new(&place.common_dir, &objects);
        Ok(self.updates().filter(|update| !ancestry.keeps_all(update)).count())
    }

    /// What a second look shows too. Of what was partly told the log tells, and its snapshot has moved by it.
    pub(super) fn still_in(mut self, again: Self) -> Self {
        self.untold.retain(|update| again.untold.contains(update));
        self.steps.retain(|step| again.steps.contains(step));
        let are_steps_left = again.are_steps_left || again.steps.len() > self.steps.len();
        Self { untold: self.untold, steps: self.steps, are_steps_left, ..again }
    }
}

/// Looks for them; `None` where there is no earlier snapshot, and nothing lies between the pushes that are known.
pub(super) fn differences(place: &Place, pipeline: &Pipeline<'_>) -> Result<Option<Differences>, Failure> {
    let snapshot = match pipeline.spool.snapshot() {
        Ok(snapshot) => snapshot,
        Err(why) => {
            let path = pipeline.spool.state().root().path().join("refs");
            return failure(message::bad_snapshot(path.display(), why));
        }
    };
    // Pushes that are under way will be told by their own hooks.
    let under_way = pipeline.spool.intents();
    let under_way: HashSet<_> =
        under_way.iter().flat_map(|intent| &intent.lines).map(|line| &line.update.name).collect();
    let Some(kept) = snapshot else { return proven(place, pipeline, &under_way) };
    let mut expected = kept.clone();
    let mut now = refs(place, 0)?;
    let links = Links::new(&place.common_dir, place.configuration.layout);
    let unseen = expected.links.keys().filter(|name| !now.links.contains_key(*name) && !now.refs.contains_key(*name));
    let unseen: Vec<_> = unseen.filter_map(|name| Some((name.clone(), links.behind(name, true)?))).collect();
    now.links.extend(unseen);
    let first = expected.sequence;
    let mut last = HashMap::new();
    let receipts = pipeline.spool.receipts_since(first);
    let (steps, left) = draw_in(&mut expected, &receipts, pipeline, &under_way);
    for (sequence, receipt) in receipts {
        last.extend(receipt.lines.into_iter().map(|line| (line.update.name, sequence)));
    }
    if !expected.is_whole {
        complete(&mut expected, &now);
    }
    let names: BTreeSet<_> = now.refs.keys().chain(expected.refs.keys()).cloned().collect();
    let different = names.iter().filter(|name| now.refs.get(*name) != expected.refs.get(*name));
    let since = different.map(|name| (name.clone(), last.get(name).copied().unwrap_or(first))).collect();
    let partly = pipeline.apply_told(&mut expected.refs, &since, &under_way);
    let mut found = difference(&expected, &now, place.configuration.layout.object_format);
    let all = found.len();
    found.retain(|update| !under_way.contains(&update.name));
    let moving = all - found.len();
    // A symbolic ref that came, went or leads elsewhere and stands where it stood is nothing to be told.
    let (moved, alike): (Vec<_>, Vec<_>) = found.into_iter().partition(|update| update.old != update.new);
    let (mut wanted, unwanted): (Vec<_>, Vec<_>) =
        moved.into_iter().partition(|update| pipeline.is_wanted(std::slice::from_ref(update)));
    wanted.sort_by(|a, b| a.name.cmp(&b.name));
    expected.apply(&alike);
    expected.apply(&unwanted);
    expected.asked = now.asked;
    let is_changed = (&kept.refs, &kept.links, &kept.asked) != (&expected.refs, &expected.links, &expected.asked);
    let (under_way, beside) = (moving + left, [alike, unwanted].concat());
    Ok(Some(Differences {
        snapshot: expected,
        is_changed,
        partly,
        untold: wanted,
        beside,
        steps,
        are_steps_left: left > 0,
        under_way,
    }))
}

/// The steps that the pushes alone show, where no snapshot was ever taken.
fn proven(
    place: &Place,
    pipeline: &Pipeline<'_>,
    under_way: &HashSet<&RefName>,
) -> Result<Option<Differences>, Failure> {
    let snapshot = refs(place, pipeline.spool.last_sequence())?;
    let mut nothing = RefSnapshot { sequence: 0, refs: BTreeMap::new(), asked: Vec::new(), ..snapshot.clone() };
    let (steps, left) = draw_in(&mut nothing, &pipeline.spool.receipts_since(0), pipeline, under_way);
    if left == 0 && steps.is_empty() {
        return Ok(None);
    }
    Ok(Some(Differences {
        snapshot,
        is_changed: true,
        partly: Vec::new(),
        untold: Vec::new(),
        beside: Vec::new(),
        are_steps_left: left > 0,
        under_way: left,
        steps,
    }))
}

/// Draws in what was pushed, and returns the steps between that somebody is to hear of now, and how many more there are, of refs
/// with a push under way. Whether pushes that were sent from memory fill them is looked for only where there are any: that reads
/// the whole log.
fn draw_in(
    expected: &mut RefSnapshot,
    receipts: &[(u64, Receipt)],
    pipeline: &Pipeline<'_>,
    under_way: &HashSet<&RefName>,
) -> (Vec<Step>, usize) {
    let mut drawn = expected.clone();
    let mut steps = drawn.draw_in(receipts, &[]);
    if !steps.is_empty() {
        drawn = expected.clone();
        let names: HashSet<_> = steps.iter().map(|step| step.update.name.clone()).collect();
        let mut unkept = pipeline.sent_from_memory(0);
        unkept.retain(|(_, update)| names.contains(&update.name));
        steps = drawn.draw_in(receipts, &unkept);
    }
    *expected = drawn;
    let wants = |step: &Step| {
        let is_asked = |target: &&Configured| step.targets.contains(&target.name().to_string());
        pipeline.asked().filter(is_asked).any(|target| may_want(target, &step.update))
    };
    steps.retain(wants);
    let wanted = steps.len();
    steps.retain(|step| !under_way.contains(&step.update.name));
    let left = wanted - steps.len();
    (steps, left)
}

/// What a snapshot of a program of before lacks counts as told.
fn complete(expected: &mut RefSnapshot, now: &RefSnapshot) {
    for (name, id) in now.refs.iter().filter(|(name, _)| !name.namespace().is_none() || !event::can_tell_of(name)) {
        expected.refs.entry(name.clone()).or_insert(*id);
    }
    expected.links = now.links.clone();
    expected.refs.retain(|name, _| !now.links.contains_key(name));
    expected.is_whole = true;
}

/// How the refs got from where they are expected to where they are. What leads to a ref that moved did not move itself.
fn difference(expected: &RefSnapshot, now: &RefSnapshot, format: ObjectFormat) -> Vec<RefUpdate> {
    let snapshots = [expected, now];
    let names = snapshots.iter().flat_map(|all| all.refs.keys().chain(all.links.keys())).collect::<BTreeSet<_>>();
    let mut found = Vec::new();
    for name in names.into_iter().filter(|name| event::can_tell_of(name)) {
        let [then, is] = snapshots.map(|all| (all.refs.get(name), all.links.get(name)));
        if then == is {
            continue;
        }
        let alias = match (then.1, is.1) {
            (None, None) => None,
            (_, to) => Some(Box::new(Alias::Itself(to.cloned()))),
        };
        let [old, new] = snapshots.map(|all| all.resolve(name));
        found.push(RefUpdate { old, new, format, name: name.clone(), alias });
    }
    found
}
