//! Slack, and what reads the same: Mattermost, Rocket.Chat, Discord below `/slack`. One message for each event.
//!
//! Source: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/>; for links and escapes
//! <https://docs.slack.dev/messaging/formatting-message-text/>.

mod inert;

use serde_json::json;

use self::inert::inert;

use super::{Exchange, Format, Header, Ids, Limits, Payload, Signed, compact, newest, ref_type};
use crate::event::{
    Commit, Context, Event, EventKind, EventName, MergeRequest, Note, Push, Review, ReviewAction, Wanted,
};
use crate::ref_update::{Change, ObjectId};
use crate::signature::Secret;

const MOST_COMMITS: usize = 5;

/// So many lines of a comment are shown.
const MOST_LINES: usize = 10;

/// So many bytes of a commit's subject, a title or a path are shown, and of a subject where there is no room for more.
const LONGEST_LINE: usize = 200;
const SHORTEST_LINE: usize = 60;

/// So many bytes of a name are shown.
const LONGEST_NAME: usize = 100;

/// What the strictest of them takes, Discord: 2,000 characters. Mattermost takes 16,383, Slack 40,000.
const LONGEST: usize = 2000;

/// Kept free for how many more commits there are.
const LONGEST_END: usize = 40;

pub(super) const FORMAT: Format = Format {
    name: "slack",
    forge: "Slack, Mattermost, Rocket.Chat, Discord",
    hosts: &["hooks.slack.com"],
    events: &[
        (EventName::Push, "push"),
        (EventName::TagPush, "tag_push"),
        (EventName::Note, "note"),
        (EventName::MergeRequest, "merge_request"),
    ],
    wants: Wanted { commits: MOST_COMMITS, ..Wanted::NOTHING },
    each: payload,
    whole: None,
    ping: None,
    headers,
    forms: Some(Signed::Form),
    has_extras: false,
    is_stamped: false,
    is_chat: true,
    sign,
    exchange: Exchange::POST,
};

fn payload(event: &Event, name: EventName, limits: &Limits) -> Option<Payload> {
    let name = match name {
        EventName::Push => "push",
        EventName::TagPush => "tag_push",
        EventName::Note => "note",
        EventName::MergeRequest => "merge_request",
        EventName::Create | EventName::Delete => return None,
    };
    let context = &*event.context;
    let text = match &event.kind {
        EventKind::Push(push) | EventKind::TagPush(push) => told(context, |pen| push_text(pen, push, limits)),
        EventKind::MergeRequest(request) => told(context, |pen| review_text(pen, request)),
        EventKind::Note(note) => told(context, |pen| note_text(pen, note)),
    };
    Some(compact(name, &json!({ "text": text })))
}

/// A message that all of the chats take: without links where it would be longer, then without its end.
fn told(context: &Context, write: impl Fn(&Pen<'_>) -> String) -> String {
    let text = write(&Pen { context, has_links: true });
    if length(&text) <= LONGEST { text } else { cut(&write(&Pen { context, has_links: false })) }
}

/// In the units that the strictest of them may count in.
fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The beginning of a text without links, which ends within no escape.
fn cut(text: &str) -> String {
    let mut kept = String::new();
    let mut left = LONGEST - 1;
    for c in text.chars().take_while(|c| left.checked_sub(c.len_utf16()).map(|rest| left = rest).is_some()) {
        kept.push(c);
    }
    if kept.len() == text.len() {
        return kept;
    }
    if let Some(at) = kept.rfind('&').filter(|at| !kept[*at..].contains(';')) {
        kept.truncate(at);
    }
    kept + "…"
}

/// What writes a message: the names and places that stand in several.
struct Pen<'a> {
    context: &'a Context,
    has_links: bool,
}

impl Pen<'_> {
    fn who(&self) -> String {
        inert(&self.context.pusher.name, LONGEST_NAME)
    }

    fn place(&self) -> String {
        let repository = &self.context.repository;
        self.link(repository.page(), &inert(&repository.path, LONGEST_LINE))
    }

    /// `review 3, Try it`.
    fn review(&self, review: &Review) -> String {
        let page = self.context.repository.review_page(review.number, "/merge_requests/");
        self.link(&page, &format!("review {}, {}", review.number, inert(&review.title, LONGEST_LINE)))
    }

    fn commit(&self, id: ObjectId) -> String {
        self.link(&self.context.repository.commit_page(id, "/commit/"), &id.to_string()[..7])
    }

    /// A link, or the text alone where there is no page.
    fn link(&self, page: &str, text: &str) -> String {
        if page.is_empty() || !self.has_links { text.to_owned() } else { format!("<{page}|{text}>") }
    }
}

/// As many of the newest commits as are wanted and have room.
fn push_text(pen: &Pen<'_>, push: &Push, limits: &Limits) -> String {
    let mut text = headline(pen, push);
    let wanted = newest(&push.commits, limits.commits.unwrap_or(MOST_COMMITS));
    let mut left = LONGEST.saturating_sub(length(&text) + LONGEST_END);
    let mut fitting = |commit: &Commit, longest: usize| {
        let line = format!("\n{}", line(pen, commit, longest));
        left = left.checked_sub(length(&line))?;
        Some(line)
    };
    let mut lines: Vec<_> = wanted.iter().rev().map_while(|commit| fitting(commit, LONGEST_LINE)).collect();
    if lines.is_empty() {
        lines.extend(wanted.last().and_then(|commit| fitting(commit, SHORTEST_LINE)));
    }
    text.extend(lines.iter().rev().map(String::as_str));
    let more = push.total.saturating_sub(lines.len() as u64);
    if more > 0 && !lines.is_empty() {
        text += &format!("\n… and {more} older");
    }
    text
}

/// `alice pushed 2 commits to branch main in group/project`.
fn headline(pen: &Pen<'_>, push: &Push) -> String {
    let (who, place) = (pen.who(), pen.place());
    let what = format!("{} {}", ref_type(push), inert(&push.short_name(), LONGEST_LINE));
    let total = push.total;
    let count = if total == 1 { "1 commit".into() } else { format!("{total} commits") };
    match push.change() {
        Change::Delete => format!("{who} deleted {what} in {place}"),
        Change::Create if total > 0 => format!("{who} created {what} in {place}, with {count}"),
        Change::Create => format!("{who} created {what} in {place}"),
        Change::Update if push.is_tag() => format!("{who} moved {what} in {place}"),
        Change::Update if push.forced => format!("{who} rewrote {what} in {place}, with {count}"),
        Change::Update => format!("{who} pushed {count} to {what} in {place}"),
    }
}

/// `alice opened review 3, Try it: topic into main in group/project`.
fn review_text(pen: &Pen<'_>, request: &MergeRequest) -> String {
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
    let [source, target] = [&review.source, &review.target].map(|branch| inert(branch, LONGEST_NAME));
    format!("{} {what} {}: {source} into {target} in {}", pen.who(), pen.review(review), pen.place())
}

/// `bob commented on review 3, Try it in group/project`, and what, as far as there is room.
fn note_text(pen: &Pen<'_>, note: &Note) -> String {
    let what = match &note.review {
        Some(review) => pen.review(review),
        None => format!("commit {}", pen.commit(note.commit.id)),
    };
    let did = if note.replaces.is_some() { "changed a comment on" } else { "commented on" };
    let mut text = format!("{} {did} {what} in {}", inert(&note.author.name, LONGEST_NAME), pen.place());
    for line in note.text.lines().take(MOST_LINES) {
        let line = format!("\n> {}", inert(line, LONGEST_LINE));
        if length(&text) + length(&line) > LONGEST {
            break;
        }
        text += &line;
    }
    text
}

/// `1a2b3c4 The subject - A U Thor`.
fn line(pen: &Pen<'_>, commit: &Commit, longest: usize) -> String {
    let author = inert(&commit.author.name, LONGEST_NAME);
    format!("{} {} - {author}", pen.commit(commit.id), inert(&subject(&commit.message), longest))
}

/// What git takes for it (`git log --format=%s`): the first paragraph in one line.
fn subject(message: &str) -> String {
    let lines = message.lines().map(str::trim_end).skip_while(|line| line.is_empty());
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Slack knows none: what a message is about stands in it.
fn headers(_event: &str, ids: &Ids) -> Vec<Header> {
    vec![("Idempotency-Key", ids.delivery.to_string().into())]
}

/// The address is the secret.
fn sign(_secret: &Secret, _body: &[u8]) -> Vec<Header> {
    Vec::new()
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
    fn what_is_cut_ends_in_no_escape_and_no_half_of_a_character() {
        let long = |text: &str| text.repeat(LONGEST);
        for text in [long("x"), long("&amp;"), long("\u{1f600}"), long("é")] {
            let cut = cut(&text);
            assert!(length(&cut) <= LONGEST && length(&cut) > LONGEST - 8, "{}", length(&cut));
            assert!(cut.trim_end_matches('…').replace("&amp;", "").matches('&').count() == 0, "{cut}");
        }
        assert_eq!(cut("short"), "short");
    }
}
