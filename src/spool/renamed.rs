//! What waits for a target under another name.

use super::deferred::Taker;
use super::{Queue, Spool};
use crate::files::{FileError, Folder};
use crate::message;
use crate::target::TargetName;

impl Spool {
    /// Gives all that waits for a target, and its dead letters, to another name; `false` where somebody is sending.
    ///
    /// Crash: what has gone is under the new name, and a second call takes the rest.
    ///
    /// # Errors
    /// Where something cannot be moved.
    pub fn rename_target(&self, from: &TargetName, to: &TargetName) -> Result<bool, FileError> {
        let (old, new) = (self.queue(from), self.queue(to));
        // A push that waits as a whole names its target.
        if !old.hand_deferred_to(&[Taker { queue: new.clone(), target: to, origin: None }])? {
            return Ok(false);
        }
        let Some(_lock) = old.lock()? else { return Ok(false) };
        // Whoever waits for the lock finds that it is another directory's.
        move_all(&old.directory, &new.directory)?;
        move_all(&old.dead, &new.dead)?;
        move_all(&old.published, &new.published)?;
        Ok(true)
    }
}

/// In one step; where something of that name lies there already, one file after another.
fn move_all(from: &Folder, to: &Folder) -> Result<(), FileError> {
    let names = from.names().unwrap_or_default();
    if names.is_empty() || from.move_to(to)? {
        return Ok(());
    }
    let into = to.make()?;
    let cannot = |error| FileError::new(message::cannot_rename, &from.path(), error);
    let directory = from.open().map_err(cannot)?;
    for name in names.iter().filter(|name| Queue::is_record(name)) {
        directory.rename(name, &into, name).map_err(cannot)?;
    }
    into.sync()
}
