//! TLS: whom a target's connections trust, what they show of themselves, and what went wrong, in a person's words.
//!
//! ureq's own connector panics on a client key that is not its certificate's, keeps a configuration for each connection, and
//! hands errors on as their names.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use log::warn;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{self, CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, InvalidMessage, RootCertStore,
    SignatureScheme,
};

use super::certificate::{MOST_NAMES, is_authority, is_for_servers, validity};
use crate::message;
use crate::process;
use crate::target::{Certificates, Identity, Target};

/// The TLS configurations of a run. Targets that agree on theirs share one, and the system's trust store is read when the first
/// of them asks for it.
#[derive(Default)]
pub struct Trust {
    system: OnceLock<Certificates>,
    made: Mutex<Vec<(Wish, Arc<ClientConfig>)>>,
}

/// What makes one configuration another.
#[derive(PartialEq)]
struct Wish {
    verify: bool,
    authorities: Certificates,
    chain: Certificates,
}

impl Trust {
    /// The configuration for a target.
    ///
    /// # Errors
    /// Where its certificate and key cannot be used, which was found when they were read.
    pub(super) fn configuration(&self, target: &Target) -> Result<Arc<ClientConfig>, Error> {
        let chain = target.identity.as_ref().map(|identity| identity.chain().to_vec()).unwrap_or_default();
        let wish = Wish { verify: target.verify_certificate, authorities: target.authorities.clone(), chain };
        self.configured(wish, target.identity.as_ref())
    }

    /// The configuration for a server that is no receiver: it is verified, by these authorities beside the system's.
    ///
    /// # Errors
    /// As for a target's.
    pub fn of_server(&self, authorities: Certificates) -> Result<Arc<ClientConfig>, Error> {
        self.configured(Wish { verify: true, authorities, chain: Vec::new() }, None)
    }

    fn configured(&self, wish: Wish, identity: Option<&Identity>) -> Result<Arc<ClientConfig>, Error> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = made.iter().find(|(known, _)| *known == wish) {
            return Ok(Arc::clone(known));
        }
        let configuration = Arc::new(self.make(&wish, identity)?);
        made.push((wish, Arc::clone(&configuration)));
        Ok(configuration)
    }

    fn make(&self, wish: &Wish, identity: Option<&Identity>) -> Result<ClientConfig, Error> {
        let provider = Arc::new(ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let builder = if wish.verify {
            let mut roots = RootCertStore::empty();
            let now = process::now();
            let named = wish.authorities.iter().filter(|it| is_authority(it, now));
            roots.add_parsable_certificates(self.system.get_or_init(system).iter().chain(named).cloned());
            if wish.authorities.is_empty() {
                builder.with_root_certificates(roots)
            } else {
                let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
                // Without any root there is none.
                let trusted = Trusted::Named { inner: inner.build().ok(), named: wish.authorities.clone() };
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Verifier { trusted, provider }))
            }
        } else {
            let verifier = Verifier { trusted: Trusted::Anybody, provider };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        };
        match identity {
            Some(identity) => builder.with_client_auth_cert(identity.chain().to_vec(), identity.key()),
            None => Ok(builder.with_no_client_auth()),
        }
    }
}

/// The system's trust store: the bundle, or where there is none its directory. A directory holds what the bundle does, in a
/// file for each.
fn system() -> Certificates {
    let (file, directory) = store();
    let directory = directory.filter(|_| file.is_none());
    let found = rustls_native_certs::load_certs_from_paths(file.as_deref(), directory.as_deref());
    for error in &found.errors {
        warn!("{}", message::trust_store(error));
    }
    if found.certs.is_empty() {
        warn!("{}", message::no_certificates());
    }
    found.certs
}

fn store() -> (Option<PathBuf>, Option<PathBuf>) {
    let set = |name| std::env::var_os(name).map(PathBuf::from);
    match (set("SSL_CERT_FILE"), set("SSL_CERT_DIR")) {
        (None, None) => {
            let found = openssl_probe::probe();
            (found.cert_file, found.cert_dir.into_iter().find(|place| Path::is_dir(place)))
        }
        set => set,
    }
}

/// Judges certificates where webpki alone is not what was asked for. That the other side has the key of what it shows is seen
/// whoever is trusted.
#[derive(Debug)]
struct Verifier {
    trusted: Trusted,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum Trusted {
    /// `sslVerify = false`: any certificate, of whomever it is.
    Anybody,
    /// What the authorities vouch for, and a certificate that is itself in `sslCAInfo`, as OpenSSL has it with a partial chain: one that
    /// was made by `openssl req -x509` is its own authority, which webpki takes for no server's.
    Named { inner: Option<Arc<WebPkiServerVerifier>>, named: Certificates },
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Trusted::Named { inner, named } = &self.trusted else { return Ok(ServerCertVerified::assertion()) };
        let verified = match inner {
            Some(inner) => inner.verify_server_cert(end_entity, intermediates, server_name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        let has_no_way_up = match &verified {
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => true,
            Err(Error::InvalidCertificate(CertificateError::Other(other))) => is(other, webpki_text::CA),
            _ => false,
        };
        if has_no_way_up && named.iter().any(|named| named == end_entity) && is_for_servers(end_entity) {
            verify_named(end_entity, server_name, now)
        } else {
            verified
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        self.judged(crypto::verify_tls12_signature(message, certificate, signed, algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        self.judged(crypto::verify_tls13_signature(message, certificate, signed, algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl Verifier {
    /// What cannot be read, an X.509 certificate of version 1 say, has no key to verify by: whoever takes any certificate takes that.
    fn judged(&self, verified: Result<HandshakeSignatureValid, Error>) -> Result<HandshakeSignatureValid, Error> {
        match (&self.trusted, verified) {
            (
                Trusted::Anybody,
                Err(Error::InvalidCertificate(CertificateError::BadEncoding | CertificateError::Other(_))),
            ) => Ok(HandshakeSignatureValid::assertion()),
            (_, verified) => verified,
        }
    }
}

/// Whether a certificate that is trusted itself is for this server now.
fn verify_named(
    certificate: &CertificateDer<'_>,
    server_name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, Error> {
    verify_server_name(&ParsedCertificate::try_from(certificate)?, server_name)?;
    let seconds = |time: i64| UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(time).unwrap_or(0)));
    let times = validity(certificate).map(|times| times.map(seconds));
    let [not_before, not_after] = times.ok_or(CertificateError::BadEncoding)?;
    if now > not_after {
        return Err(CertificateError::ExpiredContext { time: now, not_after }.into());
    }
    if now < not_before {
        return Err(CertificateError::NotValidYetContext { time: now, not_before }.into());
    }
    Ok(ServerCertVerified::assertion())
}

/// No TLS, in a person's words.
#[derive(Debug)]
pub(super) struct NoTls {
    words: String,
    /// Whether there is anything of the receiver's in them.
    pub(super) quotes_receiver: bool,
}

impl fmt::Display for NoTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for NoTls {}

impl NoTls {
    /// From what a connection says; `None` where that is no matter of TLS. `shows_itself`: a client certificate is set.
    pub(super) fn of(error: &io::Error, shows_itself: bool) -> Option<Self> {
        let error = error.get_ref()?.downcast_ref::<Error>()?;
        Some(Self { words: words(error, shows_itself), quotes_receiver: quotes_receiver(error) })
    }
}

impl From<Error> for NoTls {
    fn from(error: Error) -> Self {
        Self { words: words(&error, true), quotes_receiver: quotes_receiver(&error) }
    }
}

/// Why there is no TLS with a server that is no receiver; `None` where an error is no matter of TLS.
pub fn no_tls(error: &io::Error) -> Option<String> {
    NoTls::of(error, false).map(|why| why.words)
}

fn quotes_receiver(error: &Error) -> bool {
    use CertificateError as Of;
    !matches!(
        error,
        Error::InvalidCertificate(Of::UnknownIssuer | Of::ExpiredContext { .. } | Of::NotValidYetContext { .. })
    ) && !matches!(error, Error::AlertReceived(_) | Error::InvalidMessage(_) | Error::PeerIncompatible(_))
}

fn words(error: &Error, shows_itself: bool) -> String {
    match error {
        Error::InvalidCertificate(error) => of_certificate(error),
        Error::AlertReceived(alert) => of_alert(*alert, shows_itself),
        Error::PeerIncompatible(rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13) => {
            message::tls_old_version().into()
        }
        Error::InvalidMessage(
            InvalidMessage::HandshakePayloadTooLarge | InvalidMessage::CertificatePayloadTooLarge,
        ) => message::tls_endless_chain().into(),
        Error::InvalidMessage(_) => message::tls_none_spoken().into(),
        error => error.to_string(),
    }
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => message::tls_unknown_authority().into(),
        CertificateError::ExpiredContext { not_after, .. } => message::tls_expired(day(*not_after)),
        CertificateError::NotValidYetContext { not_before, .. } => message::tls_not_valid_yet(day(*not_before)),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<_> = presented.iter().take(MOST_NAMES).map(|name| bare(name)).collect();
            match names.is_empty() {
                true => message::tls_no_names(expected.to_str()),
                false => message::tls_other_name(names.join(", "), expected.to_str()),
            }
        }
        CertificateError::Other(other) if is(other, webpki_text::CA) => message::tls_authority_itself().into(),
        CertificateError::Other(other) if is(other, webpki_text::VERSION) => message::tls_old_certificate().into(),
        error => message::tls_bad_certificate(error),
    }
}

/// What webpki says in words of its own alone.
mod webpki_text {
    pub(super) const CA: &str = "CaUsedAsEndEntity";
    pub(super) const VERSION: &str = "UnsupportedCertVersion";
}

fn is(error: &rustls::OtherError, name: &str) -> bool {
    format!("{error:?}").contains(name)
}

/// A name that a certificate is for, which may stand in `DnsName("…")`.
fn bare(name: &str) -> &str {
    name.split('"').nth(1).unwrap_or(name)
}

fn day(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) => time.strftime("%Y-%m-%d").to_string(),
        Err(_) => format!("@{seconds}"),
    }
}

fn of_alert(alert: AlertDescription, shows_itself: bool) -> String {
    use AlertDescription as Alert;
    match alert {
        Alert::ProtocolVersion => message::tls_old_version().into(),
        Alert::UnrecognisedName => message::tls_unknown_name().into(),
        Alert::CertificateRequired if !shows_itself => message::tls_wants_certificate().into(),
        Alert::CertificateRequired
        | Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied
        | Alert::DecryptError
            if shows_itself =>
        {
            message::tls_certificate_refused(format!("{alert:?}"))
        }
        Alert::HandshakeFailure => message::tls_nothing_common().into(),
        alert => message::tls_alert(format!("{alert:?}")),
    }
}
