//! Clone addresses and links, by which receivers find what a payload is about: without them it is taken, and nothing happens.

use super::Scene;
use super::finding::{Finding, Kind};
use super::mend;
use super::ways;
use crate::config::Configured;
use crate::message;
use crate::process::Environment;
use crate::ref_update::Namespace;
use crate::repository;
use crate::target::Target;

pub(super) fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let configuration = &scene.place.configuration;
    let settings = &configuration.settings;
    let mut findings = Vec::new();
    for is_protected in [false, true] {
        let is_it =
            |target: &&Target| target.switch.is_on() && target.is_protected == is_protected && finds_jobs(target);
        let mut targets = configuration.targets.iter().filter_map(Configured::as_far_as_read);
        let Some(target) = targets.find(is_it) else { continue };
        let profile = if is_protected { &settings.protected_profile } else { &settings.profile };
        let none = Environment::new([]);
        let (layout, root) = (configuration.layout, settings.root.as_deref());
        let shown = repository::describe(&scene.place.git_dir, layout, profile, root, &none, &Namespace::default());
        let file = match is_protected {
            true => ways::protected_file(scene),
            false => Some(scene.place.common_dir.join("config")),
        };
        let mut find = |kind, message: String, key: &str, example: &str| {
            let mend = file.as_ref().map(|file| mend::set(file, key, example));
            findings.push(mend.into_iter().fold(Finding::advice(kind, message), Finding::mend));
        };
        if shown.http_url.is_empty() && shown.ssh_url.is_empty() {
            let message = message::check_no_address(target.format.name);
            find(Kind::NoAddress, message, "webhook.gitSshUrl", "git@HOST:{repository}.git");
        }
        if shown.homepage.is_empty() {
            let message = message::check_no_homepage(target.format.name);
            find(Kind::NoAddress, message, "webhook.homepage", "https://HOST/{repository}");
        }
    }
    findings
}

/// Whether receivers of its format look for something of theirs by an address. A chat shows what there is, and
/// a template says what it is asked for.
fn finds_jobs(target: &Target) -> bool {
    !target.format.is_chat && !target.format.takes_template()
}
