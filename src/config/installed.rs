//! Where the git that runs us is installed, which decides what it reads for the whole system.

use std::path::{Path, PathBuf};

use crate::process::Environment;

/// Where the git that runs us is installed: `GIT_EXEC_PATH` is `<prefix>/libexec/git-core` or `<prefix>/lib/git-core`;
/// without it, from the directory on `PATH` that holds git.
pub(super) fn prefix(environment: &Environment) -> PathBuf {
    let two_up = |path: &Path| Some(path.parent()?.parent()?.to_path_buf());
    if let Some(path) = environment.get("GIT_EXEC_PATH") {
        return two_up(Path::new(path)).unwrap_or_default();
    }
    environment
        .get("PATH")
        .and_then(|path| std::env::split_paths(path).find(|directory| directory.join("git").is_file()))
        .and_then(|directory| directory.parent().map(Path::to_path_buf))
        .unwrap_or_else(|| "/usr".into())
}

/// The system's file of that git.
pub(super) fn system_file(environment: &Environment) -> PathBuf {
    system_file_below(&prefix(environment))
}

/// git built for `/usr` reads `/etc/gitconfig`, any other `<prefix>/etc/gitconfig` (its Makefile, `ETC_GITCONFIG`).
fn system_file_below(prefix: &Path) -> PathBuf {
    if prefix == Path::new("/usr") || prefix == Path::new("/") {
        "/etc/gitconfig".into()
    } else {
        prefix.join("etc/gitconfig")
    }
}
