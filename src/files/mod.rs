//! Files that are there whole or not at all, whatever happens to the machine, and that nobody else can read.
//!
//! Everything works on an opened directory and a name in it, never on a path: who exchanges a directory for a link while
//! we are at work leads us nowhere.

mod error;

mod unread;

mod stat;

mod dir;

mod below;

mod listing;

mod read;

mod draft;

mod folder;

mod unopened;

pub use dir::Dir;
pub use draft::Draft;
pub use error::{FileError, Unfit};
pub use folder::Folder;
pub use stat::{Mark, Modes, Standing, Stat};
pub use unread::Unread;

/// What is older than this, in seconds, and half written is nobody's any more.
pub const LEFT_BEHIND: u64 = 3600;
