//! The configuration: everything that is wrong or odd about a value, with the command for each kind.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Scene;
use super::finding::{Finding, Kind, Severity};
use super::mend::{self, Content, Mend, Value, shown};
use super::secrets;
use crate::config::{self, Entry, Of, Problem, Scope, Unreadable};
use crate::message;
use crate::process::{self, Environment};
use crate::target::{Address, RefPatterns};

/// Keys whose default can be written as a value.
const WITH_DEFAULT: [&str; 13] = [
    "format",
    "event",
    "enabled",
    "sslVerify",
    "timeout",
    "retryFor",
    "visibility",
    "maxWait",
    "detach",
    "report",
    "maxTargets",
    "keepLog",
    "logLevel",
];

pub(super) fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let configuration = &scene.place.configuration;
    let mut findings = Vec::new();
    for target in configuration.broken() {
        let severity = if target.switch.is_on() { Severity::Error } else { Severity::Advice };
        findings.extend(target.problems.iter().map(|problem| finding(scene, severity, problem)));
    }
    // The default counts in place of a wrong setting, and deliveries go on.
    let odd = configuration.problems.iter().chain(&configuration.warnings);
    findings.extend(odd.map(|problem| finding(scene, Severity::Advice, problem)));
    let (count, most) = (configuration.targets.len(), configuration.settings.max_targets);
    if count > most {
        let finding = Finding::advice(Kind::TooManyTargets, message::check_too_many_targets(count, most));
        let file = mend::protected_file(scene.is_shared(), scene.environment);
        let mend = file.map(|file| mend::set(&file, "webhook.maxTargets", count.to_string()));
        findings.push(mend.into_iter().fold(finding, Finding::mend));
    }
    findings
}

/// What to say where the configuration as a whole cannot be read.
pub(super) fn unreadable(why: &Unreadable, environment: &Environment) -> Finding {
    let mend = match why {
        Unreadable::Syntax(file, line) => Mend::Edit { file: shown(file), line: Some(*line) },
        Unreadable::File(file, error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Mend::Own { path: shown(file), user: environment.os_user() }
        }
        Unreadable::File(file, _)
        | Unreadable::Include(file)
        | Unreadable::Depth(file)
        | Unreadable::RemoteUrl(file)
        | Unreadable::OnBranch(file) => mend::edit(file),
    };
    Finding::error(Kind::Unreadable, why.to_string()).mend(mend)
}

fn finding(scene: &Scene<'_>, severity: Severity, problem: &Problem) -> Finding {
    let finding = Finding::new(severity, Kind::WrongValue, problem.to_string());
    let key = Name::of(&problem.key);
    let finding = match key.target {
        Some(target) if key.section == "webhook" => finding.of(target),
        _ => finding,
    };
    match problem.files.as_slice() {
        [] => finding,
        [file] => finding.mend(command(scene, problem, &key, file)),
        [file, of_url, ..] => finding.mend(foreign(scene, &problem.key, file, of_url)),
    }
}

/// A key, taken apart.
struct Name<'a> {
    section: &'a str,
    target: Option<&'a str>,
    key: &'a str,
}

impl<'a> Name<'a> {
    fn of(full: &'a str) -> Self {
        let (section, rest) = full.split_once('.').unwrap_or((full, ""));
        match rest.rsplit_once('.') {
            Some((target, key)) => Self { section, target: Some(target), key },
            None => Self { section, target: None, key: rest },
        }
    }

    fn places(&self) -> &'static [Of] {
        match (self.section, self.target) {
            ("webhook", Some(_)) => &[Of::Target, Of::TargetAlone],
            ("webhook", None) => &[Of::Target, Of::Repository],
            _ => &[Of::User],
        }
    }

    fn is_target_of(&self, entry: &Entry) -> bool {
        entry.section.eq_ignore_ascii_case(self.section)
            && entry.subsection.as_deref() == self.target.map(str::as_bytes)
    }

    fn names(&self, entry: &Entry) -> bool {
        self.is_target_of(entry) && entry.key.eq_ignore_ascii_case(self.key)
    }
}

fn command(scene: &Scene<'_>, problem: &Problem, name: &Name<'_>, file: &Path) -> Mend {
    if name.key.is_empty() {
        return rename(scene, problem.value.as_deref().unwrap_or_default(), file);
    }
    let key = problem.key.as_str();
    let of_file = |entry: &&Entry| &*entry.file == file && name.names(entry);
    let Some(last) = scene.entries.iter().rfind(of_file) else {
        // The target has no URL; or nothing is called so, for what is no name is shown in part.
        let is_there = scene.entries.iter().any(|entry| name.is_target_of(entry));
        let value = if name.key == "template" { "FILE" } else { "https://HOST/PATH" };
        return if is_there { mend::set(file, key, value) } else { mend::edit(file) };
    };
    let Some(known) = config::find_key(name.key, name.places()) else { return misplaced(scene, name, key, file) };
    if known.protected && last.scope == Scope::Repository {
        let to = mend::protected_file(scene.is_shared(), scene.environment);
        return to.map_or_else(|| mend::unset(file, key), |to| move_to(scene, (file, key), (&to, key)));
    }
    match known.name {
        // What was meant stands behind the cut.
        _ if last.is_cut => mend::edit(file),
        "url" => url(key, file, last),
        "secret" | "secretFile" if name.target.is_some_and(|target| secrets::is_unused(scene, target)) => {
            mend::unset(file, key)
        }
        "secret" if is_beside_file(scene, name) => one_of_two(scene, name, file),
        // A secret that is there has another end, which only a person can change too.
        "secret" | "signingSecret" if has_value(scene, name) => mend::edit(file),
        "secret" | "signingSecret" if secrets::is_in_view(last, known.name) => {
            let target = name.target.unwrap_or_default();
            let fresh = if known.name == "secret" { Content::NewSecret } else { Content::NewKey };
            secrets::into_file(scene, (file, key), target, known.name, fresh)
        }
        "secret" => mend::set_to(file, key, Value::NewSecret),
        "signingSecret" => mend::set_to(file, key, Value::NewKey),
        "secretFile" if is_beside_secret(scene, name) => one_of_two(scene, name, file),
        "secretFile" | "signingSecretFile" => secret_file(scene, name, key, file, last),
        // Which header or word was meant only a person knows.
        "header" => mend::edit(file),
        "headerFile" | "sslKey" => file_of_person(scene, file, last, true),
        "sslCAInfo" | "sslCert" => file_of_person(scene, file, last, false),
        "proxy" => mend::edit(file),
        "template" => template(scene, name, file),
        "ref" => {
            let text = String::from_utf8_lossy(last.value.as_deref().unwrap_or_default());
            let meant = RefPatterns::meant(text.split_ascii_whitespace()).filter(|meant| !meant.is_empty());
            mend::set(file, key, meant.unwrap_or_else(|| "refs/heads/*".into()))
        }
        known_name if WITH_DEFAULT.contains(&known_name) => mend::set(file, key, known.default),
        _ => mend::unset(file, key),
    }
}

/// Whether any of the values that the key has anywhere says something.
fn has_value(scene: &Scene<'_>, name: &Name<'_>) -> bool {
    let mut values = scene.entries.iter().filter(|entry| name.names(entry)).map(|entry| &entry.value);
    values.any(|value| value.as_ref().is_some_and(|value| !value.is_empty()))
}

fn url(key: &str, file: &Path, last: &Entry) -> Mend {
    let text = String::from_utf8_lossy(last.value.as_deref().unwrap_or_default());
    if Address::parse(&text).is_err() {
        // Path and query may be a secret that stands nowhere else.
        return if text.is_empty() { mend::set(file, key, "https://HOST/PATH") } else { mend::edit(file) };
    }
    if !text.contains('#') {
        // It is set more than once.
        return mend::set_to(file, key, Value::Last);
    }
    mend::set_to(file, key, Value::LastBeforeHash)
}

/// Of a secret and the file of one: the file where that holds none, else a person knows which the receiver has.
fn one_of_two(scene: &Scene<'_>, name: &Name<'_>, file: &Path) -> Mend {
    let of_file = Name { key: "secretFile", ..*name };
    let entry = scene.entries.iter().rfind(|entry| of_file.names(entry));
    match entry.filter(|entry| !secrets::names_secret(scene, entry)) {
        Some(entry) => {
            mend::unset(&entry.file, &format!("{}.{}.secretFile", name.section, name.target.unwrap_or_default()))
        }
        None => mend::edit(file),
    }
}

fn is_beside_secret(scene: &Scene<'_>, name: &Name<'_>) -> bool {
    let secret = Name { key: "secret", ..*name };
    scene.entries.iter().any(|entry| secret.names(entry))
}

fn is_beside_file(scene: &Scene<'_>, name: &Name<'_>) -> bool {
    let file = Name { key: "secretFile", ..*name };
    scene.entries.iter().any(|entry| file.names(entry))
}

/// A file that others can read, where it is a secret, or that is wrong in itself; what belongs into one that is not there only a
/// person knows.
fn file_of_person(scene: &Scene<'_>, file: &Path, entry: &Entry, is_secret: bool) -> Mend {
    let value = String::from_utf8_lossy(entry.value.as_deref().unwrap_or_default());
    // Where that is absolute it stands for itself.
    let place = scene.place.git_dir.join("webhook/secret").join(&*value);
    match place.symlink_metadata() {
        Ok(metadata) if metadata.is_file() => {
            let mode = metadata.permissions().mode();
            if is_secret && mode & 0o007 != 0 { mend::close_to_others(&place) } else { mend::edit(&place) }
        }
        _ => mend::edit(file),
    }
}

/// Its own file where there is one, which others must not write to; what belongs into one that is not there only a person knows.
fn template(scene: &Scene<'_>, name: &Name<'_>, file: &Path) -> Mend {
    let target = name.target.and_then(|name| scene.place.configuration.find(name)?.as_far_as_read());
    let own = target.and_then(|target| target.recipe.as_deref()?.file.clone()).filter(|own| own.is_file());
    let Some(own) = own else { return mend::edit(file) };
    let is_open = own.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o002 != 0);
    if is_open { mend::close_to_others(&own) } else { mend::edit(&own) }
}

/// A secret's file that is not there, or not as it must be.
fn secret_file(scene: &Scene<'_>, name: &Name<'_>, key: &str, file: &Path, entry: &Entry) -> Mend {
    let value = String::from_utf8_lossy(entry.value.as_deref().unwrap_or_default());
    let own = scene.place.git_dir.join("webhook/secret");
    let fresh = if name.key.eq_ignore_ascii_case("secretFile") { Content::NewSecret } else { Content::NewKey };
    let keep = |place: &Path, content| Mend::KeepSecret {
        directory: shown(&own),
        file: shown(place),
        content,
        is_shared: scene.is_shared(),
    };
    let target = name.target.unwrap_or("NAME");
    let under_targets_name = |content| {
        let free = mend::free_name(target, '.', |place| own.join(place).exists());
        Mend::AllOf(vec![keep(&own.join(&free), content), mend::set(file, key, free)])
    };
    let path = Path::new(value.as_ref());
    let is_inside = !value.is_empty() && path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if path.is_absolute() && entry.scope == Scope::Repository {
        return under_targets_name(Content::CopyOf(shown(path)));
    }
    if !path.is_absolute() && !is_inside {
        return under_targets_name(fresh);
    }
    let place = own.join(path);
    let metadata = match place.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return keep(&place, fresh),
        // It may be there, where whoever looks may not.
        Err(_) => return Mend::Own { path: shown(&own), user: process::user_id().to_string() },
    };
    if metadata.is_symlink() && !path.is_absolute() {
        return Mend::ReplaceLink { path: shown(&place) };
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
    if metadata.is_file() && mode & 0o007 != 0 {
        return mend::close_to_others(&place);
    }
    if metadata.is_file() && std::fs::File::open(&place).is_err() {
        let is_own = std::os::unix::fs::MetadataExt::uid(&metadata) == process::user_id();
        return match is_own {
            true => Mend::OpenToOwner { path: shown(&place) },
            false => Mend::Own { path: shown(&place), user: process::user_id().to_string() },
        };
    }
    if metadata.len() > 0 { mend::edit(&place) } else { Mend::FillSecret { file: shown(&place), content: fresh } }
}

/// A key that is none in its place: to where it belongs, to the name that was meant, or away.
fn misplaced(scene: &Scene<'_>, name: &Name<'_>, key: &str, file: &Path) -> Mend {
    let is_ours = name.section == "webhook";
    let to = if is_ours && let Some(known) = config::find_key(name.key, &[Of::TargetAlone]) {
        let configuration = &scene.place.configuration;
        let mut all = configuration.names();
        // Of which of several it is only a person knows.
        let Some(only) = all.next().filter(|_| all.next().is_none()) else { return mend::edit(file) };
        Some(format!("webhook.{only}.{}", known.name))
    } else if is_ours && let Some(known) = config::find_key(name.key, &[Of::Repository]) {
        Some(format!("webhook.{}", known.name))
    } else {
        let target = name.target.map(|target| format!("{target}.")).unwrap_or_default();
        config::nearest_key(name.key, name.places()).map(|near| format!("{}.{target}{near}", name.section))
    };
    let Some(to) = to else { return mend::unset(file, key) };
    move_to(scene, (file, key), (file, &to))
}

/// Moves a value to where it belongs, unless something stands there already or it is wrong there too.
fn move_to(scene: &Scene<'_>, from: (&Path, &str), to: (&Path, &str)) -> Mend {
    let (old, new) = (Name::of(from.1), Name::of(to.1));
    let scope = scene.entries.iter().find(|entry| &*entry.file == to.0).map(|entry| entry.scope);
    let is_there =
        scene.entries.iter().any(|entry| new.names(entry) && (&*entry.file == to.0 || Some(entry.scope) == scope));
    let Some(entry) = scene.entries.iter().rfind(|entry| &*entry.file == from.0 && old.names(entry)) else {
        return mend::edit(from.0);
    };
    let moved = Entry {
        key: new.key.to_ascii_lowercase(),
        subsection: new.target.map(|target| target.as_bytes().into()),
        file: to.0.into(),
        scope: if from.0 == to.0 { entry.scope } else { Scope::Global },
        ..entry.clone()
    };
    let is_right = || scene.place.configuration.is_right_with(&scene.entries, moved.clone());
    let is_secret = ["secret", "signingSecret", "header", "url"].contains(&new.key);
    if is_secret && (is_there || !is_right()) {
        // Which of the two is right only a person knows, and neither is shown.
        return mend::edit(from.0);
    }
    // A command moves the last one.
    let is_last_of_several =
        scene.entries.iter().filter(|entry| &*entry.file == from.0 && old.names(entry)).nth(1).is_some();
    if is_last_of_several && (is_secret || config::find_key(new.key, new.places()).is_some_and(|key| key.list)) {
        return mend::edit(from.0);
    }
    if is_there || !is_right() {
        return mend::unset(from.0, from.1);
    }
    // In the configuration others could read it as before, which would be the next finding.
    if let Some(target) = new.target.filter(|_| secrets::is_in_view(entry, new.key)) {
        let content = Content::ValueOf(mend::FileKey::new(from.0, from.1));
        return secrets::into_file(scene, from, target, new.key, content);
    }
    mend::shift(from, to)
}

/// A target under a name that none can have.
fn rename(scene: &Scene<'_>, text: &str, file: &Path) -> Mend {
    let stands = |entry: &Entry| &*entry.file == file && entry.subsection.as_deref() == Some(text.as_bytes());
    if !scene.entries.iter().any(stands) {
        // It is shown in part, for it may be anything.
        return mend::edit(file);
    }
    let fits = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '-' };
    let name: String = text.chars().map(fits).skip_while(|c| !c.is_ascii_alphanumeric()).take(64).collect();
    let name = if name.is_empty() { "target" } else { &name };
    let name = free_name(scene, name);
    Mend::RenameSection { file: shown(file), from: format!("webhook.{text}"), to: format!("webhook.{name}") }
}

/// The name, or one like it that no target has: two sections of one name are one.
fn free_name(scene: &Scene<'_>, name: &str) -> String {
    let is_taken = |name: &str| {
        scene.entries.iter().any(|entry| entry.subsection.as_deref().is_some_and(|it| it == name.as_bytes()))
    };
    mend::free_name(name, '-', is_taken)
}

/// What belongs to the URL's owner and is set by somebody else. It is never carried over: the server's secret would go
/// to whatever URL the repository has set.
fn foreign(scene: &Scene<'_>, key: &str, file: &Path, of_url: &Path) -> Mend {
    let name = Name::of(key);
    let url = Name { key: "url", ..name };
    let scope_of = |file: &Path| scene.entries.iter().find(|entry| &*entry.file == file).map(|entry| entry.scope);
    let has_own_url =
        scene.entries.iter().any(|entry| url.names(entry) && scope_of(file).is_some_and(|scope| entry.scope == scope));
    let is_wider = scope_of(file) < scope_of(of_url);
    match name.target {
        // Both are targets of their own, as soon as they have names of their own.
        Some(target) if is_wider && has_own_url => {
            let to = free_name(scene, target);
            let (from, to) = (format!("webhook.{target}"), format!("webhook.{to}"));
            Mend::RenameSection { file: shown(of_url), from, to }
        }
        _ => mend::unset(file, key),
    }
}
