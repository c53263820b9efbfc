//! An intent, written as its lines come: a push of a million refs takes no more memory than one of a few.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use super::Spool;
use super::push::{Asked, Receipt};
use super::receipt;
use super::record::RecordWriter;
use crate::files::FileError;
use crate::message;
use crate::process::{self, Moment, Process, Watch};
use crate::ref_update::RefEvent;

/// As much of an intent as tells which receive-pack it is of, in bytes: that comes before anything of any length.
const LONGEST_HEAD: u64 = 4096;

/// The lines of an intent that is being written.
pub struct IntentLines<'w> {
    record: RecordWriter<BufWriter<File>>,
    watch: &'w Watch,
    count: u32,
}

impl IntentLines<'_> {
    /// Adds a line, and tells its number, from 0.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn add(&mut self, line: &RefEvent) -> io::Result<u32> {
        let number = self.count;
        if number > 0 {
            self.record.write_all(b",")?;
        }
        serde_json::to_writer(&mut self.record, line)?;
        self.count += 1;
        self.watch.step();
        Ok(number)
    }
}

impl Spool {
    /// Writes down what is about to be pushed: `head`, which has no lines, with those that `feed` adds, and the targets
    /// that it tells were asked. Where it tells of none, there is nothing to be written down. `watch` is told of each step,
    /// and how to remove what is half written.
    ///
    /// Crash: before the rename nobody sees it, and pre-receive has not ended, so no ref has moved. When this returns
    /// it is on the disk, and only then can git move a ref.
    ///
    /// # Errors
    /// Where it cannot be made durable.
    pub fn write_intent(
        &self,
        mut head: Receipt,
        watch: &Watch,
        feed: impl FnOnce(&mut IntentLines<'_>) -> io::Result<Option<Vec<Asked>>>,
    ) -> Result<(), FileError> {
        head.spool = self.writing_as();
        let intents = self.place("intents").make()?;
        head.after = self.last_sequence();
        head.moment = Moment::now();
        let draft = intents.begin_draft()?;
        let name = head.id.to_string();
        let write = || {
            watch.set_undo(draft.remover()?);
            let record = RecordWriter::begin(BufWriter::new(draft.file().try_clone()?))?;
            let mut lines = IntentLines { record, watch, count: 0 };
            let json = serde_json::to_string(&head)?;
            // The lines are the last of its fields.
            let open = json.strip_suffix("]}").ok_or(io::ErrorKind::InvalidData)?;
            lines.record.write_all(open.as_bytes())?;
            let Some(asked) = feed(&mut lines)? else { return Ok(false) };
            lines.record.write_all(b"]")?;
            if !asked.is_empty() {
                lines.record.write_all(b",\"asked\":")?;
                serde_json::to_writer(&mut lines.record, &asked)?;
            }
            lines.record.write_all(b"}")?;
            lines.record.finish()?.flush()?;
            watch.step();
            draft.file().sync_data()?;
            watch.step();
            Ok(true)
        };
        if write().map_err(intents.error(message::cannot_write, &name))? {
            draft.place(name)?;
            watch.step();
            intents.sync()?;
        }
        Ok(())
    }

    /// Whether any push is under way, or was and is not settled.
    pub fn has_intents(&self) -> bool {
        // What cannot be read may hold some.
        self.place("intents").names().map_or(true, |names| !names.is_empty())
    }

    /// Whether there is an intent of this receive-pack, of which only the beginning is read.
    pub fn has_intent_of(&self, receive_pack: Process) -> bool {
        self.name_of_intent(receive_pack).is_some()
    }

    /// The intent of this receive-pack; no other is read whole.
    pub(super) fn intent_of(&self, receive_pack: Process) -> Option<Receipt> {
        let name = self.name_of_intent(receive_pack)?;
        let intent = receipt::read_in(&self.place("intents"), &name).ok()?;
        (intent.receive_pack == Some(receive_pack) && intent.is_from_here()).then_some(intent)
    }

    fn name_of_intent(&self, receive_pack: Process) -> Option<String> {
        let folder = self.place("intents");
        let names = folder.names().unwrap_or_default();
        let texts = [format!("\"boot\":\"{}\"", process::boot_id()), text_of(receive_pack)];
        names.into_iter().find(|name| {
            let head = folder.read_start(name, LONGEST_HEAD).unwrap_or_default();
            let head = String::from_utf8_lossy(&head);
            texts.iter().all(|text| head.contains(text))
        })
    }
}

/// How a record has it.
fn text_of(Process { pid, start }: Process) -> String {
    format!("\"receive_pack\":{{\"pid\":{pid},\"start\":{start}}}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::identifier;
    use crate::process::Environment;
    use crate::ref_update::{ObjectFormat, RefName, RefUpdate};
    use crate::state_dir::StateDir;
    use crate::target::TargetName;

    #[test]
    fn what_is_written_line_by_line_is_an_intent_as_any_other() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(StateDir::new(directory.path(), false));
        let own = Process { pid: 17, start: 4711 };
        let head = Receipt { receive_pack: Some(own), ..Receipt::new(Vec::new(), &Environment::default(), &[]) };
        let watch = Watch::start(Duration::from_secs(3600));
        let lines: Vec<_> = ["refs/heads/a", "refs/heads/b"]
            .map(|name| {
                let new = crate::ref_update::ObjectId::from_hex(&[b'1'; 40]).flatten();
                let update =
                    RefUpdate { old: None, new, format: ObjectFormat::Sha1, name: RefName::new(name), alias: None };
                RefEvent::new(update, identifier::event())
            })
            .into();
        let asked = vec![Asked::new(&TargetName::new("ci"), &lines, |_| true)];
        for asked in [None, Some(Vec::new()), Some(asked)] {
            let written = spool.write_intent(head.clone(), &watch, |to| {
                lines.iter().try_for_each(|line| to.add(line).map(drop))?;
                Ok(asked.clone())
            });
            written.unwrap();
            let found = spool.intents().pop();
            assert_eq!(found.is_some(), asked.is_some());
            assert_eq!(spool.has_intent_of(own), asked.is_some());
            let Some(found) = found else { continue };
            assert_eq!(found.lines, lines);
            assert_eq!(found.has_asked("ci"), asked.filter(|asked| !asked.is_empty()).map(|_| true));
            assert!(!spool.has_intent_of(Process { start: 471, ..own }));
            let claimed = spool.claim(&found).unwrap();
            spool.drop_intent(claimed);
        }
        assert_eq!(directory.path().join("webhook/v1/intents").read_dir().unwrap().count(), 0);
    }
}
