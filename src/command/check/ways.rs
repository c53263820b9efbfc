//! The ways by which pushes come: by some of them a hook sees less of the configuration, or calls the repository otherwise.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Scene;
use super::finding::{Finding, Kind};
use super::mend::{self, Mend};
use crate::config::{self, Scope};
use crate::message;
use crate::process::Environment;
use crate::repository;

/// So many of the newest pushes say how they come.
const RECENT: u64 = 100;

pub(super) fn look(scene: &Scene<'_>) -> Vec<Finding> {
    unseen_file(scene).into_iter().chain(several_names(scene)).collect()
}

/// The user's own file, where pushes come that do not see it: web servers and git daemon start git without `HOME`. The hook
/// says so in its log.
fn unseen_file(scene: &Scene<'_>) -> Option<Finding> {
    let is_of_user =
        |entry: &&config::Entry| entry.scope == Scope::Global && ["webhook", "webhookuser"].contains(&entry.section);
    let file = scene.entries.iter().find(is_of_user)?.file.to_path_buf();
    let said = message::home_not_set(file.display());
    let log = scene.place.pipeline().spool.state().root().read("hook.log");
    let is_said = log.is_ok_and(|log| String::from_utf8_lossy(&log).lines().any(|line| line.ends_with(&said)));
    is_said
        .then(|| Finding::advice(Kind::UnseenFile, message::check_unseen_file(file.display())).mend(mend::edit(&file)))
}

/// Where settings of protected scope count for every push: in the user's own file unless there is a way that does not see that.
pub(super) fn protected_file(scene: &Scene<'_>) -> Option<PathBuf> {
    let spool = scene.place.pipeline().spool;
    let receipts = spool.receipts_since(spool.last_sequence().saturating_sub(RECENT));
    let is_of_server = receipts.iter().any(|(_, receipt)| receipt.environment().get("GIT_PROJECT_ROOT").is_some());
    mend::protected_file(scene.is_shared() || is_of_server || unseen_file(scene).is_some(), scene.environment)
}

/// One repository that is called by several names, and so has several ids: a receiver takes it for several.
fn several_names(scene: &Scene<'_>) -> Option<Finding> {
    let configuration = &scene.place.configuration;
    let settings = &configuration.settings;
    let spool = scene.place.pipeline().spool;
    let receipts = spool.receipts_since(spool.last_sequence().saturating_sub(RECENT));
    let mut ways: Vec<Environment> = receipts.iter().map(|(_, receipt)| receipt.environment()).collect();
    // A timer and whoever calls a verb come without any of it.
    ways.push(Environment::new([]));
    let has = |is_protected| configuration.ready().any(|target| target.is_protected == is_protected);
    for (is_protected, profile) in [(false, &settings.profile), (true, &settings.protected_profile)] {
        if !has(is_protected) || profile.repository.is_some() {
            continue;
        }
        let name = |way: &Environment| repository::path_of(&scene.place.git_dir, settings.root.as_deref(), way);
        let names: BTreeSet<String> = ways.iter().map(name).collect();
        let mut names = names.into_iter();
        if let (Some(one), Some(other)) = (names.next(), names.next()) {
            let message = message::check_several_names(one, other);
            let finding = Finding::advice(Kind::SeveralNames, message);
            return Some(ending(scene, &ways).into_iter().fold(finding, Finding::mend));
        }
    }
    None
}

/// What gives it one name by whatever way: the directory that holds the repositories, as a web server or gitolite knows it.
fn ending(scene: &Scene<'_>, ways: &[Environment]) -> Option<Mend> {
    let of_server = ways.iter().find_map(|way| way.get("GIT_PROJECT_ROOT").map(PathBuf::from));
    let of_gitolite = || ways.iter().find_map(|way| above(&scene.place.git_dir, &way.text("GL_REPO")?));
    let root = of_server.or_else(of_gitolite)?;
    let file = protected_file(scene)?;
    Some(mend::set(&file, "webhook.root", mend::shown(&root)))
}

/// The directory below which a repository has this path.
fn above(git_dir: &Path, path: &str) -> Option<PathBuf> {
    let below = format!("/{path}.git");
    git_dir.to_str()?.strip_suffix(&below).map(PathBuf::from)
}
