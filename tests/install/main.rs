//! `install.sh`, its timer and `hooks/driver` on real repositories, with real pushes.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

mod demonstration;
mod driver;
mod everywhere;
mod hooks_path;
mod kept_hook;
mod linking;
mod owner;
#[path = "../hook/support/program.rs"]
mod program;
mod programs;
mod purge;
mod receive_report;
mod servers;
mod support;
mod timer;
mod uninstall;
mod verdict;
mod worker;

use program::{Ends, write_program};
use support::{Run, SNAPSHOT, World, built, executable, feed};

const CHECKOUT: &str = env!("CARGO_MANIFEST_DIR");

/// Stands in for our program: it keeps what it reads in the repository.
const STUB: &str = "#!/bin/sh
case $0:$1 in
*:--version) ;;
*pre-receive*) cat >>intended ;;
*) cat >>ours ;;
esac
";
/// The hook that was there before us.
const OLD: &str = "#!/bin/sh\ncat >>old\n";
/// A pre-receive hook that was there before us: it sees the objects that are pushed, and speaks.
const OLD_VERDICT: &str = "#!/bin/sh
while read -r old new ref; do
    git cat-file -e $new || exit 4
    echo $old $new $ref >>judged
done
echo the verdict
";

#[test]
#[ignore = "needs shellcheck: run tests/run"]
fn shellcheck_finds_nothing() {
    let scripts = [
        "install.sh",
        "install/timer.sh",
        "install/worker.sh",
        "install/gitolite.sh",
        "install/everywhere.sh",
        "hooks/driver",
        "hooks/every",
        "tests/run",
        ".ci/run",
        "completions/git-webhook.bash",
    ];
    let scripts = scripts.map(|script| Path::new(CHECKOUT).join(script));
    let present = scripts.iter().filter(|script| script.exists());
    Run::of(Command::new("shellcheck").arg("-x").args(present).current_dir(CHECKOUT)).succeeds();
}
