//! Names of subjects: a target as one token, and what stands for a ref.

use uuid::Uuid;

use crate::signature::sha256;
use crate::text::base32;

/// How many letters of base32 stand for a ref: 130 bits.
pub(super) const LETTERS_OF_KEY: usize = 26;

/// A target's name as one token of a subject, where a dot would part it. No name has the letter that stands for it.
pub fn target_token(name: &str) -> String {
    name.replace('.', "=")
}

/// The name that such a token stands for.
pub(super) fn target_of_token(token: &str) -> String {
    token.replace('=', ".")
}

/// What keeps messages of a target in order: those of one repository and ref have one, and no two repositories share one. Made of the
/// spool's identity, never of names, which receivers of a subject could read, and a pusher choose.
///
/// `name` is `None` for a format that tells whole pushes, whose deliveries are in the order of the pushes.
pub fn order_key(spool: Uuid, namespace: &[u8], name: Option<&[u8]>) -> String {
    let whole = [spool.to_string().as_bytes(), &[0], namespace, &[0], name.unwrap_or_default()].concat();
    let mut key = base32(&sha256(&whole)).to_ascii_lowercase();
    key.truncate(LETTERS_OF_KEY);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_token_and_comes_back() {
        for name in ["ci", "ci.example.org", "A-_.9"] {
            let token = target_token(name);
            assert!(!token.contains(['.', '*', '>', ' ']));
            assert_eq!(target_of_token(&token), name);
        }
    }

    #[test]
    fn no_two_refs_share_a_key() {
        let [this, copy] = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let main = b"refs/heads/main".as_slice();
        let keys = [
            order_key(this, b"", Some(main)),
            order_key(copy, b"", Some(main)),
            order_key(this, b"team", Some(main)),
            order_key(this, b"", Some(b"refs/heads/mai")),
            order_key(this, b"", None),
        ];
        for (at, key) in keys.iter().enumerate() {
            assert!(key.len() == LETTERS_OF_KEY && !keys[..at].contains(key), "{key}");
        }
        assert_eq!(keys[0], "xvmjcwurdb5lfr6ygi4a4xml7j", "it never changes: messages of it may wait");
    }
}
