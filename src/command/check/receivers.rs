//! The targets: whether each asks for anything that is sent, and, where that is wanted, whether it can be reached.

use std::sync::Mutex;
use std::thread;

use super::finding::{CertificateRow, Finding, Kind, ReachedRow, Severity};
use super::git::git;
use super::mend::{self, Mend};
use super::{Scene, addresses};
use crate::config::Configured;
use crate::event::EventName;
use crate::format;
use crate::message;
use crate::outcome::FailureKind;
use crate::process;
use crate::target::Target;
use crate::transport::{self, Reached, ShownCertificate, Trust, Unreached};

/// In seconds.
const DAY: i64 = 86_400;

/// A certificate that is valid for fewer days is spoken of: those that are renewed by themselves are, by then.
const SOON: i64 = 14;

pub(super) fn look(scene: &Scene<'_>, connect: bool) -> Vec<Finding> {
    if !scene.has_targets() {
        let example = mend::webhook(&scene.place.git_dir, &["add", "NAME", "https://HOST/PATH"]);
        return vec![Finding::advice(Kind::NoTarget, message::check_no_target()).mend(example)];
    }
    let targets: Vec<&Target> = scene.place.configuration.ready().collect();
    let mut findings = Vec::new();
    // Of one that is wrong too, or the next run would find it.
    for target in scene.place.configuration.targets.iter().filter_map(Configured::as_far_as_read) {
        // That is as somebody wants it.
        if !target.switch.is_on() {
            continue;
        }
        findings.extend(events(scene, target));
        findings.extend(other_chat(scene, target));
        findings.extend(plain_token(scene, target));
        if target.address.is_https() && !target.verify_certificate {
            let finding =
                Finding::advice(Kind::Unverified, message::check_unverified(&target.name)).of(target.name.as_str());
            findings.push(finding.mend(mend::set(
                &file_of(scene, target, "sslverify"),
                &key(target, "sslVerify"),
                "true",
            )));
        }
    }
    findings.extend(addresses::look(scene));
    if connect {
        // Those that are told through the broker are the workers' to reach.
        let is_dialled = |target: &&Target| target.switch.is_on() && !target.is_published;
        findings.extend(dialled(scene, targets.iter().copied().filter(is_dialled)));
    }
    findings
}

/// A chat takes its own form alone, and refuses every other, or shows nothing of it.
fn other_chat(scene: &Scene<'_>, target: &Target) -> Option<Finding> {
    let known = format::for_address(target.address.host(), target.address.path())?;
    if !known.is_chat || known.name == target.format.name || target.format.takes_template() {
        return None;
    }
    let message = message::check_other_chat(&target.name, known.forge, target.format.name);
    let mend = mend::set(&file_of(scene, target, "format"), &key(target, "format"), known.name);
    Some(Finding::advice(Kind::OtherChat, message).of(target.name.as_str()).mend(mend))
}

/// What lets somebody in at the receiver, and whoever listens on the way reads it.
fn plain_token(scene: &Scene<'_>, target: &Target) -> Option<Finding> {
    let is_far = !target.address.is_https() && target.proxy.is_none() && !target.address.is_loopback();
    if !is_far || !target.sends_token() {
        return None;
    }
    let finding = Finding::advice(Kind::PlainToken, message::check_plain_token(&target.name)).of(target.name.as_str());
    Some(finding.mend(mend::edit(&file_of(scene, target, "url"))))
}

pub(super) fn key(target: &Target, name: &str) -> String {
    format!("webhook.{}.{name}", target.name)
}

/// The file where the target's own key stands, else the one of its URL.
pub(super) fn file_of(scene: &Scene<'_>, target: &Target, name: &str) -> std::path::PathBuf {
    let find = |name: &str| {
        let is_it = |entry: &&crate::config::Entry| {
            entry.section == "webhook"
                && entry.subsection.as_deref() == Some(target.name.as_bytes())
                && entry.key == name
        };
        scene.entries.iter().rfind(is_it).map(|entry| entry.file.to_path_buf())
    };
    find(name).or_else(|| find("url")).unwrap_or_else(|| scene.place.common_dir.join("config"))
}

/// Event words that nothing is sent for. Who wrote `all` asked for whatever there is.
fn events(scene: &Scene<'_>, target: &Target) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_sent = |event: &&EventName| target.format.has(**event);
    let sent: Vec<_> = target.events.iter().filter(is_sent).map(|event| event.word()).collect();
    let unsent: Vec<_> = target.events.iter().filter(|event| !is_sent(event)).map(|event| event.word()).collect();
    let is_all = EventName::EACH_ONCE.iter().all(|event| target.events.contains(event));
    let set = |words: &str| mend::set(&file_of(scene, target, "event"), &key(target, "event"), words);
    if sent.is_empty() {
        let finding = Finding::error(Kind::NothingWanted, message::check_nothing_wanted(&target.name));
        findings.push(finding.of(target.name.as_str()).mend(set("push tag_push")));
    } else if !unsent.is_empty() && !is_all && is_asked(scene, target) {
        let message = message::check_event_unsent(target.format.name, unsent.join(", "), &target.name);
        findings.push(Finding::advice(Kind::EventUnsent, message).of(target.name.as_str()).mend(set(&sent.join(" "))));
    }
    let wants_reviews = scene.place.configuration.settings.notes.reviews
        && target.events.contains(&EventName::MergeRequest)
        && target.format.has(EventName::MergeRequest);
    if wants_reviews && !advertises_push_options(scene) {
        let finding =
            Finding::advice(Kind::NoPushOptions, message::check_push_options(&target.name)).of(target.name.as_str());
        let own = scene.place.common_dir.join("config");
        findings.push(finding.mend(mend::set(&own, "receive.advertisePushOptions", "true")));
    }
    findings
}

/// Whether somebody says which events the target wants: what it wants by default is what there is.
fn is_asked(scene: &Scene<'_>, target: &Target) -> bool {
    let is_of = |name: Option<&[u8]>| name.is_none_or(|name| name == target.name.as_str().as_bytes());
    scene.entries.iter().any(|it| it.section == "webhook" && it.key == "event" && is_of(it.subsection.as_deref()))
}

fn advertises_push_options(scene: &Scene<'_>) -> bool {
    let output = git(scene).args(["config", "--type=bool", "receive.advertisePushOptions"]).output();
    output.is_ok_and(|output| output.stdout.starts_with(b"true"))
}

/// Dials all of them at once: one that is silent takes its whole `timeout`.
fn dialled<'a>(scene: &Scene<'_>, targets: impl Iterator<Item = &'a Target>) -> Vec<Finding> {
    let trust = Trust::default();
    let found = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let (trust, found) = (&trust, &found);
        for target in targets {
            let dial = move || {
                let reached = transport::reach(target, trust);
                if let Ok(mut found) = found.lock() {
                    found.push((target, reached));
                }
            };
            if thread::Builder::new().spawn_scoped(scope, dial).is_err() {
                dial();
            }
        }
    });
    let mut found = found.into_inner().unwrap_or_default();
    found.sort_by(|(one, _), (other, _)| one.name.as_str().cmp(other.name.as_str()));
    let findings = found.into_iter().flat_map(|(target, reached)| match reached {
        Ok(reached) => as_reached(target, &reached),
        Err(why) => vec![unreached(scene, target, why)],
    });
    findings.collect()
}

/// From where a target was reached, and by what certificates it is known; that one of them ends soon.
fn as_reached(target: &Target, Reached { from, to, chain }: &Reached) -> Vec<Finding> {
    let name = target.name.as_str();
    let now = process::now();
    let row = |certificate: &ShownCertificate| {
        let ShownCertificate { names, issuer, not_after } = certificate.clone();
        CertificateRow { names, issuer, not_after: Some(not_after), days_left: (not_after - now).div_euclid(DAY) }
    };
    let certificates: Vec<_> = chain.iter().map(row).collect();
    let said = |it: &CertificateRow| {
        let names = it.names.join(", ");
        if it.days_left < 0 {
            message::check_certificate_ended(names, &it.issuer, -it.days_left)
        } else {
            message::check_certificate(names, &it.issuer, it.days_left)
        }
    };
    let chain = certificates.iter().map(said).collect::<Vec<_>>().join("; ");
    let origin = target.address.origin();
    let mut message = message::check_reached(name, origin, from);
    if !chain.is_empty() {
        message += &format!(": {chain}");
    }
    let mut findings = Vec::new();
    if let Some(soonest) =
        certificates.iter().min_by_key(|it| it.days_left).filter(|it| (0..SOON).contains(&it.days_left))
    {
        let message = message::check_certificate_ends(soonest.names.join(", "), name, soonest.days_left);
        let (host, port) = (target.address.host().into(), target.address.port().unwrap_or_default());
        let finding = Finding::advice(Kind::CertificateEnds, message).of(name);
        findings.push(finding.mend(Mend::ShowCertificate { host, port }));
    }
    let fact = Finding::new(Severity::Fact, Kind::Reached, message).of(name);
    findings.push(Finding { reached: Some(ReachedRow { from: *from, to: *to, certificates }), ..fact });
    findings
}

fn unreached(scene: &Scene<'_>, target: &Target, Unreached { failure, to_allow }: Unreached) -> Finding {
    let address = &target.address;
    let (host, port) = (address.host(), address.port().unwrap_or_default());
    let mend = match failure.kind {
        FailureKind::Forbidden => allow(scene, target, to_allow),
        FailureKind::Lookup => Mend::LookUp { host: host.trim_matches(['[', ']']).into() },
        FailureKind::Tls => Mend::ShowCertificate { host: host.into(), port },
        _ => Mend::Dial { origin: address.origin() },
    };
    let message = message::check_unreached(&target.name, address.origin(), failure);
    Finding::error(Kind::Unreached, message).of(target.name.as_str()).mend(mend)
}

/// Adds a host to those that are allowed, where something says which are and it may be; else the URL is wrong.
fn allow(scene: &Scene<'_>, target: &Target, to_allow: Option<String>) -> Mend {
    match scene.place.configuration.settings.allowing.last().zip(to_allow) {
        Some((file, host)) => {
            let file = mend::shown(file);
            mend::git(&scene.place.git_dir, &["config", "--file", &file, "--add", "webhook.allowedHosts", &host])
        }
        None => mend::edit(&file_of(scene, target, "url")),
    }
}
