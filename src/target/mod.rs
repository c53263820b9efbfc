//! One configured receiver, and whether it wants an event.

mod name;
mod patterns;
mod address;
mod address_class;
mod allowed_hosts;
mod certificates;
mod redirect;
mod success;
mod url_template;
mod recipe;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::event::{Event, EventName, Review, Wanted};
use crate::format::{Format, Limits, Shape};
use crate::ref_update::{Alias, RefName, RefUpdate};
use crate::signature::{Secret, SigningSecret};
use crate::trace::Tracing;

pub use address::Address;
pub use address_class::AddressClass;
pub use allowed_hosts::{AllowedHosts, Refused};
pub use certificates::{Certificates, Identity, certificates};
pub use name::{TargetName, in_part, is_of_wrong_name};
pub use patterns::RefPatterns;
pub use recipe::{Recipe, RequestParts};
pub use redirect::elsewhere;
pub use success::Success;
pub use url_template::UrlTemplate;

/// A receiver, its settings checked: what stands here can be used as it is.
#[derive(Clone)]
pub struct Target {
    /// The name in `[webhook "<name>"]`.
    pub name: TargetName,
    /// A title for people.
    pub description: Option<String>,
    /// Where to send.
    pub address: Address,
    /// How to tell.
    pub format: &'static Format,
    /// Its own template, where the format is that.
    pub recipe: Option<Arc<Recipe>>,
    /// Which events it wants.
    pub events: Vec<EventName>,
    /// Of those events that its forge tells under several names the names that it wants; of one that is not here all.
    pub narrowed: Vec<(EventName, &'static str)>,
    /// Which refs it wants.
    pub refs: RefPatterns,
    /// Whether anything is sent at all.
    pub switch: Switch,
    /// Whether protected configuration owns it, the system's or the user's: to such a target a repository does not say
    /// which one it is.
    pub is_protected: bool,
    /// The format's token or HMAC key.
    pub secret: Option<Secret>,
    /// Keys of Standard Webhooks, which sign side by side.
    pub signing_secrets: Vec<SigningSecret>,
    /// Further request headers, name and value.
    pub headers: Vec<(String, String)>,
    /// Whether the receiver's certificate is verified.
    pub verify_certificate: bool,
    /// Certificates of authorities that are trusted beside the system's.
    pub authorities: Certificates,
    /// The client certificate.
    pub identity: Option<Identity>,
    /// The HTTP proxy that it is reached through.
    pub proxy: Option<Address>,
    /// The time for one attempt, from name look-up to the answer's status line.
    pub timeout: Duration,
    /// How long a failing delivery is tried again.
    pub retry_for: Duration,
    /// How it wants its payloads.
    pub shape: Shape,
    /// Whether a push by a symbolic ref is told under that name too, beside that of the ref behind it.
    pub both_aliases: bool,
    /// Whose trace its requests belong to.
    pub tracing: Tracing,
    /// Which statuses count as delivered.
    pub success: Success,
    /// What may be dialled: `webhook.allowedHosts`.
    pub allowed_hosts: Arc<AllowedHosts>,
    /// Whether it is told through the broker of `webhook.via`: its address is the workers' to call.
    pub is_published: bool,
    /// The files that say all this, those of its secrets too.
    pub sources: Vec<PathBuf>,
}

/// Whether a target is to be told of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// It is.
    On,
    /// Not, as whoever owns it says.
    Off,
    /// Not, as a repository says to which the owner leaves it: `webhook.<name>.optional`.
    OffByRepository,
}

impl Switch {
    /// Whether something is sent.
    pub fn is_on(self) -> bool {
        self == Self::On
    }
}

impl Target {
    /// Whether an update may have to be told to this target, as far as its ref tells: what none may want is not even
    /// written down.
    pub fn may_want(&self, update: &RefUpdate) -> bool {
        let alias = update.under_alias();
        self.may_be_told(update).next().is_some()
            || alias.is_some_and(|alias| self.may_be_told(&alias).next().is_some())
    }

    /// The events that an update may make for this target under its own name, as far as its ref tells. Of which branches a
    /// review is, it does not tell.
    fn may_be_told(&self, update: &RefUpdate) -> impl Iterator<Item = EventName> {
        self.chosen(update, EventName::of(update), true)
    }

    /// Whether an event is to be told to this target.
    pub fn wants(&self, event: &Event) -> bool {
        self.events_of(event).next().is_some()
    }

    /// The names under which this target is told of an event, in the order in which it is.
    pub fn events_of(&self, event: &Event) -> impl Iterator<Item = EventName> {
        self.chosen(event.update(), event.names(), event.review().is_none_or(|review| self.is_of_refs(event, review)))
    }

    /// Whether a review comes from or leads to a branch that the target wants, or what was pushed is wanted.
    fn is_of_refs(&self, event: &Event, review: &Review) -> bool {
        let namespace = event.ref_name().namespace();
        let branch = |name: &String| match name.starts_with("refs/") {
            true => RefName::within(&namespace, name.as_bytes()),
            false => RefName::within(&namespace, format!("refs/heads/{name}").as_bytes()),
        };
        let is_wanted = |name: &String| self.refs.include(&branch(name));
        self.refs.include(event.ref_name()) || [&review.target, &review.source].into_iter().any(is_wanted)
    }

    /// Whether it is to be told of an event of this name that its forge calls so.
    pub fn takes(&self, name: EventName, forge_name: &str) -> bool {
        let mut narrowed = self.narrowed.iter().filter(|(event, _)| *event == name).peekable();
        narrowed.peek().is_none() || narrowed.any(|(_, known)| *known == forge_name)
    }

    /// Of the names of what is about a ref those that this target is to be told. `refs` choose pushes by what was pushed, and
    /// reviews by their branches; comments on commits lie in refs that nobody thinks of.
    fn chosen<I: Iterator<Item = EventName>>(
        &self,
        update: &RefUpdate,
        names: I,
        is_wanted_review: bool,
    ) -> impl Iterator<Item = EventName> + use<'_, I> {
        // One movement starts one build.
        let is_told_already = match update.alias.as_deref() {
            Some(Alias::Of(behind)) => !self.both_aliases && self.refs.include(behind),
            _ => false,
        };
        let is_on = self.switch.is_on() && !is_told_already;
        let is_wanted_ref = self.refs.include(&update.name);
        names.filter(move |name| {
            let is_of_reviews = matches!(name, EventName::Note | EventName::MergeRequest);
            let is_chosen = is_on && if is_of_reviews { is_wanted_review } else { is_wanted_ref };
            is_chosen && self.events.contains(name) && self.format.has(*name)
        })
    }

    /// Whether a request holds something that lets whoever reads it in at the receiver: a token, or a password.
    pub fn sends_token(&self) -> bool {
        let is_token = |secret: &Secret| self.format.sends_token(secret);
        // A chat knows whom to let in by the path alone.
        let is_in_path = !self.format.takes_secret();
        let is_header = |(name, _): &(String, String)| {
            let name = name.to_ascii_lowercase();
            ["authorization", "token", "secret", "api-key", "apikey"].iter().any(|word| name.contains(word))
        };
        is_in_path
            || self.address.credentials().is_some()
            || self.secret.as_ref().is_some_and(is_token)
            || self.headers.iter().any(is_header)
    }

    /// What the target's payloads need to know of a push.
    pub fn wanted(&self) -> Wanted {
        let is_told = |name: EventName| self.events.contains(&name) && self.format.has(name);
        let Limits { commits, files, .. } = self.shape.limits;
        Wanted {
            commits: commits.unwrap_or(self.format.wants.commits),
            paths: if files { self.format.wants.paths } else { 0 },
            reviews: is_told(EventName::MergeRequest),
            notes: is_told(EventName::Note),
            ..self.format.wants
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::event::{Context, EventKind, Links, Push, Repository, Time, Visibility};
    use crate::format;
    use crate::identifier;
    use crate::pusher::Pusher;
    use crate::ref_update;

    pub(crate) fn target(events: &[EventName], refs: &str) -> Target {
        Target {
            name: TargetName::new("ci"),
            description: None,
            address: Address::parse("http://h/").unwrap(),
            format: format::find("github").unwrap(),
            recipe: None,
            events: events.into(),
            narrowed: Vec::new(),
            refs: RefPatterns::parse(refs.split_whitespace()).unwrap(),
            switch: Switch::On,
            is_protected: false,
            secret: None,
            signing_secrets: Vec::new(),
            headers: Vec::new(),
            verify_certificate: true,
            authorities: Vec::new(),
            identity: None,
            proxy: None,
            timeout: Duration::ZERO,
            retry_for: Duration::ZERO,
            shape: Shape::FULL,
            both_aliases: false,
            tracing: Tracing::Own,
            success: Success::default(),
            allowed_hosts: Arc::default(),
            is_published: false,
            sources: Vec::new(),
        }
    }

    pub(crate) fn update(old: char, new: char, name: &str) -> RefUpdate {
        let id = |digit: char| String::from(digit).repeat(40);
        ref_update::parse(format!("{} {} {name}\n", id(old), id(new)).as_bytes()).0.remove(0)
    }

    pub(crate) fn event(update: &RefUpdate) -> Event {
        let repository = Repository {
            name: String::new(),
            path: String::new(),
            owner: String::new(),
            description: String::new(),
            homepage: String::new(),
            http_url: String::new(),
            ssh_url: String::new(),
            commit_url: String::new(),
            review_url: String::new(),
            links: Links::default(),
            visibility: Visibility::Private,
            id: 1,
            object_format: update.format,
            default_branch: None,
            instance: String::new(),
            host: String::new(),
        };
        let pusher = Pusher { login: String::new(), name: String::new(), email: String::new(), id: 1 };
        let context = Context { repository, pusher, push_options: Vec::new(), time: Time::utc(0) };
        Event { id: identifier::event(), context: Arc::new(context), kind: EventKind::Push(Push::new(update)) }
    }

    /// What an event turns out to be is among what its ref promised, or a push would not have been written down.
    #[test]
    fn a_target_is_asked_of_the_ref_and_then_of_the_event() {
        let both = target(&[EventName::Push, EventName::Create], "!wip");
        let create = target(&[EventName::Create], "");
        let off = Target { switch: Switch::Off, ..both.clone() };
        for (old, new, name, of_both, of_create) in [
            ('0', '1', "refs/heads/a", &[EventName::Create, EventName::Push][..], true),
            ('1', '2', "refs/heads/a", &[EventName::Push], false),
            ('1', '0', "refs/heads/a", &[EventName::Push], false),
            ('0', '1', "refs/heads/wip", &[], true),
        ] {
            let update = update(old, new, name);
            let event = event(&update);
            assert_eq!(both.may_be_told(&update).collect::<Vec<_>>(), of_both, "{old}{new} {name}");
            assert_eq!(both.events_of(&event).collect::<Vec<_>>(), of_both, "{old}{new} {name}");
            assert_eq!((create.may_want(&update), create.wants(&event)), (of_create, of_create), "{old}{new} {name}");
            assert!(!off.may_want(&update) && !off.wants(&event));
        }
        assert!(!target(&EventName::ALL, "").may_want(&update('1', '2', "refs/other/a")));
        assert!(target(&[EventName::Note], "").may_want(&update('1', '2', "refs/notes/commits")));
        assert!(!target(&[EventName::Note], "").may_want(&update('1', '2', "refs/heads/a")));
    }
}
