//! git, as it is asked about the repository that is looked at.

use std::process::Command;

use super::Scene;

/// git in the repository, without what the environment alone would configure.
pub(super) fn git(scene: &Scene<'_>) -> Command {
    let mut command = Command::new("git");
    command.current_dir(&scene.place.git_dir).env("GIT_DIR", ".").env("GIT_WORK_TREE", ".");
    command.env_remove("GIT_CONFIG_COUNT").env_remove("GIT_CONFIG_PARAMETERS");
    command
}
