//! What happened, in words no forge owns: a push to a branch, a push of a tag, with commits, repository and pusher.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::Offset;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use uuid::Uuid;

use crate::pusher::Pusher;
use crate::ref_update::{Change, ObjectId, RefKind, RefUpdate};

/// One thing that happened, which every target is told in its own format.
#[derive(Clone, Debug)]
pub struct Event {
    /// Stable over retries and crashes; ids of deliveries are derived from it.
    pub id: Uuid,
    /// Which ref moved, and from where to where.
    pub update: RefUpdate,
    /// The full ref name as text, with U+FFFD in place of what is not UTF-8.
    pub ref_text: String,
    /// What all events of one push share.
    pub context: Arc<Context>,
    /// What it means.
    pub kind: EventKind,
    /// The old id is no ancestor of the new one: history was rewritten, or a tag moved elsewhere.
    pub forced: bool,
    /// What the ref pointed to before; empty where no target asked.
    pub before: Tip,
    /// Of the commits told here those that the repository held before this push; empty where no target asked.
    pub held: HashSet<ObjectId>,
    /// Another branch or tag, in full, that points to the same; `None` where there is none, or no target asked.
    pub twin: Option<String>,
}

/// The words of `webhook.<name>.event`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventName {
    /// Every update, creation and deletion of a branch.
    Push,
    /// Every update, creation and deletion of a tag.
    TagPush,
    /// The separate event some forges send for a creation.
    Create,
    /// The separate event some forges send for a deletion.
    Delete,
    /// Comments.
    Note,
    /// Reviews.
    MergeRequest,
}

impl EventName {
    /// All names, in the order in which they are listed.
    pub const ALL: [Self; 6] = [Self::Push, Self::TagPush, Self::Create, Self::Delete, Self::Note, Self::MergeRequest];

    /// The word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::TagPush => "tag_push",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Note => "note",
            Self::MergeRequest => "merge_request",
        }
    }

    /// The events that can tell of an update, in the order in which they are told: what is created is there before it
    /// is pushed to, and gone after that.
    pub fn of(update: &RefUpdate) -> impl Iterator<Item = Self> + use<> {
        let change = update.change();
        let push = match update.name.kind() {
            RefKind::Branch => Some(Self::Push),
            RefKind::Tag => Some(Self::TagPush),
            RefKind::Other => None,
        };
        let create = Some(Self::Create).filter(|_| change == Change::Create && push.is_some());
        let delete = Some(Self::Delete).filter(|_| change == Change::Delete && push.is_some());
        [create, push, delete].into_iter().flatten()
    }
}

/// What there is to know of a push, of which each part costs time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// How many commits are listed at most.
    pub commits: usize,
    /// How many changed paths of each commit, which costs a comparison of trees; 0 for none.
    pub paths: usize,
    /// What each ref pointed to before, and whether a tag was moved by force.
    pub before: bool,
    /// Which commits the repository held before, and which other ref points to the same, for which all refs are read.
    pub held: bool,
}

impl Wanted {
    /// As much as the one or the other asks for.
    pub fn or(self, other: Self) -> Self {
        Self {
            commits: self.commits.max(other.commits),
            paths: self.paths.max(other.paths),
            before: self.before || other.before,
            held: self.held || other.held,
        }
    }
}

/// The kinds of event; notes and merge requests find their place here.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// A branch was created, updated or deleted.
    Push(Push),
    /// A tag was created, moved or deleted.
    TagPush(Tip),
}

/// A push to a branch.
#[derive(Clone, Debug)]
pub struct Push {
    /// The newest commits of the push, oldest first, as many as any target's format wants.
    pub commits: Vec<Arc<Commit>>,
    /// How many commits the push has, listed or not.
    pub total: u64,
    /// The commit the branch points to now; `None` on deletion, or where it cannot be read.
    pub head: Option<Arc<Commit>>,
}

/// What a branch or tag points to, as far as it can be read.
#[derive(Clone, Debug, Default)]
pub struct Tip {
    /// The tag object of an annotated tag; `None` for a lightweight one, or a branch.
    pub tag: Option<Tag>,
    /// The commit it leads to, through any number of tag objects; `None` for a tag of a tree or blob.
    pub commit: Option<Arc<Commit>>,
}

impl Event {
    /// The commit that the ref leads to now.
    pub fn head(&self) -> Option<&Arc<Commit>> {
        match &self.kind {
            EventKind::Push(push) => push.head.as_ref(),
            EventKind::TagPush(tip) => tip.commit.as_ref(),
        }
    }

    /// The tag object that the ref points to now.
    pub fn tag(&self) -> Option<&Tag> {
        match &self.kind {
            EventKind::Push(_) => None,
            EventKind::TagPush(tip) => tip.tag.as_ref(),
        }
    }

    /// The commits of a push to a branch, oldest first, and how many there are in all; none for a tag.
    pub fn commits(&self) -> (&[Arc<Commit>], u64) {
        match &self.kind {
            EventKind::Push(push) => (&push.commits, push.total),
            EventKind::TagPush(_) => (&[], 0),
        }
    }

    /// The branch's or tag's name without `refs/heads/` or `refs/tags/`.
    pub fn short_name(&self) -> Cow<'_, str> {
        self.update.name.short_text()
    }

    /// Whether the ref is a tag.
    pub fn is_tag(&self) -> bool {
        self.update.name.kind() == RefKind::Tag
    }

    /// What it means for the ref.
    pub fn change(&self) -> Change {
        self.update.change()
    }
}

/// What all events of one push share.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where it happened.
    pub repository: Repository,
    /// Who did it.
    pub pusher: Pusher,
    /// Push options, in the order given.
    pub push_options: Vec<String>,
    /// When it was, in UTC.
    pub time: Time,
}

/// A repository as its webhooks present it.
#[derive(Clone, Debug)]
pub struct Repository {
    /// The last part of the path.
    pub name: String,
    /// Path with namespace, such as `group/project`.
    pub path: String,
    /// What people read; empty where there is none.
    pub description: String,
    /// The web page; empty where none is configured.
    pub homepage: String,
    /// The clone address for http; empty where none is known.
    pub http_url: String,
    /// The clone address for ssh; empty where none is known.
    pub ssh_url: String,
    /// Template of a commit's page with `{id}`; empty: the format's own, below the home page.
    pub commit_url: String,
    /// Who may see it.
    pub visibility: Visibility,
    /// A positive number below 2³¹.
    pub id: u32,
    /// The branch HEAD names, `main` say; `None` where HEAD is detached or cannot be read.
    pub default_branch: Option<String>,
    /// The server's base address, such as `https://git.example.org`: that of the home page, else of this host.
    pub instance: String,
}

/// Who may see a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Members only.
    Private,
    /// Everybody who has logged in.
    Internal,
    /// Everybody.
    Public,
}

/// A commit as payloads tell it: text is UTF-8, whatever git has.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Its object id.
    pub id: ObjectId,
    /// Its top tree; `None` where the object lacks it.
    pub tree: Option<ObjectId>,
    /// Its parents, in their order.
    pub parents: Vec<ObjectId>,
    /// The whole message with its final newline, as git has it.
    pub message: String,
    /// Who wrote it, and when.
    pub author: Person,
    /// Who committed it, and when.
    pub committer: Person,
    /// The files it changed against its first parent; empty where no target asked for them.
    pub changes: Changes,
}

/// Name, address and time of an author, committer or tagger; empty where the object lacks them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// The name.
    pub name: String,
    /// The e-mail address, without angle brackets.
    pub email: String,
    /// The time.
    pub time: Time,
}

/// A moment with the offset of whoever wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1970-01-01 UTC.
    pub seconds: i64,
    /// Minutes east of UTC.
    pub offset: i32,
}

/// Paths a commit added, modified and removed, each list in git's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Paths that are new.
    pub added: Vec<String>,
    /// Paths whose content or mode differs.
    pub modified: Vec<String>,
    /// Paths that are gone.
    pub removed: Vec<String>,
    /// Old and new path of files that moved as they are; both stand in the lists above too, for forges that know no renames.
    pub renamed: Vec<(String, String)>,
}

/// The tag object of an annotated tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The whole message with its final newline, signature included, as git has it.
    pub message: String,
    /// Who made it; `None` in tags older than git 0.99.
    pub tagger: Option<Person>,
}

/// How a forge writes the offset of UTC itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Utc {
    /// `+00:00`.
    Zero,
    /// `Z`.
    Letter,
}

impl Time {
    /// A moment in UTC, in seconds since 1970.
    pub fn utc(seconds: i64) -> Self {
        Self { seconds, offset: 0 }
    }

    /// RFC 3339 with the writer's own offset, `2019-01-01T00:08:00+08:00`.
    ///
    /// A time or an offset that no calendar has is clamped: git accepts any number there.
    pub fn rfc3339(self, utc: Utc) -> String {
        let offset = Offset::from_seconds(self.offset.saturating_mul(60)).unwrap_or(Offset::UTC);
        // One day inside jiff's limits, so that no offset can lead out of them.
        let day = 86_400;
        let seconds = self.seconds.clamp(Timestamp::MIN.as_second() + day, Timestamp::MAX.as_second() - day);
        let moment = Timestamp::from_second(seconds).unwrap_or_default().to_zoned(offset.to_time_zone());
        if offset == Offset::UTC && utc == Utc::Letter {
            moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
        } else {
            moment.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
        }
    }
}

/// Cuts text that is longer than `longest` bytes, between two characters, and marks the cut with `…`.
pub fn shorten(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        let end = (0..=longest).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// What may not stand in a path segment of a URL as it is (RFC 3986, section 3.3).
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

impl Repository {
    /// The part of the path before the name, `group` of `group/project`; empty where there is none.
    pub fn namespace(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(namespace, _)| namespace)
    }

    /// The web page without a slash at its end, for forms that want a URL: the home page, else `http://<host>/<path>`,
    /// where perhaps nobody answers.
    pub fn page(&self) -> String {
        if self.homepage.is_empty() {
            return format!("{}/{}", self.instance, encode(&self.path));
        }
        self.homepage.trim_end_matches('/').to_owned()
    }

    /// The address of a commit's page: `webhook.commitUrl`, else the forge's own `below` the home page (`/commit/`,
    /// say), else empty.
    pub fn commit_page(&self, id: ObjectId, below: &str) -> String {
        if self.commit_url.is_empty() && self.homepage.is_empty() {
            return String::new();
        }
        self.commit_address(id, below)
    }

    /// The same for forms that want a URL, below [`Repository::page`].
    pub fn commit_address(&self, id: ObjectId, below: &str) -> String {
        if !self.commit_url.is_empty() {
            return self.commit_url.replace("{id}", &id.to_string());
        }
        format!("{}{below}{id}", self.page())
    }

    /// The clone address for http, for forms that want a URL.
    pub fn clone_address(&self) -> String {
        if self.http_url.is_empty() { format!("{}.git", self.page()) } else { self.http_url.clone() }
    }

    /// The clone address for ssh, else that for http: it clones as well.
    pub fn ssh_address(&self) -> String {
        if self.ssh_url.is_empty() { self.clone_address() } else { self.ssh_url.clone() }
    }

    /// Whom the repository belongs to, for forms that want an owner: its namespace, else its own name.
    pub fn owner(&self) -> &str {
        match self.namespace() {
            "" => &self.name,
            namespace => namespace,
        }
    }
}

/// Percent-encodes what may not stand in the path of a URL.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// Fills a URL template's `{repository}` (path with namespace) and `{name}`, percent-encoded where a URL wants it.
///
/// `git@host:{repository}.git` is no URL: what stands behind its colon is a path as it is.
pub fn fill_template(template: &str, path: &str, name: &str) -> String {
    if !template.contains("://") {
        return template.replace("{repository}", path).replace("{name}", name);
    }
    template.replace("{repository}", &encode(path)).replace("{name}", &encode(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: i64, offset: i32) -> Time {
        Time { seconds, offset }
    }

    #[test]
    fn times_keep_their_offset() {
        assert_eq!(time(1_546_272_480, 480).rfc3339(Utc::Zero), "2019-01-01T00:08:00+08:00");
        assert_eq!(time(0, 0).rfc3339(Utc::Zero), "1970-01-01T00:00:00+00:00");
        assert_eq!(time(0, 0).rfc3339(Utc::Letter), "1970-01-01T00:00:00Z");
        assert_eq!(time(-1, -210).rfc3339(Utc::Letter), "1969-12-31T20:29:59-03:30");
    }

    #[test]
    fn times_no_calendar_has_are_clamped() {
        assert_eq!(time(i64::MAX, 0).rfc3339(Utc::Letter), "9999-12-29T22:00:00Z");
        assert!(time(i64::MIN, i32::MIN).rfc3339(Utc::Letter).ends_with("Z"));
        assert_eq!(time(0, 99 * 60 + 99).rfc3339(Utc::Letter), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn a_template_is_filled_and_encoded() {
        assert_eq!(
            fill_template("https://git.example/{repository}?n={name}", "a b/c#d", "c#d"),
            "https://git.example/a%20b/c%23d?n=c%23d"
        );
        assert_eq!(fill_template("git@h:{repository}.git", "a b/c", "c"), "git@h:a b/c.git");
    }
}
