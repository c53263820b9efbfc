//! How we show the broker who we are: a password, a token, a key, or a file that an operator issued.

use std::fmt;

use crate::message;
use crate::signature::Nkey;
use crate::target::{Certificates, certificates};

/// What a server is shown, and whom we trust beside the system's authorities.
#[derive(Default)]
pub struct Credentials {
    pub(super) proof: Proof,
    /// Authorities that the file names; none, where it has none.
    pub authorities: Certificates,
}

/// What a server is shown.
#[derive(Default)]
pub(super) enum Proof {
    #[default]
    Nothing,
    Password(String, String),
    Token(String),
    Key(Nkey),
    /// A token that an operator signed for the key.
    Issued(String, Nkey),
}

/// Without any of it.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl Credentials {
    /// Those of the URL, and of the file where there is one: a creds file, a user's seed (`SU…`), the password of the URL's
    /// user, `user:password`, or a token. Certificates in PEM beside them are trusted.
    ///
    /// # Errors
    /// Where the file holds none of these.
    pub fn new(login: Option<(&str, Option<&str>)>, file: Option<&[u8]>) -> Result<Self, &'static str> {
        let Some(file) = file else { return Ok(Self { proof: of_url(login), authorities: Vec::new() }) };
        let text = std::str::from_utf8(file).map_err(|_| message::via_credentials())?;
        let authorities = if text.contains("-----BEGIN CERTIFICATE-----") { certificates(file)? } else { Vec::new() };
        let is_issued = text.contains("-----BEGIN NATS USER JWT-----");
        let proof = if is_issued { issued(text) } else { of_line(text, login, !authorities.is_empty()) };
        Ok(Self { proof: proof.ok_or(message::via_credentials())?, authorities })
    }
}

fn of_url(login: Option<(&str, Option<&str>)>) -> Proof {
    match login {
        Some((user, Some(password))) => Proof::Password(user.into(), password.into()),
        Some((token, None)) => Proof::Token(token.into()),
        None => Proof::Nothing,
    }
}

/// Token and seed of a creds file, each between two lines of dashes.
fn issued(text: &str) -> Option<Proof> {
    let between = |name: &str| {
        let lines = text.lines().skip_while(|line| *line != format!("-----BEGIN {name}-----"));
        lines.skip(1).map(str::trim).find(|line| !line.is_empty()).filter(|line| !line.starts_with('-'))
    };
    let is_of_token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let token = between("NATS USER JWT").filter(|token| token.chars().all(is_of_token))?;
    Some(Proof::Issued(token.into(), Nkey::parse(between("USER NKEY SEED")?)?))
}

/// The one line beside certificates and comments.
fn of_line(text: &str, login: Option<(&str, Option<&str>)>, has_more: bool) -> Option<Proof> {
    let mut is_inside = false;
    let mut lines = text.lines().map(str::trim).filter(|line| {
        let is_mark = line.starts_with("-----");
        is_inside = if is_mark { line.starts_with("-----BEGIN") } else { is_inside };
        !is_mark && !is_inside && !line.is_empty() && !line.starts_with('#')
    });
    let (line, more) = (lines.next(), lines.next());
    match (line, login) {
        (None, login) if has_more => Some(of_url(login)),
        (Some(line), _) if more.is_some() || line.contains(char::is_control) => None,
        (Some(line), _) if line.starts_with("SU") && Nkey::parse(line).is_some() => Nkey::parse(line).map(Proof::Key),
        (Some(line), Some((user, _))) => Some(Proof::Password(user.into(), line.into())),
        (Some(line), None) => Some(match line.split_once(':') {
            Some((user, password)) => Proof::Password(user.into(), password.into()),
            None => Proof::Token(line.into()),
        }),
        (None, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str = "SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBU";

    fn shown(login: Option<(&str, Option<&str>)>, file: Option<&str>) -> Option<String> {
        Some(match Credentials::new(login, file.map(str::as_bytes)).ok()?.proof {
            Proof::Nothing => String::new(),
            Proof::Password(user, password) => format!("{user} {password}"),
            Proof::Token(token) => token,
            Proof::Key(key) => key.public(),
            Proof::Issued(token, key) => format!("{token} {}", key.public()),
        })
    }

    #[test]
    fn a_file_says_by_its_form_what_it_holds() {
        let public = Nkey::parse(SEED).unwrap().public();
        assert_eq!(shown(None, None).as_deref(), Some(""));
        assert_eq!(shown(Some(("u", Some("p"))), None).as_deref(), Some("u p"));
        assert_eq!(shown(Some(("t", None)), None).as_deref(), Some("t"));
        assert_eq!(shown(Some(("u", None)), Some("p:q\n")).as_deref(), Some("u p:q"));
        assert_eq!(shown(None, Some("# mine\nu:p\n")).as_deref(), Some("u p"));
        assert_eq!(shown(None, Some("token")).as_deref(), Some("token"));
        assert_eq!(shown(Some(("u", None)), Some(&format!("{SEED}\n"))), Some(public.clone()));
        let issued = format!(
            "-----BEGIN NATS USER JWT-----\neyJ.a_b.c-d\n------END NATS USER JWT------\n\nIMPORTANT\n\n\
             -----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n"
        );
        assert_eq!(shown(None, Some(&issued)), Some(format!("eyJ.a_b.c-d {public}")));
        for wrong in ["", "\n", "# only\n", "a\nb\n", &issued.replace(SEED, "SUX"), "-----BEGIN CERTIFICATE-----\nx\n"]
        {
            assert_eq!(shown(None, Some(wrong)), None, "{wrong}");
        }
    }
}
