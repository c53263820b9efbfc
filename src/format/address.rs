//! Which format an address speaks, as far as its host and path tell.

use super::{FORMATS, Format};

/// The format that a host's receivers at this path speak as far as the address tells; the first in the table, which has those of
/// a part of a host before the host's own.
pub fn for_address(host: &str, path: &str) -> Option<&'static Format> {
    let address = format!("{host}{path}");
    FORMATS.iter().find(|format| format.hosts.iter().any(|known| is_at(known, host, &address)))
}

/// Whether an address is one that a row knows.
fn is_at(known: &str, host: &str, address: &str) -> bool {
    is_like(known, if known.contains('/') { address } else { host })
}

/// Whether a text is like a pattern, in which `*` stands for anything.
fn is_like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text
            .strip_prefix(start)
            .is_some_and(|text| text.char_indices().any(|(at, _)| is_like(rest, &text[at..])) || is_like(rest, "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_of_an_address_is_told_from_host_and_path() {
        let known = |url: &str| {
            let (host, path) = url.split_at(url.find('/').unwrap_or(url.len()));
            for_address(host, path).map_or("", |format| format.name)
        };
        for (url, name) in [
            ("hooks.slack.com/services/T/B/x", "slack"),
            ("discord.com/api/webhooks/1/token", "discord"),
            ("discord.com/api/webhooks/1/token/slack", "slack"),
            ("discord.com/api/webhooks/1/token/github", "github"),
            ("prod-1.westeurope.logic.azure.com/workflows/x/triggers/manual/paths/invoke", "teams"),
            ("default1.2.environment.api.powerplatform.com/powerautomate/x", "teams"),
            ("matrix.example.org/_matrix/client/v3/rooms/!a:example.org", "matrix"),
            ("open.feishu.cn/open-apis/bot/v2/hook/x", "feishu"),
            ("open.larksuite.com/open-apis/bot/v2/hook/x", "feishu"),
            ("oapi.dingtalk.com/robot/send", "dingtalk"),
            ("qyapi.weixin.qq.com/cgi-bin/webhook/send", "wecom"),
            ("ci.example.org/jenkins/git/notifyCommit", "jenkins"),
            ("ci.example.org/hook", ""),
            ("discord.com.example.org/api", ""),
            ("logic.azure.com.example.org/", ""),
        ] {
            assert_eq!(known(url), name, "{url}");
        }
    }
}
