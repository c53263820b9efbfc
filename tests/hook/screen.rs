//! What a person reads at a terminal: as wide as that is, paged, coloured as git is told to.

use unicode_width::UnicodeWidthStr;

use crate::support::{Answer, Ends, Receiver, World};

/// What the command prints on a terminal of 80 columns, with these variables.
fn at_terminal(world: &World, arguments: &str, variables: &[(&str, &str)]) -> String {
    let mut script = world.command("script", &world.server());
    script.env("TERM", "xterm").env("COLUMNS", "80").env("TZ", "Asia/Tokyo").env("GIT_PAGER", "cat");
    script.envs(variables.iter().copied());
    let command = format!("{} {arguments}", env!("CARGO_BIN_EXE_git-webhook"));
    let output = script.args(["-qec", &command, "/dev/null"]).ends();
    String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n")
}

/// What stands on the screen, without colours.
fn plain(text: &str) -> String {
    ["\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"].iter().fold(text.to_owned(), |text, code| text.replace(code, ""))
}

/// A world whose table of deliveries is wide: long names, wide characters, long answers.
fn wide(receiver: &Receiver) -> World {
    let world = World::new();
    world.add_target("a-target-with-a-rather-long-name", receiver, "gitlab");
    world.commit("one");
    world.push(&["main:日本語ブランチ", "main:feature/a-branch-with-a-long-name-that-takes-room", "main:x"]);
    world
}

#[test]
fn no_line_of_a_table_is_wider_than_the_terminal() {
    let receiver = Receiver::answering(Answer::Status(500));
    let world = wide(&receiver);
    world.configure("webhook.other.url", "http://a-host-with-a-long-name.example.org/");
    for verb in ["log", "list", "status", "formats"] {
        let text = plain(&at_terminal(&world, verb, &[]));
        let longest = text.lines().map(UnicodeWidthStr::width).max().unwrap();
        assert!((60..=80).contains(&longest), "{verb}: {longest}\n{text}");
    }
    let text = plain(&at_terminal(&world, "log", &[]));
    let place = |line: &str| line.find("answered").or(line.find("the receiver")).map(|at| line[..at].width());
    let places: Vec<_> = text.lines().filter_map(place).collect();
    assert!(places.len() == 3 && places.iter().all(|at| *at == places[0]), "{places:?}\n{text}");
    // A file gets all of it.
    let whole = String::from_utf8(world.webhook(&["log"]).stdout).unwrap();
    assert!(whole.contains("refs/heads/feature/a-branch-with-a-long-name-that-takes-room  Push Hook"), "{whole}");
    for help in ["-h", "add -h", "check -h"] {
        let longest = at_terminal(&world, help, &[]).lines().map(UnicodeWidthStr::width).max().unwrap();
        assert!(longest <= 80, "{help}: {longest}");
    }
}

#[test]
fn the_short_id_on_a_terminal_is_one_that_show_takes() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    let text = plain(&at_terminal(&world, "log", &[("COLUMNS", "120")]));
    let line = text.lines().nth(1).unwrap();
    // Today, in the time of who reads it.
    let time = line.split("  ").next().unwrap();
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::get("Asia/Tokyo").unwrap());
    let hours: Vec<_> = [0, 1].map(|ago| today.checked_sub(jiff::SignedDuration::from_mins(ago)).unwrap()).into();
    let hours: Vec<_> = hours.iter().map(|at| at.strftime("%H:%M:").to_string()).collect();
    assert!(time.len() == 8 && hours.iter().any(|hour| time.starts_with(hour.as_str())), "{line}");
    assert!(line.contains("  main  Push Hook  "), "{line}");
    let id = world.attempts()[0]["id"].as_str().unwrap()[..8].to_owned();
    assert!(line.contains(&format!("  {id}  200 in ")), "{line}");
    assert!(world.webhook(&["show", &id]).status.success());
}

#[test]
fn what_is_long_is_paged_as_git_pages() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    let id = world.attempts()[0]["id"].as_str().unwrap().to_owned();
    let marking = ("GIT_PAGER", "sed 's/^/PAGED /'");
    for verb in ["log", "list", "status", "formats", "check", "dead", "reviews", &format!("show {id}")] {
        let text = at_terminal(&world, verb, &[marking]);
        assert!(text.lines().any(|line| line.starts_with("PAGED ")), "{verb}: {text}");
        for (arguments, variable) in [
            (format!("--no-pager {verb}"), marking),
            (verb.to_owned(), ("GIT_PAGER", "")),
            (format!("{verb} >file; cat file"), marking),
        ] {
            let text = at_terminal(&world, &arguments, &[variable]);
            assert!(!text.contains("PAGED"), "{arguments}: {text}");
        }
    }
    for verb in ["flush", "disable ci"] {
        assert!(!at_terminal(&world, verb, &[marking]).contains("PAGED"), "{verb}");
    }
    world.configure("core.pager", "sed 's/^/CORE /'");
    let mut script = world.command("script", &world.server());
    let log = format!("{} log", env!("CARGO_BIN_EXE_git-webhook"));
    let text = script.args(["-qec", &log, "/dev/null"]).ends().stdout;
    assert!(text.starts_with(b"CORE "), "{}", String::from_utf8_lossy(&text));
    // git's own switches reach us through git.
    let mut script = world.command("script", &world.server());
    let path = std::path::Path::new(env!("CARGO_BIN_EXE_git-webhook")).parent().unwrap();
    let path = format!("{}:{}", path.display(), std::env::var("PATH").unwrap());
    script.env("PATH", path);
    let text = script.args(["-qec", "git --no-pager webhook log", "/dev/null"]).ends().stdout;
    assert!(!text.starts_with(b"CORE "), "{}", String::from_utf8_lossy(&text));
}

#[test]
fn colour_is_as_git_is_told() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    let is_coloured = |variables: &[(&str, &str)]| at_terminal(&world, "log", variables).contains("\x1b[32m");
    let in_pipe = || at_terminal(&world, "log | cat", &[]).contains("\x1b[32m");
    assert!(is_coloured(&[]) && !is_coloured(&[("NO_COLOR", "1")]) && !is_coloured(&[("TERM", "dumb")]) && !in_pipe());
    world.configure("color.ui", "false");
    assert!(!is_coloured(&[]) && !in_pipe());
    world.server_git(&["config", "color.ui", "always"]);
    assert!(is_coloured(&[]) && in_pipe() && !is_coloured(&[("NO_COLOR", "1")]));
    world.configure("color.webhook", "never");
    assert!(!is_coloured(&[]) && !in_pipe());
}

#[test]
fn log_says_that_there_is_more() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    let refs: Vec<_> = (0..53).map(|number| format!("main:b{number}")).collect();
    world.push(&refs.iter().map(String::as_str).collect::<Vec<_>>());
    let text = at_terminal(&world, "log", &[]);
    assert!(text.lines().count() == 52 && text.ends_with("there are more: git webhook log -n 500\n"), "{text}");
    assert!(at_terminal(&world, "log -n 2", &[]).ends_with("there are more: git webhook log -n 20\n"));
    assert!(!at_terminal(&world, "log -n 53", &[]).contains("are more:"));
    assert_eq!(world.webhook(&["log"]).stdout.split(|byte| *byte == b'\n').count(), 55);
}

#[test]
fn of_many_repositories_what_is_wrong_is_shown_and_the_rest_is_counted() {
    let receiver = Receiver::answering(Answer::Status(500));
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    for number in 0..4 {
        let path = world.path(&format!("other{number}.git"));
        world.server_git(&["init", "--quiet", "--bare", path.to_str().unwrap()]);
        world.server_git(&["config", "--file", &format!("{}/config", path.display()), "webhook.ci.url", "http://x/"]);
    }
    let root = world.path("").canonicalize().unwrap();
    let root = root.to_str().unwrap();
    let said = |arguments: &[&str]| {
        let output = world.webhook(&[arguments, &["--root", root]].concat());
        String::from_utf8(output.stdout).unwrap()
    };
    let status = said(&["status"]);
    let lines: Vec<_> = status.lines().collect();
    assert!(lines.len() == 4 && lines[0].starts_with("TARGET  STATE"), "{status}");
    assert!(lines[1].ends_with("project.git:") && lines[2].starts_with("ci      failing"), "{status}");
    // The clone is a repository too.
    assert_eq!(lines[3], "5 of 6 repositories: nothing is wrong");
    assert_eq!(said(&["status", "--all"]).matches("other").count(), 4);
    let flush = said(&["flush"]);
    assert!(flush.contains("project.git:\nci: 1 waiting"), "{flush}");
    assert!(flush.ends_with("5 of 6 repositories: nothing waits\n") && flush.lines().count() == 3, "{flush}");
    assert_eq!(said(&["flush", "--all"]).matches("nothing waits").count(), 5);
    assert!(said(&["dead"]) == "6 of 6 repositories: no dead letters\n", "{}", said(&["dead"]));
    assert!(said(&["log"]).ends_with("5 of 6 repositories: no deliveries\n"), "{}", said(&["log"]));
    assert!(said(&["redeliver", "--failed"]).ends_with("5 of 6 repositories: nothing to redeliver\n"));
    for verb in ["status", "flush"] {
        assert_eq!(world.webhook(&[verb, "--all"]).status.code(), Some(129), "--all is for --root");
    }
}
