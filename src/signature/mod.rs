//! Signs bytes: HMAC in hexadecimal, and Standard Webhooks; the only door to the crypto crates.

mod nkey;
mod standard_webhooks;

use std::fs::File;
use std::io::{self, Read};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::text::hex;

pub use nkey::Nkey;
pub use standard_webhooks::{SigningSecret, standard_webhooks};

/// The SHA-256 of `bytes` in hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The SHA-256 of `bytes` as it is.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// What stands there in base64; `None` where that is none.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.trim()).ok()
}

/// The SHA-1 of `bytes` in hexadecimal, where others name things so.
pub fn sha1_hex(bytes: &[u8]) -> String {
    hex(&Sha1::digest(bytes))
}

/// A SHA-256 of bytes as they come.
#[derive(Default)]
pub struct RunningSha256(Sha256);

impl RunningSha256 {
    /// Takes the next bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// That of all bytes, in hexadecimal.
    pub fn hex(self) -> String {
        hex(&self.0.finalize())
    }
}

/// A key or token. It has no `Debug` and no `Display`, so that it cannot reach a log by accident.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the bytes of a secret.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The secret's bytes, for a header that carries it as it is.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Makes a new one: 64 hexadecimal digits, which every forge's form takes.
    ///
    /// # Errors
    /// Where the system has no random bytes to give.
    pub fn generate() -> io::Result<String> {
        Ok(hex(&random()?))
    }

    /// The HMAC-SHA-256 of a body in hexadecimal (RFC 2104).
    pub fn hmac_sha256(&self, body: &[u8]) -> String {
        hex(&hmac_sha256(&self.0, &[body]).finalize().into_bytes())
    }

    /// The HMAC-SHA-256 of bytes as it is.
    pub fn mac_sha256(&self, bytes: &[u8]) -> Vec<u8> {
        hmac_sha256(&self.0, &[bytes]).finalize().into_bytes().to_vec()
    }

    /// The HMAC-SHA-1 of a body in hexadecimal, which older receivers of GitHub's and Gitea's ask for. As a MAC it is
    /// still sound: what is broken of SHA-1 is collisions.
    pub fn hmac_sha1(&self, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(body);
        hex(&mac.finalize().into_bytes())
    }

    /// Whether `other` is the same, compared in constant time.
    pub fn matches(&self, other: &[u8]) -> bool {
        // The MACs of both under one key are alike only where both are, and their comparison takes the same time
        // wherever they differ.
        let tag = |bytes: &[u8]| hmac_sha256(b"compare", &[bytes]);
        tag(&self.0).verify_slice(&tag(other).finalize().into_bytes()).is_ok()
    }
}

/// The value of an `Authorization` header for HTTP Basic authentication (RFC 7617).
pub fn basic_authorization(user: &[u8], password: &[u8]) -> String {
    let pair = [user, b":", password].concat();
    format!("Basic {}", base64(&pair))
}

/// User name and password of such a value; `None` where it is none.
pub fn basic_credentials(value: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (scheme, encoded) = value.trim().split_once(' ')?;
    let pair = STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let at = pair.iter().position(|byte| *byte == b':')?;
    Some((pair[..at].to_vec(), pair[at + 1..].to_vec()))
}

/// The bytes in base64, with padding.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The pieces of which each base64 of something that holds these bytes has one: a byte stands at one of three places in
/// the groups of four characters. Those that it shares with its neighbours are left out. In both alphabets.
pub fn base64_pieces(bytes: &[u8]) -> Vec<String> {
    let mut pieces = Vec::new();
    for before in 0..3 {
        let padded = [&[0; 2][..before], bytes].concat();
        let (start, end) = ((8 * before).div_ceil(6), 8 * padded.len() / 6);
        for alphabet in [STANDARD, URL_SAFE] {
            pieces.extend(alphabet.encode(&padded).get(start..end).map(String::from));
        }
    }
    pieces.sort();
    pieces.dedup();
    pieces
}

fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GitHub's documentation, "Validating webhook deliveries", "Testing the webhook payload validation".
    #[test]
    fn the_vector_of_github() {
        let secret = Secret::new("It's a Secret to Everybody");
        let expected = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(secret.hmac_sha256(b"Hello, World!"), expected);
    }

    /// RFC 2202, section 3, test cases 1, 2, 3 and 6.
    #[test]
    fn the_vectors_of_hmac_sha1() {
        let long = b"Test Using Larger Than Block-Size Key - Hash Key First";
        for (key, data, expected) in [
            (vec![0x0b; 20], b"Hi There".as_slice(), "b617318655057264e28bc0b6fb378c8ef146be00"),
            (b"Jefe".to_vec(), b"what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (vec![0xaa; 20], &[0xdd; 50], "125d7342b9ac11cd91a39af48aa17b4f63f175d3"),
            (vec![0xaa; 80], long, "aa4ae5e15272d00e95705637ce8a3b55ed402112"),
        ] {
            assert_eq!(Secret::new(key).hmac_sha1(data), expected);
        }
    }

    /// RFC 4231, section 4, test cases 1, 2, 3 and 6.
    #[test]
    fn the_vectors_of_hmac_sha256() {
        let long = b"Test Using Larger Than Block-Size Key - Hash Key First";
        for (key, data, expected) in [
            (
                vec![0x0b; 20],
                b"Hi There".as_slice(),
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe".to_vec(),
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (vec![0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
            (vec![0xaa; 131], long, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
        ] {
            assert_eq!(Secret::new(key).hmac_sha256(data), expected);
        }
    }

    #[test]
    fn secrets_are_compared_whole() {
        let secret = Secret::new("abc");
        assert!(secret.matches(b"abc"));
        assert!(!secret.matches(b"abcd") && !secret.matches(b"ab") && !secret.matches(b""));
    }
}
