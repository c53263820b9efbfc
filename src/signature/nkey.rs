//! NATS's keys: an ed25519 seed by which a user signs what the server asks.
//!
//! Source: the NATS documentation, "NKeys", and the layout of github.com/nats-io/nkeys.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::text::{base32, from_base32};

/// What the first byte of a seed holds above that of the kind of its owner, and that of a user.
const SEED: u8 = 18 << 3;
const USER: u8 = 20 << 3;

/// The key of a user. It has no `Debug`, so that it cannot reach a log by accident.
pub struct Nkey(Ed25519KeyPair);

impl Nkey {
    /// Reads a user's seed, `SU…`; `None` where it is none, or its checksum is wrong.
    pub fn parse(seed: &str) -> Option<Self> {
        let bytes = from_base32(seed)?;
        let (bytes, checksum) = bytes.split_last_chunk::<2>()?;
        let (kind, seed) = bytes.split_first_chunk::<2>()?;
        let is_sound = crc16(bytes).to_le_bytes() == *checksum && *kind == [SEED | USER >> 5, USER << 3];
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok().filter(|_| is_sound)?;
        Some(Self(pair))
    }

    /// The public half, `U…`.
    pub fn public(&self) -> String {
        let mut bytes = [&[USER], self.0.public_key().as_ref()].concat();
        bytes.extend(crc16(&bytes).to_le_bytes());
        base32(&bytes)
    }

    /// The signature of what the server asks to be signed, in base64 for URLs, without padding.
    pub fn sign(&self, nonce: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.0.sign(nonce.as_bytes()).as_ref())
    }
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_checksum() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }

    #[test]
    fn a_seed_has_its_public_half_and_no_letter_may_change() {
        // Both as `nk -gen user -pubout` printed them.
        let seed = "SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBU";
        let key = Nkey::parse(seed).map(|key| key.public());
        assert_eq!(key.as_deref(), Some("UCK5N7N66OBOINFXAYC2ACJQYFSOD4VYNU6APEJTAVFZB2SVHLKGEW7L"));
        for at in 0..seed.len() {
            let mut changed = seed.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(Nkey::parse(&String::from_utf8(changed).unwrap()).is_none(), "{at}");
        }
    }
}
