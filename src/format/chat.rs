//! The one look that all chats have: who did what where, up to five commits, links. Each chat's file writes it down in its own
//! markup, and says how much it takes.

pub(super) mod inert;

use std::time::Duration;

use serde_json::Value;

use super::{Exchange, Format, Header, Ids, Limits, Payload, Verdict, newest, ref_type};
use crate::event::{
    Commit, Context, Event, EventKind, EventName, MergeRequest, Note, Push, Review, ReviewAction, Wanted,
};
use crate::ref_update::{Change, ObjectId};
use crate::signature::Secret;
use crate::text::shorten;

pub(super) const MOST_COMMITS: usize = 5;

const WANTS: Wanted = Wanted { commits: MOST_COMMITS, ..Wanted::NOTHING };

/// Chats have no names of their own for what happens.
const EVENTS: &[(EventName, &str)] = &[
    (EventName::Push, "push"),
    (EventName::TagPush, "tag_push"),
    (EventName::Note, "note"),
    (EventName::MergeRequest, "merge_request"),
];

/// What chats have in common; each adds its name, its hosts and what it does otherwise.
pub(super) const fn format(each: fn(&Event, EventName, &Limits) -> Option<Payload>) -> Format {
    Format {
        name: "",
        forge: "",
        hosts: &[],
        events: EVENTS,
        wants: WANTS,
        each,
        whole: None,
        ping: None,
        headers,
        forms: None,
        has_extras: false,
        is_stamped: false,
        is_chat: true,
        sign,
        exchange: Exchange::POST,
    }
}

/// So many lines of a comment are shown.
const MOST_LINES: usize = 10;

/// So many bytes of a commit's subject, a title or a path are shown, and of a subject where there is no room for more.
const LONGEST_LINE: usize = 200;
const SHORTEST_LINE: usize = 60;

/// So many bytes of a name are shown.
const LONGEST_NAME: usize = 100;

/// A message, in lines.
pub(super) struct Message {
    /// The word for what happened, by which deliveries are told apart.
    pub(super) event: &'static str,
    /// The first says who did what where.
    pub(super) lines: Vec<Line>,
}

/// A line of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// Whether it repeats what somebody said.
    pub(super) is_quoted: bool,
    pub(super) spans: Vec<Span>,
}

/// A piece of a line: words of ours, then text of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) ours: String,
    /// Of one line, cut, and not escaped.
    pub(super) theirs: String,
    /// Where it leads; empty for nowhere.
    pub(super) page: String,
}

fn ours(text: impl Into<String>) -> Span {
    Span { ours: text.into(), ..Span::default() }
}

/// Text of others, in one line of so many bytes at most.
fn theirs(text: &str, longest: usize) -> Span {
    let text = text.replace(['\r', '\n', '\t'], " ");
    Span { theirs: shorten(text.trim().to_owned(), longest), ..Span::default() }
}

fn line(spans: impl Into<Vec<Span>>) -> Line {
    Line { is_quoted: false, spans: spans.into() }
}

/// How much a chat takes.
pub(super) struct Room {
    /// At most so much.
    pub(super) most: usize,
    /// How much of that a line takes, with what ends it.
    pub(super) size: fn(&Line) -> usize,
    /// Kept free for how many more commits there are.
    pub(super) end: usize,
}

impl Room {
    fn of(&self, lines: &[Line]) -> usize {
        lines.iter().map(self.size).sum()
    }

    pub(super) fn has(&self, lines: &[Line]) -> bool {
        self.of(lines) <= self.most
    }
}

/// The word for what happened, in the configuration and in the log.
pub(super) fn word(name: EventName) -> Option<&'static str> {
    EVENTS.iter().find(|(known, _)| *known == name).map(|(_, word)| *word)
}

/// What is told of an event: without links where it would be more than there is room for.
pub(super) fn message(event: &Event, name: EventName, limits: &Limits, room: &Room) -> Option<Message> {
    let word = word(name)?;
    let told = |has_links| {
        let pen = Pen { context: &event.context, room, has_links };
        match &event.kind {
            EventKind::Push(push) | EventKind::TagPush(push) => pen.push(push, limits),
            EventKind::MergeRequest(request) => vec![pen.happened(request)],
            EventKind::Note(note) => pen.note(note),
        }
    };
    let lines = told(true);
    Some(Message { event: word, lines: if room.has(&lines) { lines } else { told(false) } })
}

/// What writes a message: the names and places that stand in several.
struct Pen<'a> {
    context: &'a Context,
    room: &'a Room,
    has_links: bool,
}

impl Pen<'_> {
    fn who(&self) -> Span {
        theirs(&self.context.pusher.name, LONGEST_NAME)
    }

    fn place(&self) -> Span {
        let repository = &self.context.repository;
        self.link(repository.page(), theirs(&repository.path, LONGEST_LINE))
    }

    /// `review 3, Try it`.
    fn review(&self, review: &Review) -> Span {
        let page = self.context.repository.review_page(review.number, "/merge_requests/");
        let title = theirs(&review.title, LONGEST_LINE);
        self.link(&page, Span { ours: format!("review {}, ", review.number), ..title })
    }

    fn commit(&self, id: ObjectId) -> Span {
        self.link(&self.context.repository.commit_page(id, "/commit/"), ours(&id.to_string()[..7]))
    }

    /// A link, or the text alone where there is no page.
    fn link(&self, page: &str, span: Span) -> Span {
        if self.has_links { Span { page: page.to_owned(), ..span } } else { span }
    }

    /// As many of the newest commits as are wanted and have room.
    fn push(&self, push: &Push, limits: &Limits) -> Vec<Line> {
        let mut lines = vec![self.headline(push)];
        let wanted = newest(&push.commits, limits.commits.unwrap_or(MOST_COMMITS));
        let mut left = self.room.most.saturating_sub(self.room.of(&lines) + self.room.end);
        let mut fitting = |commit: &Commit, longest: usize| {
            let line = self.commit_line(commit, longest);
            left = left.checked_sub((self.room.size)(&line))?;
            Some(line)
        };
        let mut listed: Vec<_> = wanted.iter().rev().map_while(|commit| fitting(commit, LONGEST_LINE)).collect();
        if listed.is_empty() {
            listed.extend(wanted.last().and_then(|commit| fitting(commit, SHORTEST_LINE)));
        }
        let more = push.total.saturating_sub(listed.len() as u64);
        let has_more = more > 0 && !listed.is_empty();
        lines.extend(listed.into_iter().rev());
        lines.extend(has_more.then(|| line([ours(format!("… and {more} older"))])));
        lines
    }

    /// `alice pushed 2 commits to branch main in group/project`.
    fn headline(&self, push: &Push) -> Line {
        let total = push.total;
        let count = if total == 1 { "1 commit".into() } else { format!("{total} commits") };
        let (does, end) = match push.change() {
            Change::Delete => (" deleted ".into(), String::new()),
            Change::Create if total > 0 => (" created ".into(), format!(", with {count}")),
            Change::Create => (" created ".into(), String::new()),
            Change::Update if push.is_tag() => (" moved ".into(), String::new()),
            Change::Update if push.forced => (" rewrote ".into(), format!(", with {count}")),
            Change::Update => (format!(" pushed {count} to "), String::new()),
        };
        let what = theirs(&push.short_name(), LONGEST_LINE);
        line([self.who(), ours(format!("{does}{} ", ref_type(push))), what, ours(" in "), self.place(), ours(end)])
    }

    /// `1a2b3c4 The subject - A U Thor`.
    fn commit_line(&self, commit: &Commit, longest: usize) -> Line {
        let author = theirs(&commit.author.name, LONGEST_NAME);
        let subject = theirs(&subject(&commit.message), longest);
        line([self.commit(commit.id), ours(" "), subject, ours(" - "), author])
    }

    /// `alice opened review 3, Try it: topic into main in group/project`.
    fn happened(&self, request: &MergeRequest) -> Line {
        let review = &request.review;
        let what = match request.action {
            ReviewAction::Open => "opened",
            ReviewAction::Update if request.old_head().is_some() => "pushed to",
            ReviewAction::Update => "changed",
            ReviewAction::Merge => "merged",
            ReviewAction::Close => "closed",
            ReviewAction::Reopen => "opened again",
            ReviewAction::Approve => "approved",
            ReviewAction::Unapprove => "no longer approves",
            ReviewAction::RequestChanges => "asks for changes in",
            ReviewAction::WithdrawChanges => "no longer asks for changes in",
        };
        let [source, target] = [&review.source, &review.target].map(|branch| theirs(branch, LONGEST_NAME));
        let which = [self.who(), ours(format!(" {what} ")), self.review(review), ours(": ")];
        let branches = [source, ours(" into "), target, ours(" in "), self.place()];
        line(which.into_iter().chain(branches).collect::<Vec<_>>())
    }

    /// `bob commented on review 3, Try it in group/project`, and what, as far as there is room.
    fn note(&self, note: &Note) -> Vec<Line> {
        let what = match &note.review {
            Some(review) => vec![self.review(review)],
            None => vec![ours("commit "), self.commit(note.commit.id)],
        };
        let did = if note.replaces.is_some() { " changed a comment on " } else { " commented on " };
        let who = [theirs(&note.author.name, LONGEST_NAME), ours(did)];
        let spans = who.into_iter().chain(what).chain([ours(" in "), self.place()]);
        let mut lines = vec![line(spans.collect::<Vec<_>>())];
        for said in note.text.lines().take(MOST_LINES) {
            lines.push(Line { is_quoted: true, spans: vec![theirs(said, LONGEST_LINE)] });
            if !self.room.has(&lines) {
                lines.pop();
                break;
            }
        }
        lines
    }
}

/// What git takes for it (`git log --format=%s`): the first paragraph in one line.
pub(super) fn subject(message: &str) -> String {
    let lines = message.lines().map(str::trim_end).skip_while(|line| line.is_empty());
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// How a chat that takes marked up text writes a line.
pub(super) struct Markup {
    /// Text of others, so that it calls nobody, leads nowhere and marks nothing up.
    pub(super) inert: fn(&str) -> String,
    /// A link: its page, and its text as it is written.
    pub(super) link: fn(&str, &str) -> String,
    /// What stands before a line that somebody said.
    pub(super) quote: &'static str,
}

impl Markup {
    pub(super) fn line(&self, line: &Line) -> String {
        let span = |span: &Span| {
            let text = span.ours.clone() + &(self.inert)(&span.theirs);
            if span.page.is_empty() { text } else { (self.link)(&span.page, &text) }
        };
        let text: String = line.spans.iter().map(span).collect();
        if line.is_quoted { format!("{}{text}", self.quote) } else { text }
    }

    /// The lines, each but the last with this behind it.
    pub(super) fn text(&self, lines: &[Line], between: &str) -> String {
        lines.iter().map(|line| self.line(line)).collect::<Vec<_>>().join(between)
    }
}

/// A Markdown link, whose address ends where it ends.
pub(super) fn markdown_link(page: &str, text: &str) -> String {
    let page = page.replace('(', "%28").replace(')', "%29");
    format!("[{text}]({page})")
}

/// None of them knows any: what a message is about stands in it.
fn headers(_event: &str, ids: &Ids) -> Vec<Header> {
    vec![("Idempotency-Key", ids.delivery.to_string().into())]
}

/// The address is the secret, or signs beside headers.
fn sign(_secret: &Secret, _body: &[u8]) -> Vec<Header> {
    Vec::new()
}

/// What an answer says that has a number for what went wrong, 0 for nothing, and words for it beside; `busy` are the numbers that
/// pass, with how long to wait.
pub(super) fn by_number(answer: &Value, number: &str, words: &str, busy: &[(i64, Option<u64>)]) -> Verdict {
    let Some(found) = answer[number].as_i64() else { return Verdict::Unclear };
    let why = || format!("{number} {found}: {}", shorten(answer[words].as_str().unwrap_or_default().to_owned(), 500));
    match busy.iter().find(|(known, _)| *known == found) {
        _ if found == 0 => Verdict::Taken,
        Some((_, seconds)) => Verdict::TooMany(why(), seconds.map(Duration::from_secs)),
        None => Verdict::Refused(why()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_the_first_paragraph() {
        assert_eq!(subject("\n  \none\ntwo  \n\nbody\n"), "one two");
        assert_eq!(subject("one\r\n\r\ntwo"), "one");
        assert_eq!(subject(""), "");
    }

    #[test]
    fn a_text_is_one_line_of_so_many_bytes() {
        assert_eq!(theirs(" a\r\nb\tc ", 200).theirs, "a  b c");
        assert_eq!(theirs(&"x".repeat(300), 10).theirs, format!("{}…", "x".repeat(10)));
    }

    #[test]
    fn an_answer_of_numbers_is_read() {
        let said = |text: &str| {
            by_number(&serde_json::from_str(text).unwrap(), "errcode", "errmsg", &[(130_101, Some(600)), (-1, None)])
        };
        assert_eq!(said(r#"{"errcode":0,"errmsg":"ok"}"#), Verdict::Taken);
        assert_eq!(said(r#"{"errcode":310000,"errmsg":"x"}"#), Verdict::Refused("errcode 310000: x".into()));
        let ten_minutes = Some(Duration::from_secs(600));
        assert_eq!(said(r#"{"errcode":130101}"#), Verdict::TooMany("errcode 130101: ".into(), ten_minutes));
        assert_eq!(said(r#"{"errcode":-1}"#), Verdict::TooMany("errcode -1: ".into(), None));
        for text in ["{}", "[]", "null", r#"{"errcode":"0"}"#] {
            assert_eq!(said(text), Verdict::Unclear, "{text}");
        }
    }
}
