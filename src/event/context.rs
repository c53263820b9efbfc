//! What all events of one push share: where it happened, who did it, and when.

use super::{Repository, Time};
use crate::pusher::Pusher;

/// What all events of one push share.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where it happened.
    pub repository: Repository,
    /// Who did it.
    pub pusher: Pusher,
    /// Push options, in the order given.
    pub push_options: Vec<String>,
    /// When it was, in UTC.
    pub time: Time,
}
