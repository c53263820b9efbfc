//! A target's secrets, headers and certificates, where they stand in the configuration or in files of their own.

use super::{TargetReader, header};
use crate::config::entry::{Entry, Scope};
use crate::config::secret_file;
use crate::config::value::{Wrong, one_line, text};
use crate::format::Format;
use crate::message;
use crate::signature::{Secret, SigningSecret};
use crate::target::{self, Certificates, Identity};

impl TargetReader<'_> {
    pub(super) fn secret(&mut self) -> Option<Secret> {
        let direct = self.last("secret");
        let file = self.last("secretFile");
        if let (Some(entry), Some(_)) = (direct, file) {
            self.problem("secret", entry, message::two_secrets());
        }
        if let Some(entry) = direct {
            let value = self.parse("secret", entry, token)?;
            self.check_length("secret", entry, value.len());
            return Some(Secret::new(value));
        }
        let entry = file?;
        let bytes = self.file("secretFile", entry)?;
        match std::str::from_utf8(&bytes).map_err(|_| "").and_then(token) {
            Ok(_) => {
                if bytes.trim_ascii().len() < bytes.len() {
                    self.warn("secretFile", entry, message::secret_blank());
                }
                self.check_length("secretFile", entry, bytes.len());
                Some(Secret::new(bytes))
            }
            Err(_) => {
                self.problem("secretFile", entry, message::no_secret_file());
                None
            }
        }
    }

    /// Standard Webhooks asks for 24 bytes, GitLab and GitHub for "a random string".
    fn check_length(&mut self, name: &str, entry: &Entry, length: usize) {
        if length < 24 {
            self.warn(name, entry, message::short_secret());
        }
    }

    /// In the order in which they are configured, whichever of the two keys has them.
    pub(super) fn signing_secrets(&mut self) -> Vec<SigningSecret> {
        let mut words = self.list("signingSecret");
        let files = self.list("signingSecretFile");
        words.extend(&files);
        let place = |entry: &Entry| self.own.iter().position(|other| std::ptr::eq(*other, entry));
        words.sort_by_key(|(entry, _)| place(entry));
        let mut secrets = Vec::new();
        for (entry, word) in
            words.iter().flat_map(|(entry, value)| value.split_ascii_whitespace().map(move |it| (*entry, it)))
        {
            let is_file = files.iter().any(|(file, _)| std::ptr::eq(*file, entry));
            match self.signing_secret(entry, word, is_file) {
                Ok(secret) => secrets.extend(secret),
                Err((name, why)) => self.problem(name, entry, why),
            }
        }
        secrets
    }

    /// `Ok(None)` for one whose file cannot be read, which is told already.
    fn signing_secret(
        &mut self,
        entry: &Entry,
        word: &str,
        is_file: bool,
    ) -> Result<Option<SigningSecret>, (&'static str, Wrong)> {
        let parse = |text: &str| SigningSecret::parse(text).ok_or(message::no_signing_secret());
        if !is_file {
            return parse(word).map(Some).map_err(|why| ("signingSecret", why));
        }
        let name = "signingSecretFile";
        let Some(bytes) = self.secret_file(name, entry, word) else { return Ok(None) };
        let text = std::str::from_utf8(&bytes).map_err(|_| (name, message::no_signing_secret()))?;
        let secret = parse(text.trim()).map_err(|why| (name, why))?;
        if text.trim().len() < text.len() {
            self.warn(name, entry, message::secret_blank_ignored());
        }
        Ok(Some(secret))
    }

    pub(super) fn authorities(&mut self) -> Certificates {
        self.last("sslCAInfo").and_then(|entry| self.certificates("sslCAInfo", entry)).unwrap_or_default()
    }

    pub(super) fn identity(&mut self) -> Option<Identity> {
        match (self.last("sslCert"), self.last("sslKey")) {
            (Some(certificate), Some(key)) => {
                let (chain, pem) = (self.certificates("sslCert", certificate), self.file("sslKey", key));
                Identity::parse(chain?, &pem?).map_err(|why| self.problem("sslKey", key, why)).ok()
            }
            (certificate, key) => {
                if let Some(entry) = certificate {
                    self.problem("sslCert", entry, message::lacks_ssl_key());
                }
                if let Some(entry) = key {
                    self.problem("sslKey", entry, message::lacks_ssl_cert());
                }
                None
            }
        }
    }

    /// Those in the file that an entry names. They are no secret.
    fn certificates(&mut self, name: &str, entry: &Entry) -> Option<Certificates> {
        let path = self.parse(name, entry, text)?;
        let pem = secret_file::read_public(&path, entry.scope, self.secrets);
        let found = pem.and_then(|pem| target::certificates(&pem).map_err(String::from));
        found.map_err(|why| self.problem(name, entry, why)).ok()
    }

    /// The secret that is in the file that an entry names.
    fn file(&mut self, name: &str, entry: &Entry) -> Option<Vec<u8>> {
        let path = self.parse(name, entry, text)?;
        self.secret_file(name, entry, &path)
    }

    fn secret_file(&mut self, name: &str, entry: &Entry, path: &str) -> Option<Vec<u8>> {
        let open_to_others = self.settings.open_secrets && entry.scope < Scope::Repository;
        let found = secret_file::read(path, entry.scope, self.secrets, open_to_others);
        found.map_err(|why| self.problem(name, entry, why)).ok()
    }

    pub(super) fn headers(&mut self, format: Option<&Format>, has_credentials: bool) -> Vec<(String, String)> {
        let parse = |line: &str| match header::parse(line)? {
            (name, _) if format.is_some_and(|format| format.sets_header(&name)) => Err(message::header_of_format()),
            (name, _) if has_credentials && name.eq_ignore_ascii_case("authorization") => {
                Err(message::header_of_credentials())
            }
            header => Ok(header),
        };
        let mut headers = Vec::new();
        for (entry, value) in self.list("header") {
            if Self::is_header_template(format, value) {
                continue;
            }
            match parse(value) {
                Ok(header) => headers.push(header),
                Err(why) => self.problem("header", entry, why),
            }
        }
        headers.extend(self.headers_of_file(parse));
        headers
    }

    /// One a line; empty lines are none.
    fn headers_of_file(&mut self, parse: impl Fn(&str) -> Result<(String, String), Wrong>) -> Vec<(String, String)> {
        let Some(entry) = self.last("headerFile") else { return Vec::new() };
        let Some(bytes) = self.file("headerFile", entry) else { return Vec::new() };
        let Ok(text) = String::from_utf8(bytes) else {
            self.problem("headerFile", entry, message::header_file_no_utf8());
            return Vec::new();
        };
        let mut headers = Vec::new();
        for (number, line) in (1..).zip(text.split('\n')).filter(|(_, line)| !line.trim().is_empty()) {
            match parse(line) {
                Ok(header) => headers.push(header),
                Err(why) => self.problem("headerFile", entry, message::header_file_line(number, why)),
            }
        }
        if headers.is_empty() && text.trim().is_empty() {
            self.problem("headerFile", entry, message::header_file_empty());
        }
        headers
    }
}

/// A token stands in a header: one line of visible characters.
fn token(value: &str) -> Result<String, Wrong> {
    if value.is_empty() {
        return Err(message::empty());
    }
    one_line(value)
}
