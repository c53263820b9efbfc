//! The way from who builds deliveries to who sends them: bounded, with any number of takers, in the order in which they
//! come, and one at a time of each ref. Several targets share one where they are told through one broker.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::delivery::Delivery;
use crate::schedule::{OrderKey, Queued};

/// What is kept in order: the deliveries of one ref to one of the targets that share a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Lane {
    /// The target's place among the sessions.
    pub(super) at: usize,
    /// The ref.
    pub(super) order: OrderKey,
}

/// Something to send.
pub(super) enum Task {
    /// Built a moment ago; nothing of it is on disk but the receipt.
    Fresh(Box<Delivery>),
    /// In the queue, to be read when its turn comes.
    Queued(Queued),
}

impl Task {
    fn order(&self) -> OrderKey {
        match self {
            Self::Fresh(delivery) => delivery.key.order,
            Self::Queued(queued) => queued.key.order,
        }
    }

    /// The memory it takes, in bytes. What is in the queue is read when its turn comes.
    fn size(&self) -> usize {
        match self {
            Self::Fresh(delivery) => delivery.payload.body.len() + size_of::<Delivery>(),
            Self::Queued(_) => 0,
        }
    }
}

/// How long who builds waits for room. A receiver that takes nothing for so long must not hold up the others: what is
/// for it goes to its queue instead.
const PATIENCE: Duration = Duration::from_millis(250);

/// A bounded channel. Of one ref at most one task is out at a time.
pub(super) struct Channel {
    inner: Mutex<Inner>,
    /// Who takes waits for a task here, who sends for room.
    changed: Condvar,
    most_bytes: usize,
}

#[derive(Default)]
struct Inner {
    /// With the place of each in the order in which they came.
    waiting: HashMap<Lane, VecDeque<(u64, Task)>>,
    /// The refs of which something waits and nothing is out, by the place of the first that waits.
    ready: BTreeMap<u64, Lane>,
    out: HashSet<Lane>,
    /// How many have come.
    came: u64,
    count: usize,
    bytes: usize,
    /// How many wait for a change.
    waiters: usize,
    is_closed: bool,
    /// Nothing was taken for as long as patience lasts: nothing more is let in.
    is_stuck: bool,
}

impl Channel {
    /// One that holds so many bytes of bodies, or one body that is larger.
    pub(super) fn new(most_bytes: usize) -> Self {
        Self { inner: Mutex::default(), changed: Condvar::new(), most_bytes }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of it, and wakes whoever waits for a change, if anybody does: to wake nobody takes a system call too.
    fn release(&self, inner: MutexGuard<'_, Inner>) {
        let is_awaited = inner.waiters > 0;
        drop(inner);
        if is_awaited {
            self.changed.notify_all();
        }
    }

    /// Puts a task in, and tells how many wait now. Where there is no room and none comes in time it is given back, and
    /// so is whatever is sent after it.
    pub(super) fn send(&self, at: usize, task: Task) -> Result<usize, Task> {
        let mut inner = self.lock();
        let end = Instant::now() + PATIENCE;
        while inner.count > 0 && inner.bytes + task.size() > self.most_bytes && !inner.is_stuck {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                inner.is_stuck = true;
                break;
            }
            inner.waiters += 1;
            inner = self.changed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
            inner.waiters -= 1;
        }
        if inner.is_stuck {
            return Err(task);
        }
        inner.put(at, task);
        let count = inner.count;
        self.release(inner);
        Ok(count)
    }

    /// Takes a task of a ref of which none is out, while less than `window` tells are out; waits for one. `None` once there
    /// are no more.
    pub(super) fn take(&self, window: impl Fn() -> usize) -> Option<(Lane, Task)> {
        let mut inner = self.lock();
        loop {
            let has_room = inner.out.len() < window();
            if has_room && let Some(taken) = inner.take() {
                self.release(inner);
                return Some(taken);
            }
            // What waits behind one that is out is taken by whoever brings that back.
            if inner.is_closed && (has_room || inner.count == 0) {
                return None;
            }
            inner.waiters += 1;
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
            inner.waiters -= 1;
        }
    }

    /// The same of as many as can be out at once, at most so many; waits for the first alone. None once there are no more.
    pub(super) fn take_several(&self, most: usize) -> Vec<(Lane, Task)> {
        let mut taken: Vec<_> = self.take(|| usize::MAX).into_iter().collect();
        let mut inner = self.lock();
        while !taken.is_empty() && taken.len() < most {
            let Some(next) = inner.take() else { break };
            taken.push(next);
        }
        self.release(inner);
        taken
    }

    /// Says that what was taken of this ref is seen to.
    pub(super) fn done(&self, lane: Lane) {
        let mut inner = self.lock();
        inner.out.remove(&lane);
        if let Some((place, _)) = inner.waiting.get(&lane).and_then(VecDeque::front) {
            let place = *place;
            inner.ready.insert(place, lane);
        }
        self.release(inner);
    }

    /// Whether nothing waits in it.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().count == 0
    }

    /// Says that nothing more is sent.
    pub(super) fn close(&self) {
        let mut inner = self.lock();
        inner.is_closed = true;
        self.release(inner);
    }
}

impl Inner {
    fn put(&mut self, at: usize, task: Task) {
        let lane = Lane { at, order: task.order() };
        self.count += 1;
        self.bytes += task.size();
        self.came += 1;
        let of_ref = self.waiting.entry(lane).or_default();
        if of_ref.is_empty() && !self.out.contains(&lane) {
            self.ready.insert(self.came, lane);
        }
        of_ref.push_back((self.came, task));
    }

    fn take(&mut self) -> Option<(Lane, Task)> {
        let (_, lane) = self.ready.pop_first()?;
        let of_ref = self.waiting.get_mut(&lane)?;
        let (_, task) = of_ref.pop_front()?;
        if of_ref.is_empty() {
            self.waiting.remove(&lane);
        }
        self.out.insert(lane);
        self.count -= 1;
        self.bytes -= task.size();
        Some((lane, task))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Origin;
    use crate::format::{self, Payload};
    use crate::ref_update::{ObjectFormat, RefEvent, RefName, RefUpdate};
    use crate::schedule::{QueueKey, Schedule};
    use std::sync::Arc;
    use uuid::Uuid;

    fn any() -> usize {
        usize::MAX
    }

    #[test]
    fn no_more_are_out_than_the_receiver_can_take() {
        let channel = Channel::new(1000);
        for (name, at) in [("a", 0), ("b", 1), ("c", 2)] {
            assert!(channel.send(0, task(name, at)).is_ok());
        }
        channel.close();
        let first = channel.take(|| 1).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| number(channel.take(|| 1)));
            // Whoever brings one back makes room.
            channel.done(first.0);
            assert_eq!(second.join().unwrap(), Some(1));
        });
        assert_eq!(number(channel.take(|| 2)), Some(2));
        assert_eq!(number(channel.take(|| 1)), None, "none is left, though there is no room");
    }

    fn task(name: &str, number: u64) -> Task {
        let order = OrderKey::of(&RefName::new(name));
        let key = QueueKey { sequence: 1, number, order, id: Uuid::nil() };
        Task::Queued(Queued { key, schedule: Schedule::default() })
    }

    /// One whose body has so many bytes.
    fn fresh(size: usize) -> Task {
        let Task::Queued(Queued { key, schedule }) = task("a", 0) else { unreachable!() };
        let update =
            RefUpdate { old: None, new: None, format: ObjectFormat::Sha1, name: RefName::new("a"), alias: None };
        Task::Fresh(Box::new(Delivery {
            key,
            schedule,
            line: RefEvent::new(update, Uuid::nil()),
            more: Vec::new(),
            format: format::find("gitlab").unwrap(),
            payload: Arc::new(Payload::new("", vec![0; size])),
            is_shared: false,
            time: 0,
            receipt: "".into(),
            origin: Arc::new(Origin::default()),
            is_late: false,
            redelivery: 0,
            reduced: None,
        }))
    }

    #[test]
    fn where_there_is_no_room_and_none_comes_nothing_more_is_let_in() {
        let channel = Channel::new(100_000);
        assert!(channel.send(0, fresh(60_000)).is_ok());
        assert!(channel.send(0, fresh(60_000)).is_err());
        assert!(channel.take(any).is_some());
        // What came later must not overtake what was given back.
        assert!(channel.is_empty() && channel.send(0, fresh(0)).is_err());
    }

    #[test]
    fn what_is_taken_makes_room_and_what_is_too_large_goes_alone() {
        let channel = Channel::new(100_000);
        for _ in 0..2 {
            assert!(channel.send(0, fresh(500_000)).is_ok(), "alone");
            let (lane, _) = channel.take(any).unwrap();
            channel.done(lane);
        }
        for _ in 0..2 {
            assert!(channel.send(0, fresh(40_000)).is_ok());
        }
        assert!(channel.take(any).is_some());
        assert_eq!(channel.send(0, fresh(40_000)).ok(), Some(2));
    }

    fn number(taken: Option<(Lane, Task)>) -> Option<u64> {
        match taken?.1 {
            Task::Queued(queued) => Some(queued.key.number),
            Task::Fresh(_) => None,
        }
    }

    #[test]
    fn of_one_ref_one_is_out_at_a_time_and_they_come_in_order() {
        let channel = Channel::new(1000);
        for (name, at) in [("a", 0), ("a", 1), ("b", 2), ("a", 3)] {
            assert!(channel.send(0, task(name, at)).is_ok());
        }
        let a = channel.take(any).unwrap();
        let lane = a.0;
        assert_eq!(number(Some(a)), Some(0));
        assert_eq!(number(channel.take(any)), Some(2), "b, since a is out");
        channel.done(lane);
        assert_eq!(number(channel.take(any)), Some(1));
        channel.done(lane);
        channel.close();
        assert_eq!(number(channel.take(any)), Some(3));
        assert_eq!(number(channel.take(any)), None);
    }

    #[test]
    fn one_taker_sees_them_in_the_order_in_which_they_came() {
        let channel = Channel::new(1000);
        for (name, at) in [("a", 0), ("a", 1), ("b", 2)] {
            assert!(channel.send(0, task(name, at)).is_ok());
        }
        channel.close();
        let mut seen = Vec::new();
        while let Some(taken) = channel.take(any) {
            let lane = taken.0;
            seen.extend(number(Some(taken)));
            channel.done(lane);
        }
        assert_eq!(seen, [0, 1, 2]);
    }

    #[test]
    fn of_several_at_once_none_is_of_a_ref_of_which_one_is_out() {
        let channel = Channel::new(1000);
        for (at, name, number) in [(0, "a", 0), (0, "a", 1), (1, "a", 2), (0, "b", 3), (0, "c", 4)] {
            assert!(channel.send(at, task(name, number)).is_ok());
        }
        let taken = channel.take_several(3);
        let lanes: Vec<_> = taken.iter().map(|(lane, _)| *lane).collect();
        let numbers =
            |taken: Vec<(Lane, Task)>| taken.into_iter().filter_map(|it| number(Some(it))).collect::<Vec<_>>();
        assert_eq!(numbers(taken), [0, 2, 3], "another target has its own order");
        channel.done(lanes[0]);
        channel.close();
        assert_eq!(numbers(channel.take_several(9)), [1, 4]);
        assert!(channel.take_several(9).is_empty());
    }
}
