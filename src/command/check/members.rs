//! In a repository that several users share: whether all of them can run the hook. git passes over one that they cannot run,
//! with a hint to the pusher at most.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

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
    programs.iter().find_map(|program| {
        let found = fs::canonicalize(program).ok()?;
        let closed = found.ancestors().filter(|place| is_closed(place, group)).last()?;
        let name = process::group_name(group).unwrap_or_else(|| group.to_string());
        let message = message::check_hook_closed(name, found.display(), closed.display());
        let mend = Mend::InstallForAll {
            program: shown(&found),
            hook: shown(if programs.len() == 1 { hook } else { program }),
        };
        Some(Finding::error(Kind::HookClosed, message).mend(mend))
    })
}

fn is_closed(place: &Path, group: u32) -> bool {
    let is_open = |metadata: Metadata| {
        let mode = metadata.permissions().mode();
        mode & 0o001 != 0 || (metadata.gid() == group && mode & 0o010 != 0)
    };
    !fs::metadata(place).is_ok_and(is_open)
}
