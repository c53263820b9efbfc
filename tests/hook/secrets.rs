//! That what is secret of a target is found nowhere, whatever its receiver repeats and whatever goes wrong. Each other
//! test looks for it too (`support/canary.rs`).

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;

use git_webhook::signature::base64;
use git_webhook::text::hex;

use crate::support::{Answer, Ends, Receiver, World, canary, write_program};

/// A text in the forms in which programs write it.
fn forms(text: &str) -> Vec<String> {
    let each = |escape: fn(u8) -> String| text.bytes().map(escape).collect::<String>();
    vec![
        text.to_owned(),
        text.to_uppercase(),
        text.chars().rev().collect(),
        each(|byte| format!("%{byte:02X}")),
        text.replace('-', "%2d"),
        each(|byte| format!("\\u{byte:04x}")),
        each(|byte| format!("&#{byte};")),
        each(|byte| format!("&#x{byte:x};")),
        hex(text.as_bytes()),
        base64(text.as_bytes()),
        base64(format!("x{text}").as_bytes()),
        base64(format!("xy{text}").as_bytes()),
    ]
}

/// A receiver that says this, each header with its line's end.
fn refusing(headers: &str, body: &str) -> Receiver {
    let answer = format!("HTTP/1.1 403 Forbidden\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
    Receiver::answering(Answer::Raw(answer.into_bytes()))
}

#[test]
fn what_a_receiver_repeats_is_taken_out() {
    for secret in canary::ALL {
        let forms = forms(secret);
        // A header holds no line break, and neither do these.
        let headers: String = forms.iter().map(|form| format!("X-Seen: {form}\r\nX-{}: y\r\n", hex(b"ab"))).collect();
        let body = format!("you sent: {}", forms.join(" or "));
        let receiver = refusing(&headers, &body);
        let world = World::told_to(&receiver, "gitlab");
        world.configure("webhook.logLevel", "debug");
        world.commit("one");
        // What is printed and what is kept is looked at by the harness.
        let pushed = world.push(&["main"]);
        assert!(pushed.output.contains("answered 403"), "{}", pushed.output);
        for verb in [&["log"][..], &["log", "--json"], &["status"], &["list"], &["check"], &["flush", "--now"]] {
            world.webhook(verb);
        }
        let id = world.attempts()[0]["id"].as_str().unwrap().to_owned();
        for verb in [&["show", &id][..], &["show", &id, "--json"]] {
            let output = world.webhook(verb);
            let said = String::from_utf8(output.stdout).unwrap();
            assert!(said.contains("you sent: … or …"), "{said}");
            // Not even its words: only what surrounds it in base64 is left.
            assert!(!said.contains("0123456789") && !said.to_lowercase().contains("secret-0"), "{said}");
        }
    }
}

/// A secret that is cut by the end of what is read shows no part of itself.
#[test]
fn what_a_receiver_repeats_without_end_is_taken_out_to_the_end() {
    let flood = canary::ALL[0].as_bytes();
    let receiver = Receiver::answering(Answer::Flood(b"HTTP/1.1 500 Oh\r\n\r\n", flood));
    let world = World::told_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    let body = world.attempts()[0]["answer"]["body"].as_str().unwrap().to_owned();
    assert_eq!(body.trim_matches('…'), "", "{body}");
}

/// The answer ends in the midst of a letter of the secret.
#[test]
fn what_a_receiver_repeats_as_far_as_half_a_letter_is_taken_out() {
    let head = b"HTTP/1.1 500 Oh\r\nContent-Length: 100\r\n\r\n";
    let receiver = Receiver::answering(Answer::Raw([head, &b"you sent geheimer-schl\xc3"[..]].concat()));
    let world = World::new();
    let url = receiver.url().replace("http://", "http://us:geheimer-schl%C3%BCssel@");
    world.configure("webhook.ci.url", &url);
    world.commit("one");
    world.push(&["main"]);
    assert_eq!(world.attempts()[0]["answer"]["body"], "you sent …");
}

/// A receiver names one cookie or one part of the path, without the rest of the header or the URL.
#[test]
fn what_a_receiver_repeats_of_a_part_is_taken_out() {
    let parts =
        ["cookie-of-8666", "second-of-8777", "token-of-8888", "matrix-of-8111", "query-of-8222", "user-of-8999"];
    let body = parts.join(" and ");
    let receiver = refusing("", &body);
    let world = World::told_plainly_to(&receiver, "gitlab");
    let url = format!("{}/path;mtx=matrix-of-8111?tok=a%3D=query-of-8222", receiver.url());
    world.server_git(&["config", "webhook.ci.url", &url]);
    world.configure("webhook.ci.header", "Cookie: session=cookie-of-8666; b=second-of-8777");
    world.configure("webhook.ci.header", "X-Auth: Token token=\"token-of-8888\"");
    world.configure("webhook.ci.header", &format!("Authorization: Basic {}", base64(b"user-of-8999:pass")));
    world.commit("one");
    world.push(&["main"]);
    let kept = world.attempts()[0]["answer"]["body"].as_str().unwrap().to_owned();
    assert_eq!(kept, ["…"; 6].join(" and "), "{kept}");
}

#[test]
fn a_redirect_and_an_answer_that_is_no_http_show_no_secret() {
    for line in ["HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/", "HTTP/1.1 ", "HTTP/1.1 200 OK\r\nX\0: "]
    {
        for secret in canary::ALL {
            let answer = format!("{line}{secret}/{}\r\n\r\n", base64(secret.as_bytes()));
            let receiver = Receiver::answering(Answer::Raw(answer.into_bytes()));
            let world = World::told_to(&receiver, "gitlab");
            world.configure("webhook.logLevel", "debug");
            world.commit("one");
            let pushed = world.push(&["main"]);
            assert!(pushed.output.contains("not delivered"), "{}", pushed.output);
            world.webhook(&["log", "--json"]);
        }
    }
}

#[test]
#[ignore = "needs strace: run tests/run"]
fn no_child_has_a_secret_among_its_arguments_or_in_its_environment() {
    let receiver = Receiver::in_turn([Answer::Status(500), Answer::Status(200)]);
    let world = World::told_to(&receiver, "gitlab");
    world.configure("webhook.detach", "true");
    world.commit("one");
    let trace = world.path("trace");
    let strace = |program: &str, arguments: &[&str], directory: &Path| {
        let mut strace = world.command("strace", directory);
        strace.args(["-f", "-qq", "-v", "-s", "65536", "-e", "trace=execve", "-o"]).arg(&trace);
        strace.arg(program).args(arguments).ends();
        let traced = fs::read_to_string(&trace).unwrap();
        assert!(traced.contains("execve("), "{traced}");
        canary::is_nowhere_in(traced.as_bytes(), program);
        traced
    };
    let server = world.server();
    let work = world.work();
    let traced = strace("git", &["push", "--quiet", server.to_str().unwrap(), "main"], &work);
    assert!(traced.contains("hooks/post-receive"), "{traced}");
    let ours = env!("CARGO_BIN_EXE_git-webhook");
    for verb in [&["check"][..], &["list"], &["log"], &["status"], &["test", "ci"], &["flush", "--now"], &["reconcile"]]
    {
        strace(ours, verb, &server);
    }
    for verb in [&["disable", "ci"][..], &["enable", "ci"], &["remove", "ci"]] {
        strace(ours, verb, &server);
    }
}

/// Without random bytes the library for ids panics.
#[test]
#[ignore = "needs strace and root: run tests/run"]
fn a_panic_shows_no_secret() {
    crate::disks::in_mounts("secrets::a_panic_shows_no_secret", || {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "gitlab");
        world.configure("webhook.logLevel", "debug");
        world.commit("one");
        // What cannot be opened; git needs random bytes too, so the hooks alone see it in the place.
        let socket = world.path("socket");
        let _socket = UnixListener::bind(&socket).unwrap();
        for hook in ["pre-receive", "post-receive"] {
            let path = world.server().join("hooks").join(hook);
            fs::remove_file(&path).unwrap();
            let mount = format!("mount --bind {} /dev/urandom", socket.display());
            // The first ones are for bash, the allocator and the standard library's own maps.
            let fault = "strace -f -o /dev/null -e trace=getrandom -e inject=getrandom:error=ENOSYS:when=4+";
            let run = format!("exec {fault} bash -c 'exec -a {hook} {}'", env!("CARGO_BIN_EXE_post-receive"));
            write_program(&path, format!("#!/bin/bash\nexec unshare -m bash -c \"{mount} && {run}\"\n"));
        }
        let pushed = world.push(&["main"]);
        assert!(pushed.accepted, "{}", pushed.output);
        assert!(world.log().contains("panicked"), "{}", world.log());
        // Nor is it said that anything is kept that is not.
        let said = pushed.said();
        assert!(
            said[0].starts_with("webhook: the event can be neither sent now nor written down (a mistake"),
            "{said:?}"
        );
        assert!(world.unfinished().is_empty());
    });
}

/// Everybody on the machine can read arguments, and the shell keeps them.
#[test]
fn a_secret_on_the_command_line_is_refused_and_not_repeated() {
    let world = World::new();
    for arguments in [
        &["--secret", "canary"][..],
        &["--secret=canary"],
        &["--signing-secret", "whsec_canary"],
        &["--generate-secret=canary"],
        &["--generate-signing-secret", "canary"],
    ] {
        let output = world.webhook(&[&["add", "ci", "https://x.example/"], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(129), "{said}");
        let option = arguments[0].split('=').next().unwrap();
        assert!(said.starts_with(&format!("error: {option} takes no value, since everybody")), "{said}");
        assert!(!said.contains("canary"), "{said}");
    }
    // Of a URL the path is one, wherever it was written.
    for arguments in [
        &["add", "ci", "https://x.example/a", "https://x.example/canary"][..],
        &["add", "https://u:canary@x.example/"],
        &["add", "ci", "https://x.example/", "--https://canary"],
        &["log", "https://canary.example/"],
    ] {
        let output = world.webhook(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(129), "{said}");
        assert!(!said.contains("canary"), "{said}");
    }
}
