//! What an address tells of its receiver: whose it is, and which of the formats that understands.

use crate::format;
use crate::message;
use crate::target::Address;

/// The format of a target whose receiver nobody knows.
pub(super) const DEFAULT: &str = "codeup";

/// The end of an address at which Discord takes what Slack does.
const OF_SLACK: &str = "/slack";

/// Receivers that have a path of their own for each forge, wherever they run: how it ends, or what it begins with.
const PATHS: &[(&str, &str)] = &[
    // Jenkins: the GitHub, GitLab, Gitea and Bitbucket plugins.
    ("/github-webhook/", "github"),
    ("/github-webhook", "github"),
    ("/gitea-webhook/post", "gitea"),
    ("/bitbucket-hook/", "bitbucket"),
    // Buildbot's dialects.
    ("/change_hook/github", "github"),
    ("/change_hook/gitlab", "gitlab"),
    ("/change_hook/gitea", "gitea"),
    ("/change_hook/bitbucketcloud", "bitbucket"),
    // Argo CD.
    ("/api/webhook", "github"),
];

/// The format that the receiver at an address understands, as far as that tells.
pub(super) fn format(url: &str) -> Option<&'static str> {
    let address = Address::parse(url).ok()?;
    let path = path(&address);
    if is_mattermost(&path) {
        return Some("slack");
    }
    let known = format::for_address(address.host(), &path).map(|format| format.name);
    let of_path = PATHS.iter().find(|(end, _)| path.ends_with(end)).map(|(_, format)| *format);
    let of_gitlab_job = path.starts_with("/project/") || path.contains("/jenkins/project/");
    of_path.or(of_gitlab_job.then_some("gitlab")).or(known)
}

/// What to say of an address at which its receiver does not take this format.
pub(super) fn advice(url: &str, format: &str) -> Option<&'static str> {
    let address = Address::parse(url).ok()?;
    let is_bare = is_discord(&address) && !path(&address).ends_with(OF_SLACK);
    (is_bare && format == "slack").then(message::discord_takes_slack)
}

fn is_discord(address: &Address) -> bool {
    let is_host = ["discord.com", "discordapp.com"].contains(&address.host());
    is_host && path(address).starts_with("/api/webhooks/")
}

/// `/hooks/` and the 26 characters of an id; Rocket.Chat has two words there.
fn is_mattermost(path: &str) -> bool {
    let Some((_, rest)) = path.split_once("/hooks/") else { return false };
    let is_word = |word: &str| word.len() >= 17 && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let words: Vec<_> = rest.split('/').collect();
    match words.as_slice() {
        [id] => id.len() == 26 && is_word(id),
        [id, token] => is_word(id) && is_word(token),
        _ => false,
    }
}

fn path(address: &Address) -> String {
    let url = address.dial();
    let path = url.strip_prefix(&address.origin()).unwrap_or_default();
    path.split('?').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_tells_whose_it_is() {
        for (url, known) in [
            ("https://hooks.slack.com/services/T0/B0/x", Some("slack")),
            ("https://discord.com/api/webhooks/1/x", Some("discord")),
            ("https://discord.com/api/webhooks/1/x/slack", Some("slack")),
            ("https://discord.com/api/webhooks/1/x/github", Some("github")),
            ("https://oapi.dingtalk.com/robot/send?access_token=x", Some("dingtalk")),
            ("https://ci.example.org/git/notifyCommit", Some("jenkins")),
            ("https://chat.example.org/hooks/xkpgn4fk4bbh8fkt3yy9z7zq8c", Some("slack")),
            ("https://rocket.example.org/hooks/64a0b1c2d3e4f5a6b7/Ab3dEf6hIj9kLmNoP", Some("slack")),
            ("https://jenkins.example.org/github-webhook/", Some("github")),
            ("https://jenkins.example.org/project/build", Some("gitlab")),
            ("https://x.example.org/jenkins/gitea-webhook/post", Some("gitea")),
            ("https://buildbot.example.org/change_hook/gitlab?x=1", Some("gitlab")),
            ("https://argocd.example.org/api/webhook", Some("github")),
            ("https://ci.example.org/hook", None),
            ("https://ci.example.org/hooks/deploy", None),
            ("https://example.org/discord.com/api/webhooks/1", None),
        ] {
            assert_eq!(format(url), known, "{url}");
        }
        let bare = "https://discord.com/api/webhooks/1/x";
        assert!(advice(bare, "slack").is_some() && advice(bare, "github").is_none());
        assert!(advice("https://discord.com/api/webhooks/1/x/slack", "slack").is_none());
    }
}
