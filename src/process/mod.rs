//! What the process is given by the system, a file for each kind of thing.

mod made;
mod user;
mod environment;
mod clock;
mod file_system;
mod descriptor;
mod signal;
mod lock;
mod ancestry;
mod offspring;
mod watch;

pub use ancestry::{Life, Process, pid_namespace};
pub use clock::{Moment, boot_id, now};
pub use descriptor::{
    LineBounds, Lines, close_descriptors_on_exec, hand_on, has_memory, is_writable, leave_input_and_output, read_line,
    read_secret_line, read_to_end,
};
pub use environment::Environment;
pub use file_system::{FileSystem, sync_file_system, syncs_new_directories_above};
pub use lock::{Locked, keeps_out, lock_within, try_lock, try_lock_silently};
pub use offspring::{Offspring, keep_offspring};
pub use signal::{begin, hold_back_interrupts, hold_back_signals, leave_session, limit, wait_for_interrupt};
pub use user::{
    Account, account, become_user, group_name, host_name, is_root, may_execute, may_write, os_user, user_id,
};
pub use watch::Watch;
