//! Secrets that lie in files: where these may be, and what must be so of them.

use super::*;

/// A world whose target reads its secret from the file that `value` names.
fn world(receiver: &Receiver, value: &str) -> World {
    let world = World::told_plainly_to(receiver, "gitlab");
    world.configure("webhook.ci.secretFile", value);
    world
}

/// Nothing is sent, and the administrator learns why.
#[track_caller]
fn is_refused(world: &World, receiver: &Receiver, why: &str) {
    let pushed = push(world);
    assert_eq!(pushed.said, ["webhook ci: not configured rightly, the event is kept; see git webhook check"]);
    assert!(receiver.take().is_empty());
    let listed = list(world);
    assert_eq!(listed.code, Some(1));
    assert!(listed.error("ci").contains(why), "{}", listed.error("ci"));
    assert!(world.log().contains(why), "{}", world.log());
    assert!(!listed.said.contains("canary") && !world.log().contains("canary"));
}

#[test]
fn a_relative_path_lies_below_webhook_secret() {
    let receiver = Receiver::new();
    for path in ["ci", "for/ci", "./ci"] {
        let world = world(&receiver, path);
        secret_file(&world, path, CANARY);
        if path == "./ci" {
            is_refused(&world, &receiver, "is no path below webhook/secret/");
            continue;
        }
        push(&world);
        assert_eq!(receiver.take_one().header("X-Gitlab-Token"), CANARY);
    }
}

#[test]
fn one_newline_at_the_end_is_dropped() {
    let receiver = Receiver::new();
    let world = world(&receiver, "ci");
    secret_file(&world, "ci", format!(" {CANARY} \n"));
    push(&world);
    // The receiver trims; what matters is that neither space nor newline broke the header.
    assert_eq!(receiver.take_one().header("X-Gitlab-Token"), CANARY);
    secret_file(&world, "ci", format!("{CANARY}\n\n"));
    is_refused(&world, &receiver, "names a file that is empty or holds more than one line of text");
}

#[test]
fn a_file_must_hold_one_line_of_text() {
    let receiver = Receiver::new();
    let world = world(&receiver, "ci");
    for content in [&b""[..], b"\n", b"canary\nmore", b"canary\0", b"canary\xff", b"canary\x1b[m"] {
        secret_file(&world, "ci", content);
        is_refused(&world, &receiver, "names a file that is empty or holds more than one line of text");
    }
}

#[test]
fn what_nobody_sees_in_an_editor_is_said() {
    let receiver = Receiver::new();
    let world = world(&receiver, "ci");
    for (content, why) in [
        (format!("\u{feff}{CANARY}\n"), "begins with a byte order mark: write it anew without"),
        (format!("{CANARY}\r\n"), "a CR at the end of a line: remove it, as tr -d '\\r' does"),
        (format!("{CANARY}\r"), "a CR at the end of a line"),
    ] {
        secret_file(&world, "ci", content);
        is_refused(&world, &receiver, why);
    }
    for content in [format!("{CANARY} \n"), format!(" {CANARY}")] {
        secret_file(&world, "ci", content);
        let listed = list(&world);
        let warning =
            "warning: webhook.ci.secretFile: names a file whose secret begins or ends with a blank, which counts";
        assert!(listed.code == Some(0) && listed.said.contains(warning), "{}", listed.said);
    }
}

#[test]
fn headers_of_a_file_are_sent_and_shown_nowhere() {
    let receiver = Receiver::new();
    let world = World::told_plainly_to(&receiver, "gitlab");
    world.configure("webhook.ci.header", "X-One: 1");
    world.configure("webhook.ci.headerFile", "ci.headers");
    secret_file(&world, "ci.headers", format!("Authorization: Bearer {CANARY}\n\nX-Two:  {CANARY} \n"));
    push(&world);
    let request = receiver.take_one();
    let sent = ["Authorization", "X-Two", "X-One"].map(|name| request.header(name).to_owned());
    assert_eq!(sent, [format!("Bearer {CANARY}"), CANARY.to_owned(), "1".to_owned()]);
    let shown = world.webhook(&["show", "HEAD"]);
    assert!(!String::from_utf8_lossy(&shown.stdout).contains(CANARY));
    for (content, why) in [
        ("X-One: canary\nno header\n", "names a file whose line 2 is no header: write Name: value"),
        ("Host: canary\n", "names a file whose line 1 names a header that is set by git-webhook itself"),
        ("X-Gitlab-Token: canary\n", "names a file whose line 1 names a header that the format sets itself"),
        ("X-One: canary\r\nX-Two: canary\r\n", "a CR at the end of a line"),
        ("\n \n", "names a file without a header: write Name: value, one a line"),
    ] {
        secret_file(&world, "ci.headers", content);
        is_refused(&world, &receiver, why);
    }
    fs::set_permissions(world.server().join("webhook/secret/ci.headers"), Permissions::from_mode(0o644)).unwrap();
    is_refused(&world, &receiver, "names a file that others can read or write");
    let checked = String::from_utf8_lossy(&world.webhook(&["check"]).stdout).into_owned();
    assert!(checked.contains("chmod o= "), "{checked}");
}

/// As container engines mount secrets: read-only, and readable by all.
#[test]
fn files_that_others_can_read_count_where_the_server_says_so() {
    let receiver = Receiver::new();
    let world = World::new();
    let path = world.path("absolute");
    fs::write(&path, CANARY).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    world.configure_globally("webhook.ci.url", &receiver.url());
    world.configure_globally("webhook.ci.format", "gitlab");
    world.configure_globally("webhook.ci.secretFile", path.to_str().unwrap());
    // A repository does not say so.
    world.configure("webhook.secretMode", "any");
    is_refused(&world, &receiver, "names a file that others can read or write");
    world.configure_globally("webhook.secretMode", "any");
    push(&world);
    assert_eq!(receiver.take().pop().unwrap().header("X-Gitlab-Token"), CANARY);
    fs::set_permissions(&path, Permissions::from_mode(0o446)).unwrap();
    is_refused(&world, &receiver, "names a file that others can read or write");

    // What lies in the repository is no mount.
    let world = self::world(&receiver, "ci");
    world.configure_globally("webhook.secretMode", "any");
    secret_file(&world, "ci", CANARY);
    fs::set_permissions(world.server().join("webhook/secret/ci"), Permissions::from_mode(0o444)).unwrap();
    is_refused(&world, &receiver, "names a file that others can read or write");
}

#[test]
fn an_absolute_path_counts_from_protected_scope_alone() {
    let receiver = Receiver::new();
    let path = |world: &World| {
        let path = world.path("absolute");
        fs::write(&path, CANARY).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let world = World::told_plainly_to(&receiver, "gitlab");
    world.configure("webhook.ci.secretFile", &path(&world));
    is_refused(&world, &receiver, "is an absolute path, which a repository's own configuration cannot use");
    let world = World::new();
    world.configure_globally("webhook.ci.url", &receiver.url());
    world.configure_globally("webhook.ci.format", "gitlab");
    world.configure_globally("webhook.ci.secretFile", &path(&world));
    push(&world);
    assert_eq!(receiver.take_one().header("X-Gitlab-Token"), CANARY);
}

#[test]
fn a_file_that_an_include_of_the_repository_names_is_no_more_trusted() {
    let receiver = Receiver::new();
    let world = World::told_plainly_to(&receiver, "gitlab");
    fs::write(world.path("absolute"), CANARY).unwrap();
    fs::set_permissions(world.path("absolute"), Permissions::from_mode(0o600)).unwrap();
    let text = format!("[webhook \"ci\"]\nsecretFile = {}\n", world.path("absolute").display());
    fs::write(world.path("home/.gitconfig"), "").unwrap();
    fs::write(world.path("home/more"), text).unwrap();
    add(&world, format!("[include]\npath = {}\n", world.path("home/more").display()));
    is_refused(&world, &receiver, "is an absolute path");
}

#[test]
fn a_path_cannot_climb_out() {
    let receiver = Receiver::new();
    for path in ["../outside", "x/../../outside", "..", "", "/"] {
        let world = world(&receiver, path);
        fs::create_dir_all(world.server().join("webhook/secret/x")).unwrap();
        fs::write(world.server().join("webhook/outside"), CANARY).unwrap();
        fs::set_permissions(world.server().join("webhook/outside"), Permissions::from_mode(0o600)).unwrap();
        let why = if path == "/" { "is an absolute path" } else { "is no path below webhook/secret/" };
        is_refused(&world, &receiver, why);
    }
}

#[test]
fn a_symbolic_link_is_not_followed_wherever_it_stands_in_the_path() {
    let receiver = Receiver::new();
    for link in ["webhook/secret", "webhook/secret/for", "webhook/secret/for/ci"] {
        let world = world(&receiver, "for/ci");
        let rest = "webhook/secret/for/ci".strip_prefix(link).unwrap();
        let elsewhere = world.path("elsewhere");
        let file = elsewhere.join(rest.trim_start_matches('/'));
        let file = if rest.is_empty() { elsewhere.clone() } else { file };
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, CANARY).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        let link = world.server().join(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(&elsewhere, &link).unwrap();
        is_refused(&world, &receiver, "leads through the symbolic link");
    }
}

#[test]
fn an_absolute_path_may_be_a_symbolic_link() {
    let receiver = Receiver::new();
    let world = World::new();
    fs::write(world.path("data"), CANARY).unwrap();
    fs::set_permissions(world.path("data"), Permissions::from_mode(0o400)).unwrap();
    symlink("data", world.path("link")).unwrap();
    let text = format!(
        "[webhook \"ci\"]\nformat = gitlab\nurl = {}\nsecretFile = {}\n",
        receiver.url(),
        world.path("link").display()
    );
    add_globally(&world, text);
    push(&world);
    assert_eq!(receiver.take_one().header("X-Gitlab-Token"), CANARY);
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let receiver = Receiver::new();
    let world = world(&receiver, "ci");
    secret_file(&world, "ci", CANARY);
    for mode in [0o644, 0o604, 0o602, 0o601] {
        fs::set_permissions(world.server().join("webhook/secret/ci"), Permissions::from_mode(mode)).unwrap();
        is_refused(&world, &receiver, "names a file that others can read or write: run chmod o= '");
    }
    fs::set_permissions(world.server().join("webhook/secret/ci"), Permissions::from_mode(0o600)).unwrap();
    let said = push(&world).said;
    assert_eq!(receiver.take().len(), 5, "what waited is delivered too: {said:?}");
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let receiver = Receiver::new();
    let fifo = world(&receiver, "ci");
    fs::create_dir_all(fifo.server().join("webhook/secret")).unwrap();
    let path = fifo.server().join("webhook/secret/ci");
    assert!(Command::new("mkfifo").arg("--mode=600").arg(&path).status().unwrap().success());
    is_refused(&fifo, &receiver, "names what is no regular file");
    let directory = world(&receiver, "ci");
    fs::create_dir_all(directory.server().join("webhook/secret/ci")).unwrap();
    is_refused(&directory, &receiver, "names what is no regular file");
    let missing = world(&receiver, "ci");
    is_refused(&missing, &receiver, "cannot be read below webhook/secret/: No such file or directory");
}

#[test]
fn a_large_file_is_refused() {
    let receiver = Receiver::new();
    let world = world(&receiver, "ci");
    secret_file(&world, "ci", "canary".repeat((20 << 20) / 6));
    is_refused(&world, &receiver, "names a file that is too large to be what it should");
}

#[test]
fn a_secret_in_place_of_its_file_is_not_shown() {
    let receiver = Receiver::new();
    let world = world(&receiver, CANARY);
    is_refused(&world, &receiver, "webhook.ci.secretFile: cannot be read below webhook/secret/");
}

#[test]
fn secret_and_secret_file_together_are_an_error() {
    let receiver = Receiver::new();
    let world = world(&receiver, "ci");
    secret_file(&world, "ci", CANARY);
    world.configure("webhook.ci.secret", CANARY);
    is_refused(&world, &receiver, "stands beside secretFile: keep one of them");
}

#[test]
fn bad_153_a_short_secret_is_a_warning() {
    let receiver = Receiver::new();
    let world = world(&receiver, "ci");
    secret_file(&world, "ci", "twenty-three characters");
    add(&world, "[webhook \"two\"]\nurl = http://h/\nsecret = twenty-four-characters--\n");
    push(&world);
    assert_eq!(receiver.take_one().header("X-Gitlab-Token"), "twenty-three characters");
    let listed = list(&world);
    assert_eq!((listed.code, listed.said.lines().count()), (Some(0), 1), "{}", listed.said);
    assert!(listed.said.starts_with("warning: webhook.ci.secretFile: may be guessed"), "{}", listed.said);
}
