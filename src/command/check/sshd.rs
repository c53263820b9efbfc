//! What sshd lets clients put into the environment of a hook: with `GIT_*`, `HOME` or `XDG_*` a pusher chooses which
//! configuration is read and which refs his push moves, and with the names of users who he is.

use std::fs;
use std::path::{Path, PathBuf};

use super::finding::{CheckRow, Finding, Kind, Severity};
use super::mend::{Mend, shown};
use crate::command::as_owner::Said;
use crate::message;

const FILE: &str = "/etc/ssh/sshd_config";

/// What must not come from a client. `GIT_PROTOCOL` may, and does where git-daemon(1)'s advice is followed.
const GUARDED: [&str; 13] = [
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_COUNT",
    "GIT_EXEC_PATH",
    "GIT_DIR",
    "GIT_NAMESPACE",
    "HOME",
    "XDG_CONFIG_HOME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GL_USER",
    "REMOTE_USER",
];

/// Tells the names of the variables that name the pusher (`webhook.userVariable`) to whoever looks at the machine, who may be
/// another user than the one that reads them.
pub(super) fn variables(names: &[String]) -> Option<Finding> {
    (!names.is_empty()).then(|| Finding::new(Severity::Fact, Kind::UserVariable, names.join(" ")))
}

/// Takes what was told in that way out of what is shown.
pub(super) fn take_variables(said: &mut [Said<CheckRow>]) -> Vec<String> {
    let mut names = Vec::new();
    for rows in said.iter_mut().map(|said| &mut said.rows) {
        let (told, others) = std::mem::take(rows).into_iter().partition(|row| row.kind == Kind::UserVariable);
        *rows = others;
        let told: Vec<CheckRow> = told;
        names.extend(told.iter().flat_map(|row| row.message.split_whitespace().map(String::from)));
    }
    names
}

/// What sshd takes of that, or of variables that name the pusher.
pub(super) fn look(variables: &[String]) -> Vec<Finding> {
    look_at(Path::new(FILE), variables)
}

fn look_at(file: &Path, variables: &[String]) -> Vec<Finding> {
    let guarded: Vec<&str> = GUARDED.into_iter().chain(variables.iter().map(String::as_str)).collect();
    let mut findings = Vec::new();
    for path in with_includes(file) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        // From the last line up: a command that takes one away moves those below it, and all of them may be pasted.
        let lines: Vec<_> = (1..).zip(text.lines()).collect();
        for (number, line) in lines.into_iter().rev() {
            let Some(words) = words(line, "acceptenv") else { continue };
            let odd: Vec<_> = words.iter().filter(|word| guarded.iter().any(|name| matches(word, name))).collect();
            let Some(first) = odd.first() else { continue };
            let message = message::check_accept_env(first, path.display());
            let kept = words.iter().filter(|word| !odd.contains(word)).map(|word| (*word).to_owned()).collect();
            let mend = Mend::AcceptOnly { file: shown(&path), line: number, words: kept };
            findings.push(Finding::advice(Kind::AcceptEnv, message).mend(mend));
        }
    }
    findings
}

/// The words behind a keyword, which sshd_config(5) compares without case and may part from them by `=`.
fn words<'a>(line: &'a str, keyword: &str) -> Option<Vec<&'a str>> {
    let line = line.split('#').next().unwrap_or_default();
    let mut words = line.split(|c: char| c.is_whitespace() || c == '=').filter(|word| !word.is_empty());
    words.next().filter(|first| first.eq_ignore_ascii_case(keyword))?;
    Some(words.map(|word| word.trim_matches('"')).collect())
}

/// The file and those it includes, of which the last part may hold `*` and a relative name lies in sshd's directory.
fn with_includes(file: &Path) -> Vec<PathBuf> {
    let directory = file.parent().unwrap_or(file);
    let mut found = vec![file.to_path_buf()];
    let text = fs::read_to_string(file).unwrap_or_default();
    for pattern in text.lines().filter_map(|line| words(line, "include")).flatten() {
        let pattern = directory.join(pattern);
        let name = pattern.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let entries = pattern.parent().and_then(|parent| fs::read_dir(parent).ok());
        let fits = |path: &PathBuf| path.file_name().is_some_and(|own| matches(&name, &own.to_string_lossy()));
        let mut of_pattern: Vec<_> =
            entries.into_iter().flatten().flatten().map(|entry| entry.path()).filter(fits).collect();
        of_pattern.sort();
        found.extend(of_pattern);
    }
    found
}

/// ssh_config(5), PATTERNS: `*` is any run of characters, `?` any one.
fn matches(pattern: &str, name: &str) -> bool {
    match (pattern.chars().next(), name.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            let rest = pattern.trim_start_matches('*');
            name.char_indices().any(|(at, _)| matches(rest, &name[at..])) || rest.is_empty()
        }
        (Some(one), Some(other)) if one == '?' || one == other => {
            matches(&pattern[one.len_utf8()..], &name[other.len_utf8()..])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::check::render::Runner;

    #[test]
    fn what_reaches_a_hook_from_a_client_is_found_in_included_files_too() {
        let directory = tempfile::tempdir().unwrap();
        let main = directory.path().join("sshd_config");
        let included = directory.path().join("sshd_config.d");
        fs::create_dir(&included).unwrap();
        fs::write(&main, "Include sshd_config.d/*.conf\nAcceptEnv LANG LC_* GIT_PROTOCOL\n# AcceptEnv HOME\n").unwrap();
        fs::write(included.join("a.conf"), "acceptenv LANG GIT_*\n").unwrap();
        fs::write(included.join("b.txt"), "AcceptEnv *\n").unwrap();
        let findings = look_at(&main, &[]);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].message.contains("GIT_*"), "{findings:?}");
        let command = Runner::Finder.command(&findings[0].mend[0]);
        let command = command.strip_suffix(" && sshd -t").unwrap().to_owned();
        assert!(std::process::Command::new("sh").args(["-c", &command]).status().unwrap().success());
        assert_eq!(fs::read_to_string(included.join("a.conf")).unwrap(), "AcceptEnv LANG\n");
        assert!(look_at(&main, &[]).is_empty());
        fs::write(&main, "AcceptEnv=XDG_?ONFIG*\n").unwrap();
        let command = Runner::Finder.command(&look_at(&main, &[])[0].mend[0]);
        assert!(command.contains("sed -i 1d "), "{command}");
        fs::write(&main, "AcceptEnv LANG WHO GL_USER\n").unwrap();
        let command = Runner::Finder.command(&look_at(&main, &["WHO".into()])[0].mend[0]);
        assert!(command.contains("AcceptEnv LANG|"), "{command}");
        fs::write(&main, "AcceptEnv GIT_NAMESPAC?\n").unwrap();
        assert!(look_at(&main, &[])[0].message.contains("GIT_NAMESPAC?"));
    }

    #[test]
    fn patterns_are_sshd_s() {
        assert!(matches("GIT_*", "GIT_DIR") && matches("*", "HOME") && matches("H?ME", "HOME"));
        assert!(!matches("GIT_PROTOCOL", "GIT_DIR") && !matches("LC_*", "HOME") && !matches("HOM", "HOME"));
    }
}
