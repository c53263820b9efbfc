//! Links of payloads, followed in the programs that show repositories.

use std::path::Path;

use serde_json::Value;

use crate::support::{Ends, World};

const CGIT: &str = "/usr/lib/cgit/cgit.cgi";
const GITWEB: &str = "/usr/share/gitweb/gitweb.cgi";

/// Every address in a payload that begins so; those of an API's forms, with `{`, are no links.
fn links(body: &Value, start: &str, found: &mut Vec<String>) {
    match body {
        // `<page|text>` in a chat.
        Value::String(text) => {
            let parts = text.split(['<', '|', '>', ' ']).filter(|part| part.starts_with(start) && !part.contains('{'));
            found.extend(parts.map(String::from));
        }
        Value::Array(all) => all.iter().for_each(|one| links(one, start, found)),
        Value::Object(all) => all.values().for_each(|one| links(one, start, found)),
        _ => {}
    }
}

/// Runs a program as a web server does; its answer.
fn page(world: &World, program: &str, config: (&str, &Path), address: &str, start: &str) -> String {
    let rest = address.strip_prefix(start).unwrap();
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let decode = |text: &str| text.replace("%23", "#").replace("%20", " ");
    let mut command = world.command(program, &world.path(""));
    command.env("GATEWAY_INTERFACE", "CGI/1.1").env("REQUEST_METHOD", "GET").env("SERVER_NAME", "git.example.org");
    command
        .env("SCRIPT_NAME", start.rsplit_once("org").unwrap().1)
        .env("SERVER_PORT", "80")
        .env("SERVER_PROTOCOL", "HTTP/1.1");
    command.env("QUERY_STRING", query).env("PATH_INFO", decode(path)).env("REQUEST_URI", rest);
    command.env(config.0, config.1);
    String::from_utf8_lossy(&command.ends().stdout).into_owned()
}

/// Pushes of every kind, whose links of every format are followed.
fn resolve(viewer: &str, program: &str, start: &str, home: &str, config: (&str, &str)) {
    let world = World::new();
    let file = world.path("viewer.conf");
    std::fs::write(&file, config.1.replace("ROOT", world.path("").to_str().unwrap())).unwrap();
    for (key, value) in [("repository", "project"), ("viewer", viewer), ("homepage", home)] {
        world.server_git(&["config", &format!("webhook.{key}"), value]);
    }
    let ids = ["one", "two", "three"].map(|message| world.commit(message));
    world.git(&["tag", "--annotate", "--message", "t", "v1"]);
    world.git(&["tag", "light", "HEAD~1"]);
    world.push(&["main", "main:topic/a#1", "v1", "light"]);
    let updates = [
        (&*ids[0], "main", "refs/heads/main"),
        ("0", "main", "refs/heads/topic/a#1"),
        ("0", "v1", "refs/tags/v1"),
        ("0", "light", "refs/tags/light"),
        (&*ids[1], "0", "refs/heads/gone"),
    ];
    let mut followed = 0;
    for format in ["codeup", "gitlab", "github", "gitea", "bitbucket", "slack"] {
        for (old, new, name) in updates {
            let output = world.webhook(&["payload", "--format", format, old, new, name]);
            assert!(output.status.success(), "{format} {name}: {}", String::from_utf8_lossy(&output.stderr));
            let body: Value = serde_json::from_slice(&output.stdout).unwrap();
            let mut found = Vec::new();
            links(&body, start, &mut found);
            // Where GitHub and Bitbucket have an API, and pages of people, no viewer has anything.
            let is_page = |link: &String| {
                link.matches(['?', ';']).count() > home.matches('?').count()
                    || link.contains("/commit")
                    || link.contains("/shortlog")
                    || link.contains("/tree")
            };
            for link in found.iter().filter(|link| is_page(link)) {
                let answer = page(&world, program, (config.0, &file), link, start);
                let head = answer.split("\r\n\r\n").next().unwrap().split("\n\n").next().unwrap();
                let is_found =
                    !head.contains("Status: 4") && !answer.contains("Bad object") && !answer.contains("class='error'");
                assert!(is_found, "{format} {name}: {link}\n{answer}");
                let shows = ids.iter().any(|id| answer.contains(&id[..7])) || answer.contains("one.txt");
                assert!(shows, "{format} {name}: {link} shows no commit and no file\n{answer}");
                followed += 1;
            }
        }
    }
    assert!(followed > 40, "{followed}");
}

#[test]
#[ignore = "needs cgit: run tests/run"]
fn links_resolve_in_cgit() {
    let config = "virtual-root=/cgit/\nremove-suffix=1\ncache-size=0\nscan-path=ROOT\n";
    resolve(
        "cgit",
        CGIT,
        "http://git.example.org/cgit",
        "http://git.example.org/cgit/{repository}/",
        ("CGIT_CONFIG", config),
    );
}

#[test]
#[ignore = "needs gitweb: run tests/run"]
fn links_resolve_in_gitweb() {
    let config = "our $projectroot = 'ROOT';\n$feature{'pathinfo'}{'default'} = [1];\n1;\n";
    let start = "http://git.example.org/gitweb.cgi";
    for home in [format!("{start}?p={{repository}}.git"), format!("{start}/{{repository}}.git")] {
        resolve("gitweb", GITWEB, start, &home, ("GITWEB_CONFIG", config));
    }
}

#[test]
fn each_template_may_be_ones_own() {
    let world = World::new();
    let (old, new) = (world.commit("one"), world.commit("two"));
    world.push(&["main"]);
    for (key, value) in [
        ("homepage", "https://g/{repository}"),
        ("viewer", "cgit"),
        ("compareUrl", "https://g/{name}/c/{old}/{new}"),
        ("branchUrl", "https://g/b/{branch}"),
    ] {
        world.configure(&format!("webhook.{key}"), value);
    }
    let payload = |format: &str| -> Value {
        let output = world.webhook(&["payload", "--format", format, &old, &new, "refs/heads/main"]);
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert_eq!(payload("github")["compare"], format!("https://g/project/c/{old}/{new}"));
    assert_eq!(payload("gitea")["compare_url"], format!("https://g/project/c/{old}/{new}"));
    let links = &payload("bitbucket")["push"]["changes"][0]["new"]["links"];
    assert_eq!(links["html"]["href"], "https://g/b/main");
    assert_eq!(links["self"]["href"], format!("https://g/group/project/tree/?id={new}"));
    world.configure("webhook.viewer", "gitlist");
    world.configure("webhook.tagUrl", "https://g/{id}");
    let said = String::from_utf8(world.webhook(&["list"]).stderr).unwrap();
    assert!(said.contains("is no viewer that is known") && said.contains("webhook.tagUrl"), "{said}");
}
