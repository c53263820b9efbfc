//! Signals and sessions: what must not end a program or leave a step half done, what must not be ended with the push.

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::setsid;

use super::descriptor::open_standard_descriptors;

/// Does what a program needs that begins without Rust's own start: a write to somebody who is gone is an error and not its end, and no
/// file that it opens gets the number of a standard descriptor that was closed.
pub fn begin() {
    // It fails for no signal that exists. Programs that are started get it back.
    let _ = SigSet::from_iter([Signal::SIGPIPE]).thread_block();
    open_standard_descriptors();
}

/// Ends this process where it takes more than so many seconds of the processor; memory beyond so many bytes it does not get. A dump
/// of it is written nowhere.
pub fn limit(seconds: u64, memory: u64) {
    for (resource, most) in [(Resource::RLIMIT_CPU, seconds), (Resource::RLIMIT_AS, memory), (Resource::RLIMIT_CORE, 0)]
    {
        // One that is lower already stays.
        let _ = setrlimit(resource, most, most);
    }
}

/// Keeps signals away that would stop or kill this process with a lock held or a record half written: a terminal's stop
/// key, and the limit on the size of files, which an error tells as well.
///
/// Threads inherit it, so it comes first.
pub fn hold_back_signals() {
    let signals: SigSet = [Signal::SIGTSTP, Signal::SIGXFSZ].into_iter().collect();
    // It fails for no signal that exists.
    let _ = signals.thread_block();
}

/// Keeps signals away with which a person or the system ends a program, from here to its end: for a step that must not be
/// left half done, and programs started for it.
pub fn hold_back_interrupts() {
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT].into_iter().collect();
    // It fails for no signal that exists.
    let _ = signals.thread_block();
}

/// Waits for a signal with which a person or the system ends a program. They have to be held back in every thread.
pub fn wait_for_interrupt() {
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT].into_iter().collect();
    // It fails for no signal that exists.
    let _ = signals.wait();
}

/// Leaves the session of whoever started this process, so that its end does not reach us.
pub fn leave_session() {
    // It fails for the leader of a process group alone, which a child is not.
    let _ = setsid();
}
