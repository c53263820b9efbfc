//! What a target trusts beside the system, and what it shows of itself: certificates and a key, in PEM (RFC 7468).

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::message;

/// Certificates, each in DER.
pub type Certificates = Vec<CertificateDer<'static>>;

/// The certificates in a file: those of authorities, or one with what leads to its authority.
///
/// # Errors
/// Where there is none in it, or one that cannot be read.
pub fn certificates(pem: &[u8]) -> Result<Certificates, &'static str> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or(message::no_certificate())
}

/// A client certificate with what leads to its authority, and its key: `sslCert` and `sslKey`.
#[derive(Clone)]
pub struct Identity {
    chain: Certificates,
    /// A key cannot be copied by accident.
    key: Arc<PrivateKeyDer<'static>>,
}

impl Identity {
    /// From the certificates and a file with the key.
    ///
    /// # Errors
    /// Where it holds none, or the key is that of another certificate.
    pub fn parse(chain: Certificates, key: &[u8]) -> Result<Self, &'static str> {
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| message::no_private_key())?;
        // Whoever would use them unchecked panics in the midst of a delivery.
        CertifiedKey::from_der(chain.clone(), key.clone_key(), &ring::default_provider()).map_err(
            |error| match error {
                rustls::Error::InconsistentKeys(_) => message::other_private_key(),
                rustls::Error::InvalidCertificate(_) => message::old_certificate(),
                _ => message::no_private_key(),
            },
        )?;
        Ok(Self { chain, key: Arc::new(key) })
    }

    /// The certificate first, then what leads to its authority.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The key, for the transport alone.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }
}
