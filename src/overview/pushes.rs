//! The pushes that wait as a whole: those that no delivery was made of yet, for anybody or for one target.

use std::collections::HashSet;

use crate::pipeline::Pipeline;
use crate::spool::Receipt;
use crate::target::TargetName;

/// Why a push waits as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushState {
    /// Nobody was told of it yet.
    Untold,
    /// Its events cannot be built, by a mistake of ours: it holds up nothing, and waits for a better program.
    Stuck,
    /// It waits for this target to be configured rightly.
    Deferred(TargetName),
    /// It waited for this target, and became a dead letter with it.
    Dead(TargetName),
}

impl PushState {
    /// The target that it waits for alone.
    pub fn target(&self) -> Option<&TargetName> {
        match self {
            Self::Untold | Self::Stuck => None,
            Self::Deferred(target) | Self::Dead(target) => Some(target),
        }
    }
}

/// A push that waits as a whole.
pub struct WaitingPush {
    /// Why.
    pub state: PushState,
    /// What was pushed.
    pub receipt: Receipt,
}

/// All pushes that wait as a whole.
pub fn all(pipeline: &Pipeline<'_>) -> Vec<WaitingPush> {
    let spool = &pipeline.spool;
    let mut pushes = Vec::new();
    let unsettled = spool.receipts(&HashSet::new()).into_iter().map(|(_, receipt)| receipt);
    let untold = unsettled.chain(spool.abandoned(&|| pipeline.refs(), &|since| pipeline.sent_from_memory(since)));
    pushes.extend(untold.map(|receipt| WaitingPush { state: PushState::Untold, receipt }));
    pushes.extend(spool.stuck().into_iter().map(|receipt| WaitingPush { state: PushState::Stuck, receipt }));
    pushes.extend(of_targets(pipeline));
    pushes
}

/// Those that wait for one target, or became dead letters with it.
pub fn of_targets(pipeline: &Pipeline<'_>) -> Vec<WaitingPush> {
    let spool = &pipeline.spool;
    let mut pushes = Vec::new();
    let mut directories = spool.waiting();
    directories.extend(spool.dead_directories());
    for directory in directories {
        let queue = spool.queue_in(&directory);
        let waiting = queue.deferred().into_iter().map(|push| (PushState::Deferred(push.target.clone()), push));
        let dead = queue.dead_pushes().into_iter().map(|push| (PushState::Dead(push.target.clone()), push));
        pushes.extend(waiting.chain(dead).map(|(state, push)| WaitingPush { state, receipt: push.receipt }));
    }
    pushes
}
