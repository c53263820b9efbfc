//! What a target is told, in words, and what it is not told for want of configuration.

use crate::config::Configuration;
use crate::event::EventName;
use crate::target::{Switch, Target};

/// `told of push, tag_push on main`, or that it is disabled.
pub(super) fn of(target: &Target) -> String {
    let mut words: Vec<_> = target.refs.words().collect();
    if words.is_empty() {
        words.push("every ref".into());
    }
    let told = format!("told of {} on {}", events(target).join(", "), words.join(" "));
    if target.switch == Switch::On { told } else { format!("disabled; once it is enabled {told}") }
}

/// The words of its events, as they are configured: of one that is narrowed the forge's own names.
pub(super) fn events(target: &Target) -> Vec<String> {
    let narrowed = |event: EventName| target.narrowed.iter().filter(move |(known, _)| *known == event);
    let words = |event: &EventName| match narrowed(*event).count() {
        0 => vec![event.word().to_owned()],
        _ => narrowed(*event).map(|(_, name)| (*name).to_owned()).collect(),
    };
    target.events.iter().flat_map(words).collect()
}

/// The keys by which receivers find their job and people a page, and which are set nowhere.
pub(super) fn missing(configuration: &Configuration, target: &Target, has_clone_url: bool) -> Vec<String> {
    let settings = &configuration.settings;
    let profile = if target.is_protected { &settings.protected_profile } else { &settings.profile };
    let is_missing = [
        ("homepage", profile.homepage.is_empty()),
        ("gitSshUrl", profile.git_ssh_url.is_none()),
        ("gitHttpUrl", profile.git_http_url.is_none()),
    ];
    let is_known = has_clone_url || !profile.gitweb_urls.is_empty();
    let both = is_missing[1].1 && is_missing[2].1 && !is_known;
    // One address to clone from is enough.
    let names = is_missing.iter().filter(|(name, is_missing)| *is_missing && (*name == "homepage" || both));
    names.map(|(name, _)| (*name).to_owned()).collect()
}

/// What such a key could be.
pub(super) fn example(key: &str) -> &'static str {
    match key {
        "homepage" => "https://HOST/{repository}",
        "gitSshUrl" => "git@HOST:{repository}.git",
        _ => "https://HOST/{repository}.git",
    }
}
