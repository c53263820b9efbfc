//! `webhook.via` and what belongs to it: whether targets of protected scope are told through a broker, and who we are to it.

use std::path::PathBuf;
use std::sync::Arc;

use super::entry::Entry;
use super::problem::Problem;
use super::secret_file;
use super::setting::SettingReader;
use super::value::{absolute_path, value_text};
use crate::files::Folder;
use crate::message;
use crate::stream::{Credentials, Servers};

/// How targets of protected scope are told.
#[derive(Clone)]
pub enum Route {
    /// From here.
    Direct,
    /// Through this broker.
    Through(Arc<Broker>),
    /// Through a broker that is not configured rightly, and why: nothing is told past it.
    Wrong(Vec<Problem>),
}

/// A broker, and who we are to it.
pub struct Broker {
    /// Where it is.
    pub servers: Servers,
    /// Who we are.
    pub credentials: Credentials,
    /// The files that say so.
    pub sources: Vec<PathBuf>,
}

impl Route {
    /// The broker, where there is one.
    pub fn broker(&self) -> Option<&Broker> {
        match self {
            Self::Through(broker) => Some(broker),
            Self::Direct | Self::Wrong(_) => None,
        }
    }
}

/// Reads the keys. An empty value of `webhook.via` clears what came before it.
pub(super) fn read(reader: &mut SettingReader<'_>, secrets: &Folder, open_to_others: bool) -> Route {
    let entries: Vec<_> = reader.counting("via").collect();
    let is_empty = |entry: &&Entry| entry.value.as_deref().is_some_and(<[u8]>::is_empty);
    let entries = &entries[entries.iter().rposition(is_empty).map_or(0, |at| at + 1)..];
    let credentials = reader.counting("viaCredentials").next_back();
    let Some(last) = entries.last() else {
        let alone = |entry| Problem::about("viaCredentials", "webhook.viaCredentials", entry, message::lacks_via());
        reader.problems.extend(credentials.map(alone).map(|problem| Problem { counts_in_part: true, ..problem }));
        return Route::Direct;
    };
    match broker(entries, last, credentials, |path, entry| file(path, entry, secrets, open_to_others)) {
        Ok(broker) => Route::Through(Arc::new(broker)),
        Err(problem) => Route::Wrong(vec![problem]),
    }
}

fn broker(
    entries: &[&Entry],
    last: &Entry,
    credentials: Option<&Entry>,
    read: impl Fn(&str, &Entry) -> Result<Vec<u8>, String>,
) -> Result<Broker, Problem> {
    let wrong =
        |name: &'static str, entry: &Entry, why: &str| Problem::about(name, &format!("webhook.{name}"), entry, why);
    let words: Result<Vec<_>, _> = entries.iter().map(|entry| value_text(entry)).collect();
    let servers = words.and_then(|words| Servers::parse(&words.join(" ")));
    let servers = servers.map_err(|why| wrong("via", last, why))?;
    let of_file = |why: &str| match credentials {
        Some(entry) => wrong("viaCredentials", entry, why),
        None => wrong("via", last, why),
    };
    let path = credentials.map(|entry| value_text(entry).map(|path| (path, entry))).transpose().map_err(of_file)?;
    let file = path.map(|(path, entry)| read(path, entry)).transpose().map_err(|why| of_file(&why))?;
    let credentials = Credentials::new(servers.login(), file.as_deref()).map_err(of_file)?;
    let files = entries.iter().copied().chain(path.map(|(_, entry)| entry)).map(|entry| entry.file.to_path_buf());
    let sources = files.chain(path.map(|(path, _)| PathBuf::from(path))).collect();
    Ok(Broker { servers, credentials, sources })
}

/// What the file with the credentials holds. It is the server's, and lies in no repository.
fn file(path: &str, entry: &Entry, secrets: &Folder, open_to_others: bool) -> Result<Vec<u8>, String> {
    absolute_path(path)?;
    secret_file::read(path, entry.scope, secrets, open_to_others)
}
