//! `git webhook add`: a new target, checked as a whole before anything of it is written.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::{Deserialize, Serialize};

use super::as_owner::{Call, Said, in_this};
use super::failure::{Failure, failure};
use super::level::{Ground, Level};
use super::new_secret::{self, Kept, Secrets};
use super::output::{Row, by_row, tell};
use super::receiver;
use super::target_options::Values;
use super::terminal;
use super::told;
use crate::config::{Configuration, Entry, Scope};
use crate::message;
use crate::process;
use crate::signature::SigningSecret;
use crate::target::Target;
use crate::text::sanitise;

/// What a target is to be.
#[derive(clap::Args)]
pub(super) struct Wish {
    /// The target's name: letters, digits, '_', '.' and '-'
    name: String,
    /// Where to send: http://… or https://…
    url: String,
    #[command(flatten)]
    level: Level,
    #[command(flatten)]
    secrets: Secrets,
    #[command(flatten)]
    values: Values,
}

/// What was added.
#[derive(Serialize, Deserialize)]
pub(super) struct AddedTarget {
    name: String,
    url: String,
    format: String,
    /// Why it has that.
    format_by: FormatBy,
    /// In words, what it is told.
    told: String,
    /// The files its secrets are in, made by this.
    secrets: Vec<PathBuf>,
    /// The public halves of its keys.
    public_keys: Vec<String>,
    /// Keys of the server that are set nowhere, so that receivers get no address to clone from or to show.
    missing: Vec<String>,
}

impl Row for AddedTarget {
    const ROWS: &str = "targets";
}

/// Who chose a target's format.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FormatBy {
    /// Whoever added it, or the configuration.
    Choice,
    /// Its address, which tells whose receiver it is.
    Address,
    /// Nobody.
    Default,
}

pub(super) fn run(wish: &Wish, json: bool, call: &Call<'_>) -> Result<bool, Failure> {
    let scope = wish.level.scope();
    if scope != Scope::Repository {
        // Whoever runs this is who may write there.
        let ground = Ground::protected(scope, call.environment)?;
        let rows = vec![add(wish, &ground)?];
        return Ok(tell(call, json, vec![Said::by_us(ground.file(), rows)], by_row(text)));
    }
    let input = if wish.secrets.are_typed() { Stdio::inherit() } else { Stdio::null() };
    let said = in_this(call, input, |place| Ok((vec![add(wish, &Ground::of(place, call.environment))?], true)))?;
    Ok(tell(call, json, said, by_row(text)))
}

fn add(wish: &Wish, ground: &Ground<'_>) -> Result<AddedTarget, Failure> {
    let configuration = ground.configuration()?;
    if configuration.find(&wish.name).is_some() {
        return failure(message::target_is_there(&wish.name));
    }
    let most = configuration.settings.max_targets;
    if configuration.names().count() >= most {
        return failure(message::too_many_targets(most));
    }
    if ground.place.is_none() && wish.secrets.is_any() {
        return failure(message::secret_of_many());
    }
    let entries = ground.entries()?;
    let mut values = vec![("url", wish.url.clone())];
    values.extend(wish.values.0.iter().cloned());
    let format_by = choose_format(&mut values, &entries, &wish.url);
    // First all that can be said without the secrets, for which somebody may have to type.
    let (target, _) = ground.tried(&wish.name, &values, &[], message::not_added)?;
    if wish.secrets.is_token() && !target.format.takes_secret() {
        return failure(message::secret_without_use(target.format.name));
    }
    let secrets = new_secret::secrets(&wish.name, &wish.secrets, &entries)?;
    // From here on a file is left behind where this ends half done.
    process::hold_back_interrupts();
    let mut kept = ground.place.map(Kept::new);
    for (key, name, secret) in secrets {
        kept.iter_mut().try_for_each(|kept| kept.keep(&name, &secret))?;
        values.push((key, name));
    }
    let (target, warnings) = ground.tried(&wish.name, &values, &[], message::not_added)?;
    warnings.iter().for_each(terminal::warning);
    receiver::advice(&wish.url, target.format.name).iter().for_each(terminal::warning);
    ground.edit(|draft| {
        // Somebody else may have added it since the configuration was read.
        if draft.has(&wish.name) {
            return failure(message::target_is_there(&wish.name));
        }
        draft.set(&wish.name, &values, &[])
    })?;
    let secrets = kept.map(Kept::needed).unwrap_or_default();
    let has_clone_url = ground.place.is_some_and(|place| place.common_dir.join("cloneurl").exists());
    Ok(added(&target, format_by, &secrets, (&configuration, has_clone_url)))
}

/// Adds the format that nobody chose to the values, and tells by what it was.
fn choose_format(values: &mut Vec<(&'static str, String)>, entries: &[Entry], url: &str) -> FormatBy {
    let is_default_format =
        |entry: &Entry| entry.section == "webhook" && entry.subsection.is_none() && entry.key == "format";
    if values.iter().any(|(key, _)| *key == "format") || entries.iter().any(is_default_format) {
        return FormatBy::Choice;
    }
    let known = receiver::format(url);
    values.insert(1, ("format", known.unwrap_or(receiver::DEFAULT).into()));
    if known.is_some() { FormatBy::Address } else { FormatBy::Default }
}

fn added(
    target: &Target,
    format_by: FormatBy,
    secrets: &[String],
    (before, has_clone_url): (&Configuration, bool),
) -> AddedTarget {
    AddedTarget {
        name: target.name.to_string(),
        url: format!("{}/…", target.address.origin()),
        format: target.format.name.into(),
        format_by,
        told: told::of(target),
        secrets: secrets.iter().map(|name| Path::new("webhook/secret").join(name)).collect(),
        public_keys: target.signing_secrets.iter().filter_map(SigningSecret::public).collect(),
        // Once is enough.
        missing: if before.targets.is_empty() { told::missing(before, target, has_clone_url) } else { Vec::new() },
    }
}

fn text(row: &AddedTarget) -> String {
    let name = sanitise(&row.name);
    let by = match row.format_by {
        FormatBy::Choice => "",
        FormatBy::Address => ", as its address tells",
        FormatBy::Default => ", the default: --format takes another, git webhook formats lists them",
    };
    let mut text = format!("{name}: added, {}\nin format {}{by}\n", sanitise(&row.told), row.format);
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
    if !row.missing.is_empty() {
        text += message::not_told_without();
        text.push('\n');
    }
    for key in &row.missing {
        text += &format!("    git config webhook.{key} '{}'\n", told::example(key));
    }
    text + &format!("try it: git webhook test {name}\n")
}
