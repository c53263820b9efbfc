//! `git webhook add`: a new target, checked as a whole before anything of it is written.

use std::io::{IsTerminal, stdin};
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use serde::{Deserialize, Serialize};

use super::edit::edit;
use super::owner::{in_this, tell};
use super::place::Place;
use super::{Failure, failure};
use crate::config::{Configuration, KEYS, Key, Of, Problem};
use crate::files::Folder;
use crate::format::FORMATS;
use crate::message;
use crate::process::{self, Environment};
use crate::signature::{Secret, SigningSecret};
use crate::target::{Address, Target};
use crate::text::sanitise;

/// What a target is to be.
#[derive(clap::Args)]
pub(super) struct Wish {
    /// The target's name: letters, digits, '_', '.' and '-'
    name: String,
    /// Where to send: http://… or https://…
    url: String,
    #[command(flatten)]
    secrets: Secrets,
    #[command(flatten)]
    values: Values,
}

/// Where secrets come from: never from the command line, which everybody on the machine can read.
#[derive(clap::Args)]
struct Secrets {
    /// Read the secret from standard input and keep it below webhook/secret/
    #[arg(long, conflicts_with_all = ["generate_secret", "signing_secret", "secretFile"])]
    secret: bool,
    /// Make a secret and keep it below webhook/secret/
    #[arg(long, conflicts_with = "secretFile")]
    generate_secret: bool,
    /// Read a Standard Webhooks key (whsec_…) from standard input and keep it below webhook/secret/
    #[arg(long, conflicts_with = "generate_signing_secret")]
    signing_secret: bool,
    /// Make a Standard Webhooks key and keep it below webhook/secret/
    #[arg(long)]
    generate_signing_secret: bool,
}

impl Secrets {
    /// Whether the format's own secret is wanted.
    fn is_token(&self) -> bool {
        self.secret || self.generate_secret
    }
}

/// The values of keys, one option for each key of a target, in the order of the documentation.
struct Values(Vec<(&'static str, String)>);

/// Those that are no options: an argument, and what must not stand on a command line.
const NO_OPTIONS: [&str; 3] = ["url", "secret", "signingSecret"];

fn options() -> impl Iterator<Item = &'static Key> {
    let is_option = |key: &&Key| matches!(key.of, Of::Target | Of::TargetAlone) && !NO_OPTIONS.contains(&key.name);
    KEYS.iter().filter(is_option)
}

impl Args for Values {
    fn augment_args(command: Command) -> Command {
        options().fold(command, |command, key| {
            let help = format!("webhook.<NAME>.{} [default: {}]", key.name, key.default);
            let action = if key.list { ArgAction::Append } else { ArgAction::Set };
            command.arg(Arg::new(key.name).long(kebab(key.name)).value_name("VALUE").help(help).action(action))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Values {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let values = |key: &'static Key| {
            let given = matches.get_many::<String>(key.name).unwrap_or_default();
            given.map(|value| (key.name, value.clone()))
        };
        Ok(Self(options().flat_map(values).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// `retry-for` for `retryFor`, `ssl-ca-info` for `sslCAInfo`.
fn kebab(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut kebab = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let is_after_small = at > 0 && letters[at - 1].is_lowercase();
        let is_before_small = letters.get(at + 1).is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && at > 0 && (is_after_small || is_before_small) {
            kebab.push('-');
        }
        kebab.push(letter.to_ascii_lowercase());
    }
    kebab
}

/// What was added.
#[derive(Serialize, Deserialize)]
pub(super) struct Row {
    name: String,
    url: String,
    format: String,
    /// The files its secrets are in, made by this.
    secrets: Vec<PathBuf>,
}

pub(super) fn run(wish: &Wish, json: bool, environment: &Environment) -> Result<bool, Failure> {
    let arguments = wish.arguments();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let reads_input = wish.secrets.secret || wish.secrets.signing_secret;
    let said = in_this(&arguments, reads_input, environment, |place| Ok((vec![add(wish, place, environment)?], true)))?;
    tell(&said, json, text);
    Ok(true)
}

impl Wish {
    /// As it was typed, for a process of the owner.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["add".to_owned()];
        let flags = [
            ("--secret", self.secrets.secret),
            ("--generate-secret", self.secrets.generate_secret),
            ("--signing-secret", self.secrets.signing_secret),
            ("--generate-signing-secret", self.secrets.generate_signing_secret),
        ];
        arguments.extend(flags.iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| (*flag).to_owned()));
        arguments.extend(self.values.0.iter().map(|(key, value)| format!("--{}={value}", kebab(key))));
        arguments.extend(["--".into(), self.name.clone(), self.url.clone()]);
        arguments
    }
}

fn add(wish: &Wish, place: &Place, environment: &Environment) -> Result<Row, Failure> {
    let configuration = &place.configuration;
    if configuration.names().any(|name| *name == wish.name) {
        return failure(message::target_is_there(&wish.name));
    }
    let most = configuration.settings.max_targets;
    if configuration.names().count() >= most {
        return failure(message::too_many_targets(most));
    }
    let mut kept = Kept::new(place);
    let mut values = vec![("url", wish.url.clone())];
    values.extend(wish.values.0.iter().cloned());
    let has_format = values.iter().any(|(key, _)| *key == "format") || is_default(place, environment, "format")?;
    if !has_format {
        values.insert(1, ("format", format_for(&wish.url).into()));
    }
    // First all that can be said without the secrets, for which somebody may have to type.
    let (target, _) = tried(wish, place, environment, &values)?;
    if wish.secrets.is_token() && target.format.secret_headers().is_empty() {
        return failure(message::secret_without_use(target.format.name));
    }
    let secrets = secrets(wish)?;
    // From here on a file is left behind where this ends half done.
    process::hold_back_interrupts();
    for (key, name, secret) in secrets {
        kept.keep(&name, &secret)?;
        values.push((key, name));
    }
    let (target, warnings) = tried(wish, place, environment, &values)?;
    for warning in warnings {
        eprintln!("warning: {}", sanitise(&warning.to_string()));
    }
    edit(place, |draft| {
        let section = format!("webhook.{}", wish.name);
        // Somebody else may have added it since the configuration was read.
        if draft.has(&format!("{section}.")) {
            return failure(message::target_is_there(&wish.name));
        }
        values.iter().try_for_each(|(key, value)| draft.git_config(&["--add", &format!("{section}.{key}"), value]))
    })?;
    let secrets = kept.needed().iter().map(|name| Path::new("webhook/secret").join(name)).collect();
    let url = format!("{}/…", target.address.origin());
    Ok(Row { name: target.name, url, format: target.format.name.into(), secrets })
}

/// The target as it would be, and what is odd about it.
fn tried(
    wish: &Wish,
    place: &Place,
    environment: &Environment,
    values: &[(&'static str, String)],
) -> Result<(Target, Vec<Problem>), Failure> {
    let tried = Configuration::read_with(&place.git_dir, &place.common_dir, environment, &wish.name, values);
    let tried = tried.map_err(|why| Failure(why.to_string()))?;
    let prefix = format!("webhook.{}.", wish.name);
    let of_this = tried.warnings.into_iter().filter(|warning| warning.key.starts_with(&prefix)).map(unfiled).collect();
    if let Some(target) = tried.targets.into_iter().find(|target| target.name == wish.name) {
        return Ok((target, of_this));
    }
    // It is the last one named. A wrong name is not shown as it was typed.
    let broken = tried.broken.into_iter().next_back();
    let problems = broken.map(|target| target.problems).unwrap_or_default().into_iter().map(unfiled);
    let problems: Vec<_> = problems.map(|problem| problem.to_string()).collect();
    failure(message::not_added(problems.join("; ")))
}

/// Without the file, which nothing was written to.
fn unfiled(problem: Problem) -> Problem {
    Problem { files: Vec::new(), ..problem }
}

fn is_default(place: &Place, environment: &Environment, key: &str) -> Result<bool, Failure> {
    let entries = crate::config::entries(&place.git_dir, &place.common_dir, environment);
    let entries = entries.map_err(|why| Failure(why.to_string()))?;
    Ok(entries.iter().any(|entry| entry.section == "webhook" && entry.subsection.is_none() && entry.key == key))
}

/// Hosts whose receivers speak one format.
const FORMATS_OF_HOSTS: [(&str, &str); 1] = [("hooks.slack.com", "slack")];

/// The format that the receiver speaks as far as its address tells, else the documented default.
fn format_for(url: &str) -> &'static str {
    let host = Address::parse(url).map(|address| address.host().to_owned()).unwrap_or_default();
    let known = FORMATS_OF_HOSTS.iter().find(|(other, _)| *other == host).map(|(_, format)| *format);
    FORMATS.iter().find(|format| Some(format.name) == known).or(FORMATS.first()).map_or("", |format| format.name)
}

/// Key, file name and content of a secret that is to be kept.
type NewSecret = (&'static str, String, Vec<u8>);

fn secrets(wish: &Wish) -> Result<Vec<NewSecret>, Failure> {
    let no_random = |error: std::io::Error| Failure(message::no_random_bytes(error));
    let (token, signing) = (wish.name.clone(), format!("{}.signing", wish.name));
    let mut secrets = Vec::new();
    if wish.secrets.secret {
        secrets.push(("secretFile", token, typed()?));
    } else if wish.secrets.generate_secret {
        secrets.push(("secretFile", token, Secret::generate().map_err(no_random)?.into_bytes()));
    }
    if wish.secrets.signing_secret {
        secrets.push(("signingSecretFile", signing, typed()?));
    } else if wish.secrets.generate_signing_secret {
        secrets.push(("signingSecretFile", signing, SigningSecret::generate().map_err(no_random)?.into_bytes()));
    }
    Ok(secrets)
}

fn typed() -> Result<Vec<u8>, Failure> {
    if stdin().is_terminal() {
        eprint!("secret: ");
    }
    let line =
        process::read_secret_line(stdin().lock()).map_err(|error| Failure(message::cannot_read_secret(error)))?;
    if stdin().is_terminal() {
        eprintln!();
    }
    if line.is_empty() { failure(message::no_secret_given()) } else { Ok(line) }
}

/// Secret files that were made; they vanish unless the target that needs them is added.
struct Kept {
    folder: Folder,
    names: Vec<String>,
}

impl Kept {
    fn new(place: &Place) -> Self {
        Self { folder: place.post().spool.state().secrets(), names: Vec::new() }
    }

    fn keep(&mut self, name: &str, secret: &[u8]) -> Result<(), Failure> {
        if self.folder.open().is_ok_and(|directory| directory.look(name).is_some()) {
            return failure(message::secret_is_there(Path::new("webhook/secret").join(name).display()));
        }
        let written = self.folder.make().and_then(|directory| directory.write_new(name, &[secret, b"\n"].concat()));
        written.map_err(|error| Failure(error.to_string()))?;
        self.names.push(name.into());
        Ok(())
    }

    fn needed(mut self) -> Vec<String> {
        std::mem::take(&mut self.names)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let Ok(directory) = self.folder.open() else { return };
        // Made a moment ago.
        self.names.iter().for_each(|name| drop(directory.remove(name)));
    }
}

fn text(row: &Row) -> String {
    let name = sanitise(&row.name);
    let mut text = format!("{name}: added, told of pushes in format {}\n", row.format);
    for path in &row.secrets {
        text += &format!("the secret is in {}: give it to the receiver\n", path.display());
    }
    text + &format!("try it: git webhook test {name}\n")
}

#[cfg(test)]
mod tests {
    use super::kebab;

    #[test]
    fn options_are_in_kebab_case() {
        assert_eq!(
            ["url", "retryFor", "sslCAInfo", "signingSecretFile"].map(kebab),
            ["url", "retry-for", "ssl-ca-info", "signing-secret-file"]
        );
    }
}
