//! Commands that mend: their words, quoted for a shell.

use std::path::{Path, PathBuf};

use crate::process::Environment;

/// One word of a shell command.
pub(super) fn quote(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./:@%+=,-".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.into();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A path as one word.
pub(super) fn path(path: &Path) -> String {
    quote(&path.to_string_lossy())
}

/// Gives a key one value in a file. `value` is quoted already, since it may be a command's output.
pub(super) fn set(file: &Path, key: &str, value: &str) -> String {
    format!("git config --file {} --replace-all {} {value}", path(file), quote(key))
}

/// Takes every value of a key out of a file.
pub(super) fn unset(file: &Path, key: &str) -> String {
    format!("git config --file {} --unset-all {}", path(file), quote(key))
}

/// The last value of a key in a file, for use in a command: it need not be shown then.
pub(super) fn value_of(file: &Path, key: &str) -> String {
    format!("\"$(git config --file {} {})\"", path(file), quote(key))
}

/// Sets a key under another name or in another file, and takes it out of where it stands.
pub(super) fn shift(from: (&Path, &str), to: (&Path, &str)) -> String {
    let add = format!("git config --file {} --add {} {}", path(to.0), quote(to.1), value_of(from.0, from.1));
    format!("{add} && {}", unset(from.0, from.1))
}

/// Opens a file where only a person knows what belongs there.
pub(super) fn edit(file: &Path) -> String {
    format!("\"${{EDITOR:-vi}}\" {}", path(file))
}

/// A verb of ours in a repository.
pub(super) fn webhook(git_dir: &Path, arguments: &str) -> String {
    format!("git -C {} webhook {arguments}", path(git_dir))
}

/// The file of the narrowest protected scope that is read: the user's own, but in a shared repository the system's.
pub(super) fn protected_file(is_shared: bool, environment: &Environment) -> Option<PathBuf> {
    if is_shared {
        return environment.get("GIT_CONFIG_SYSTEM").map(PathBuf::from).or_else(|| Some("/etc/gitconfig".into()));
    }
    let own = environment.get("GIT_CONFIG_GLOBAL").map(PathBuf::from);
    own.or_else(|| environment.get("HOME").map(|home| Path::new(home).join(".gitconfig")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_read_more_into_it() {
        assert_eq!(
            ["a/b.git", "a b", "it's", "$(id)", ""].map(quote),
            ["a/b.git", "'a b'", r"'it'\''s'", "'$(id)'", "''"]
        );
    }
}
