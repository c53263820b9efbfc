//! The signatures of Standard Webhooks: `v1` by a secret that both sides have, `v1a` by a key of which the receiver has the
//! public half.
//!
//! Source: the Standard Webhooks specification, "Signature scheme" and "Secret, and public/private key serialization".

use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use sha2::Sha256;

use super::{base64, hmac_sha256, random};

const SYMMETRIC: &str = "whsec_";
const PRIVATE: &str = "whsk_";
const PUBLIC: &str = "whpk_";

/// The length of an ed25519 key's seed; some programs write its public half behind it (RFC 8032, section 5.1.5).
const SEED: usize = 32;

/// A Standard Webhooks key. It has no `Debug`, so that it cannot reach a log by accident.
#[derive(Clone)]
pub struct SigningSecret {
    bytes: Vec<u8>,
    /// `None` for one that both sides have.
    pair: Option<Arc<Ed25519KeyPair>>,
}

impl SigningSecret {
    /// Reads `whsec_<base64>`, where the prefix may be missing, as the reference libraries allow, or `whsk_<base64>`, an ed25519
    /// key: its seed, or seed and public half.
    ///
    /// Returns `None` where the rest is not base64, is empty or no such key.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(encoded) = text.strip_prefix(PRIVATE) {
            let bytes = STANDARD.decode(encoded).ok()?;
            let pair = match bytes.split_at_checked(SEED)? {
                (seed, []) => Ed25519KeyPair::from_seed_unchecked(seed),
                (seed, public) => Ed25519KeyPair::from_seed_and_public_key(seed, public),
            };
            return Some(Self { pair: Some(Arc::new(pair.ok()?)), bytes });
        }
        let bytes = STANDARD.decode(text.strip_prefix(SYMMETRIC).unwrap_or(text)).ok()?;
        (!bytes.is_empty()).then_some(Self { bytes, pair: None })
    }

    /// The key's bytes.
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }

    /// The key as it is written, without the prefix.
    pub fn encoded(&self) -> String {
        base64(&self.bytes)
    }

    /// The public half, `whpk_<base64>`; `None` of one that both sides have.
    pub fn public(&self) -> Option<String> {
        let pair = self.pair.as_ref()?;
        Some(format!("{PUBLIC}{}", base64(pair.public_key().as_ref())))
    }

    /// Makes a new one of 32 bytes that both sides are to have; the specification asks for 24 to 64.
    ///
    /// # Errors
    /// Where the system has no random bytes to give.
    pub fn generate() -> io::Result<String> {
        Ok(format!("{SYMMETRIC}{}", base64(&random()?)))
    }

    /// Makes a new ed25519 key.
    ///
    /// # Errors
    /// As for [`Self::generate`].
    pub fn generate_pair() -> io::Result<String> {
        Ok(format!("{PRIVATE}{}", base64(&random()?)))
    }

    /// Its part of the value of `webhook-signature`: `v1,<base64>` or `v1a,<base64>`, over `id.timestamp.body`.
    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        match &self.pair {
            Some(pair) => format!("v1a,{}", base64(pair.sign(&content(id, timestamp, body)).as_ref())),
            None => format!("v1,{}", base64(&self.mac(id, timestamp, body).finalize().into_bytes())),
        }
    }

    /// Whether `header`, the value of `webhook-signature`, holds a signature made with this key.
    pub fn verifies(&self, header: &str, id: &str, timestamp: i64, body: &[u8]) -> bool {
        let version = if self.pair.is_some() { "v1a," } else { "v1," };
        let signatures = header.split(' ').filter_map(|signature| signature.strip_prefix(version));
        signatures.filter_map(|signature| STANDARD.decode(signature).ok()).any(|signature| match &self.pair {
            Some(pair) => {
                let public = UnparsedPublicKey::new(&ED25519, pair.public_key());
                public.verify(&content(id, timestamp, body), &signature).is_ok()
            }
            None => self.mac(id, timestamp, body).verify_slice(&signature).is_ok(),
        })
    }

    fn mac(&self, id: &str, timestamp: i64, body: &[u8]) -> Hmac<Sha256> {
        let stamp = timestamp.to_string();
        hmac_sha256(&self.bytes, &[id.as_bytes(), b".", stamp.as_bytes(), b".", body])
    }
}

/// What is signed. ed25519 goes over it twice, so it has to be in one piece.
fn content(id: &str, timestamp: i64, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", timestamp.to_string().as_bytes(), b".", body].concat()
}

/// The headers of Standard Webhooks, signed with each of `secrets` in their order, which is how a secret is rotated; without
/// any, identifier and time alone.
///
/// `timestamp` is seconds since 1970: of the attempt, so these are made anew for each.
pub fn standard_webhooks(
    secrets: &[SigningSecret],
    id: &str,
    timestamp: i64,
    body: &[u8],
) -> Vec<(&'static str, String)> {
    let mut headers = vec![("webhook-id", id.into()), ("webhook-timestamp", timestamp.to_string())];
    if !secrets.is_empty() {
        let signatures: Vec<_> = secrets.iter().map(|secret| secret.sign(id, timestamp, body)).collect();
        headers.push(("webhook-signature", signatures.join(" ")));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of the Standard Webhooks reference libraries.
    #[test]
    fn the_published_vector() {
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let headers =
            standard_webhooks(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(headers[2].1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn several_secrets_sign_side_by_side_and_each_verifies() {
        let secrets = ["whsec_AAAA", "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "whsec_BBBB"]
            .map(|text| SigningSecret::parse(text).unwrap());
        let headers = standard_webhooks(&secrets, "id", 1, b"body");
        let versions: Vec<_> = headers[2].1.split(' ').map(|signature| signature.split(',').next().unwrap()).collect();
        assert_eq!(versions, ["v1", "v1a", "v1"]);
        for secret in &secrets {
            assert!(secret.verifies(&headers[2].1, "id", 1, b"body"));
            assert!(!secret.verifies(&headers[2].1, "id", 1, b"other"));
            assert!(!secret.verifies(&headers[2].1, "id", 2, b"body"));
        }
    }

    /// RFC 8032, section 7.1, test 2: the pair of the secret key, and of what others write as both halves.
    #[test]
    fn a_pair_has_the_public_half_that_the_standard_says() {
        let seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
        let public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        let bytes = |hex: &str| -> Vec<u8> {
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
        };
        let expected = format!("whpk_{}", base64(&bytes(public)));
        for hex in [seed.to_owned(), format!("{seed}{public}")] {
            let secret = SigningSecret::parse(&format!("whsk_{}", base64(&bytes(&hex)))).unwrap();
            assert_eq!(secret.public(), Some(expected.clone()));
            let message = [0x72];
            let signature = secret.pair.as_ref().unwrap().sign(&message);
            assert_eq!(
                crate::text::hex(signature.as_ref()),
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
            );
        }
        assert_eq!(SigningSecret::parse("whsec_AAAA").unwrap().public(), None);
        let made = SigningSecret::generate_pair().unwrap();
        assert!(SigningSecret::parse(&made).unwrap().public().is_some());
    }

    #[test]
    fn what_is_no_key_is_none() {
        let other_half = format!("whsk_{}", base64(&[[1; 32], [2; 32]].concat()));
        let short = format!("whsk_{}", base64(&[1; 31]));
        for text in ["whsec_", "whsec_***", "", "whsec_A", "whsk_", "whsk_AAAA", "whpk_AAAA", &short, &other_half] {
            assert!(SigningSecret::parse(text).is_none(), "{text}");
        }
    }
}
