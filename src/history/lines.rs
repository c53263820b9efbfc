//! Reads the lines of a log file, from either end, a part of it at a time: what somebody asks for is mostly at its end, and
//! the file of a busy day has hundreds of megabytes.

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;

use bstr::{ByteSlice, Finder};

/// So much is read at once.
const PART: usize = 256 << 10;

/// A line longer than this is none of ours, and is told in pieces.
pub(super) const LONGEST_LINE: usize = 1 << 20;

/// Tells every line, the first one first, without its end.
///
/// # Errors
/// Where the file cannot be read; what was read before that has been told.
pub fn forwards(file: File, tell: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    parts(file, &mut |part| part.split_str("\n").filter(|line| !line.is_empty()).for_each(&mut *tell))
}

/// The same of the lines that hold a text. What lies between them is not looked at line by line: a hundred megabytes take as long as
/// it takes to read them.
///
/// # Errors
/// As for [`forwards`].
pub fn holding(file: File, text: &Finder<'_>, tell: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    parts(file, &mut |part| {
        let mut at = 0;
        while let Some(found) = part.get(at..).and_then(|rest| text.find(rest)) {
            let found = at + found;
            let start = part[..found].rfind_byte(b'\n').map_or(0, |before| before + 1);
            let end = part[found..].find_byte(b'\n').map_or(part.len(), |behind| found + behind);
            tell(&part[start..end]);
            at = end + 1;
        }
    })
}

/// Tells the file in parts that end where lines do.
pub(super) fn parts(mut file: impl Read, tell: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    let mut held = vec![0; PART];
    let mut end = 0;
    loop {
        if end == held.len() {
            held.resize(end + PART, 0);
        }
        let read = file.read(&mut held[end..])?;
        end += read;
        let is_last = read == 0;
        let whole = match held[..end].rfind_byte(b'\n') {
            _ if is_last || end > LONGEST_LINE => end,
            Some(last) => last + 1,
            None => continue,
        };
        tell(&held[..whole]);
        held.copy_within(whole..end, 0);
        end -= whole;
        if is_last {
            return Ok(());
        }
    }
}

/// Tells the lines that are there now, the last one first, until somebody has enough; whether he had.
///
/// # Errors
/// Where the file cannot be read.
pub fn backwards(file: &File, tell: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> io::Result<ControlFlow<()>> {
    let mut start = file.metadata()?.len();
    // The beginning of what has been read, whose line has more before it.
    let mut held: Vec<u8> = Vec::new();
    while start > 0 {
        let size = start.min(PART as u64) as usize;
        start -= size as u64;
        let mut part = vec![0; size];
        file.read_exact_at(&mut part, start)?;
        part.append(&mut held);
        let whole = match part.find_byte(b'\n') {
            _ if start == 0 || part.len() > LONGEST_LINE => 0,
            Some(first) => first + 1,
            None => part.len(),
        };
        for line in part[whole..].rsplit_str("\n").filter(|line| !line.is_empty()) {
            if tell(line).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        part.truncate(whole);
        held = part;
    }
    Ok(ControlFlow::Continue(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_same_lines_from_either_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("day");
        let long = |n: usize| "x".repeat(n * 7919 % 60_000);
        let mut expected: Vec<String> = (0..200).map(|n| format!("{n} {}", long(n))).collect();
        for end in ["\n", "\nno end"] {
            fs::write(&path, expected.join("\n") + end).unwrap();
            expected.extend((end != "\n").then(|| "no end".into()));
            let (mut forth, mut back) = (Vec::new(), Vec::new());
            forwards(File::open(&path).unwrap(), &mut |line| forth.push(line.to_str().unwrap().to_owned())).unwrap();
            let all = backwards(&File::open(&path).unwrap(), &mut |line| {
                back.push(line.to_str().unwrap().to_owned());
                ControlFlow::Continue(())
            });
            assert!(all.unwrap().is_continue());
            back.reverse();
            assert!(forth == expected && back == expected);
            for text in ["7 ", "199 ", "x", "no end", "nowhere"] {
                let mut holding = Vec::new();
                let tell = &mut |line: &[u8]| holding.push(line.to_str().unwrap().to_owned());
                super::holding(File::open(&path).unwrap(), &Finder::new(text), tell).unwrap();
                assert!(holding.iter().eq(expected.iter().filter(|line| line.contains(text))), "{text}");
            }
        }
        let mut told = 0;
        let ended = backwards(&File::open(&path).unwrap(), &mut |_| {
            told += 1;
            if told == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(ended.unwrap().is_break() && told == 3);
    }

    #[test]
    fn a_line_that_is_none_takes_no_memory() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("day");
        fs::write(&path, vec![b'x'; 5 << 20]).unwrap();
        let (mut most, mut all) = (0, 0);
        forwards(File::open(&path).unwrap(), &mut |line| {
            most = most.max(line.len());
            all += line.len();
        })
        .unwrap();
        assert!(most < 2 << 20 && all == 5 << 20);
    }
}
