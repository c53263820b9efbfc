//! The configuration: everything that is wrong or odd about a value, with the command for each kind.

use std::path::Path;

use super::Scene;
use super::finding::{Finding, Kind, Severity};
use super::mend::{self, Content, Mend, Value, shown};
use crate::config::{self, Entry, Of, Problem, Scope, Unreadable};
use crate::message;
use crate::process::Environment;
use crate::target::Address;
use crate::target::TargetName;

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
        return if is_there { mend::set(file, key, "https://HOST/PATH") } else { mend::edit(file) };
    };
    let Some(known) = config::find_key(name.key, name.places()) else { return misplaced(scene, name, key, file) };
    if known.protected && last.scope == Scope::Repository {
        let to = mend::protected_file(scene.is_shared(), scene.environment);
        return to.map_or_else(|| mend::unset(file, key), |to| mend::shift((file, key), (&to, key)));
    }
    match known.name {
        "url" => url(key, file, last),
        "secret" if is_beside_file(scene, name) => mend::unset(file, key),
        "secret" => mend::set_to(file, key, Value::NewSecret),
        "signingSecret" => mend::set_to(file, key, Value::NewKey),
        "secretFile" | "signingSecretFile" => secret_file(scene, name, key, file, last),
        // Which header or word was meant only a person knows.
        "header" => mend::edit(file),
        _ if last.is_cut => mend::set(file, key, "THE WHOLE VALUE"),
        "ref" => mend::set(file, key, "refs/heads/*"),
        known_name if WITH_DEFAULT.contains(&known_name) => mend::set(file, key, known.default),
        _ => mend::unset(file, key),
    }
}

fn url(key: &str, file: &Path, last: &Entry) -> Mend {
    let text = String::from_utf8_lossy(last.value.as_deref().unwrap_or_default());
    if last.is_cut || Address::parse(&text).is_err() {
        return mend::set(file, key, "https://HOST/PATH");
    }
    if !text.contains('#') {
        // It is set more than once.
        return mend::set_to(file, key, Value::Last);
    }
    mend::set_to(file, key, Value::LastBeforeHash)
}

fn is_beside_file(scene: &Scene<'_>, name: &Name<'_>) -> bool {
    let file = Name { key: "secretFile", ..*name };
    scene.entries.iter().any(|entry| file.names(entry))
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
    let under_targets_name =
        |content| Mend::AllOf(vec![keep(&own.join(target), content), mend::set(file, key, target)]);
    let path = Path::new(value.as_ref());
    let is_inside = !value.is_empty() && path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if path.is_absolute() && entry.scope == Scope::Repository {
        return under_targets_name(Content::CopyOf(shown(path)));
    }
    if !path.is_absolute() && !is_inside {
        return under_targets_name(fresh);
    }
    let place = own.join(path);
    let Ok(metadata) = place.symlink_metadata() else { return keep(&place, fresh) };
    if metadata.is_symlink() && !path.is_absolute() {
        return Mend::ReplaceLink { path: shown(&place) };
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
    if metadata.is_file() && mode & 0o007 != 0 {
        return mend::close_to_others(&place);
    }
    if metadata.is_file() && std::fs::File::open(&place).is_err() {
        return Mend::Own { path: shown(&place), user: scene.environment.os_user() };
    }
    if metadata.len() > 0 { mend::edit(&place) } else { Mend::FillSecret { file: shown(&place), content: fresh } }
}

/// A key that is none in its place: to where it belongs, to the name that was meant, or away.
fn misplaced(scene: &Scene<'_>, name: &Name<'_>, key: &str, file: &Path) -> Mend {
    let is_ours = name.section == "webhook";
    let to = if is_ours && let Some(known) = config::find_key(name.key, &[Of::TargetAlone]) {
        let configuration = &scene.place.configuration;
        let mut all = configuration.names();
        let only = all.next().filter(|_| all.next().is_none());
        Some(format!("webhook.{}.{}", only.map_or("NAME", TargetName::as_str), known.name))
    } else if is_ours && let Some(known) = config::find_key(name.key, &[Of::Repository]) {
        Some(format!("webhook.{}", known.name))
    } else {
        let target = name.target.map(|target| format!("{target}.")).unwrap_or_default();
        config::nearest_key(name.key, name.places()).map(|near| format!("{}.{target}{near}", name.section))
    };
    to.map_or_else(|| mend::unset(file, key), |to| mend::shift((file, key), (file, &to)))
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
    Mend::RenameSection { file: shown(file), from: format!("webhook.{text}"), to: format!("webhook.{name}") }
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
        Some(target) if is_wider && has_own_url => mend::unset(of_url, &format!("webhook.{target}.url")),
        _ => mend::unset(file, key),
    }
}
