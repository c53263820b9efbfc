//! What `git webhook check` says of hooks and files that are somebody else's: it takes none for ours, and no command that it
//! prints makes one of them do less than before.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::check::{SetUp, message};
use crate::support::{Ends, World, write_program};

const PROGRAM: &str = env!("CARGO_BIN_EXE_post-receive");
const DRIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hooks/driver");

fn hook(set_up: &SetUp, name: &str) -> PathBuf {
    set_up.server().join("hooks").join(name)
}

fn replace(path: &Path, text: &str) {
    let _ = fs::remove_file(path);
    write_program(path, text);
}

/// The line that install.sh prints, in a script that refuses every push.
fn told_before(refusal: &str) -> String {
    format!(
        "#!/bin/sh\n[ \"${{GIT_WEBHOOK-}}\" = \"$PWD/$0\" ] || [ ! -x '{DRIVER}' ] || \
         GIT_WEBHOOK=$PWD/$0 exec '{DRIVER}' --before '{PROGRAM}' \"$0\" \"$@\"\n{refusal}\n"
    )
}

fn commands(set_up: &SetUp) -> Vec<String> {
    let (_, findings) = set_up.check(&[]);
    let all = findings.iter().flat_map(|finding| finding["mend"].as_array().unwrap().clone());
    all.map(|command| command.as_str().unwrap().to_owned()).collect()
}

/// Pastes what needs no person.
fn paste(set_up: &SetUp) {
    for command in commands(set_up).iter().filter(|command| !command.contains("EDITOR")) {
        let output = set_up.world.command("sh", Path::new("/")).args(["-c", command]).ends();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn is_refused(world: &World) -> bool {
    !world.push(&["main"]).accepted
}

#[test]
fn a_hook_that_refuses_pushes_is_removed_by_no_mend() {
    let set_up = SetUp::new();
    set_up.world.commit("one");
    replace(&hook(&set_up, "pre-receive"), &told_before("exit 1"));
    // git looks for hooks elsewhere, and finds ours.
    let elsewhere = set_up.server().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for name in ["post-receive", "pre-receive"] {
        symlink(PROGRAM, elsewhere.join(name)).unwrap();
    }
    set_up.world.configure("core.hooksPath", "elsewhere");
    let told = commands(&set_up);
    assert!(told.iter().any(|command| command.contains("EDITOR")), "{told:?}");
    paste(&set_up);
    assert!(hook(&set_up, "pre-receive").exists(), "{told:?}");
}

#[test]
fn a_verdict_that_is_called_as_ours_is_led_elsewhere_by_no_mend() {
    let links: [(&str, &str, bool); 3] = [
        // A program of that name that is not ours.
        ("opt/bin/git-webhook", "#!/bin/sh\nexit 1\n", true),
        // What is not there at the moment.
        ("mnt/hooks/post-receive", "", false),
        ("mnt/git-webhook", "", false),
    ];
    for (target, text, refuses) in links {
        let set_up = SetUp::new();
        set_up.world.commit("one");
        let target = set_up.world.path(target);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        if !text.is_empty() {
            write_program(&target, text);
        }
        fs::remove_file(hook(&set_up, "pre-receive")).unwrap();
        symlink(&target, hook(&set_up, "pre-receive")).unwrap();
        assert_eq!(is_refused(&set_up.world), refuses);
        paste(&set_up);
        assert_eq!(fs::read_link(hook(&set_up, "pre-receive")).unwrap(), target);
        assert_eq!(is_refused(&set_up.world), refuses);
    }
}

#[test]
fn a_script_that_looks_at_its_parent_gets_no_line() {
    for script in [
        "grep -q receive-pack /proc/$PPID/cmdline && exit 1",
        "case \"$(cat /pr*/$PPID/comm)\" in git*) exit 1 ;; esac",
        "[ \"$LINENO\" = 2 ] && exit 1",
    ] {
        let set_up = SetUp::new();
        set_up.world.commit("one");
        replace(&hook(&set_up, "pre-receive"), &format!("#!/bin/bash\n{script}\nexit 0\n"));
        let before = fs::read(hook(&set_up, "pre-receive")).unwrap();
        assert!(is_refused(&set_up.world), "{script}");
        paste(&set_up);
        assert_eq!(fs::read(hook(&set_up, "pre-receive")).unwrap(), before);
    }
}

#[test]
fn a_script_that_only_speaks_of_ours_does_not_run_it() {
    let stale = told_before("cat >/dev/null").replace(DRIVER, "/no/such/driver");
    for text in [
        "#!/bin/sh\n# was: exec /usr/local/libexec/git-webhook/post-receive\ncat >/dev/null\n",
        "#!/bin/sh\nexec /opt/gone/libexec/git-webhook/post-receive\n",
        stale.as_str(),
    ] {
        let set_up = SetUp::new();
        replace(&hook(&set_up, "post-receive"), text);
        let (code, findings) = set_up.check(&[]);
        let part = "is another hook and does not run git-webhook";
        assert!(findings.iter().any(|finding| message(finding).contains(part)), "{text}: {findings:#?}");
        assert_eq!(code, 1);
    }
    for text in [
        told_before("cat >/dev/null"),
        format!("#!/bin/sh\n{PROGRAM} # git-webhook/post-receive\n"),
        "#!/bin/sh\nexec \"$LIBEXEC/git-webhook/post-receive\"\n".into(),
    ] {
        let set_up = SetUp::new();
        replace(&hook(&set_up, "post-receive"), &text);
        assert_eq!(set_up.check(&[]), (0, vec![]), "{text}");
    }
}

#[test]
fn members_who_cannot_run_what_a_hook_calls_are_told_of() {
    let set_up = SetUp::new();
    set_up.world.server_git(&["config", "core.sharedRepository", "group"]);
    fs::set_permissions(set_up.world.path(""), Permissions::from_mode(0o755)).unwrap();
    let home = set_up.world.path("closed");
    fs::create_dir_all(home.join("git-webhook")).unwrap();
    let program = home.join("git-webhook/post-receive");
    write_program(&program, fs::read(PROGRAM).unwrap());
    replace(&hook(&set_up, "post-receive"), &format!("#!/bin/sh\nexec {}\n", program.display()));
    let closed = |findings: &[Value]| findings.iter().any(|it| message(it).contains("cannot run '"));
    fs::set_permissions(&home, Permissions::from_mode(0o755)).unwrap();
    assert!(!closed(&set_up.check(&[]).1));
    fs::set_permissions(&home, Permissions::from_mode(0o700)).unwrap();
    let (code, findings) = set_up.check(&[]);
    assert!(closed(&findings) && code == 1, "{findings:#?}");
}

/// A6 of an administrator's day, for secrets.
#[test]
fn no_mend_loses_a_secret() {
    let of_one_key: [&[(&str, &str)]; 7] = [
        &[
            ("signingSecret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            ("signingSecret", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
        ],
        &[("signingSecretFile", "k1"), ("signingSecret", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")],
        &[
            ("signingSecert", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            ("signingSecert", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
        ],
        &[("haeder", "X-One: first-of-two"), ("haeder", "X-Two: second-of-two")],
        &[("secret", "a-real-secret-of-some-length"), ("secret", "")],
        &[("secret", "a-real-secret-of-some-length"), ("secert", "another-one-of-some-length")],
        &[("secret", "a-real-secret-of-some-length"), ("secret", "another-one-of-some-length")],
    ];
    for values in of_one_key {
        let set_up = SetUp::new();
        fs::create_dir_all(set_up.server().join("webhook/secret")).unwrap();
        fs::set_permissions(set_up.server().join("webhook"), Permissions::from_mode(0o700)).unwrap();
        for (key, value) in values {
            set_up.world.configure(&format!("webhook.ci.{key}"), value);
        }
        fs::set_permissions(set_up.config(), Permissions::from_mode(0o644)).unwrap();
        for _ in 0..3 {
            paste(&set_up);
        }
        let mut all = fs::read_to_string(set_up.config()).unwrap();
        for file in fs::read_dir(set_up.server().join("webhook/secret")).unwrap().flatten() {
            all += &fs::read_to_string(file.path()).unwrap();
        }
        for (key, value) in values {
            assert!(all.contains(value), "{key}: {values:?}");
        }
        assert!(commands(&set_up).iter().all(|command| command.contains("EDITOR")), "{values:?}");
    }
}
