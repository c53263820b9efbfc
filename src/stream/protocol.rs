//! What a NATS server sends, read from bytes.
//!
//! Source: the NATS documentation, "Client Protocol", and ADR-4 for headers.

use std::ops::Range;

/// A line may be this long; of INFO, which lists all servers of a cluster, and other lines alike.
const LONGEST_LINE: usize = 64 * 1024;

/// A message may be this large; servers may be set to 64 MiB.
const LARGEST: usize = 64 << 20;

/// One thing that a server says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// What it is, in JSON.
    Info(Vec<u8>),
    Message(Incoming),
    Ping,
    Pong,
    Ok,
    /// In its own words.
    Error(String),
}

/// A message as it comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Incoming {
    /// The subject that it was sent to.
    pub subject: String,
    /// Where an answer goes.
    pub reply: Option<String>,
    /// What stands in the header's first line: a server's own answer has a number there, 404 say.
    pub status: Option<u16>,
    /// Name and value of each header, with U+FFFD in place of what is not UTF-8.
    pub headers: Vec<(String, String)>,
    /// The rest.
    pub payload: Vec<u8>,
}

impl Incoming {
    /// The value of a header; the first where there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// It is no NATS.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Garbled;

/// Reads one thing, and how many bytes it took; `None` where not all of it is there.
pub(super) fn read(input: &[u8]) -> Result<Option<(Said, usize)>, Garbled> {
    let Some(end) = input.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n') else {
        return if input.len() < LONGEST_LINE { Ok(None) } else { Err(Garbled) };
    };
    let line = input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]);
    let (word, rest) =
        line.split_at(line.iter().position(|byte| *byte == b' ' || *byte == b'\t').unwrap_or(line.len()));
    let whole = |said| Ok(Some((said, end + 1)));
    match word.to_ascii_uppercase().as_slice() {
        b"MSG" => message(input, rest, end + 1, false),
        b"HMSG" => message(input, rest, end + 1, true),
        b"INFO" => whole(Said::Info(rest.trim_ascii().to_vec())),
        b"PING" => whole(Said::Ping),
        b"PONG" => whole(Said::Pong),
        b"+OK" => whole(Said::Ok),
        b"-ERR" => whole(Said::Error(String::from_utf8_lossy(rest).trim().trim_matches('\'').to_owned())),
        _ => Err(Garbled),
    }
}

/// `MSG subject sid [reply] length`, `HMSG subject sid [reply] length-of-header length`.
fn message(input: &[u8], line: &[u8], start: usize, has_header: bool) -> Result<Option<(Said, usize)>, Garbled> {
    let line = std::str::from_utf8(line).map_err(|_| Garbled)?;
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    let lengths = if has_header { 2 } else { 1 };
    let (names, lengths) = words.split_at_checked(words.len().wrapping_sub(lengths)).ok_or(Garbled)?;
    let (subject, reply) = match names {
        [subject, _] => (subject, None),
        [subject, _, reply] => (subject, Some((*reply).to_owned())),
        _ => return Err(Garbled),
    };
    let number = |text: &&str| text.parse::<usize>().ok().filter(|number| *number <= LARGEST);
    let (first, last) = (lengths.first().and_then(number), lengths.last().and_then(number));
    let (head, length) = first.zip(last).filter(|(first, last)| first <= last).ok_or(Garbled)?;
    let end = start + length;
    // The end of its line belongs to it.
    if input.len() < end + 2 {
        return Ok(None);
    }
    if &input[end..end + 2] != b"\r\n" {
        return Err(Garbled);
    }
    let head = if has_header { head } else { 0 };
    let (status, headers) = if has_header { header(&input[start..start + head])? } else { (None, Vec::new()) };
    let payload = input[Range { start: start + head, end }].to_vec();
    let incoming = Incoming { subject: (*subject).to_owned(), reply, status, headers, payload };
    Ok(Some((Said::Message(incoming), end + 2)))
}

type Head = (Option<u16>, Vec<(String, String)>);

fn header(bytes: &[u8]) -> Result<Head, Garbled> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split("\r\n");
    let first = lines.next().and_then(|line| line.strip_prefix("NATS/1.0")).ok_or(Garbled)?;
    let status = first.split_ascii_whitespace().next().and_then(|word| word.parse().ok());
    let pair = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    Ok((status, lines.filter_map(pair).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(text: &str) -> Said {
        let (said, length) = read(text.as_bytes()).unwrap().unwrap();
        assert_eq!(length, text.len());
        said
    }

    #[test]
    fn each_line_is_read() {
        assert_eq!(said("INFO {\"a\":1} \r\n"), Said::Info(b"{\"a\":1}".to_vec()));
        assert_eq!(said("ping\r\n"), Said::Ping);
        assert_eq!(said("-ERR 'Authorization Violation'\r\n"), Said::Error("Authorization Violation".into()));
        let plain = Incoming { subject: "a.b".into(), payload: b"x\r\n".to_vec(), ..Incoming::default() };
        assert_eq!(said("MSG a.b 1 3\r\nx\r\n\r\n"), Said::Message(plain));
        let Said::Message(message) = said("HMSG a 1 r.s 34 35\r\nNATS/1.0 404 None\r\nA: b\r\nC:d:e\r\n\r\nx\r\n")
        else {
            panic!("no message")
        };
        assert_eq!((message.reply.as_deref(), message.status), (Some("r.s"), Some(404)));
        assert_eq!((message.header("a"), message.header("c")), (Some("b"), Some("d:e")));
        assert_eq!(message.payload, b"x");
    }

    #[test]
    fn what_is_no_nats_is_found_out_at_once() {
        for text in [
            "HTTP/1.1 400 Bad Request\r\n",
            "MSG a 1 x\r\n",
            "MSG a 1\r\n",
            "MSG 1\r\n",
            "MSG\r\n",
            "MSG a 1 r s 1\r\n",
            "HMSG a 1 5 4\r\n",
            "MSG a 1 99999999999\r\n",
            "MSG a 1 1\r\nxyz",
            "HMSG a 1 3 3\r\nabc\r\n",
        ] {
            assert_eq!(read(text.as_bytes()), Err(Garbled), "{text}");
        }
        assert_eq!(read(&vec![b'x'; LONGEST_LINE]), Err(Garbled));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever bytes come, and however little of a message: no panic, and nothing is taken that is not there.
        #[test]
        fn any_bytes_are_read(
            start in "(MSG|HMSG|INFO|-ERR|\\+OK)?",
            rest in "[ a-z0-9.]{0,12}\r?\n?",
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let input = [start.as_bytes(), rest.as_bytes(), &bytes].concat();
            if let Ok(Some((_, length))) = read(&input) {
                prop_assert!(length <= input.len());
                prop_assert_eq!(read(&input[..length - 1]).ok().flatten(), None);
            }
        }
    }
}
