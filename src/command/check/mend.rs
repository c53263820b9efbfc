//! What mends a finding, as a value: `render` makes a command of it for whoever runs it.
//!
//! It may come from a process of the repository's owner, whose words root must not paste. So it says what is to be done
//! and with which names, and holds no piece of a command.

use std::iter;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::process::Environment;

/// What is to be done. Paths are as they are shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Mend {
    /// Gives a key one value in a file.
    Set {
        place: FileKey,
        value: Value,
    },
    /// Takes every value of a key out of a file.
    Unset(FileKey),
    /// Sets a key under another name or in another file, and takes it out of where it stands.
    Shift {
        from: FileKey,
        to: FileKey,
    },
    RenameSection {
        file: String,
        from: String,
        to: String,
    },
    /// Opens a file where only a person knows what belongs there.
    Edit {
        file: String,
        line: Option<usize>,
    },
    /// One after the other, as long as all goes well.
    AllOf(Vec<Mend>),

    /// Makes a secret's file that is not there, and its directory.
    KeepSecret {
        directory: String,
        file: String,
        content: Content,
        is_shared: bool,
    },
    /// Writes a secret into a file that is there and empty.
    FillSecret {
        file: String,
        content: Content,
    },

    /// Gives one file to a user.
    Own {
        path: String,
        user: String,
    },
    CloseToOthers {
        path: String,
    },
    OpenToOwner {
        path: String,
    },
    OpenToGroup {
        path: String,
    },
    MakeExecutable {
        path: String,
    },
    Remove {
        path: String,
    },
    MoveAside {
        path: String,
    },
    /// Puts a copy of what a link leads to in its place.
    ReplaceLink {
        path: String,
    },
    /// Puts what a link leads to itself in its place.
    BringBack {
        path: String,
    },
    /// Gives what we keep to the repository's owner, which only root can. Where the finding is not his own, root takes
    /// neither path nor number from it.
    GiveToOwner {
        path: String,
        owner: String,
    },
    /// Gives it to the repository's group; the same holds.
    GiveToGroup {
        path: String,
        group: u32,
    },

    /// Puts a link to our hook in a place, or over what is there.
    Link {
        hook: String,
    },
    /// Has git run ours beside a hook that is there, which stays where it is.
    ConfigureHook {
        file: String,
        key: String,
        event: String,
    },
    /// Has a hook that is a shell script run ours first, by its second line.
    RunBefore {
        hook: String,
    },
    /// Puts our program where everybody can run it, and links a hook to it.
    InstallForAll {
        program: String,
        hook: String,
    },
    /// A command of git's own in a repository.
    Git {
        git_dir: String,
        words: Vec<String>,
    },
    /// A verb of ours in a repository.
    Verb {
        git_dir: String,
        words: Vec<String>,
    },

    /// These show more of what is wrong.
    ShowKey {
        git_dir: String,
        key: String,
    },
    ShowDisk {
        path: String,
    },
    ShowMount {
        path: String,
    },
    LookUp {
        host: String,
    },
    ShowCertificate {
        host: String,
        port: u16,
    },
    Dial {
        origin: String,
    },
    /// What the system says of its clock.
    ShowClock,
    /// What lies at the broker, and who works on it.
    FleetStatus,

    /// Makes the streams that the broker lacks.
    FleetInit,

    StartTimer {
        unit: String,
        is_users: bool,
    },
    /// Has cron flush every repository below a directory.
    AddCronLine {
        below: String,
    },
    /// Leaves only some variables in a line of sshd's configuration.
    AcceptOnly {
        file: String,
        line: usize,
        words: Vec<String>,
    },
}

impl Mend {
    /// Whether it comes after all others: a section is called by its old name until all in it is mended.
    pub(super) fn is_last(&self) -> bool {
        matches!(self, Self::RenameSection { .. })
    }
}

/// A key in a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct FileKey {
    pub(super) file: String,
    pub(super) key: String,
}

/// What a key is set to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Value {
    Text(String),
    /// The last one it has, which need not be shown then.
    Last,
    /// The same, as far as the first `#`.
    LastBeforeHash,
    NewSecret,
    NewKey,
}

/// What is written into a secret's file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Content {
    NewSecret,
    NewKey,
    CopyOf(String),
    ValueOf(FileKey),
}

impl FileKey {
    pub(super) fn new(file: &Path, key: impl Into<String>) -> Self {
        Self { file: shown(file), key: key.into() }
    }
}

/// A path as it stands in a command.
pub(super) fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

pub(super) fn set(file: &Path, key: &str, value: impl Into<String>) -> Mend {
    set_to(file, key, Value::Text(value.into()))
}

pub(super) fn set_to(file: &Path, key: &str, value: Value) -> Mend {
    Mend::Set { place: FileKey::new(file, key), value }
}

pub(super) fn unset(file: &Path, key: &str) -> Mend {
    Mend::Unset(FileKey::new(file, key))
}

pub(super) fn shift(from: (&Path, &str), to: (&Path, &str)) -> Mend {
    Mend::Shift { from: FileKey::new(from.0, from.1), to: FileKey::new(to.0, to.1) }
}

pub(super) fn edit(file: &Path) -> Mend {
    Mend::Edit { file: shown(file), line: None }
}

pub(super) fn link(hook: &Path) -> Mend {
    Mend::Link { hook: shown(hook) }
}

pub(super) fn show_key(git_dir: &Path, key: String) -> Mend {
    Mend::ShowKey { git_dir: shown(git_dir), key }
}

pub(super) fn remove(path: &Path) -> Mend {
    Mend::Remove { path: shown(path) }
}

pub(super) fn close_to_others(path: &Path) -> Mend {
    Mend::CloseToOthers { path: shown(path) }
}

pub(super) fn webhook(git_dir: &Path, words: &[&str]) -> Mend {
    Mend::Verb { git_dir: shown(git_dir), words: words.iter().map(|word| (*word).to_owned()).collect() }
}

pub(super) fn git(git_dir: &Path, words: &[&str]) -> Mend {
    Mend::Git { git_dir: shown(git_dir), words: words.iter().map(|word| (*word).to_owned()).collect() }
}

/// The file of the narrowest protected scope that is read: the user's own, but in a shared repository the system's.
pub(super) fn protected_file(is_shared: bool, environment: &Environment) -> Option<PathBuf> {
    if is_shared {
        return environment.get("GIT_CONFIG_SYSTEM").map(PathBuf::from).or_else(|| Some("/etc/gitconfig".into()));
    }
    let own = environment.get("GIT_CONFIG_GLOBAL").map(PathBuf::from);
    own.or_else(|| environment.get("HOME").map(|home| Path::new(home).join(".gitconfig")))
}

/// The name, or one like it with a number that is not taken.
pub(super) fn free_name(name: &str, between: char, is_taken: impl Fn(&str) -> bool) -> String {
    let others = (2..).map(|number| format!("{name}{between}{number}"));
    iter::once(name.to_owned()).chain(others).find(|name| !is_taken(name)).unwrap_or_default()
}
