//! git, as it is asked about the repository that is looked at.

use std::process::Command;

use super::Scene;
use crate::repository;

/// git in the repository, without what the environment alone would configure.
pub(super) fn git(scene: &Scene<'_>) -> Command {
    let mut command = repository::git(&scene.place.git_dir);
    command.env_remove("GIT_CONFIG_COUNT").env_remove("GIT_CONFIG_PARAMETERS");
    command
}
