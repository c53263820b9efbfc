//! Who pushed, and what was said with the push: gitolite, git-http-backend, a push certificate, the OS user; push
//! options.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::identifier;
use crate::process::Environment;

/// The person behind a push, as far as the server knows; or behind a comment or a review, by his own account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pusher {
    /// The account's name on this server.
    pub login: String,
    /// The full name; the login where none is known.
    pub name: String,
    /// The e-mail address; empty where none is known.
    pub email: String,
    /// A positive number below 2³¹, from the configuration or derived from the login.
    pub id: u32,
}

/// What the configuration says of one login: `webhookUser.<login>.name`, `.email`, `.id`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownUser {
    /// The full name.
    pub name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The id.
    pub id: Option<u32>,
}

/// Where a login was found, which decides what else may be believed.
enum Source {
    Configured,
    Gitolite,
    Http,
    /// The signer of the push certificate, with name and e-mail as the signature's key has them.
    Certificate {
        name: String,
        email: String,
    },
    System,
}

impl Pusher {
    /// Finds the pusher: a variable named by `webhook.userVariable`, `GL_USER` (gitolite), `REMOTE_USER`
    /// (git-http-backend), the signer of a good push certificate, the OS user.
    ///
    /// `known` looks a login up in the configuration.
    pub fn find(environment: &Environment, variables: &[String], known: impl Fn(&str) -> KnownUser) -> Self {
        let (login, source) = find_login(environment, variables);
        let user = known(&login);
        let (signed_name, signed_email) = match &source {
            Source::Certificate { name, email } => (Some(name.clone()), Some(email.clone())),
            _ => (None, None),
        };
        // git-http-backend sets GIT_COMMITTER_EMAIL to <user>@<address>; elsewhere the variable is whoever's shell it
        // was.
        let http_email = match source {
            Source::Http => environment.text("GIT_COMMITTER_EMAIL"),
            _ => None,
        };
        Self {
            name: user.name.or(signed_name).filter(|name| !name.is_empty()).unwrap_or_else(|| login.clone()),
            email: user.email.or(signed_email).or(http_email).unwrap_or_default(),
            id: user.id.unwrap_or_else(|| identifier::number("user", &login)),
            login,
        }
    }

    /// Who says of himself that he is called so and has this address, either of which may be empty: as the configuration knows
    /// whoever has that address, or that login.
    pub fn claimed(name: &str, email: &str, users: &HashMap<String, KnownUser>) -> Self {
        let has_address =
            |user: &KnownUser| user.email.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(email));
        let by_address =
            users.iter().filter(|(_, user)| !email.is_empty() && has_address(user)).min_by_key(|(login, _)| *login);
        let local = email.split('@').next().unwrap_or_default();
        let login = by_address.map_or(if local.is_empty() { name } else { local }, |(login, _)| login);
        let user = by_address.map(|(_, user)| user).or_else(|| users.get(login)).cloned().unwrap_or_default();
        Self {
            name: user.name.unwrap_or_else(|| if name.is_empty() { login } else { name }.into()),
            email: if email.is_empty() { user.email.unwrap_or_default() } else { email.into() },
            id: user.id.unwrap_or_else(|| identifier::number("user", login)),
            login: login.into(),
        }
    }

    /// The same from one word: an address, `Name <address>`, or a login.
    pub fn claimed_by(word: &str, users: &HashMap<String, KnownUser>) -> Self {
        let word = word.trim();
        match word.split_once('<') {
            Some((name, rest)) => Self::claimed(name.trim(), rest.split('>').next().unwrap_or_default().trim(), users),
            None if word.contains('@') => Self::claimed("", word, users),
            None => Self::claimed(word, "", users),
        }
    }

    /// Whether an address is known to be the pusher's.
    pub fn has_address(&self, email: &str) -> bool {
        !email.is_empty() && email == self.email
    }

    /// Whether a committer of this name and address can be taken for the pusher: the name or the address's local part
    /// is the login.
    pub fn is_committer(&self, name: &str, email: &str) -> bool {
        let local = email.split_once('@').map_or(email, |(local, _)| local);
        !self.login.is_empty() && (name == self.login || local == self.login)
    }
}

/// Whether a variable says who pushed that counts wherever it is set: then the system is not asked, which takes it as long as the
/// rest of what is written down.
pub fn is_named(environment: &Environment) -> bool {
    ["GL_USER", "REMOTE_USER"].iter().any(|name| environment.get(name).is_some())
}

fn find_login(environment: &Environment, variables: &[String]) -> (String, Source) {
    if let Some(login) = variables.iter().find_map(|name| environment.text(name)) {
        return (login, Source::Configured);
    }
    if let Some(login) = environment.text("GL_USER") {
        return (login, Source::Gitolite);
    }
    if let Some(login) = environment.text("REMOTE_USER") {
        return (login, Source::Http);
    }
    // "G": the signature is good and the key trusted (git-receive-pack(1)); a key without trust could name anybody. And with
    // another nonce than the one that was asked for, a certificate may be of a push long ago, which somebody else repeats.
    if environment.text("GIT_PUSH_CERT_STATUS").as_deref() == Some("G")
        && environment.text("GIT_PUSH_CERT_NONCE_STATUS").as_deref() == Some("OK")
        && let Some(signer) = environment.text("GIT_PUSH_CERT_SIGNER")
    {
        return from_signer(&signer);
    }
    (environment.os_user(), Source::System)
}

/// Accepts `Alice Liddell <alice@example.org>`, what `%GS` is for OpenPGP, and a bare principal, what it is for SSH
/// keys.
///
/// The whole address is the login: `alice@` of another domain is somebody else.
fn from_signer(signer: &str) -> (String, Source) {
    let (name, email) = match signer.split_once('<') {
        Some((name, rest)) => (name.trim(), rest.split('>').next().unwrap_or_default()),
        None if signer.contains('@') => ("", signer),
        None => (signer, ""),
    };
    let login = if email.is_empty() { name } else { email };
    let source = Source::Certificate { name: name.into(), email: email.into() };
    (login.into(), source)
}

/// Push options in the order given, from `GIT_PUSH_OPTION_COUNT` and `GIT_PUSH_OPTION_<n>` (githooks(5)).
pub fn push_options(environment: &Environment) -> Vec<String> {
    let count: usize = environment.text("GIT_PUSH_OPTION_COUNT").and_then(|count| count.parse().ok()).unwrap_or(0);
    (0..count)
        .map_while(|number| {
            let name = format!("GIT_PUSH_OPTION_{number}");
            // An option may be empty (`-o ''`), which is not its absence.
            environment.raw(&name).map(|value| value.to_string_lossy().into_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::new(variables.iter().map(|(name, value)| (name.into(), value.into())))
    }

    fn find(variables: &[(&str, &str)]) -> Pusher {
        Pusher::find(&environment(variables), &["SSO_USER".into()], |_| KnownUser::default())
    }

    #[test]
    fn the_order_is_configured_gitolite_http_certificate_system() {
        let mut variables = vec![
            ("SSO_USER", "sso"),
            ("GL_USER", "gitolite"),
            ("REMOTE_USER", "http"),
            ("GIT_PUSH_CERT_STATUS", "G"),
            ("GIT_PUSH_CERT_NONCE_STATUS", "OK"),
            ("GIT_PUSH_CERT_SIGNER", "A Signer <signer@example.org>"),
        ];
        for login in ["sso", "gitolite", "http"] {
            assert_eq!(find(&variables).login, login);
            variables.remove(0);
        }
        let signer = find(&variables);
        assert_eq!(
            (signer.login.as_str(), signer.name.as_str(), signer.email.as_str()),
            ("signer@example.org", "A Signer", "signer@example.org")
        );
        assert_eq!(find(&variables[1..]).login, process::os_user());
    }

    #[test]
    fn a_certificate_that_is_not_good_names_nobody() {
        for (status, nonce) in [("U", "OK"), ("G", "BAD"), ("G", "SLOP"), ("G", "MISSING"), ("G", "UNSOLICITED")] {
            let certificate = [
                ("GIT_PUSH_CERT_STATUS", status),
                ("GIT_PUSH_CERT_NONCE_STATUS", nonce),
                ("GIT_PUSH_CERT_SIGNER", "eve"),
            ];
            assert_eq!(find(&certificate).login, process::os_user(), "{status} {nonce}");
        }
        assert_eq!(find(&[("GIT_PUSH_CERT_STATUS", "G"), ("GIT_PUSH_CERT_SIGNER", "eve")]).login, process::os_user());
    }

    #[test]
    fn the_committer_variable_counts_for_http_alone() {
        let http = [("REMOTE_USER", "bob"), ("GIT_COMMITTER_EMAIL", "bob@http.192.0.2.1")];
        assert_eq!(find(&http).email, "bob@http.192.0.2.1");
        let gitolite = [("GL_USER", "bob"), ("GIT_COMMITTER_EMAIL", "root@localhost")];
        assert_eq!(find(&gitolite).email, "");
    }

    #[test]
    fn the_configuration_knows_better() {
        let known = |login: &str| KnownUser {
            name: Some(format!("{login}'s name")),
            email: Some("x@example.org".into()),
            id: Some(7),
        };
        let pusher = Pusher::find(&environment(&[("GL_USER", "bob")]), &[], known);
        assert_eq!((pusher.name.as_str(), pusher.email.as_str(), pusher.id), ("bob's name", "x@example.org", 7));
    }

    #[test]
    fn who_says_who_he_is_is_known_by_address_or_login() {
        let known = KnownUser { name: Some("Bob B".into()), email: Some("bob@x.org".into()), id: Some(7) };
        let users = HashMap::from([("bobby".to_owned(), known)]);
        let told = |word: &str| {
            let Pusher { login, name, email, id } = Pusher::claimed_by(word, &users);
            (login, name, email, id == 7)
        };
        let expected =
            |login: &str, name: &str, email: &str, is_known| (login.into(), name.into(), email.into(), is_known);
        assert_eq!(told("Robert <Bob@X.org>"), expected("bobby", "Bob B", "Bob@X.org", true));
        assert_eq!(told("bobby"), expected("bobby", "Bob B", "bob@x.org", true));
        assert_eq!(told("eve@y.org"), expected("eve", "eve", "eve@y.org", false));
        assert_eq!(told("eve"), expected("eve", "eve", "", false));
        assert_eq!(told(""), expected("", "", "", false));
    }

    #[test]
    fn push_options_keep_their_order_and_empty_ones() {
        let options = push_options(&environment(&[
            ("GIT_PUSH_OPTION_COUNT", "3"),
            ("GIT_PUSH_OPTION_0", "ci.skip"),
            ("GIT_PUSH_OPTION_1", ""),
            ("GIT_PUSH_OPTION_2", "a=b"),
        ]));
        assert_eq!(options, ["ci.skip", "", "a=b"]);
        assert!(push_options(&environment(&[("GIT_PUSH_OPTION_COUNT", "9999999999")])).is_empty());
    }
}
