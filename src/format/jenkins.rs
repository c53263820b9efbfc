//! Jenkins' git plugin: a GET that names clone address, branch and commit, upon which it builds the jobs that have them.
//!
//! Source: <https://plugins.jenkins.io/git/#plugin-content-push-notification-from-repository>; what it makes of the
//! parameters, `GitStatus.java` in <https://github.com/jenkinsci/git-plugin>.

use serde_json::{Value, json};

use super::{Additions, Carried, Exchange, Format, Given, Header, Ids, Limits, Method, Payload, Reads, compact};
use crate::event::{Event, EventKind, EventName, Wanted};
use crate::ref_update::Change;
use crate::signature::Secret;

pub(super) const FORMAT: Format = Format {
    name: "jenkins",
    forge: "Jenkins, git plugin",
    hosts: &["*/notifyCommit"],
    events: &[(EventName::Push, "notifyCommit")],
    wants: Wanted::NOTHING,
    each: payload,
    whole: None,
    ping: None,
    headers,
    forms: None,
    has_extras: false,
    is_stamped: false,
    is_chat: false,
    sign,
    exchange: Exchange {
        method: Method::Get,
        finish: Some(finish),
        secret: Carried::Token("`token` in the query"),
        reads: Reads::Nothing,
    },
};

/// The parameters, but for the token. A commit is built at once, and of what was deleted there is none. The plugin splits branches
/// at commas, which names may have: it is told the repository alone then, and looks for itself.
fn payload(event: &Event, name: EventName, _: &Limits) -> Option<Payload> {
    let EventKind::Push(push) = &event.kind else { return None };
    if name != EventName::Push || push.change() == Change::Delete {
        return None;
    }
    let repository = &event.context.repository;
    let url = if repository.ssh_url.is_empty() { &repository.http_url } else { &repository.ssh_url };
    let branch = push.short_name();
    let parameters = match branch.contains(',') {
        true => json!({ "url": url }),
        false => json!({ "url": url, "branches": branch, "sha1": push.update.after() }),
    };
    Some(compact("notifyCommit", &parameters))
}

/// What is empty is not known, and the plugin says that it lacks it.
fn finish(given: &Given<'_>) -> Additions {
    let parameters: Value = serde_json::from_slice(given.body).unwrap_or_default();
    let named = |name: &'static str| Some((name, parameters[name].as_str()?.to_owned()));
    let token = given.secret.map(|secret| ("token", String::from_utf8_lossy(secret.expose()).into_owned()));
    let query = ["url", "branches", "sha1"].into_iter().filter_map(named).chain(token);
    Additions { query: query.filter(|(_, value)| !value.is_empty()).collect(), ..Additions::default() }
}

fn headers(_event: &str, ids: &Ids) -> Vec<Header> {
    vec![("Idempotency-Key", ids.delivery.to_string().into())]
}

/// The token stands in the query.
fn sign(_secret: &Secret, _body: &[u8]) -> Vec<Header> {
    Vec::new()
}
