//! Which receipts a receive-pack's push has, for a hook that is installed twice.

use std::io::Write;

use super::Spool;
use super::push::Receipt;
use crate::files::{Dir, FileError};
use crate::message;
use crate::process::{Life, Process};

/// A push has one receipt, or a few.
const LARGEST_MARKER: u64 = 4096;

/// How long a push's marker is kept after its receive-pack is gone, in seconds.
const MARKER_LIFE: u64 = 600;

/// One push of so many removes the markers of others.
const PUSHES_A_LOOK: u64 = 16;

impl Spool {
    /// The names of the receipts that a receive-pack's push has, as far as was noted.
    pub(super) fn marked(&self, receive_pack: Process) -> Vec<String> {
        let marker = self.place("pushes").read_start(marker(receive_pack), LARGEST_MARKER);
        String::from_utf8_lossy(&marker.unwrap_or_default()).lines().map(String::from).collect()
    }

    /// Notes which receipts a receive-pack's push has, for [`Spool::with_receipt`] once they are settled.
    ///
    /// Crash: until the receipt is settled it is found without this; and this comes before.
    pub(super) fn mark(&self, receipt: &Receipt, sequence: u64) {
        let Some(process) = receipt.receive_pack else { return };
        let name = marker(process);
        let line = format!("{}\n", receipt.name(sequence));
        let pushes = self.place("pushes");
        let marked = pushes.open_to_append(&name).and_then(|(mut file, _)| {
            let written = file.write_all(line.as_bytes());
            written.map_err(|error| FileError::new(message::cannot_write, &pushes.path().join(&name), error))
        });
        if let Err(error) = marked {
            log::warn!("{}", message::delivers_twice(error));
        }
        // Each looks at all of them, so few do.
        if sequence.is_multiple_of(PUSHES_A_LOOK)
            && let Ok(pushes) = pushes.open()
        {
            forget_markers(&pushes);
        }
    }
}

/// The name of the file that says which receipts a receive-pack's push has.
fn marker(process: Process) -> String {
    format!("{}.{}", process.pid, process.start)
}

fn forget_markers(pushes: &Dir) {
    for name in pushes.names().unwrap_or_default() {
        // A time to come is no reason to keep it.
        if pushes.age(&name).is_some_and(|age| age <= MARKER_LIFE) {
            continue;
        }
        let process = name
            .split_once('.')
            .and_then(|(pid, start)| Some(Process { pid: pid.parse().ok()?, start: start.parse().ok()? }));
        if process.is_none_or(|process| process.life() == Life::Gone) {
            // Somebody else may have been faster.
            let _ = pushes.remove(&name);
        }
    }
}
