//! Forgejo, which came out of Gitea: its payloads, and its own names beside Gitea's in the headers.
//!
//! Source: <https://forgejo.org/docs/latest/user/webhooks/>.

use super::gitea::{self, named};
use super::{Format, Header, Ids};
use crate::signature::Secret;

pub(super) const FORMAT: Format = Format { name: "forgejo", forge: "Forgejo", headers, sign, ..gitea::FORMAT };

fn headers(event: &str, ids: &Ids) -> Vec<Header> {
    let own = named(["X-Forgejo-Delivery", "X-Forgejo-Event", "X-Forgejo-Event-Type"], event, ids);
    own.into_iter().chain(gitea::headers(event, ids)).collect()
}

fn sign(secret: &Secret, body: &[u8]) -> Vec<Header> {
    let own = ("X-Forgejo-Signature", secret.hmac_sha256(body).into());
    std::iter::once(own).chain(gitea::sign(secret, body)).collect()
}
