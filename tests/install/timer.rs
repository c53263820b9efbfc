//! The timer that `install.sh --timer` sets up: units of systemd, or a line in a crontab.

use super::*;

/// Stands in for `systemctl`: it writes down what it is asked, and its timers run from `restart` to `stop`.
pub const SYSTEMCTL: &str = r#"#!/bin/sh
echo "$*" >>"$STATE/calls"
case "$*" in
*show-environment) [ -e "$STATE/manager" ] ;;
*'restart '*) touch "$STATE/runs" ;;
*'stop '*) rm "$STATE/runs" ;;
*is-active*) [ -e "$STATE/runs" ] ;;
esac
"#;

/// Stands in for `crontab`, for one user.
const CRONTAB: &str = r#"#!/bin/sh
case $1 in
-l) [ ! -e "$STATE/broken" ] || { echo 'disk on fire' >&2; exit 1; }
    cat "$STATE/crontab" 2>/dev/null || { echo 'no crontab for ada' >&2; exit 1; } ;;
-) cat >"$STATE/crontab" ;;
-r) rm "$STATE/crontab" ;;
esac
"#;

/// Stands in for `id`: whoever runs the tests, install.sh sees an ordinary user, who is safe to change.
const ID: &str = "#!/bin/sh\ncase $1 in -un) echo ada ;; *) echo 54321 ;; esac\n";

/// A machine with directories of repositories, where these programs are the system's.
pub struct Machine {
    pub world: World,
}

impl Machine {
    /// With systemd, with cron, or with neither.
    fn new(programs: &[(&str, &str)]) -> Self {
        let world = World::new();
        for name in ["system", "state", "srv"] {
            fs::create_dir(world.path(name)).unwrap();
        }
        executable(&world.path("system/id"), ID);
        for (name, script) in programs {
            executable(&world.path("system").join(name), script);
        }
        executable(&world.path("from/git-webhook"), "#!/bin/sh\nprintf '%s\\n' \"$0\" \"$@\" >>\"$STATE/ran\"\n");
        world.bare("srv/a.git");
        let machine = Self { world };
        Run::of(&mut machine.command("--from from")).succeeds();
        machine
    }

    pub fn with_systemd() -> Self {
        let machine = Self::new(&[("systemctl", SYSTEMCTL)]);
        fs::write(machine.world.path("state/manager"), "").unwrap();
        machine
    }

    pub fn with_cron() -> Self {
        Self::new(&[("crontab", CRONTAB)])
    }

    fn command(&self, words: &str) -> Command {
        let mut install = self.world.command(&format!("--prefix prefix {words}"));
        // Of the real programs none that would change the real machine.
        let needed = "sh cat awk cksum chmod cmp cp dirname env find git grep ln ls mkdir mv od readlink rm rmdir sed sort touch";
        let tools = self.world.path("needed");
        if !tools.exists() {
            fs::create_dir(&tools).unwrap();
            let path = std::env::var_os("PATH").unwrap();
            for name in needed.split(' ') {
                let mut places = std::env::split_paths(&path).map(|place| place.join(name));
                symlink(places.find(|tool| tool.exists()).unwrap(), tools.join(name)).unwrap();
            }
        }
        install.env("PATH", std::env::join_paths([self.world.path("system"), tools]).unwrap());
        install.env("STATE", self.world.path("state"));
        install
    }

    pub fn run(&self, words: &str) -> Run {
        Run::of(&mut self.command(words))
    }

    fn timer(&self, directory: &str) -> Run {
        Run::of(self.command("--timer").arg(directory))
    }

    fn crontab(&self) -> String {
        fs::read_to_string(self.world.path("state/crontab")).unwrap_or_default()
    }

    fn add_to_crontab(&self, text: &str) {
        fs::write(self.world.path("state/crontab"), text).unwrap();
    }

    /// What systemctl was asked since this was called last, but for questions.
    pub fn calls(&self) -> Vec<String> {
        let path = self.world.path("state/calls");
        let calls = fs::read_to_string(&path).unwrap_or_default();
        fs::remove_file(path).unwrap_or_default();
        let is_question = |call: &&str| call.contains(" is-") || call.contains("show-");
        calls.lines().filter(|call| !is_question(call)).map(String::from).collect()
    }

    /// The names of the units, and the place where they are.
    pub fn units(&self) -> (PathBuf, Vec<String>) {
        let place = self.world.path("home/.config/systemd/user");
        let names = fs::read_dir(&place).into_iter().flatten().flatten();
        let mut names: Vec<_> = names.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        (place, names)
    }
}

/// What `systemd-escape --path` would print.
fn instance(path: &Path) -> String {
    let mut name = String::new();
    for byte in path.to_str().unwrap().trim_start_matches('/').bytes() {
        match byte {
            b'/' => name.push('-'),
            b':' | b'_' | b'.' => name.push(byte.into()),
            _ if byte.is_ascii_alphanumeric() => name.push(byte.into()),
            _ => name += &format!("\\x{byte:02x}"),
        }
    }
    name
}

// --- systemd -------------------------------------------------------------------------------

#[test]
fn a_user_has_units_of_his_own() {
    let machine = Machine::with_systemd();
    let unit = format!("git-webhook-flush@{}", instance(&machine.world.path("srv")));

    let run = machine.timer("srv");

    run.succeeds().warns("have it run always: loginctl enable-linger 'ada'");
    let (place, names) = machine.units();
    assert_eq!(names, [format!("{unit}.service"), format!("{unit}.timer")]);
    let calls = ["daemon-reload", &format!("enable --quiet {unit}.timer"), &format!("restart {unit}.timer")];
    assert_eq!(machine.calls(), calls.map(|call| format!("--user {call}")));
    let service = fs::read_to_string(place.join(&names[0])).unwrap();
    let program = machine.world.path("prefix/bin/git-webhook");
    assert!(service.contains(&format!("\nExecStart=\"{}\" flush --root .\n", program.display())), "{service}");
    assert!(service.contains("\nWorkingDirectory=%f\n"));
    for of_the_system in ["User=", "ProtectSystem="] {
        assert!(!service.contains(of_the_system), "{service}");
    }

    machine.timer("srv").succeeds().prints("already installed: the timer of '");
    assert_eq!(machine.calls(), [""; 0]);
    Run::of(machine.command("--timer srv").current_dir(machine.world.path("."))).prints("already installed");

    machine.run("--uninstall --timer srv").succeeds().prints("removed the timer of '");
    assert_eq!(machine.calls(), [format!("--user stop {unit}.timer"), "--user daemon-reload".into()]);
    assert_eq!(machine.units().1, [""; 0]);
    assert!(machine.world.has("prefix/bin/git-webhook"), "the programs stay");
    machine.run("--uninstall --timer srv").succeeds().prints("not installed: a timer of '");
}

#[test]
fn another_program_changes_the_unit() {
    let machine = Machine::with_systemd();
    machine.timer("srv").succeeds();
    machine.calls();
    let other = format!("--prefix={}", machine.world.path("other").display());

    machine.run(&format!("{other} --from from --timer srv")).succeeds().prints("installed the timer of '");

    let (place, names) = machine.units();
    assert!(fs::read_to_string(place.join(&names[0])).unwrap().contains("/other/bin/git-webhook\" flush"));
    assert_eq!(machine.calls().len(), 3);
}

#[test]
fn from_cron_to_systemd_it_runs_once() {
    let machine = Machine::with_cron();
    machine.timer("srv").succeeds();
    executable(&machine.world.path("system/systemctl"), SYSTEMCTL);
    machine.timer("srv").succeeds().prints("already installed");
    fs::write(machine.world.path("state/manager"), "").unwrap();

    machine.timer("srv").succeeds().prints(".timer', as user 'ada'\n");

    assert_eq!(machine.crontab(), "");
}

#[test]
fn the_name_of_a_directory_is_only_a_name() {
    for name in ["a b", "it's \"$(so)\" ${HOME} $$", "100%", "-x", ".hidden", "a\\b", "é", "x;y#z"] {
        let machine = Machine::with_systemd();
        let path = machine.world.path("srv").join(name);
        fs::create_dir(&path).unwrap();

        machine.timer(path.to_str().unwrap()).succeeds();

        let unit = format!("git-webhook-flush@{}", instance(&path));
        let (place, names) = machine.units();
        assert_eq!(names, [format!("{unit}.service"), format!("{unit}.timer")]);
        let service = fs::read_to_string(place.join(&names[0])).unwrap();
        let settings = service.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(settings.filter(|line| line.contains(name)).count(), 0, "{service}");
    }
}

#[test]
fn what_no_timer_can_be_called_is_refused() {
    let machine = Machine::with_systemd();
    let long = machine.world.path(&format!("srv/{}", "x".repeat(230)));
    fs::create_dir(&long).unwrap();
    let broken = machine.world.path("srv/a\nb");
    fs::create_dir(&broken).unwrap();

    machine.timer(long.to_str().unwrap()).fails("the path is too long\nhint: give it a shorter name");
    machine.timer(broken.to_str().unwrap()).fails("its name holds a line break");
    machine.timer("/").fails("cannot look after '/'");
    machine.timer("missing").fails("cannot look after 'missing': it is not a directory");
    machine.run("--prefix a%b --timer srv").fails("its name holds one of");
    machine.run("--prefix nowhere --timer srv").fails("/nowhere/bin/git-webhook' does not run as user 'ada'\nhint: ");
    assert_eq!(machine.units().1, [""; 0]);
}

// --- cron ----------------------------------------------------------------------------------

#[test]
fn without_systemd_a_line_is_added_to_the_crontab_once() {
    let machine = Machine::with_cron();
    let others = "MAILTO=ada@example.org\n# m h  dom mon dow   command\n5 4 * * * backup \\% 'x'\n";
    machine.add_to_crontab(others);

    machine.timer("srv").succeeds().prints("a line in the crontab of 'ada'\n");
    let srv = machine.world.path("srv");
    let once = machine.crontab();
    let line = once.strip_prefix(others).unwrap();
    assert!(line.ends_with(&format!(" >/dev/null # git-webhook-flush: {}\n", srv.display())), "{line}");

    machine.timer("srv").succeeds().prints("already installed");
    assert_eq!(once, machine.crontab());
    fs::create_dir(machine.world.path("srv/below")).unwrap();
    machine.timer("srv/below").succeeds();
    machine.run("--uninstall --timer srv/below").succeeds();
    assert_eq!(once, machine.crontab());

    machine.run("--uninstall --timer srv").succeeds().prints("removed the timer of '");
    assert_eq!(others, machine.crontab());
    machine.run("--uninstall --timer srv").succeeds().prints("not installed");
}

#[test]
fn no_crontab_is_left_where_there_was_none() {
    let machine = Machine::with_cron();
    machine.timer("srv").succeeds();

    fs::rename(machine.world.path("srv"), machine.world.path("gone")).unwrap();
    machine.run("--uninstall --timer srv").succeeds().prints("removed the timer of '");

    assert!(!machine.world.has("state/crontab"));
}

#[test]
fn the_line_in_the_crontab_runs_the_program_for_that_directory() {
    for name in ["plain", "a b", "it's \"$(so)\" ${HOME} $$", "-x", "é", "x;y#z"] {
        let machine = Machine::with_cron();
        let path = machine.world.path("srv").join(name);
        fs::create_dir(&path).unwrap();
        machine.timer(path.to_str().unwrap()).succeeds();
        fs::remove_file(machine.world.path("state/ran")).unwrap();

        let crontab = machine.crontab();
        let line = crontab.strip_prefix("* * * * * ").unwrap();
        let mut shell = machine.world.isolated("sh", "-c");
        Run::of(shell.arg(line.trim_end()).env("STATE", machine.world.path("state"))).succeeds();

        let program = machine.world.path("prefix/bin/git-webhook");
        let expected = format!("{}\nflush\n--root\n{}\n", program.display(), path.display());
        assert_eq!(machine.world.text("state/ran"), expected);
    }
}

#[test]
fn what_crons_read_in_different_ways_is_refused() {
    for name in ["100%", "a\\b"] {
        let machine = Machine::with_cron();
        let path = machine.world.path("srv").join(name);
        fs::create_dir(&path).unwrap();

        machine.timer(path.to_str().unwrap()).fails("into a crontab: cron takes % and \\ for its own\nhint: ");

        assert_eq!(machine.crontab(), "");
    }
}

#[test]
fn a_crontab_that_cannot_be_read_is_not_written_over() {
    let machine = Machine::with_cron();
    machine.add_to_crontab("5 4 * * * backup\n");
    fs::write(machine.world.path("state/broken"), "").unwrap();

    machine.timer("srv").fails("error: cannot read the crontab of 'ada': disk on fire");

    assert_eq!(machine.crontab(), "5 4 * * * backup\n");
}

#[test]
fn without_systemd_and_cron_the_command_is_told() {
    let machine = Machine::new(&[]);

    let run = machine.timer("srv");

    run.fails("error: cannot set up a timer: there is neither ");
    let program = machine.world.path("prefix/bin/git-webhook");
    let srv = machine.world.path("srv");
    run.warns("hint: have this run every minute as user 'ada': PATH='");
    run.warns(&format!(" '{}' flush --root '{}' >/dev/null ", program.display(), srv.display()));
}

// --- both ----------------------------------------------------------------------------------

#[test]
fn a_dry_run_tells_of_the_timer_and_changes_nothing() {
    for machine in [Machine::with_systemd(), Machine::with_cron()] {
        let check = |words: &str| {
            let before = machine.world.tree("");
            let told = machine.run(&format!("{words} --dry-run"));
            machine.calls();
            let mut unchanged = machine.world.tree("");
            unchanged.retain(|path, _| !path.starts_with(machine.world.path("state")));
            assert!(unchanged.iter().all(|(path, content)| before.get(path) == Some(content)));
            assert!(told.succeeds().stdout.lines().all(|line| line.starts_with("would ")), "{told:?}");
            machine.run(words).succeeds();
            told
        };

        let told = check("--timer srv");
        let is_cron = machine.world.has("system/crontab");
        told.prints(if is_cron { "would write into the crontab of 'ada': * * * * * PATH='" } else { "would write '" });
        let told = check("--uninstall --timer srv");
        told.prints(if is_cron { "would remove from the crontab of 'ada': " } else { "/git-webhook-flush@" });
    }
}

#[test]
fn repositories_and_their_timer_are_installed_at_once() {
    let machine = Machine::with_cron();

    machine.run("--from from srv/a.git --timer srv").succeeds();

    assert!(machine.world.has("srv/a.git/hooks/post-receive"));
    assert!(machine.crontab().contains("/srv\n"));
}

#[test]
fn a_timer_announces_what_moved_without_a_hook_if_told_so() {
    let machine = Machine::with_cron();
    machine.run("--timer srv --reconcile").succeeds();
    let line = format!(
        "flush --root '{0}' --reconcile >/dev/null # git-webhook-flush: {0}",
        machine.world.path("srv").display()
    );
    assert!(machine.crontab().contains(&line), "{}", machine.crontab());
    // Another run without it takes it back.
    machine.timer("srv").succeeds();
    assert!(!machine.crontab().contains("--reconcile"), "{}", machine.crontab());
    for wrong in ["--reconcile srv/a.git", "--uninstall --timer srv --reconcile"] {
        let run = machine.run(wrong);
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.starts_with("error: '--reconcile' takes '--timer', and not '--uninstall'\n"), "{run:?}");
    }
}

#[test]
fn removing_the_programs_tells_of_the_timers_that_run_them() {
    for machine in [Machine::with_systemd(), Machine::with_cron()] {
        machine.timer("srv").succeeds();

        let run = machine.run("--uninstall");

        let srv = machine.world.path("srv");
        run.succeeds().warns(&format!("install.sh --uninstall --timer '{}'\n", srv.display()));
        machine.run("--uninstall --timer srv").succeeds();
        let quiet = machine.run("--uninstall");
        assert!(!quiet.succeeds().stderr.contains("timers"), "{quiet:?}");
    }
}

#[test]
fn a_wrong_timer_line_changes_nothing() {
    let machine = Machine::with_cron();
    for line in [
        "--timer",
        "--timer=",
        "--timer srv --user",
        "--user ada srv/a.git",
        "--demo --timer srv",
        "--purge srv/a.git",
        "--uninstall --purge",
        "--uninstall --yes srv/a.git",
    ] {
        assert_eq!(machine.run(line).code, Some(2), "{line}");
    }
    machine.run("--timer srv --user ada").fails("error: cannot make a timer for user 'ada': only root can");
    assert_eq!(machine.crontab(), "");
}

// --- the real programs ---------------------------------------------------------------------

/// A machine of which the real programs are used, but for systemctl, by root, and whose repositories others can reach.
pub fn real() -> World {
    let world = World::new();
    fs::set_permissions(&world.root, fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["system", "state", "units", "srv"] {
        fs::create_dir(world.path(name)).unwrap();
    }
    fs::write(world.path("state/manager"), "").unwrap();
    world.run(&format!("--prefix prefix --from {}", built())).succeeds();
    world
}

/// Runs a script where /etc/systemd/system is the directory `units` and no crontab is there.
pub fn apart(world: &World, script: &str) -> Run {
    let inner = "set -e; mount --bind units /etc/systemd/system; mount -t tmpfs tmpfs /var/spool/cron
        mkdir -p /var/spool/cron/crontabs; install='\"$CHECKOUT\"/install.sh --prefix prefix'";
    let mut unshare = world.isolated("unshare", "--mount sh -c");
    unshare.arg(format!("{inner}\n{script}").replace("\"$CHECKOUT\"", CHECKOUT)).env("STATE", world.path("state"));
    let path = std::env::var_os("PATH").unwrap();
    let places = std::iter::once(world.path("system")).chain(std::env::split_paths(&path));
    Run::of(unshare.env("PATH", std::env::join_paths(places).unwrap()))
}

fn give(world: &World, path: &str, user: &str) {
    Run::of(&mut world.isolated("chown", &format!("-R {user} {path}"))).succeeds();
}

#[test]
#[ignore = "needs systemd-analyze: run tests/run"]
fn systemd_accepts_the_units() {
    for name in ["plain", "a b", "it's \"$(so)\" ${HOME} $$ 100%", "-x\\y", ".é"] {
        let world = real();
        executable(&world.path("system/systemctl"), SYSTEMCTL);
        fs::create_dir(world.path("srv").join(name)).unwrap();
        fs::write(world.path("state/name"), format!("srv/{name}")).unwrap();
        let name = world.path("srv").join(name);
        for user in ["root", "daemon"] {
            let verify = format!(
                "$install --timer \"$(cat state/name)\" --user {user}; systemd-analyze verify --man=no units/*"
            );
            let run = apart(&world, &verify);
            assert_eq!(run.succeeds().stderr, "", "{run:?}");
            let service = world.path("units").join(format!("git-webhook-flush@{}.service", instance(&name)));
            let service = fs::read_to_string(service).unwrap();
            assert!(service.contains(&format!("\nUser={user}\n")), "{service}");
        }
        let mut escape = world.isolated("systemd-escape", "--path --");
        assert_eq!(Run::of(escape.arg(&name)).stdout.trim_end(), instance(&name));
    }
    // A user's own.
    let machine = Machine::with_systemd();
    machine.timer("srv").succeeds();
    let (place, names) = machine.units();
    let mut verify = machine.world.isolated("systemd-analyze", "verify --man=no --user");
    verify.env("XDG_RUNTIME_DIR", machine.world.path("state"));
    let run = Run::of(verify.args(names.iter().map(|name| place.join(name))));
    assert_eq!(run.succeeds().stderr, "", "{run:?}");
}

#[test]
#[ignore = "needs two users: run tests/run"]
fn the_timer_runs_as_the_owner_of_the_repositories() {
    let world = real();
    executable(&world.path("system/systemctl"), SYSTEMCTL);
    let install = "$install --timer srv";
    apart(&world, install).fails("error: cannot choose a user: there is no repository below '");
    for name in ["srv/a.git", "srv/group/b.git"] {
        world.bare(name);
    }

    give(&world, "srv/a.git", "daemon:daemon");
    let run = apart(&world, install);
    run.fails("have several owners\nhint: as root it becomes the owner of each: --user root\n");
    give(&world, "srv", "54321:54321");
    apart(&world, install).fails("has no name\nhint: name one: --user NAME\n");
    give(&world, "srv", "daemon:daemon");
    apart(&world, install).succeeds().prints(".timer', as user 'daemon'\n");
    apart(&world, install).succeeds().prints("already installed: the timer of '");
    apart(&world, "$install --timer srv --user nosuch").fails("error: no such user: 'nosuch'");

    let run = apart(&world, "chmod 700 prefix; $install --timer srv");
    run.fails("/prefix/bin/git-webhook' does not run as user 'daemon'\nhint: install it where everyone");
}

#[test]
#[ignore = "needs crontab: run tests/run"]
fn the_real_crontab_takes_the_line() {
    let world = real();
    world.bare("srv/a.git");
    give(&world, "srv", "daemon:daemon");
    executable(&world.path("system/systemctl"), "#!/bin/sh\nexit 1\n");

    let run = apart(
        &world,
        "printf '%s\\n' '# mine' '5 4 * * * backup \\% x' | crontab -u daemon -
        $install --timer srv; $install --timer srv; crontab -u daemon -l; echo --
        $install --uninstall --timer srv; crontab -u daemon -l; echo --
        crontab -u daemon -r; $install --timer srv; $install --uninstall --timer srv
        ! crontab -u daemon -l; $install --timer srv --user root; crontab -l",
    );

    let parts: Vec<_> = run.succeeds().stdout.split("--\n").collect();
    let line = format!("flush --root '{0}' >/dev/null # git-webhook-flush: {0}\n", world.path("srv").display());
    assert_eq!(run.stdout.matches(&line).count(), 2, "{run:?}");
    assert!(parts[0].contains("already installed: ") && parts[0].ends_with(&line), "{run:?}");
    assert!(parts[1].ends_with("# mine\n5 4 * * * backup \\% x\n"), "{run:?}");
    run.warns("no crontab for daemon");
}

#[test]
#[ignore = "needs bwrap: run tests/run"]
fn the_service_delivers_where_nothing_else_can_be_written() {
    let world = real();
    executable(&world.path("system/systemctl"), SYSTEMCTL);
    world.bare("srv/a.git");
    world.run("--prefix prefix --link-only srv/a.git").succeeds();
    world.git("srv/a.git", "config webhook.ci.url ftp://example.org/").succeeds();
    world.push("srv/a.git").succeeds();
    give(&world, "srv", "daemon:daemon");
    apart(&world, "$install --timer srv").succeeds();
    let unit = format!("git-webhook-flush@{}.service", instance(&world.path("srv")));
    let service = fs::read_to_string(world.path("units").join(unit)).unwrap();
    let start = service.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    assert!(service.contains("\nReadWritePaths=%f\n"));

    // What of its restrictions can be had without systemd: a read-only system, no privileges, and none to be had.
    let mut sandbox = world.isolated("bwrap", "--ro-bind / / --dev /dev --proc /proc --tmpfs /var/tmp --bind");
    sandbox.args([world.path("srv"), world.path("srv")]).arg("--chdir").arg(world.path("srv"));
    sandbox.args("setpriv --reuid=daemon --regid=daemon --init-groups --bounding-set=-all sh -c".split(' '));
    let script = "set -e; ! touch ../written; umask 0077
        git-webhook echo 0 >said & receiver=$!
        until url=$(sed -n 's/^listening on //p' said) && [ -n \"$url\" ]; do sleep 0.1; done
        git -C a.git config webhook.ci.url \"$url\"\n"
        .to_owned();
    sandbox.arg(script + start + "\nkill $receiver; cat said");
    let path = std::env::var("PATH").unwrap();
    sandbox.env("PATH", format!("{}:{path}", world.path("prefix/bin").display()));
    let run = Run::of(&mut sandbox);

    run.succeeds().prints("ci: 1 delivered\n");
    run.prints("\"object_kind\": \"push\"");
    run.warns("Read-only file system");
}
