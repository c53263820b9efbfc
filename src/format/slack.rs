//! Slack, and what reads the same: Mattermost, Rocket.Chat, Discord below `/slack`. One message for each event.
//!
//! Source: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/>; for links and escapes
//! <https://docs.slack.dev/messaging/formatting-message-text/>.

use serde_json::json;

use super::{Format, Header, Ids, Limits, Payload, Signed, compact, newest, ref_type};
use crate::event::{
    Commit, Context, Event, EventKind, EventName, MergeRequest, Note, Push, Repository, Review, ReviewAction, Wanted,
};
use crate::ref_update::Change;
use crate::signature::Secret;
use crate::text::shorten;

const MOST_COMMITS: usize = 5;

/// So many lines of a comment are shown.
const MOST_LINES: usize = 10;

/// So many bytes of a commit's first line are shown.
const LONGEST_LINE: usize = 200;

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
    sign,
};

fn payload(event: &Event, name: EventName, limits: &Limits) -> Option<Payload> {
    let name = match name {
        EventName::Push => "push",
        EventName::TagPush => "tag_push",
        EventName::Note => "note",
        EventName::MergeRequest => "merge_request",
        EventName::Create | EventName::Delete => return None,
    };
    let text = match &event.kind {
        EventKind::Push(push) | EventKind::TagPush(push) => push_text(&event.context, push, limits),
        EventKind::MergeRequest(request) => review_text(&event.context, request),
        EventKind::Note(note) => note_text(&event.context, note),
    };
    Some(compact(name, &json!({ "text": text })))
}

fn push_text(context: &Context, push: &Push, limits: &Limits) -> String {
    let mut text = headline(context, push);
    let listed = newest(&push.commits, limits.commits.unwrap_or(MOST_COMMITS));
    for commit in listed {
        text.push('\n');
        text += &line(commit, &context.repository);
    }
    let more = push.total.saturating_sub(listed.len() as u64);
    if more > 0 && !listed.is_empty() {
        text += &format!("\n… and {more} older");
    }
    text
}

/// `alice pushed 2 commits to branch main in group/project`.
fn headline(context: &Context, push: &Push) -> String {
    let repository = &context.repository;
    let who = escape(&context.pusher.name);
    let what = format!("{} {}", ref_type(push), escape(&push.short_name()));
    let place = link(repository.page(), &repository.path);
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
fn review_text(context: &Context, request: &MergeRequest) -> String {
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
    let (source, target) = (escape(&review.source), escape(&review.target));
    let place = link(context.repository.page(), &context.repository.path);
    let who = escape(&context.pusher.name);
    format!("{who} {what} {}: {source} into {target} in {place}", review_link(&context.repository, review))
}

/// `review 3, Try it`.
fn review_link(repository: &Repository, review: &Review) -> String {
    let page = repository.review_page(review.number, "/merge_requests/");
    let title = shorten(review.title.clone(), LONGEST_LINE);
    link(&page, &format!("review {}, {title}", review.number))
}

/// `bob commented on review 3, Try it in group/project`, and what.
fn note_text(context: &Context, note: &Note) -> String {
    let repository = &context.repository;
    let what = match &note.review {
        Some(review) => review_link(repository, review),
        None => {
            let id = note.commit.id.to_string();
            format!("commit {}", link(&repository.commit_page(note.commit.id, "/commit/"), &id[..7]))
        }
    };
    let place = link(repository.page(), &repository.path);
    let did = if note.replaces.is_some() { "changed a comment on" } else { "commented on" };
    let mut text = format!("{} {did} {what} in {place}", escape(&note.author.name));
    for line in note.text.lines().take(MOST_LINES) {
        text += &format!("\n> {}", escape(&shorten(line.to_owned(), LONGEST_LINE)));
    }
    text
}

/// `1a2b3c4 First line - A U Thor`.
fn line(commit: &Commit, repository: &Repository) -> String {
    let id = commit.id.to_string();
    let first = commit.message.lines().next().unwrap_or_default();
    let first = shorten(first.trim().to_owned(), LONGEST_LINE);
    let id = link(&repository.commit_page(commit.id, "/commit/"), &id[..7]);
    format!("{id} {} - {}", escape(&first), escape(&commit.author.name))
}

/// A link, or the text alone where there is no page.
fn link(page: &str, text: &str) -> String {
    if page.is_empty() { escape(text) } else { format!("<{page}|{}>", escape(text)) }
}

/// The three characters that Slack reads as its own. Without them nothing can be a link or call everybody (`<!channel>`).
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace(['\r', '\n'], " ")
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
    fn what_slack_reads_as_its_own_is_escaped() {
        assert_eq!(escape("<!channel> & <@U1|x>\r\n"), "&lt;!channel&gt; &amp; &lt;@U1|x&gt;  ");
        assert_eq!(link("", "a|b"), "a|b");
        assert_eq!(link("https://x/", "a>b"), "<https://x/|a&gt;b>");
    }
}
