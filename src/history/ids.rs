//! Where in the file of a day the lines of each delivery stand: an index that can be lost, for whoever asks for one delivery of
//! hundreds of thousands.
//!
//! It covers the beginning of a file to which lines are only added; what is behind that is looked through. It holds whole numbers of
//! eight bytes, the most significant first: how far it covers, the file's inode, how many lines, the last of them; then two for each
//! line, in the order of their ids: what the id begins with, and where the line begins.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};

use bstr::{ByteSlice, Finder};

use super::entry::id_of;
use super::lines;
use crate::files::Dir;

const MAGIC: &[u8; 16] = b"git-webhook ids\n";
const HEAD: u64 = 56;
const ENTRY: u64 = 16;

/// From so many bytes on that it does not cover it is made anew.
const WORTH: u64 = 4 << 20;

/// It has no more lines than this, which take as many times sixteen bytes; what is behind them is looked through.
const MOST: u64 = 1 << 20;

/// So much of a line is read at once.
const PART: usize = 2 << 10;

/// What a line that is not in our own form is found by: it is told whatever is asked for.
const ODD: u64 = u64::MAX;

/// The name of a day's index.
pub fn name(day: &str) -> String {
    format!("{day}.ids")
}

/// Tells the lines of a day of deliveries whose ids begin with `start`, and a few others, in their order.
///
/// # Errors
/// Where the day's file cannot be read. An index that cannot be read or written is none.
pub fn beginning(
    directory: &Dir,
    day: &str,
    mut file: File,
    start: &str,
    tell: &mut dyn FnMut(&[u8]),
) -> io::Result<()> {
    let mut covered = 0;
    if let Some(index) = Index::of(directory, day, &file)
        && let Ok(Some(lines)) = index.lines(&file, start)
    {
        lines.iter().for_each(|line| tell(line));
        covered = index.covered;
    }
    file.seek(SeekFrom::Start(covered))?;
    lines::holding(file, &Finder::new(start), tell)
}

/// An index that is there.
struct Index {
    file: File,
    /// How many bytes of the day's file it covers.
    covered: u64,
    /// How many lines it has.
    count: u64,
}

impl Index {
    /// That of a day, made now where it is worth it.
    fn of(directory: &Dir, day: &str, file: &File) -> Option<Self> {
        let metadata = file.metadata().ok().filter(|metadata| metadata.len() >= WORTH)?;
        let index = Self::open(directory, day, file, &metadata);
        let (covered, count) = index.as_ref().map_or((0, 0), |index| (index.covered, index.count));
        if metadata.len() - covered < WORTH || count >= MOST {
            return index;
        }
        match make(directory, day, file, &metadata, index.as_ref()) {
            // Lines may have been added meanwhile.
            Some(()) => Self::open(directory, day, file, &file.metadata().ok()?),
            // Nobody may write here, or the disk is full.
            None => index,
        }
    }

    /// `None` where there is none for this file.
    fn open(directory: &Dir, day: &str, day_file: &File, metadata: &Metadata) -> Option<Self> {
        let (file, own) = directory.open_unless_closed(name(day)).ok()?;
        let mut magic = [0; MAGIC.len()];
        file.read_exact_at(&mut magic, 0).ok()?;
        let mut head = [0; 5];
        for (value, at) in head.iter_mut().zip((16..).step_by(8)) {
            *value = number(&file, at).ok()?;
        }
        let [covered, inode, count, key, place] = head;
        let is_whole =
            magic == *MAGIC && count.checked_mul(ENTRY).and_then(|size| size.checked_add(HEAD)) == Some(own.len());
        let is_of = inode == metadata.ino() && covered <= metadata.len();
        // Where somebody wrote in the file, the last line is hardly where it was.
        (is_whole && is_of && key_of(&line_at(day_file, place).ok()?) == key).then_some(Self { file, covered, count })
    }

    /// The lines of ids that begin so, and odd ones, in their order; `None` where one is not where it should be: then somebody has written
    /// in the file.
    fn lines(&self, day: &File, start: &str) -> io::Result<Option<Vec<Vec<u8>>>> {
        let digits: String = start.chars().filter(|c| *c != '-').take(16).collect();
        let key = |digits: String| u64::from_str_radix(&digits, 16).unwrap_or(ODD);
        let (first, last) = (key(format!("{digits:0<16}")), key(format!("{digits:f<16}")));
        let mut entries = self.entries(first, last)?;
        entries.extend(self.entries(ODD, ODD)?);
        entries.sort_unstable();
        entries.dedup();
        let mut lines = Vec::new();
        for (place, key) in entries {
            let line = line_at(day, place)?;
            if key_of(&line) != key {
                return Ok(None);
            }
            lines.push(line);
        }
        Ok(Some(lines))
    }

    fn key(&self, at: u64) -> io::Result<u64> {
        number(&self.file, HEAD + at * ENTRY)
    }

    /// Places and keys of the lines with keys between these.
    fn entries(&self, first: u64, last: u64) -> io::Result<Vec<(u64, u64)>> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.key(middle)? < first {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        let mut entries = Vec::new();
        while low < self.count {
            let key = self.key(low)?;
            if key > last {
                break;
            }
            entries.push((number(&self.file, HEAD + low * ENTRY + 8)?, key));
            low += 1;
        }
        Ok(entries)
    }
}

/// Makes an index, with what an older one has.
///
/// Crash: it is on the disk before it has its name, since one with less in it than it says would hide lines.
fn make(directory: &Dir, day: &str, mut file: &File, metadata: &Metadata, old: Option<&Index>) -> Option<()> {
    let mut entries = Vec::new();
    let mut covered = 0;
    if let Some(old) = old {
        covered = old.covered;
        let mut bytes = Vec::new();
        (&old.file).seek(SeekFrom::Start(HEAD)).ok()?;
        (&old.file).read_to_end(&mut bytes).ok()?;
        let number = |part: &[u8]| part.try_into().map_or(0, u64::from_be_bytes);
        entries.extend(bytes.chunks_exact(16).map(|entry| (number(&entry[..8]), number(&entry[8..]))));
    }
    file.seek(SeekFrom::Start(covered)).ok()?;
    let mut is_over = false;
    lines::parts(file, &mut |part| {
        for line in part.split_inclusive(|byte| *byte == b'\n') {
            // Of the last one there may be more to come, and of what is none of ours there is more: it ends here.
            is_over |= !line.ends_with(b"\n") || entries.len() as u64 >= MOST;
            if !is_over {
                entries.push((key_of(line), covered));
                covered += line.len() as u64;
            }
        }
    })
    .ok()?;
    let (key, place) = entries.iter().copied().max_by_key(|(_, place)| *place)?;
    entries.sort_unstable();
    let head = [covered, metadata.ino(), entries.len() as u64, key, place].map(u64::to_be_bytes).concat();
    let entries = entries.iter().flat_map(|(key, place)| [key.to_be_bytes(), place.to_be_bytes()]).flatten();
    let bytes: Vec<u8> = MAGIC.iter().copied().chain(head).chain(entries).collect();
    directory.remove_leftovers();
    directory.write_durably(name(day), &bytes).ok()
}

/// What a line is found by.
fn key_of(line: &[u8]) -> u64 {
    id_of(line).map_or(ODD, |id| id.as_u64_pair().0)
}

fn number(file: &File, at: u64) -> io::Result<u64> {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, at)?;
    Ok(u64::from_be_bytes(bytes))
}

/// The line that begins there, without its end.
fn line_at(file: &File, place: u64) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    loop {
        let known = line.len();
        line.resize(known + PART, 0);
        let read = file.read_at(&mut line[known..], place + known as u64)?;
        line.truncate(known + read);
        let end = line[known..].find_byte(b'\n');
        if end.is_some() || read == 0 || line.len() > lines::LONGEST_LINE {
            line.truncate(end.map_or(line.len(), |end| known + end));
            return Ok(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::Path;

    use super::*;
    use crate::files::Modes;

    const DAY: &str = "2026-11-30";

    fn id(number: usize) -> String {
        format!("{:08x}-0000-5000-8000-{number:012x}", number * 2_654_435_761 % (1 << 32))
    }

    /// Attempts of a third as many deliveries, and now and then a line that is none of ours or was torn.
    fn lines(from: usize, to: usize) -> String {
        let line = |number: usize| {
            let filling = "x".repeat(number * 7919 % 900);
            let own = format!(
                "{{\"time\":\"2026-11-30T16:00:00.000Z\",\"id\":\"{}\",\"x\":\"{filling}\"}}\n",
                id(number / 3)
            );
            let odd = if number.is_multiple_of(5003) {
                format!("{{\"id\":\"{}\"}}\n{{\"tim\n", id(number))
            } else {
                String::new()
            };
            own + &odd
        };
        (from..to).map(line).collect()
    }

    /// The lines of an id that begins so, by the index and without.
    fn told(directory: &Path, start: &str) -> [Vec<String>; 2] {
        let file = || File::open(directory.join(DAY)).unwrap();
        let dir = Dir::open(directory, Modes::new(false)).unwrap();
        let is_of = |line: &[u8]| line.find(format!("\"id\":\"{start}")).is_some();
        let (mut by_index, mut all) = (Vec::new(), Vec::new());
        let text = |line: &[u8]| String::from_utf8(line.into()).unwrap();
        let mut tell = |line: &[u8]| by_index.extend(is_of(line).then(|| text(line)));
        beginning(&dir, DAY, file(), start, &mut tell).unwrap();
        lines::forwards(file(), &mut |line| all.extend(is_of(line).then(|| text(line)))).unwrap();
        [by_index, all]
    }

    #[track_caller]
    fn is_whole(directory: &Path) {
        for start in
            [id(0), id(1), id(1667), id(5003), id(3333), id(6600), "c0".into(), "9e3779b1-0".into(), "fedc".into()]
        {
            let [by_index, all] = told(directory, &start);
            assert_eq!(by_index, all, "{start}");
        }
    }

    #[test]
    fn what_the_index_tells_is_what_the_file_has() {
        let directory = tempfile::tempdir().unwrap();
        let (day, index) = (directory.path().join(DAY), directory.path().join(name(DAY)));
        fs::write(&day, lines(0, 3000)).unwrap();
        is_whole(directory.path());
        assert!(!index.exists(), "a small file is read as it is");
        let add = |text: &str| File::options().append(true).open(&day).unwrap().write_all(text.as_bytes()).unwrap();
        add(&lines(3000, 10_000));
        is_whole(directory.path());
        let first = fs::read(&index).unwrap();
        add(&lines(10_000, 10_500));
        // The beginning of a line whose end is still to come.
        add("{\"time\":\"2026-11-30T16:00:00.000Z\",\"id\":\"");
        is_whole(directory.path());
        assert_eq!(fs::read(&index).unwrap(), first, "the rest is looked through");
        add(&format!("{}\"}}\n", id(1)));
        add(&lines(10_500, 20_000));
        is_whole(directory.path());
        assert!(fs::read(&index).unwrap().len() > first.len());
    }

    #[test]
    fn an_index_that_is_broken_or_of_another_file_hides_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let (day, index) = (directory.path().join(DAY), directory.path().join(name(DAY)));
        fs::write(&day, lines(0, 10_000)).unwrap();
        is_whole(directory.path());
        let sound = fs::read(&index).unwrap();
        for broken in
            [&b""[..], b"git-webhook ids\n", &sound[..60], &sound[..sound.len() - 16], &[b"x", &sound[1..]].concat()]
        {
            fs::write(&index, broken).unwrap();
            is_whole(directory.path());
        }
        // Somebody took the first line out of the file itself.
        fs::write(&index, &sound).unwrap();
        let text = fs::read_to_string(&day).unwrap();
        fs::write(&day, text.split_once('\n').unwrap().1.to_owned() + &lines(10_000, 10_010)).unwrap();
        is_whole(directory.path());
        // The day has another file.
        fs::write(directory.path().join("new"), lines(300, 12_000)).unwrap();
        fs::rename(directory.path().join("new"), &day).unwrap();
        is_whole(directory.path());
    }
}
