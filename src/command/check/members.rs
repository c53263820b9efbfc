//! In a repository that several users share: whether all of them can run the hook. git passes over one that they cannot run,
//! with a hint to the pusher at most.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Scene;
use super::finding::{Finding, Kind};
use super::mend::{Mend, shown};
use crate::message;
use crate::process;

/// The first place on the way to a program that is closed to other members.
pub(super) fn look(scene: &Scene<'_>, hook: &Path, programs: &[&Path]) -> Option<Finding> {
    if !scene.is_shared() {
        return None;
    }
    let group = fs::metadata(&scene.place.common_dir).ok()?.gid();
    // The hook itself, which may be a driver, and what it runs.
    let mut all = std::iter::once(hook).chain(programs.iter().copied());
    all.find_map(|program| {
        let found = fs::canonicalize(program).ok()?;
        let closed = ways_to(program).into_iter().find(|place| !place.is_symlink() && is_closed(place, group))?;
        let name = process::group_name(group).unwrap_or_else(|| group.to_string());
        let finding =
            Finding::error(Kind::HookClosed, message::check_hook_closed(name, program.display(), closed.display()));
        // Only a link of ours is led elsewhere: anything else is somebody's hook.
        let is_ours = program.is_symlink() && programs.contains(&program);
        let mend = || Mend::InstallForAll { program: shown(&found), hook: shown(program) };
        Some(if is_ours { finding.mend(mend()) } else { finding })
    })
}

/// Every place that is passed on the way to a program, by each link that leads there; the outermost first.
fn ways_to(program: &Path) -> Vec<PathBuf> {
    let mut places = Vec::new();
    let mut path = program.to_path_buf();
    // As many links as the system follows.
    for _ in 0..40 {
        let mut way: Vec<_> = path.ancestors().map(Path::to_path_buf).filter(|it| !it.as_os_str().is_empty()).collect();
        way.reverse();
        places.extend(way);
        let Ok(target) = fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("/")).join(target);
    }
    if let Ok(found) = fs::canonicalize(program) {
        places.extend(found.ancestors().map(Path::to_path_buf));
    }
    places
}

fn is_closed(place: &Path, group: u32) -> bool {
    let is_open = |metadata: Metadata| {
        let mode = metadata.permissions().mode();
        mode & 0o001 != 0 || (metadata.gid() == group && mode & 0o010 != 0)
    };
    !fs::metadata(place).is_ok_and(is_open)
}
