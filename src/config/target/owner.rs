//! Who owns a target, and what counts for it from where.

use std::fs;
use std::path::Path;

use super::TargetReader;
use crate::config::entry::{Entry, Scope};
use crate::config::keys::{self, Of};
use crate::config::problem::Problem;
use crate::message;

impl<'a> TargetReader<'a> {
    /// Leaves what counts: the scope whose URL is in effect owns the target, and neither a key of it from another scope
    /// counts nor a default from a later one. Else a repository could point the server's secret at its own URL, or
    /// silence and re-shape what the server is told.
    ///
    /// Returns what the repository says of `enabled`, where the owner leaves that to it.
    pub(super) fn keep_owners(&mut self, url: &Entry) -> Option<&'a Entry> {
        let (own, foreign): (Vec<_>, Vec<_>) = self.own.iter().partition(|entry| entry.scope == url.scope);
        self.own = own;
        self.defaults.retain(|entry| entry.scope <= url.scope);
        let is_optional = self.boolean("optional", false);
        let (switches, foreign): (Vec<_>, Vec<_>) = foreign.into_iter().partition(|entry| {
            is_optional && entry.key.eq_ignore_ascii_case("enabled") && entry.scope == Scope::Repository
        });
        // Of a whole target of another scope one thing is wrong: that both are called so.
        let has_url = |scope| foreign.iter().any(|entry| entry.key == "url" && entry.scope == scope);
        for entry in foreign.iter().filter(|entry| entry.key == "url" || !has_url(entry.scope)) {
            let Some(key) = keys::find(&entry.key, &[Of::Target, Of::TargetAlone]) else { continue };
            let why = if key.name == "url" { message::two_owners() } else { message::foreign_owner() };
            let mut problem = Problem::new(&self.key(key.name, entry), entry, why);
            problem.files.push(url.file.to_path_buf());
            self.problems.push(problem);
        }
        if url.scope == Scope::Repository {
            self.check_included();
        }
        switches.last().copied()
    }

    /// A repository could include a file of the server user's, and have the secrets in it sent to a URL of its own.
    fn check_included(&mut self) {
        let is_secret = |entry: &&Entry| ["secret", "signingsecret", "header"].contains(&entry.key.as_str());
        let secrets: Vec<_> = self.own.iter().copied().filter(is_secret).collect();
        if secrets.is_empty() {
            return;
        }
        let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.into());
        // Its own are in its `webhook/secret`.
        let place = self.secrets.path();
        let repository = place.ancestors().nth(2).filter(|it| !it.as_os_str().is_empty());
        let repository = real(repository.unwrap_or(Path::new(".")));
        for entry in secrets.into_iter().filter(|entry| !real(&entry.file).starts_with(&repository)) {
            let name = keys::find(&entry.key, &[Of::TargetAlone]).map_or("secret", |key| key.name);
            self.problem(name, entry, message::secret_included());
        }
    }
}
