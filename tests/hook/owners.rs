//! Who may read and write what we keep: modes whatever the umask, two users of one repository, root, and no secret in any
//! of it.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::support::{Answer, Ends, Place, Receiver, World, ZERO, write_program};

/// Where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:1/";

/// The user `nobody`.
const NOBODY: u32 = 65534;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).ends();
    assert!(output.status.success(), "{program} {arguments:?}: {}", said(&output));
}

/// Everything below a directory, itself included; links are not followed.
fn all_below(path: &Path) -> Vec<(PathBuf, fs::Metadata)> {
    let metadata = fs::symlink_metadata(path).unwrap();
    let is_directory = metadata.is_dir();
    let mut all = vec![(path.to_owned(), metadata)];
    if is_directory {
        all.extend(fs::read_dir(path).unwrap().flatten().flat_map(|entry| all_below(&entry.path())));
    }
    all
}

/// A repository where every kind of file that we keep was made under a umask.
fn everything_is_made(umask: &str, shared: Option<&str>) -> World {
    let world = World::new();
    if let Some(shared) = shared {
        world.configure("core.sharedRepository", shared);
    }
    for name in ["ci", "cd"] {
        world.configure(&format!("webhook.{name}.url"), NOWHERE);
        world.configure(&format!("webhook.{name}.format"), "gitlab");
    }
    // It waits as a whole.
    world.configure("webhook.wrong.url", "ftp://x/");
    world.commit("one");
    let under_umask = |command: &Command| {
        let mut shell = world.command("sh", command.get_current_dir().unwrap());
        shell.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]);
        shell.arg(command.get_program()).args(command.get_args());
        assert!(shell.ends().status.code().is_some());
    };
    let mut push = world.command("git", &world.work());
    under_umask(push.args(["push", "--quiet"]).arg(world.server()).args(["main:a", "main:b"]));
    // fs::copy keeps the mode.
    fs::copy(world.place(Place::Sequence), world.place(Place::Queue("ci")).join("stray")).unwrap();
    under_umask(world.webhook_command().args(["reconcile"]));
    under_umask(world.webhook_command().args(["flush", "--now"]));
    let places = [Place::Log, Place::Snapshot, Place::Sequence, Place::Pushes, Place::Settled, Place::Backoff("ci")];
    let stray = world.place(Place::Dead("ci")).join("stray");
    for path in
        places.map(|place| world.place(place)).iter().chain([&stray, &world.place(Place::State).join("hook.log")])
    {
        assert!(path.exists(), "no {}", path.display());
    }
    world
}

#[track_caller]
fn modes_are(world: &World, directory: u32, file: u32) {
    for (path, metadata) in all_below(&world.server().join("webhook")) {
        let expected = if metadata.is_dir() { directory } else { file };
        assert_eq!(metadata.mode() & 0o7777, expected, "{}: {:o}", path.display(), metadata.mode());
    }
}

#[test]
fn what_we_keep_is_the_owners_alone_whatever_the_umask() {
    for umask in ["000", "022", "077", "777"] {
        modes_are(&everything_is_made(umask, None), 0o700, 0o600);
    }
    modes_are(&everything_is_made("000", Some("umask")), 0o700, 0o600);
    modes_are(&everything_is_made("000", Some("0640")), 0o700, 0o600);
}

#[test]
fn what_we_keep_is_the_groups_in_a_shared_repository_and_never_others() {
    for (umask, shared) in [("077", "group"), ("000", "group"), ("022", "0660"), ("000", "all"), ("077", "0666")] {
        modes_are(&everything_is_made(umask, Some(shared)), 0o2770, 0o660);
    }
}

/// Whatever is written first makes our directory: a line in the log, a record, a snapshot.
#[test]
fn our_directory_is_the_groups_whoever_makes_it_first() {
    let world = World::new();
    world.configure("core.sharedRepository", "group");
    world.configure("webhook.ci.url", NOWHERE);
    world.configure("webhook.maxWait", "soon");
    fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.commit("one");
    world.push(&["main"]);
    assert!(world.log().contains("; the default counts"), "{}", world.log());
    modes_are(&world, 0o2770, 0o660);
    let world = World::new();
    world.configure("core.sharedRepository", "group");
    world.configure("webhook.ci.url", NOWHERE);
    world.webhook(&["reconcile"]);
    modes_are(&world, 0o2770, 0o660);
}

/// Two accounts that share a group, for as long as this lives.
pub struct Accounts {
    pub group: String,
    pub users: [String; 2],
}

impl Accounts {
    /// With names of their own: tests run side by side.
    fn new(name: &str) -> Self {
        let accounts = Self { group: name.into(), users: [format!("{name}1"), format!("{name}2")] };
        let has = |database: &str, name: &str| Command::new("getent").args([database, name]).ends().status.success();
        if !has("group", name) {
            run("groupadd", &[name]);
        }
        for user in &accounts.users {
            if !has("passwd", user) {
                run("useradd", &["--user-group", "--groups", name, "--no-create-home", user]);
            }
        }
        accounts
    }
}

impl Drop for Accounts {
    fn drop(&mut self) {
        for user in &self.users {
            let _ = Command::new("userdel").arg(user).output();
        }
        let _ = Command::new("groupdel").arg(&self.group).output();
    }
}

/// Copies our programs into the world: their own place may be closed to other users.
pub fn bring_programs(world: &World) {
    let hooks = world.server().join("hooks");
    let places = [
        (env!("CARGO_BIN_EXE_post-receive"), hooks.join("post-receive")),
        (env!("CARGO_BIN_EXE_post-receive"), hooks.join("pre-receive")),
        (env!("CARGO_BIN_EXE_git-webhook"), world.path("git-webhook")),
    ];
    for (from, to) in places {
        let _ = fs::remove_file(&to);
        write_program(&to, fs::read(from).unwrap());
    }
    fs::set_permissions(world.path(""), Permissions::from_mode(0o755)).unwrap();
}

/// A shared repository that two users push to over a path, one of them with a umask that lets nobody in. The first of them
/// owns it.
pub struct Shared {
    pub world: World,
    pub accounts: Accounts,
}

impl Shared {
    pub fn new(name: &str) -> Self {
        let world = World::with(&["--shared=group"]);
        let accounts = Accounts::new(name);
        world.add_target("ci", &Receiver::answering(Answer::Busy), "gitlab");
        bring_programs(&world);
        let server = world.server();
        run("chown", &["-hR", &format!("{}:{name}", accounts.users[0]), server.to_str().unwrap()]);
        run("chmod", &["-R", "g+rwX", server.to_str().unwrap()]);
        run("find", &[server.to_str().unwrap(), "-type", "d", "-exec", "chmod", "g+s", "{}", "+"]);
        let shared = Self { world, accounts };
        for user in &shared.accounts.users {
            let home = shared.world.path(user);
            fs::create_dir(&home).unwrap();
            run("chown", &[&format!("{user}:{user}"), home.to_str().unwrap()]);
            shared.run(user, &["git", "config", "--global", "--add", "safe.directory", server.to_str().unwrap()]);
            shared.run(user, &["git", "init", "--quiet", "--initial-branch=main", "clone"]);
        }
        shared
    }

    /// Runs a command as a user with all his groups, in his home.
    fn run(&self, user: &str, arguments: &[&str]) -> String {
        let umask = if user == self.accounts.users[0] { "077" } else { "022" };
        let mut command = self.world.command("setpriv", &self.world.path(user));
        command.env("HOME", self.world.path(user)).args(["--reuid", user, "--regid", user, "--init-groups"]);
        command.args(["sh", "-c"]);
        command.arg(format!("umask {umask}; exec \"$@\"")).arg("sh").args(arguments);
        let output = command.ends();
        assert!(output.status.success(), "{user} {arguments:?}: {}", said(&output));
        said(&output)
    }

    /// Pushes a new commit to each of the branches, and returns what the pusher read.
    pub fn push(&self, user: &str, branches: &[&str]) -> String {
        let server = self.world.server();
        self.run(user, &["git", "-C", "clone", "commit", "--quiet", "--allow-empty", "--message", branches[0]]);
        let mut arguments = vec!["git", "-C", "clone", "push", server.to_str().unwrap()];
        let refs: Vec<_> = branches.iter().map(|branch| format!("main:{branch}")).collect();
        arguments.extend(refs.iter().map(String::as_str));
        self.run(user, &arguments)
    }

    fn webhook(&self, user: &str, arguments: &[&str]) -> String {
        let (program, server) = (self.world.path("git-webhook"), self.world.server());
        let mut all = vec!["env", "-C", server.to_str().unwrap(), program.to_str().unwrap()];
        all.extend(arguments);
        self.run(user, &all)
    }
}

#[test]
#[ignore = "needs two users: run tests/run"]
fn two_users_deliver_for_each_other() {
    let shared = Shared::new("gitwh");
    let [one, two] = shared.accounts.users.each_ref().map(String::as_str);
    let receiver = Receiver::new();
    for (user, branches) in [(one, &["a1"][..]), (two, &["b1", "b2"]), (one, &["c1", "c2"])] {
        let said = shared.push(user, branches);
        assert!(said.contains("; kept, and tried again later"), "{user}: {said}");
    }
    shared.world.server_git(&["config", "--file", "config", "webhook.ci.url", &receiver.url()]);
    // The receiver's time has come.
    shared.world.backoff_ends("ci");
    let said = shared.push(two, &["d"]);
    // All but the first, which alone was tried: its own time has not come.
    assert_eq!(receiver.take().len(), 5, "{said} {}", shared.world.log());
    shared.webhook(two, &["flush", "--now"]);
    assert_eq!(receiver.take_one().json()["ref"], "refs/heads/a1");
    for user in [one, two] {
        let log = shared.webhook(user, &["log", "--json"]);
        assert_eq!(log.matches("\"state\": \"waiting\"").count(), 0, "{user}: {log}");
        assert!(log.matches("\"state\": \"delivered\"").count() >= 6, "{user}: {log}");
        shared.webhook(user, &["status"]);
        let said = shared.push(user, &[&format!("of-{user}")]);
        assert!(said.contains(&format!("webhook ci: delivered of-{user} (200, ")), "{user}: {said}");
    }
    let hook_log = shared.world.log();
    assert!(!["cannot", "] error: ", "panicked"].iter().any(|word| hook_log.contains(word)), "{hook_log}");
    let mut owners = BTreeMap::new();
    for (path, metadata) in all_below(&shared.world.server().join("webhook")) {
        *owners.entry(metadata.uid()).or_insert(0) += 1;
        let (mode, group) = (metadata.mode() & 0o7777, metadata.gid());
        assert_eq!(mode, if metadata.is_dir() { 0o2770 } else { 0o660 }, "{}", path.display());
        assert_eq!(group, fs::metadata(shared.world.server()).unwrap().gid(), "{}", path.display());
    }
    assert_eq!(owners.len(), 2, "both have written: {owners:?}");
}

/// Runs `git webhook` as root.
pub fn as_root(world: &World, place: &Path, arguments: &[&str]) -> Output {
    world.command(world.path("git-webhook"), place).args(arguments).ends()
}

/// A repository of `nobody` with deliveries that wait, whom the test calls as root.
pub fn of_nobody() -> World {
    let world = World::new();
    world.configure("webhook.ci.url", NOWHERE);
    world.configure("webhook.ci.format", "gitlab");
    world.commit("one");
    bring_programs(&world);
    run("chown", &["-hR", &format!("{NOBODY}:{NOBODY}"), world.server().to_str().unwrap()]);
    world
}

/// Pushes as `nobody`, from a clone that is his.
pub fn push_as_nobody(world: &World, refs: &[&str]) {
    run("chown", &["-hR", &format!("{NOBODY}:{NOBODY}"), world.work().to_str().unwrap()]);
    let mut push = world.command("git", &world.work());
    push.args(["push", "--quiet"]).arg(world.server()).args(refs).uid(NOBODY).gid(NOBODY);
    let output = push.ends();
    assert!(output.status.success(), "{}", said(&output));
}

pub fn nothing_is_roots(world: &World) {
    for (path, metadata) in all_below(&world.server()) {
        assert_eq!((metadata.uid(), metadata.gid()), (NOBODY, NOBODY), "{}", path.display());
    }
}

#[test]
#[ignore = "needs two users: run tests/run"]
fn root_acts_as_the_owner() {
    for with_root in [false, true] {
        let world = of_nobody();
        push_as_nobody(&world, &["main:a", "main:b"]);
        let receiver = Receiver::new();
        run(
            "git",
            &["config", "--file", world.server().join("config").to_str().unwrap(), "webhook.ci.url", &receiver.url()],
        );
        run("chown", &[&format!("{NOBODY}:{NOBODY}"), world.server().join("config").to_str().unwrap()]);
        let root = world.path("");
        let call = |arguments: &[&str]| {
            let mut arguments = arguments.to_vec();
            let mut place = world.server();
            if with_root {
                arguments.extend(["--root", root.to_str().unwrap()]);
                place = "/".into();
            }
            let output = as_root(&world, &place, &arguments);
            assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", said(&output));
            said(&output)
        };
        assert!(call(&["status"]).contains("failing"));
        assert!(call(&["list"]).contains(" gitlab "));
        assert!(call(&["reconcile"]).contains("there was no snapshot of the refs"));
        assert!(call(&["flush", "--now"]).contains("ci: 2 delivered"));
        assert_eq!(receiver.take().len(), 2);
        assert_eq!(call(&["log"]).matches(" delivered ").count(), 2);
        fs::copy(world.server().join("refs/heads/a"), world.server().join("refs/heads/found")).unwrap();
        run("chown", &[&format!("{NOBODY}:{NOBODY}"), world.server().join("refs/heads/found").to_str().unwrap()]);
        assert!(call(&["reconcile"]).contains("delivered"));
        assert_eq!(receiver.take_one().json()["ref"], "refs/heads/found");
        call(&["log", "--json"]);
        call(&["status", "--json"]);
        if !with_root {
            fs::write(world.server().join("HEAD"), "ref: refs/heads/a\n").unwrap();
            assert!(call(&["test", "ci"]).contains("delivered"));
            assert_eq!(receiver.take().len(), 1);
            assert!(call(&["payload", "--format", "gitlab", ZERO, "a", "refs/heads/a"]).contains("refs/heads/a"));
        }
        nothing_is_roots(&world);
    }
}

#[test]
#[ignore = "needs two users: run tests/run"]
fn what_root_configures_is_the_owners() {
    let world = of_nobody();
    let call = |arguments: &[&str]| {
        let output = as_root(&world, &world.server(), arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", said(&output));
        said(&output)
    };
    assert!(call(&["add", "new", NOWHERE, "--generate-secret"]).starts_with("new: added"));
    call(&["disable", "new"]);
    call(&["enable", "new"]);
    nothing_is_roots(&world);
    assert_eq!(call(&["remove", "new"]), "new: removed\n");
    let output = as_root(&world, &world.server(), &["add", "wrong", "ftp://x/"]);
    let why = "error: nothing was written: webhook.wrong.url: does not begin with http:// or https://\n";
    assert_eq!((said(&output).as_str(), output.status.code()), (why, Some(1)));
    nothing_is_roots(&world);
}

/// Whoever can write there would have root read and send what he likes.
#[test]
#[ignore = "needs two users: run tests/run"]
fn root_does_nothing_in_a_directory_of_his_that_others_can_write() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    bring_programs(&world);
    let place = world.server();
    let config = place.join("config");
    std::os::unix::fs::chown(&config, Some(NOBODY), Some(NOBODY)).unwrap();
    for verb in [&["flush"][..], &["check"], &["log"], &["add", "new", NOWHERE]] {
        let output = as_root(&world, &place, verb);
        assert!(said(&output).contains("is root's, but others can write it"), "{verb:?}: {}", said(&output));
    }
    std::os::unix::fs::chown(&config, Some(0), Some(0)).unwrap();
    assert_eq!(as_root(&world, &place, &["flush"]).status.code(), Some(0));
    fs::set_permissions(&place, Permissions::from_mode(0o777)).unwrap();
    assert_eq!(as_root(&world, &place, &["flush"]).status.code(), Some(1));
    // What lies below is looked at all the same.
    let below = place.join("below.git");
    run("git", &["init", "--quiet", "--bare", below.to_str().unwrap()]);
    let output = as_root(&world, Path::new("/"), &["status", "--root", place.to_str().unwrap()]);
    assert!(said(&output).contains("below.git' is root's, but others can write it"), "{}", said(&output));
    assert_eq!(output.status.code(), Some(3));
}

#[test]
#[ignore = "needs two users: run tests/run"]
fn flush_ends_though_nothing_can_be_removed_from_a_queue() {
    let world = of_nobody();
    push_as_nobody(&world, &["main:a"]);
    let receiver = Receiver::new();
    let config = world.server().join("config");
    run("git", &["config", "--file", config.to_str().unwrap(), "webhook.ci.url", &receiver.url()]);
    std::os::unix::fs::chown(&config, Some(NOBODY), Some(NOBODY)).unwrap();
    let queue = world.place(Place::Queue("ci"));
    fs::set_permissions(&queue, Permissions::from_mode(0o500)).unwrap();
    for _ in 0..2 {
        let output = as_root(&world, &world.server(), &["flush", "--now"]);
        assert!(said(&output).len() < 10_000, "{}", said(&output).len());
    }
    assert_eq!(receiver.take().len(), 1, "it was delivered once");
    let output = as_root(&world, &world.server(), &["check"]);
    assert!(
        said(&output).contains("cannot write") && said(&output).contains("setpriv --reuid=65534"),
        "{}",
        said(&output)
    );
}

#[test]
#[ignore = "needs two users: run tests/run"]
fn root_follows_no_link_of_the_owner() {
    for link in [Place::Log, Place::Spool, Place::Queues, Place::Receipts, Place::Snapshot, Place::State] {
        let world = of_nobody();
        push_as_nobody(&world, &["main:a"]);
        let elsewhere = world.path("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::set_permissions(&elsewhere, Permissions::from_mode(0o755)).unwrap();
        let place = world.place(link);
        let _ = fs::rename(&place, world.path("away"));
        symlink(&elsewhere, &place).unwrap();
        std::os::unix::fs::lchown(&place, Some(NOBODY), Some(NOBODY)).unwrap();
        let root = world.path("");
        let below = ["flush", "--root", root.to_str().unwrap()];
        for arguments in
            [&["flush", "--now"][..], &["status"], &["log"], &["reconcile", "--baseline"], &["check"], &below]
        {
            let output = as_root(&world, &world.server(), arguments);
            assert!(output.status.code().is_some(), "{arguments:?}");
        }
        assert_eq!(all_below(&elsewhere).len(), 1, "{link:?}: root has written where the owner's link leads");
        nothing_is_roots(&world);
    }
}

/// All forms in which a secret could be found again.
fn forms(secret: &str) -> Vec<String> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = secret.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let mut forms = vec![secret.to_lowercase(), hex, percent];
    for before in 0..3 {
        // What stands before it shifts the bits; the characters at both ends hold bits of its neighbours.
        let encoded = STANDARD_NO_PAD.encode("x".repeat(before) + secret);
        let middle = &encoded[(before * 4).div_ceil(3)..encoded.len() - 1];
        forms.push(middle.to_lowercase());
        forms.push(middle.replace('+', "-").replace('/', "_").to_lowercase());
    }
    forms
}

#[track_caller]
fn holds_no_secret(place: &str, text: &[u8], secret: &str) {
    let text = String::from_utf8_lossy(text).to_lowercase();
    for form in forms(secret) {
        assert!(!text.contains(&form), "{place} holds '{form}': {text}");
    }
}

#[test]
fn no_secret_is_kept_or_shown() {
    let secret = uuid::Uuid::now_v7().simple().to_string();
    let answer = |text: &str| Answer::Raw(text.replace("SECRET", &secret).into_bytes());
    let receivers = [
        Receiver::answering(answer("HTTP/1.1 500 SECRET\r\nX-SECRET: SECRET\r\nContent-Length: 32\r\n\r\nSECRET")),
        Receiver::answering(answer("HTTP/1.1 302 X\r\nLocation: http://u:SECRET@127.0.0.1:1/SECRET?SECRET\r\n\r\n")),
        Receiver::answering(answer("SECRET SECRET SECRET\r\n\r\n")),
        Receiver::answering(answer("HTTP/1.1 SECRET\r\n\r\n")),
        Receiver::answering(answer("HTTP/1.1 410 Gone\r\n\r\nSECRET")),
        Receiver::answering(answer("HTTP/1.1 429 X\r\nRetry-After: SECRET\r\n\r\n")),
        Receiver::new().over_https(),
    ];
    let mut world = World::new();
    world.set("GIT_CONFIG_COUNT", "0");
    world.configure("webhook.logLevel", "debug");
    let mut origins: Vec<_> = receivers.iter().map(Receiver::origin).map(String::from).collect();
    origins.extend(["http://127.0.0.1:1".into(), "http://no-such-host.invalid".into()]);
    let secrets = world.server().join("webhook/secret");
    fs::create_dir_all(&secrets).unwrap();
    fs::set_permissions(world.server().join("webhook"), Permissions::from_mode(0o700)).unwrap();
    fs::write(secrets.join("ci"), &secret).unwrap();
    fs::set_permissions(secrets.join("ci"), Permissions::from_mode(0o600)).unwrap();
    for (number, origin) in origins.iter().enumerate() {
        let key = |name: &str| format!("webhook.t{number}.{name}");
        let (scheme, host) = origin.split_once("://").unwrap();
        world.configure(
            &key("url"),
            &format!("{scheme}://user:{secret}@{host}/{secret}/%2f{secret}?k={secret}&{secret}"),
        );
        world.configure(&key("format"), if number % 2 == 0 { "gitlab" } else { "codeup" });
        if number % 3 == 0 {
            world.configure(&key("secretFile"), "ci");
        } else {
            world.configure(&key("secret"), &secret);
        }
        world.configure(&key("header"), &format!("X-Key: {secret}"));
        let signing = base64::engine::general_purpose::STANDARD.encode(&secret);
        world.configure(&key("signingSecret"), &format!("whsec_{signing}"));
    }
    // Configured wrongly, each in another way.
    world.configure("webhook.w0.url", &format!("ftp://{secret}@x/{secret}"));
    world.configure("webhook.w1.url", &format!("http://x y/{secret}"));
    world.configure("webhook.w2.url", NOWHERE);
    world.configure("webhook.w2.header", &secret);
    world.configure("webhook.w3.url", NOWHERE);
    world.configure("webhook.w3.signingSecret", &format!("wh{secret}"));
    world.commit("one");
    let pushed = world.push(&["main:a", "main:b"]);
    assert!(pushed.accepted && pushed.said().len() >= origins.len(), "{}", pushed.output);
    holds_no_secret("what the pusher reads", pushed.output.as_bytes(), &secret);
    for arguments in ["flush --now", "flush --now --json", "log", "log --json", "status", "status --json", "list"]
        .into_iter()
        .chain([
            "list --json",
            "check --connect",
            "check --json",
            "reconcile",
            "reconcile --json",
            "test t0",
            "test w0",
            "enable t4",
        ])
    {
        let output = world.webhook(&arguments.split(' ').collect::<Vec<_>>());
        holds_no_secret(&format!("git webhook {arguments}"), said(&output).as_bytes(), &secret);
    }
    let mut files = 0;
    for (path, metadata) in all_below(&world.server().join("webhook")) {
        holds_no_secret("a name", path.to_string_lossy().as_bytes(), &secret);
        if metadata.is_file() && !path.starts_with(&secrets) {
            files += 1;
            holds_no_secret(&path.to_string_lossy(), &fs::read(&path).unwrap(), &secret);
        }
    }
    assert!(files > 3 * origins.len(), "{files} files looked into");
    let sent = receivers[0].take();
    assert!(sent[0].path.contains(&secret) && sent[0].headers.iter().any(|(_, value)| *value == secret));
}

/// Root runs no word of the owner's: what mends is named there, and made a command of here.
#[test]
#[ignore = "needs two users: run tests/run"]
fn the_owners_process_answers_with_data() {
    let world = World::new();
    world.configure("webhook.ci.url", "ftp://x/");
    world.configure("webhook.cd.url", NOWHERE);
    world.configure("webhook.cd.secret", "canary canary canary");
    bring_programs(&world);
    fs::remove_file(world.server().join("hooks/post-receive")).unwrap();
    run("chown", &["-hR", &format!("{NOBODY}:{NOBODY}"), world.server().to_str().unwrap()]);
    // The directory comes as a descriptor, as from root's own process.
    let answer = |arguments: &str| {
        let mut shell = world.command("sh", Path::new("/"));
        shell.args(["-c", &format!("exec 9<\"$0\"; exec \"$1\" --as-owner={NOBODY}.9 {arguments}")]);
        shell.arg(world.server()).arg(world.path("git-webhook")).ends()
    };
    let output = answer("check --root /nowhere");
    let reply: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mends: Vec<_> = reply["Done"]["rows"].as_array().unwrap().iter().map(|row| row["mend"].to_string()).collect();
    assert!(mends.len() > 2 && mends.iter().any(|mend| mend.contains("\"Link\"")), "{mends:?}");
    for word in ["git ", "ln ", "chmod ", "&&", "canary"] {
        assert!(!mends.iter().any(|mend| mend.contains(word)), "'{word}': {mends:?}");
    }
    let output = answer("enable nope");
    let reply: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(reply["Failed"]["NoTarget"]["name"], "nope", "{reply}");
}

#[test]
#[ignore = "needs two users: run tests/run"]
fn a_target_that_no_owner_has_is_an_error_for_root() {
    let world = of_nobody();
    let root = world.path("");
    let call = |arguments: &[&str]| {
        let output = as_root(&world, &world.server(), arguments);
        (output.status.code(), said(&output))
    };
    let unknown = (Some(1), "error: no target 'nope': there is ci\n".to_owned());
    for verb in
        [&["flush", "--target", "nope"][..], &["log", "--target", "nope"], &["redeliver", "--failed", "--target=nope"]]
    {
        assert_eq!(call(verb), unknown, "{verb:?}");
        assert_eq!(call(&[verb, &["--root", root.to_str().unwrap()]].concat()), unknown, "{verb:?}");
    }
    for verb in ["enable", "disable", "remove"] {
        assert_eq!(call(&[verb, "nope"]), unknown, "{verb}");
    }
}
