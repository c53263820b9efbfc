//! A new target's secrets: typed or made, and kept in files of their own below `webhook/secret/`.

use std::collections::HashSet;
use std::io::{IsTerminal, stdin};
use std::path::Path;

use super::failure::{Failure, failure};
use super::place::Place;
use super::targets;
use crate::config::Entry;
use crate::files::Folder;
use crate::message;
use crate::process;
use crate::signature::{Secret, SigningSecret};

/// Where secrets come from: never from the command line, which everybody on the machine can read.
#[derive(clap::Args)]
pub(super) struct Secrets {
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
    /// Whether any is read from standard input.
    pub(super) fn are_typed(&self) -> bool {
        self.secret || self.signing_secret
    }

    /// Whether any is wanted.
    pub(super) fn is_any(&self) -> bool {
        self.is_token() || self.signing_secret || self.generate_signing_secret || self.generate_signing_key
    }

    /// Whether the format's own secret is wanted.
    pub(super) fn is_token(&self) -> bool {
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

/// Key, file name and content of a secret that is to be kept.
pub(super) type NewSecret = (&'static str, String, Vec<u8>);

/// Reads or makes the secrets that are wanted for the target of this name.
pub(super) fn secrets(name: &str, wish: &Secrets, entries: &[Entry]) -> Result<Vec<NewSecret>, Failure> {
    let no_random = |error: std::io::Error| Failure::new(message::no_random_bytes(error));
    let used: HashSet<_> = entries.iter().flat_map(targets::secret_files).collect();
    let (token, signing) = (unused(name, &used), unused(&format!("{name}.signing"), &used));
    let mut secrets = Vec::new();
    if wish.secret {
        secrets.push(("secretFile", token, typed()?));
    } else if wish.generate_secret {
        secrets.push(("secretFile", token, Secret::generate().map_err(no_random)?.into_bytes()));
    }
    if wish.signing_secret {
        secrets.push(("signingSecretFile", signing, typed()?));
    } else if wish.generate_signing_secret {
        secrets.push(("signingSecretFile", signing, SigningSecret::generate().map_err(no_random)?.into_bytes()));
    } else if wish.generate_signing_key {
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
pub(super) struct Kept {
    folder: Folder,
    names: Vec<String>,
}

impl Kept {
    pub(super) fn new(place: &Place) -> Self {
        Self { folder: place.pipeline().spool.state().secrets(), names: Vec::new() }
    }

    pub(super) fn keep(&mut self, name: &str, secret: &[u8]) -> Result<(), Failure> {
        if self.folder.look(name).is_some() {
            return failure(message::secret_is_there(Path::new("webhook/secret").join(name).display()));
        }
        let written = self.folder.make().and_then(|directory| directory.write_new(name, &[secret, b"\n"].concat()));
        written.map_err(|error| Failure::new(error.to_string()))?;
        self.names.push(name.into());
        Ok(())
    }

    pub(super) fn needed(mut self) -> Vec<String> {
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
