//! Where pushes and deliveries wait: whether whoever pushes can write there, and whether locks hold.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Scene;
use super::finding::{Finding, Kind};
use super::mend::{Mend, shown, webhook};
use crate::message;
use crate::pipeline::Displaced;
use crate::process::{self, FileSystem};

/// So many files are looked at: what is wrong with one is mostly wrong with all.
const MOST_FILES: usize = 20_000;

pub(super) fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let root = scene.root();
    let path = shown(&root);
    match fs::symlink_metadata(&root) {
        Ok(metadata) if metadata.is_symlink() => {
            let finding = Finding::error(Kind::StateLink, message::check_state_link(root.display()));
            return vec![finding.mend(Mend::BringBack { path })];
        }
        Ok(metadata) if !metadata.is_dir() => {
            let finding = Finding::error(Kind::StateNoDirectory, message::check_state_no_directory(root.display()));
            return vec![finding.mend(Mend::MoveAside { path })];
        }
        _ => {}
    }
    if let Some(finding) = unusable(scene) {
        return vec![finding];
    }
    let mut findings = modes_and_owners(scene, &root);
    findings.extend(displaced(scene));
    findings.extend(writable(scene, &root));
    findings.extend(file_system(scene, &root));
    findings
}

/// A copy is one of its own; what was moved or restored takes the place of what it was. A person may know better.
fn displaced(scene: &Scene<'_>) -> Option<Finding> {
    let why = scene.place.pipeline().displaced()?;
    let option = if matches!(why, Displaced::CopyOf(_)) { "--baseline" } else { "--adopt" };
    let finding = Finding::error(Kind::Displaced, message::displaced(why));
    Some(finding.mend(webhook(&scene.place.git_dir, &["reconcile", option])))
}

/// A directory of ours that is none, or that whoever runs this cannot write.
fn unusable(scene: &Scene<'_>) -> Option<Finding> {
    let spool = scene.place.pipeline().spool;
    let mut places = spool.directories();
    places.push(spool.state().log().path());
    let user = scene.environment.os_user();
    places.iter().find_map(|place| {
        let metadata = fs::symlink_metadata(place).ok()?;
        let path = shown(place);
        if !metadata.is_dir() {
            let finding = Finding::error(Kind::StateNoDirectory, message::check_state_no_directory(place.display()));
            return Some(finding.mend(Mend::MoveAside { path }));
        }
        let is_own = metadata.uid() == process::user_id();
        // Another's and read-only file systems are told below.
        if !is_own || metadata.permissions().mode() & 0o700 == 0o700 {
            return None;
        }
        let finding = Finding::error(Kind::StateNotWritable, message::check_state_not_writable(&user, place.display()));
        Some(finding.mend(Mend::OpenToOwner { path }))
    })
}

/// Writes and locks for real, as whoever runs this.
fn writable(scene: &Scene<'_>, root: &Path) -> Option<Finding> {
    let common_dir = &scene.place.common_dir;
    // Who cannot write objects does not push: that is for somebody else to find out.
    if !process::may_write(&common_dir.join("objects")) {
        return None;
    }
    let place = if root.is_dir() { root } else { common_dir };
    let user = scene.environment.os_user();
    // On a read-only file system nobody may write; the attempt below tells that in the system's own words.
    if !process::may_write(place) && !FileSystem::is_read_only(place) {
        let finding = Finding::error(Kind::StateNotWritable, message::check_state_not_writable(&user, place.display()));
        return Some(finding.mend(open_to(scene, place, &user)));
    }
    match scene.place.pipeline().spool.try_out() {
        Ok(Ok(true)) => None,
        Ok(Ok(false)) => Some(Finding::error(Kind::LocksIgnored, message::check_locks_ignored(place.display()))),
        Ok(Err(error)) => Some(Finding::error(Kind::NoLocks, message::check_no_locks(place.display(), error))),
        Err(error) => Some(Finding::error(Kind::CannotKeep, message::check_cannot_keep(error))),
    }
    .map(|finding| finding.mend(Mend::ShowDisk { path: shown(place) }))
}

/// What could not be read by whoever looked at all of it.
pub(super) fn unread(scene: &Scene<'_>) -> Vec<Finding> {
    let user = scene.environment.os_user();
    let found =
        |(path, why): (PathBuf, String)| Finding::error(Kind::StateUnread, why).mend(open_to(scene, &path, &user));
    scene.place.unread().into_iter().map(found).collect()
}

fn open_to(scene: &Scene<'_>, place: &Path, user: &str) -> Mend {
    let path = shown(place);
    // His own he has closed himself.
    let is_own = fs::symlink_metadata(place).is_ok_and(|metadata| metadata.uid() == process::user_id());
    if is_own {
        Mend::OpenToOwner { path }
    } else if scene.is_shared() {
        Mend::OpenToGroup { path }
    } else {
        Mend::GiveToOwner { path, owner: user.into() }
    }
}

/// A record of another owner becomes a dead letter where the repository is not shared, and cannot be settled where it is.
fn modes_and_owners(scene: &Scene<'_>, root: &Path) -> Vec<Finding> {
    let Ok(of_repository) = fs::metadata(&scene.place.common_dir) else { return Vec::new() };
    let mut odd_modes = Vec::new();
    let mut odd_owners: BTreeMap<u32, usize> = BTreeMap::new();
    let is_shared = scene.is_shared();
    each_below(root, &mut |path, metadata| {
        let group = if metadata.is_dir() { 0o2070 } else { 0o060 };
        if is_shared && metadata.permissions().mode() & group != group {
            odd_modes.push(path.to_path_buf());
        }
        let is_odd =
            if is_shared { metadata.gid() != of_repository.gid() } else { metadata.uid() != of_repository.uid() };
        if is_odd {
            *odd_owners.entry(if is_shared { metadata.gid() } else { metadata.uid() }).or_default() += 1;
        }
    });
    let mut findings = Vec::new();
    if let Some(path) = odd_modes.first() {
        let message = message::check_state_not_groups(path.display());
        findings.push(Finding::error(Kind::StateNotGroups, message).mend(Mend::OpenToGroup { path: shown(root) }));
    }
    let count: usize = odd_owners.values().sum();
    if count > 0 {
        let path = shown(root);
        let (kind, message, mend) = if is_shared {
            let group = of_repository.gid();
            let message = message::check_state_other_group(count, root.display(), group);
            (Kind::StateOtherGroup, message, Mend::GiveToGroup { path, group })
        } else {
            let owner = process::account(of_repository.uid())
                .map_or_else(|| of_repository.uid().to_string(), |account| account.login);
            let message = message::check_state_other_owner(count, root.display(), owner);
            let owner = format!("{}:{}", of_repository.uid(), of_repository.gid());
            (Kind::StateOtherOwner, message, Mend::GiveToOwner { path, owner })
        };
        findings.push(Finding::error(kind, message).mend(mend));
    }
    findings
}

/// Everything below our directory, itself included, but for secrets: who may read them is the administrator's choice.
fn each_below(root: &Path, see: &mut impl FnMut(&Path, &Metadata)) {
    let mut left = vec![root.to_path_buf()];
    let mut count = 0;
    while let Some(path) = left.pop() {
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        count += 1;
        if count > MOST_FILES || metadata.is_symlink() || path == root.join("secret") {
            continue;
        }
        see(&path, &metadata);
        if metadata.is_dir() {
            left.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        }
    }
}

fn file_system(scene: &Scene<'_>, root: &Path) -> Option<Finding> {
    let place = if root.is_dir() { root } else { &scene.place.common_dir };
    let message = match FileSystem::of(place) {
        FileSystem::Network(kind) => message::check_network_file_system(place.display(), kind),
        // A repository that is gone with it needs no deliveries either.
        FileSystem::Memory(kind) if FileSystem::of(&scene.place.common_dir) == FileSystem::Other => {
            message::check_memory_file_system(place.display(), kind)
        }
        _ => return None,
    };
    Some(Finding::advice(Kind::OddFileSystem, message).mend(Mend::ShowMount { path: shown(place) }))
}
