//! Users and this host: who this process acts as, what it may do.

use std::ffi::CString;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::unistd::{
    AccessFlags, Gid, Uid, User, eaccess, geteuid, gethostname, initgroups, setgroups, setresgid, setresuid,
};

/// The login of the user this process runs as, or `uid <number>` for a user without a passwd entry, as in containers.
pub fn os_user() -> String {
    let uid = geteuid();
    match User::from_uid(uid) {
        Ok(Some(user)) if !user.name.is_empty() => user.name,
        _ => format!("uid {uid}"),
    }
}

/// The name of this host, `localhost` where it cannot be told.
pub fn host_name() -> String {
    static FOUND: OnceLock<String> = OnceLock::new();
    let ask = || {
        let name = gethostname().ok().map(|name| name.to_string_lossy().into_owned());
        name.filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".into())
    };
    FOUND.get_or_init(ask).clone()
}

/// A user's entry in the passwd database.
#[derive(Clone, Debug)]
pub struct Account {
    /// The name.
    pub login: String,
    /// The number of the main group.
    pub group: u32,
    /// The home directory.
    pub home: std::path::PathBuf,
}

/// The account of a user; `None` for one without a passwd entry.
pub fn account(uid: u32) -> Option<Account> {
    let user = User::from_uid(uid.into()).ok().flatten()?;
    Some(Account { login: user.name, group: user.gid.as_raw(), home: user.dir })
}

/// The name of a group; `None` for one without an entry.
pub fn group_name(group: u32) -> Option<String> {
    nix::unistd::Group::from_gid(Gid::from_raw(group)).ok().flatten().map(|group| group.name)
}

/// Has this process of root's act as another user from here on, with all his groups; there is no way back.
///
/// # Errors
/// Where the system says no. The process may be neither the one nor the other then, and must end.
pub fn become_user(user: u32, group: u32, login: Option<&str>) -> io::Result<()> {
    let group = Gid::from_raw(group);
    match login.and_then(|login| CString::new(login).ok()) {
        Some(login) => initgroups(&login, group)?,
        None => setgroups(&[group])?,
    }
    setresgid(group, group, group)?;
    let user = Uid::from_raw(user);
    USER.store(UNKNOWN, Ordering::Relaxed);
    Ok(setresuid(user, user, user)?)
}

/// Whether this process is root's.
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// The number of the user this process acts as.
pub fn user_id() -> u32 {
    match USER.load(Ordering::Relaxed) {
        UNKNOWN => {
            USER.store(geteuid().as_raw(), Ordering::Relaxed);
            USER.load(Ordering::Relaxed)
        }
        known => known,
    }
}

/// Asked once, for each file that is opened is compared with it.
static USER: AtomicU32 = AtomicU32::new(UNKNOWN);

/// No user has this number: setresuid(2) takes it for "as it is".
const UNKNOWN: u32 = u32::MAX;

/// Whether this process may write the file, or make files in the directory, at `path`.
pub fn may_write(path: &std::path::Path) -> bool {
    eaccess(path, AccessFlags::W_OK).is_ok()
}

/// Whether this process may run the file at `path`, by which git decides whether a hook is on.
pub fn may_execute(path: &std::path::Path) -> bool {
    eaccess(path, AccessFlags::X_OK).is_ok()
}
