//! `git webhook add`: a new target, checked as a whole before anything of it is written.

use std::collections::HashSet;
use std::io::{IsTerminal, stdin};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use serde::{Deserialize, Serialize};

use super::as_owner::{Call, in_this};
use super::edit::{edit, target_of};
use super::failure::{Failure, failure};
use super::output::{by_row, tell};
use super::place::Place;
use super::targets;
use super::terminal;
use crate::config::{self, Configuration, Configured, Entry, KEYS, Key, Of, Problem};
use crate::files::Folder;
use crate::format;
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
    /// Read a Standard Webhooks key (whsec_… or whsk_…) from standard input and keep it below webhook/secret/
    #[arg(long, conflicts_with_all = ["generate_signing_secret", "generate_signing_key"])]
    signing_secret: bool,
    /// Make a Standard Webhooks key that the receiver has too and keep it below webhook/secret/
    #[arg(long, conflicts_with = "generate_signing_key")]
    generate_signing_secret: bool,
    /// Make a Standard Webhooks key of which the receiver has the public half alone and keep it below webhook/secret/
    #[arg(long)]
    generate_signing_key: bool,
}

impl Secrets {
    /// Whether the format's own secret is wanted.
    fn is_token(&self) -> bool {
        self.secret || self.generate_secret
    }
}

/// The option that has a secret read or made, and takes no value, that an argument begins with.
pub(super) fn secret_option(argument: &str) -> Option<&'static str> {
    const OPTIONS: [&str; 5] =
        ["--secret", "--generate-secret", "--signing-secret", "--generate-signing-secret", "--generate-signing-key"];
    let name = argument.split('=').next().unwrap_or_default();
    OPTIONS.into_iter().find(|option| *option == name)
}

/// The values of keys, one option for each key of a target, in the order of the documentation.
struct Values(Vec<(&'static str, String)>);

/// Those that are no options: an argument, and what must not stand on a command line.
const NO_OPTIONS: [&str; 3] = ["url", "secret", "signingSecret"];

fn options() -> impl Iterator<Item = &'static Key> {
    // What is protected would count for nothing where this writes.
    let is_option = |key: &&Key| {
        matches!(key.of, Of::Target | Of::TargetAlone) && !key.protected && !NO_OPTIONS.contains(&key.name)
    };
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
pub(super) struct AddedTarget {
    name: String,
    url: String,
    format: String,
    /// The files its secrets are in, made by this.
    secrets: Vec<PathBuf>,
    /// The public halves of its keys.
    public_keys: Vec<String>,
}

pub(super) fn run(wish: &Wish, json: bool, call: &Call<'_>) -> Result<bool, Failure> {
    let reads_input = wish.secrets.secret || wish.secrets.signing_secret;
    let input = if reads_input { Stdio::inherit() } else { Stdio::null() };
    let said = in_this(call, input, |place| Ok((vec![add(wish, place, call.environment)?], true)))?;
    Ok(tell(call, json, said, by_row(text)))
}

fn add(wish: &Wish, place: &Place, environment: &Environment) -> Result<AddedTarget, Failure> {
    let configuration = &place.configuration;
    if configuration.find(&wish.name).is_some() {
        return failure(message::target_is_there(&wish.name));
    }
    let most = configuration.settings.max_targets;
    if configuration.names().count() >= most {
        return failure(message::too_many_targets(most));
    }
    let mut kept = Kept::new(place);
    let entries = entries(place, environment)?;
    let is_default_format =
        |entry: &Entry| entry.section == "webhook" && entry.subsection.is_none() && entry.key == "format";
    let mut values = vec![("url", wish.url.clone())];
    values.extend(wish.values.0.iter().cloned());
    let has_format = values.iter().any(|(key, _)| *key == "format") || entries.iter().any(is_default_format);
    if !has_format {
        let host = Address::parse(&wish.url).map(|address| address.host().to_owned()).unwrap_or_default();
        values.insert(1, ("format", format::for_host(&host).name.into()));
    }
    // First all that can be said without the secrets, for which somebody may have to type.
    let (target, _) = tried(wish, place, environment, &values)?;
    if wish.secrets.is_token() && target.format.secret_headers().is_empty() {
        return failure(message::secret_without_use(target.format.name));
    }
    let secrets = secrets(wish, &entries)?;
    // From here on a file is left behind where this ends half done.
    process::hold_back_interrupts();
    for (key, name, secret) in secrets {
        kept.keep(&name, &secret)?;
        values.push((key, name));
    }
    let (target, warnings) = tried(wish, place, environment, &values)?;
    for warning in warnings {
        terminal::warning(warning);
    }
    edit(place, |draft| {
        // Somebody else may have added it since the configuration was read.
        if draft.has(&wish.name) {
            return failure(message::target_is_there(&wish.name));
        }
        let section = format!("webhook.{}", wish.name);
        values.iter().try_for_each(|(key, value)| draft.git_config(&["--add", &format!("{section}.{key}"), value]))
    })?;
    let secrets = kept.needed().iter().map(|name| Path::new("webhook/secret").join(name)).collect();
    let url = format!("{}/…", target.address.origin());
    let public_keys = target.signing_secrets.iter().filter_map(SigningSecret::public).collect();
    Ok(AddedTarget { name: target.name.to_string(), url, format: target.format.name.into(), secrets, public_keys })
}

/// The target as it would be, and what is odd about it.
fn tried(
    wish: &Wish,
    place: &Place,
    environment: &Environment,
    values: &[(&'static str, String)],
) -> Result<(Target, Vec<Problem>), Failure> {
    let tried = Configuration::read_with(&place.git_dir, &place.common_dir, environment, &wish.name, values);
    let tried = tried.map_err(|why| Failure::new(why.to_string()))?;
    let is_of_this = |warning: &Problem| target_of(&warning.key) == Some(&wish.name);
    let of_this = tried.warnings.into_iter().filter(is_of_this).map(unfiled).collect();
    match tried.targets.into_iter().find(|target| *target.name() == *wish.name) {
        Some(Configured::Ready(target)) => Ok((*target, of_this)),
        Some(Configured::Broken(target)) => {
            let problems: Vec<_> = target.problems.into_iter().map(|problem| unfiled(problem).to_string()).collect();
            failure(message::not_added(problems.join("; ")))
        }
        None => failure(message::not_added("")),
    }
}

/// Without the file, which nothing was written to.
fn unfiled(problem: Problem) -> Problem {
    Problem { files: Vec::new(), ..problem }
}

fn entries(place: &Place, environment: &Environment) -> Result<Vec<Entry>, Failure> {
    let entries = config::entries(&place.git_dir, &place.common_dir, environment);
    entries.map_err(|why| Failure::new(why.to_string()))
}

/// Key, file name and content of a secret that is to be kept.
type NewSecret = (&'static str, String, Vec<u8>);

fn secrets(wish: &Wish, entries: &[Entry]) -> Result<Vec<NewSecret>, Failure> {
    let no_random = |error: std::io::Error| Failure::new(message::no_random_bytes(error));
    let used: HashSet<_> = entries.iter().flat_map(targets::secret_files).collect();
    let (token, signing) = (unused(&wish.name, &used), unused(&format!("{}.signing", wish.name), &used));
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
    } else if wish.secrets.generate_signing_key {
        secrets.push(("signingSecretFile", signing, SigningSecret::generate_pair().map_err(no_random)?.into_bytes()));
    }
    Ok(secrets)
}

/// A file's name that no target uses: the signing key of `a` is in `a.signing`, and a target may be called so.
fn unused(name: &str, used: &HashSet<String>) -> String {
    let others = (2..).map(|number| format!("{name}.{number}"));
    std::iter::once(name.to_owned()).chain(others).find(|name| !used.contains(name)).unwrap_or_default()
}

fn typed() -> Result<Vec<u8>, Failure> {
    if stdin().is_terminal() {
        eprint!("secret: ");
    }
    let line =
        process::read_secret_line(stdin().lock()).map_err(|error| Failure::new(message::cannot_read_secret(error)))?;
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
        Self { folder: place.pipeline().spool.state().secrets(), names: Vec::new() }
    }

    fn keep(&mut self, name: &str, secret: &[u8]) -> Result<(), Failure> {
        if self.folder.open().is_ok_and(|directory| directory.look(name).is_some()) {
            return failure(message::secret_is_there(Path::new("webhook/secret").join(name).display()));
        }
        let written = self.folder.make().and_then(|directory| directory.write_new(name, &[secret, b"\n"].concat()));
        written.map_err(|error| Failure::new(error.to_string()))?;
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

fn text(row: &AddedTarget) -> String {
    let name = sanitise(&row.name);
    let mut text = format!("{name}: added, told of pushes in format {}\n", row.format);
    let own = format!("{}.signing", row.name);
    let is_signing = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&own));
    let is_private = |path: &Path| !row.public_keys.is_empty() && is_signing(path);
    for path in &row.secrets {
        text += &match is_private(path) {
            true => format!("the private key is in {}: it stays here\n", path.display()),
            false => format!("the secret is in {}: give it to the receiver\n", path.display()),
        };
    }
    for key in &row.public_keys {
        text += &format!("the public key is {key}: give it to the receiver\n");
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
