//! The shell command of a mend, for whoever is to run it.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::mend::{Content, FileKey, Mend, Value, shown};
use super::shell::quote;
use crate::command::as_owner::Owner;
use crate::process;

/// Who runs it.
pub(super) enum Runner<'a> {
    /// Whoever made the finding.
    Finder,
    /// Root, for whom a process of the repository's owner made it.
    Root { owner: Owner, repository: &'a Path },
}

impl Runner<'_> {
    /// One line for a shell. What root does not do with names that he knows himself, he does as the owner.
    pub(super) fn command(&self, mend: &Mend) -> String {
        let Self::Root { owner, repository } = self else { return command(mend) };
        let known = match mend {
            Mend::GiveToOwner { .. } => give(repository, *owner, |uid, gid, state| Mend::GiveToOwner {
                path: state,
                owner: format!("{uid}:{gid}"),
            }),
            Mend::GiveToGroup { .. } => {
                give(repository, *owner, |_, group, state| Mend::GiveToGroup { path: state, group })
            }
            _ => None,
        };
        let Owner { user, group } = owner;
        // With all his groups, as in his own session: a shared repository is his by one of them.
        let groups = if process::account(*user).is_some() { "--init-groups" } else { "--clear-groups" };
        let as_owner = || format!("setpriv --reuid={user} --regid={group} {groups} sh -c {}", quote(&command(mend)));
        known.map_or_else(as_owner, |mend| command(&mend))
    }
}

/// What gives our directory in a repository to its owner. A linked worktree says itself where that lies, and is not
/// believed.
fn give(repository: &Path, owner: Owner, mend: impl FnOnce(u32, u32, String) -> Mend) -> Option<Mend> {
    if repository.join("commondir").symlink_metadata().is_ok() {
        return None;
    }
    let metadata = fs::symlink_metadata(repository).ok().filter(|metadata| metadata.uid() == owner.user)?;
    Some(mend(metadata.uid(), metadata.gid(), shown(&repository.join("webhook"))))
}

fn command(mend: &Mend) -> String {
    match mend {
        Mend::Set { place, value } => set(place, value),
        Mend::Unset(key) => format!("git config --file {} --unset-all {}", quote(&key.file), quote(&key.key)),
        Mend::Shift { from, to } => {
            let add = format!("git config --file {} --add {} {}", quote(&to.file), quote(&to.key), last(from));
            format!("{add} && {}", command(&Mend::Unset(from.clone())))
        }
        Mend::RenameSection { file, from, to } => {
            format!("git config --file {} --rename-section {} {}", quote(file), quote(from), quote(to))
        }
        Mend::Edit { file, line } => {
            let line = line.map(|line| format!("+{line} ")).unwrap_or_default();
            format!("\"${{EDITOR:-vi}}\" {line}{}", quote(file))
        }
        Mend::AllOf(mends) => mends.iter().map(command).collect::<Vec<_>>().join(" && "),
        Mend::KeepSecret { directory, file, content, is_shared } => {
            let umask = if *is_shared { "007" } else { "077" };
            // A secret that is there is not written over.
            format!("(umask {umask}; set -C; mkdir -p {} && {})", quote(directory), fill(file, content))
        }
        Mend::FillSecret { file, content } => fill(file, content),
        Mend::Link { hook } => link(Path::new(hook)),
        Mend::ConfigureHook { file, key, event } => configure_hook(file, key, event),
        Mend::RunBefore { hook } => run_before(hook),
        Mend::InstallForAll { program, hook } => install_for_all(program, hook),
        Mend::Git { git_dir, words } => {
            let words: Vec<_> = words.iter().map(|word| quote(word)).collect();
            format!("git --git-dir {} {}", quote(git_dir), words.join(" "))
        }
        Mend::Verb { git_dir, words } => {
            let words: Vec<_> = words.iter().map(|word| quote(word)).collect();
            format!("git -C {} webhook {}", quote(git_dir), words.join(" "))
        }
        Mend::StartTimer { unit, is_users } => {
            format!("systemctl {}enable --now {}", if *is_users { "--user " } else { "" }, quote(unit))
        }
        Mend::FleetInit => "git webhook fleet init".into(),
        Mend::AddCronLine { below } => add_cron_line(below),
        Mend::AcceptOnly { file, line, words } => {
            let edit = if words.is_empty() {
                format!("{line}d")
            } else {
                format!("{line}s|.*|AcceptEnv {}|", words.join(" "))
            };
            format!("sed -i {} {} && sshd -t", quote(&edit), quote(file))
        }
        mend => of_file(mend).or_else(|| of_look(mend)).unwrap_or_default(),
    }
}

/// What changes one file or directory.
fn of_file(mend: &Mend) -> Option<String> {
    Some(match mend {
        Mend::Own { path, user } => format!("chown {} {}", quote(user), quote(path)),
        Mend::CloseToOthers { path } => format!("chmod o= {}", quote(path)),
        Mend::OpenToOwner { path } => format!("chmod u+rwX {}", quote(path)),
        Mend::OpenToGroup { path } => {
            let path = quote(path);
            format!("chmod -R g+rwX,o= {path} && find {path} -type d -exec chmod g+s {{}} +")
        }
        Mend::MakeExecutable { path } => format!("chmod +x {}", quote(path)),
        Mend::Remove { path } => format!("rm {}", quote(path)),
        Mend::MoveAside { path } => format!("mv {0} {0}.old", quote(path)),
        Mend::ReplaceLink { path } => {
            format!("cp --remove-destination \"$(readlink -f {0})\" {0} && chmod o= {0}", quote(path))
        }
        Mend::BringBack { path } => format!("to=$(readlink -f {0}) && rm {0} && mv \"$to\" {0}", quote(path)),
        Mend::GiveToOwner { path, owner } => format!("chown -hR {} {}", quote(owner), quote(path)),
        Mend::GiveToGroup { path, group } => format!("chgrp -hR {group} {}", quote(path)),
        _ => return None,
    })
}

/// What changes nothing.
fn of_look(mend: &Mend) -> Option<String> {
    Some(match mend {
        Mend::ShowKey { git_dir, key } => {
            format!("git --git-dir {} config --show-origin --name-only --get-all {}", quote(git_dir), quote(key))
        }
        Mend::ShowDisk { path } => format!("df -hiT {0}; findmnt -T {0}", quote(path)),
        Mend::ShowMount { path } => format!("findmnt -T {}", quote(path)),
        Mend::LookUp { host } => format!("getent ahosts {}", quote(host)),
        Mend::ShowCertificate { host, port } => {
            let bare = host.trim_matches(['[', ']']);
            let place = quote(&format!("{host}:{port}"));
            format!("openssl s_client -connect {place} -servername {} -showcerts </dev/null", quote(bare))
        }
        Mend::Dial { origin } => format!("curl --head {}", quote(origin)),
        Mend::ShowClock => "timedatectl timesync-status".into(),
        Mend::FleetStatus => "git webhook fleet status".into(),
        _ => return None,
    })
}

const NEW_SECRET: &str = "openssl rand -hex 32";
const NEW_KEY: &str = "whsec_$(openssl rand -base64 24)";

fn set(place: &FileKey, value: &Value) -> String {
    let value = match value {
        Value::Text(text) => quote(text),
        Value::Last => last(place),
        Value::LastBeforeHash => {
            format!("\"$(git config --file {} {} | sed 's/#.*//')\"", quote(&place.file), quote(&place.key))
        }
        Value::NewSecret => format!("\"$({NEW_SECRET})\""),
        Value::NewKey => format!("\"{NEW_KEY}\""),
    };
    format!("git config --file {} --replace-all {} {value}", quote(&place.file), quote(&place.key))
}

/// The last value of a key in a file, for use in a command.
fn last(key: &FileKey) -> String {
    format!("\"$(git config --file {} {})\"", quote(&key.file), quote(&key.key))
}

fn fill(file: &str, content: &Content) -> String {
    let file = quote(file);
    match content {
        Content::NewSecret => format!("{NEW_SECRET} >{file}"),
        Content::NewKey => format!("echo \"{NEW_KEY}\" >{file}"),
        Content::CopyOf(from) => format!("cp -n {} {file}", quote(from)),
        Content::ValueOf(key) => format!("git config --file {} {} >{file}", quote(&key.file), quote(&key.key)),
    }
}

/// Our hook program and our driver: installed beside this program's prefix, or built beside this program.
fn programs() -> Option<(PathBuf, PathBuf)> {
    let own = env::current_exe().ok()?;
    let directory = own.parent()?;
    let installed = directory.parent()?.join("libexec/git-webhook");
    let checkout = directory.ancestors().nth(2)?.join("hooks/driver");
    let places =
        [(installed.join("post-receive"), installed.join("driver")), (directory.join("post-receive"), checkout)];
    places.into_iter().find(|(program, _)| program.is_file())
}

const INSTALLED: &str = "/usr/local/libexec/git-webhook/post-receive";

fn word(path: &Path) -> String {
    quote(&shown(path))
}

fn link(hook: &Path) -> String {
    let program = programs().map_or_else(|| INSTALLED.into(), |(program, _)| program);
    let directory = hook.parent().filter(|directory| !directory.exists());
    let make = directory.map(|directory| format!("mkdir -p {} && ", word(directory))).unwrap_or_default();
    format!("{make}ln -sfn {} {}", word(&program), word(hook))
}

/// git runs the command by a shell. An event that is there already is not added again.
fn configure_hook(file: &str, key: &str, event: &str) -> String {
    let program = programs().map_or_else(|| INSTALLED.into(), |(program, _)| program);
    let file = quote(file);
    // As install.sh writes it, so that it finds it again. Whatever becomes of ours, it is nobody's verdict.
    let command = quote(&format!("'{}' || :", shown(&program).replace('\'', "'\\''")));
    format!(
        "git config --file {file} {key}.command {command} && git config --file {file} --replace-all {key}.event {event} '^{event}$'"
    )
}

/// The line that install.sh prints.
fn run_before(hook: &str) -> String {
    let installed = || (INSTALLED.into(), PathBuf::from(INSTALLED).with_file_name("driver"));
    let (program, driver) = programs().unwrap_or_else(installed);
    let (program, driver) = (word(&program), word(&driver));
    let line = format!(
        "[ \"${{GIT_WEBHOOK-}}\" = \"$PWD/$0\" ] || [ ! -x {driver} ] || GIT_WEBHOOK=$PWD/$0 exec {driver} --before {program} \"$0\" \"$@\""
    );
    format!("sed -i {} {}", quote(&format!("1a {}", line.replace('\\', "\\\\"))), quote(hook))
}

fn install_for_all(program: &str, hook: &str) -> String {
    let installed = quote(INSTALLED);
    format!("install -D -m 755 {} {installed} && ln -sfn {installed} {}", quote(program), quote(hook))
}

/// Behind it install.sh writes the directory into units and cron lines, as it is.
pub(super) const MARK: &str = "# git-webhook-flush: ";

/// As install.sh writes it, so that it finds the line again. In a crontab `%` begins the command's input.
fn add_cron_line(below: &str) -> String {
    // cron's PATH has neither /usr/local/bin nor a user's own.
    let program = env::current_exe().unwrap_or_else(|_| "git-webhook".into());
    let flush = format!("{} flush --root {} >/dev/null", word(&program), quote(below));
    let line = format!("* * * * * {flush} {MARK}{below}").replace('%', "\\%");
    format!("(crontab -l; printf '%s\\n' {}) | crontab -", quote(&line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percent_sign_is_kept_from_cron() {
        let line = command(&Mend::AddCronLine { below: "/srv/100%/it's".into() });
        assert!(line.contains(r"100\%"), "{line}");
    }

    /// The owner's process may answer anything.
    #[test]
    fn root_pastes_nothing_of_the_owners_but_as_the_owner() {
        let directory = tempfile::tempdir().unwrap();
        let uid = fs::metadata(directory.path()).unwrap().uid();
        let shown_for = |user: u32, mend: &Mend| {
            let owner = Owner { user, group: 7 };
            Runner::Root { owner, repository: directory.path() }.command(mend)
        };
        let given = Mend::GiveToOwner { path: "/; id".into(), owner: "0:0 /etc".into() };
        let gid = fs::metadata(directory.path()).unwrap().gid();
        let state = word(&directory.path().join("webhook"));
        assert_eq!(shown_for(uid, &given), format!("chown -hR {uid}:{gid} {state}"));
        let to_group = Mend::GiveToGroup { path: "/etc".into(), group: 0 };
        assert_eq!(shown_for(uid, &to_group), format!("chgrp -hR {gid} {state}"));
        let as_owner = |user: u32| {
            let groups = if process::account(user).is_some() { "--init-groups" } else { "--clear-groups" };
            format!("setpriv --reuid={user} --regid=7 {groups} sh -c '")
        };
        // Another's by now.
        assert!(shown_for(uid + 1, &given).starts_with(&as_owner(uid + 1)));
        let removed = shown_for(uid, &Mend::Remove { path: "x'; chown -hR 7 /; '".into() });
        assert!(removed.starts_with(&as_owner(uid)), "{removed}");
        // Where our directory lies a linked worktree says itself.
        fs::write(directory.path().join("commondir"), "/etc\n").unwrap();
        assert!(shown_for(uid, &given).starts_with(&as_owner(uid)));
    }
}
