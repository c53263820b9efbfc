//! One target's section: its own values over the defaults, what counts from where, and everything that is wrong with
//! it.

mod header;
mod owner;
mod recipe;
mod secrets;
mod shape;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::configured::{BrokenTarget, Configured};
use super::entry::{Entry, Scope};
use super::keys::{self, Of};
use super::problem::Problem;
use super::settings::Settings;
use super::syntax;
use super::value::{Wrong, days, one_line, seconds, value_text};
use super::via::Route;
use crate::event::EventName;
use crate::files::Folder;
use crate::format::{self, FORMATS, Format};
use crate::message;
use crate::state_dir::StateDir;
use crate::target::{Address, RefPatterns, Success, Switch, Target, TargetName};

/// Reads the target called `name` from its own entries and the defaults.
pub(super) fn read(
    name: &[u8],
    own: Vec<&Entry>,
    defaults: &[&Entry],
    settings: &Settings,
    state: &StateDir,
    warnings: &mut Vec<Problem>,
) -> Configured {
    let name = TargetName::new(name);
    let (secrets, templates) = (&state.secrets(), &state.templates());
    let defaults = defaults.to_vec();
    let mut reader = TargetReader {
        name,
        origin: None,
        settings,
        secrets,
        templates,
        own,
        defaults,
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    let url = reader.url();
    let switched = url.and_then(|url| reader.keep_owners(url));
    let switch = reader.switch(switched);
    let target = reader.target(url, switch);
    warnings.append(&mut reader.warnings);
    match target {
        Some(target) if reader.problems.is_empty() => Configured::Ready(Box::new(target)),
        rest => {
            let (name, origin, problems, rest) = (reader.name, reader.origin, reader.problems, rest.map(Box::new));
            Configured::Broken(BrokenTarget { name, origin, switch, problems, rest })
        }
    }
}

struct TargetReader<'a> {
    name: TargetName,
    /// Of the address, once that is read.
    origin: Option<String>,
    settings: &'a Settings,
    secrets: &'a Folder,
    templates: &'a Folder,
    /// `webhook.<name>.*`, of the owner's scope alone once that is known.
    own: Vec<&'a Entry>,
    /// `webhook.*`, in the same way without those of scopes that come after the owner's.
    defaults: Vec<&'a Entry>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl<'a> TargetReader<'a> {
    /// The target, or `None` where it cannot even be made; everything is looked at either way, so that all that is
    /// wrong is told at once.
    fn target(&mut self, url: Option<&'a Entry>, switch: Switch) -> Option<Target> {
        self.check_name();
        let format = match self.last("format") {
            Some(entry) => self.parse("format", entry, known_format),
            None => FORMATS.first(),
        };
        let (address, url_template) = url.and_then(|entry| self.address(entry, format)).unzip();
        self.origin = address.as_ref().map(|address| address.origin().to_owned());
        let recipe = format.and_then(|format| self.recipe(format, url_template.flatten()));
        let has_credentials = address.as_ref().is_some_and(|address| address.credentials().is_some());
        let description = self.value("description", one_line);
        let (events, narrowed) = self.events(format);
        let refs = self.refs();
        let success = self.success();
        let secret = self.secret();
        let signing_secrets = self.signing_secrets();
        let headers = self.headers(format, has_credentials);
        let verify_certificate = self.boolean("sslVerify", true);
        let (authorities, identity) = (self.authorities(), self.identity());
        let proxy = self.proxy();
        let timeout = self.value("timeout", seconds).unwrap_or(Duration::from_secs(10));
        let retry_for = self.value("retryFor", days).unwrap_or(Duration::from_secs(3 * 86_400));
        let shape = self.shape(format);
        let is_published = self.is_published(url);
        if let Some(format) = format {
            self.check_use(format, &events, secret.is_some());
        }
        let (address, format) = (address?, format?);
        Some(Target {
            name: self.name.clone(),
            description,
            events,
            narrowed,
            refs,
            switch,
            is_protected: url.is_some_and(|url| url.scope < Scope::Repository),
            secret,
            signing_secrets,
            headers,
            verify_certificate,
            authorities,
            identity,
            proxy,
            timeout,
            retry_for,
            shape,
            both_aliases: self.both_aliases(),
            tracing: self.tracing(),
            success,
            allowed_hosts: Arc::clone(&self.settings.allowed_hosts),
            sources: self.sources(),
            is_published,
            address,
            format,
            recipe,
        })
    }

    /// `webhook.aliases`, of the scopes that count for the target; what is wrong with it is told of the key.
    fn both_aliases(&self) -> bool {
        let last = self.defaults.iter().rfind(|entry| entry.key == "aliases");
        last.is_some_and(|entry| value_text(entry).is_ok_and(|text| text.eq_ignore_ascii_case("both")))
    }

    /// Whether it is told through the broker, as targets of protected scope are where there is one. A broker that is not
    /// configured rightly stops them: they would be told past it otherwise, out of a network perhaps from which nothing must be.
    fn is_published(&mut self, url: Option<&Entry>) -> bool {
        if url.is_none_or(|url| url.scope == Scope::Repository) {
            return false;
        }
        match &self.settings.via {
            Route::Direct => false,
            Route::Through(_) => true,
            Route::Wrong(problems) => {
                self.problems.extend(problems.iter().cloned());
                true
            }
        }
    }

    /// The files that its values stand in, those of its secrets, and those that say what may be dialled.
    fn sources(&self) -> Vec<PathBuf> {
        let mut sources = self.settings.allowing.clone();
        if let Route::Through(broker) = &self.settings.via {
            sources.extend(broker.sources.clone());
        }
        for entry in self.own.iter().chain(&self.defaults) {
            let value = entry.value.as_deref().and_then(|value| std::str::from_utf8(value).ok());
            let is_file = |key: &str| {
                key.ends_with("secretfile") || ["headerfile", "sslcainfo", "sslcert", "sslkey"].contains(&key)
            };
            let key = entry.key.to_ascii_lowercase();
            // Where that is absolute it stands for itself.
            let secret = value.filter(|_| is_file(&key)).map(|value| self.secrets.path().join(value));
            let template = value.filter(|_| key == "template").map(|value| self.place_of_template(value, entry.scope));
            for path in [Some(entry.file.to_path_buf()), secret, template].into_iter().flatten() {
                if !sources.contains(&path) {
                    sources.push(path);
                }
            }
        }
        sources
    }

    /// The full key, as the entry has it: it may be the default of all targets.
    fn key(&self, name: &str, entry: &Entry) -> String {
        match entry.subsection {
            Some(_) => format!("webhook.{}.{name}", self.name),
            None => format!("webhook.{name}"),
        }
    }

    fn problem(&mut self, name: &str, entry: &Entry, why: impl Into<String>) {
        self.problems.push(Problem::about(name, &self.key(name, entry), entry, why));
    }

    fn warn(&mut self, name: &str, entry: &Entry, why: impl Into<String>) {
        self.warnings.push(Problem::new(&self.key(name, entry), entry, why));
    }

    fn check_name(&mut self) {
        if !self.name.is_valid()
            && let Some(entry) = self.own.first().copied()
        {
            let mut problem = Problem::new("webhook", entry, message::no_target_name());
            problem.value = Some(self.name.to_string());
            self.problems.push(problem);
        }
    }

    /// The entry whose URL is in effect.
    fn url(&mut self) -> Option<&'a Entry> {
        let urls: Vec<_> = self.own.iter().filter(|e| e.key == "url").copied().collect();
        let Some(last) = urls.last().copied() else {
            if let Some(entry) = self.own.first().copied() {
                let key = format!("webhook.{}.url", self.name);
                self.problems.push(Problem::new(&key, entry, message::url_not_set()));
            }
            return None;
        };
        for of_file in urls.chunk_by(|one, other| one.file == other.file) {
            if let [.., spare, _] = of_file {
                self.warn("url", spare, message::url_twice());
            }
        }
        if last.value.as_deref().is_some_and(|value| value.contains(&b'#')) {
            self.warn("url", last, message::url_fragment());
        }
        Some(last)
    }

    /// Whether the target is told of anything: the owner's word, then `switched`, the repository's.
    fn switch(&mut self, switched: Option<&'a Entry>) -> Switch {
        if !self.boolean("enabled", true) {
            return Switch::Off;
        }
        match switched.map(|entry| self.truth("enabled", entry, true)) {
            Some(false) => Switch::OffByRepository,
            Some(true) | None => Switch::On,
        }
    }

    /// The value in effect: the target's last, else the default's last where the key has one.
    fn last(&self, name: &str) -> Option<&'a Entry> {
        let of_all = keys::find(name, &[Of::Target]);
        let is_protected = of_all.is_some_and(|key| key.protected);
        let counts =
            |entry: &&Entry| entry.key.eq_ignore_ascii_case(name) && (!is_protected || entry.scope < Scope::Repository);
        let last = |entries: &[&'a Entry]| entries.iter().rev().copied().find(|entry| counts(entry));
        last(&self.own).or_else(|| of_all.and_then(|_| last(&self.defaults)))
    }

    /// An empty one takes the default back, as git's `http.proxy` does.
    fn proxy(&mut self) -> Option<Address> {
        let entry = self.last("proxy").filter(|entry| entry.value.as_deref() != Some(b""))?;
        self.parse("proxy", entry, Address::parse_proxy)
    }

    fn parse<T, E: Into<String>>(
        &mut self,
        name: &str,
        entry: &Entry,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let parse = |text: &str| parse(text).map_err(Into::into);
        match value_text(entry).map_err(String::from).and_then(parse) {
            Ok(value) => Some(value),
            Err(why) => {
                self.problem(name, entry, why);
                None
            }
        }
    }

    fn value<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
        let entry = self.last(name)?;
        self.parse(name, entry, parse)
    }

    /// A boolean, `unset` where it is not set.
    fn boolean(&mut self, name: &str, unset: bool) -> bool {
        self.last(name).map_or(unset, |entry| self.truth(name, entry, unset))
    }

    /// What an entry says; a key without a value is true, as in git. A wrong value is noted, and counts as not set.
    fn truth(&mut self, name: &str, entry: &Entry, unset: bool) -> bool {
        let Some(value) = entry.value.as_deref() else { return true };
        syntax::boolean(value).unwrap_or_else(|| {
            self.problem(name, entry, message::no_boolean());
            unset
        })
    }

    /// The values of a list key: the target's own, or else the defaults'; an empty value clears what came before.
    fn list(&mut self, name: &str) -> Vec<(&'a Entry, &'a str)> {
        let of = |entries: &[&'a Entry]| -> Vec<&'a Entry> {
            entries.iter().filter(|e| e.key.eq_ignore_ascii_case(name)).copied().collect()
        };
        let own = of(&self.own);
        let all = if own.is_empty() && keys::find(name, &[Of::Target]).is_some() { of(&self.defaults) } else { own };
        let is_empty = |entry: &&Entry| entry.value.as_deref().is_some_and(<[u8]>::is_empty);
        let start = all.iter().rposition(is_empty).map_or(0, |at| at + 1);
        let text = |entry: &&'a Entry| match value_text(entry) {
            Ok(text) => Some((*entry, text)),
            Err(why) => {
                self.problem(name, entry, why);
                None
            }
        };
        all[start..].iter().filter_map(text).collect()
    }

    /// The events by the words for them, with the format's own names that take only a part of one.
    fn events(&mut self, format: Option<&'static Format>) -> (Vec<EventName>, Vec<(EventName, &'static str)>) {
        let (mut events, mut whole, mut narrowed) = (Vec::new(), Vec::new(), Vec::new());
        for (entry, value) in self.list("event") {
            for word in value.split_ascii_whitespace() {
                let of_format =
                    || format.map_or(&[][..], Format::names_of_reviews).iter().find(|(_, name)| *name == word);
                match EventName::ALL.into_iter().find(|event| event.word() == word) {
                    Some(event) => whole.push(event),
                    None if word == "all" => whole.extend(EventName::EACH_ONCE),
                    None => match of_format() {
                        Some(name) => narrowed.push(*name),
                        None => self.problem("event", entry, unknown_event(format)),
                    },
                }
            }
        }
        narrowed.retain(|(event, _)| !whole.contains(event));
        events.extend(narrowed.iter().map(|(event, _)| *event).chain(whole));
        if events.is_empty() {
            events = vec![EventName::Push, EventName::TagPush];
        }
        (EventName::ALL.into_iter().filter(|event| events.contains(event)).collect(), narrowed)
    }

    /// Warns of what the format has no use for.
    fn check_use(&mut self, format: &Format, events: &[EventName], has_secret: bool) {
        let unknown = |event: &&EventName| !format.has(**event);
        if let Some(entry) = self.last("event")
            && events.iter().all(|event| unknown(&event))
        {
            let known: Vec<_> = format.events.iter().map(|(event, _)| event.word()).collect();
            self.warn("event", entry, message::events_unknown_to_format(format.name, known.join(", ")));
        }
        if has_secret
            && !format.takes_secret()
            && let Some(entry) = self.last("secret").or_else(|| self.last("secretFile"))
        {
            let name = entry_key(entry);
            self.warn(name, entry, message::unused_by_format(format.name));
        }
    }

    fn refs(&mut self) -> RefPatterns {
        let mut words = Vec::new();
        for (entry, value) in self.list("ref") {
            match RefPatterns::parse(value.split_ascii_whitespace()) {
                Ok(_) => words.extend(value.split_ascii_whitespace()),
                Err(_) => {
                    let meant = RefPatterns::meant(value.split_ascii_whitespace());
                    let why = meant.map_or_else(|| message::no_ref_pattern().into(), message::mistaken_ref_pattern);
                    self.problem("ref", entry, why);
                }
            }
        }
        RefPatterns::parse(words).unwrap_or_default()
    }

    fn success(&mut self) -> Success {
        let mut words = Vec::new();
        for (entry, value) in self.list("success") {
            match Success::parse(value.split_ascii_whitespace()) {
                Ok(_) => words.extend(value.split_ascii_whitespace()),
                Err(why) => self.problem("success", entry, why),
            }
        }
        Success::parse(words.into_iter()).unwrap_or_default()
    }
}

fn entry_key(entry: &Entry) -> &'static str {
    if entry.key.eq_ignore_ascii_case("secret") { "secret" } else { "secretFile" }
}

fn known_format(value: &str) -> Result<&'static Format, String> {
    format::find(value).ok_or_else(|| {
        let known: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
        message::unknown_format_value(known.join(", "))
    })
}

/// What is wrong with a word, and which there are.
fn unknown_event(format: Option<&'static Format>) -> String {
    let mut known: Vec<_> = EventName::ALL.into_iter().map(EventName::word).collect();
    let names = format.map_or(&[][..], Format::names_of_reviews).iter().map(|(_, name)| *name);
    // GitLab's are of several words, Slack's the same.
    known.extend(
        names.filter(|name| name.contains([':', '_']) && !EventName::ALL.iter().any(|event| event.word() == *name)),
    );
    message::unknown_event(known.join(", "))
}
