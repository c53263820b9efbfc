//! What receivers take a repository's name apart into: each by its own rule, from whatever a repository is called here.

use std::fs;

use serde_json::Value;

use crate::check::{SetUp, message};
use crate::support::{Receiver, World};

/// The body of a push of a repository that is called so, in a format.
fn body(path: &str, owner: Option<&str>, format: &str) -> Value {
    let receiver = Receiver::new();
    let world = World::told_plainly_to(&receiver, format);
    world.server_git(&["config", "webhook.repository", path]);
    world.configure("webhook.homepage", "https://git.example.org/{repository}");
    if let Some(owner) = owner {
        world.configure("webhook.owner", owner);
    }
    world.commit("one");
    world.push(&["main"]);
    receiver.take_one().json()
}

/// Where a format has the name that receivers look at.
fn full_name<'b>(body: &'b Value, format: &str) -> &'b str {
    let name = match format {
        "gitlab" => &body["project"]["path_with_namespace"],
        _ => &body["repository"]["full_name"],
    };
    name.as_str().unwrap()
}

/// Woodpecker: the second of the parts between slashes is the name, and it does not look whether there is one; of GitLab's
/// the last one is, and there have to be two.
fn woodpecker(name: &str, format: &str) -> Option<(String, String)> {
    let parts: Vec<_> = name.split('/').collect();
    match format {
        "gitlab" => name.rsplit_once('/').map(|(owner, name)| (owner.into(), name.into())),
        _ => Some(((*parts.first()?).into(), (*parts.get(1)?).into())),
    }
}

/// Atlantis: what stands behind the last slash is the name; neither may be empty, and an owner has slashes at GitLab alone.
fn atlantis(name: &str, format: &str) -> Option<(String, String)> {
    let (owner, name) = name.rsplit_once('/')?;
    let is_wrong = owner.is_empty() || name.is_empty() || (format != "gitlab" && owner.contains('/'));
    (!is_wrong).then(|| (owner.into(), name.into()))
}

/// Argo CD: of Bitbucket's what stands before the first slash is the workspace, and the rest is looked up by an API that has
/// no slash in it.
fn argo_cd(name: &str) -> Option<(String, String)> {
    let (workspace, slug) = name.split_once('/')?;
    (!slug.is_empty() && !slug.contains('/')).then(|| (workspace.into(), slug.into()))
}

/// Jenkins' plugin for GitHub: a web address of host, owner and name, and no more, or nothing is built.
fn jenkins(address: &str) -> Option<(String, String)> {
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"))?;
    let rest = rest.trim_end_matches('/');
    match rest.strip_suffix(".git").unwrap_or(rest).split('/').collect::<Vec<_>>().as_slice() {
        [_, owner, name] => Some(((*owner).into(), (*name).into())),
        _ => None,
    }
}

#[test]
fn receivers_find_owner_and_name() {
    for (path, owner, expected, of_gitlab) in [
        ("group/project", None, ("group", "project"), "group"),
        ("project", None, ("project", "project"), "project"),
        ("a/b/c", None, ("a-b", "c"), "a/b"),
        ("a/b/c", Some("team"), ("team", "c"), "a/b"),
        ("project", Some("team"), ("team", "project"), "team"),
    ] {
        let expected = (expected.0.to_owned(), expected.1.to_owned());
        for format in ["github", "gitea", "forgejo", "gogs", "bitbucket", "gitlab"] {
            let body = body(path, owner, format);
            let name = full_name(&body, format);
            let expected = match format {
                "gitlab" => (of_gitlab.to_owned(), expected.1.clone()),
                _ => expected.clone(),
            };
            assert_eq!(name, format!("{}/{}", expected.0, expected.1), "{format} {path}");
            assert_eq!(woodpecker(name, format), Some(expected.clone()), "{format} {path}");
            assert_eq!(atlantis(name, format), Some(expected.clone()), "{format} {path}");
            let repository = &body["repository"];
            match format {
                "github" | "gitea" | "forgejo" | "gogs" => {
                    assert_eq!(repository["owner"]["login"], *expected.0, "{format} {path}")
                }
                "bitbucket" => {
                    assert_eq!(argo_cd(name).as_ref(), Some(&expected), "{path}");
                    assert_eq!(repository["workspace"]["slug"], *expected.0, "{path}");
                }
                _ => assert_eq!(body["project"]["namespace"], *expected.0, "{path}"),
            }
            // Links are the templates'.
            let page = if format == "gitlab" { &body["project"]["web_url"] } else { &repository["html_url"] };
            let page = if format == "bitbucket" { &repository["links"]["html"]["href"] } else { page };
            assert_eq!(*page, format!("https://git.example.org/{path}"), "{format}");
            if format == "github" && path == "group/project" {
                assert_eq!(jenkins(page.as_str().unwrap()), Some(expected), "{path}");
            }
        }
    }
}

/// Of two levels of groups Jenkins builds nothing, as with any address of more than two parts; a home page of two does.
#[test]
fn jenkins_builds_what_the_home_page_calls_by_two_words() {
    assert_eq!(jenkins("https://git.example.org/a/b/c"), None);
    assert_eq!(jenkins("https://git.example.org/cgit/group/project"), None);
    assert_eq!(jenkins("http://vm/project"), None);
    assert_eq!(jenkins("https://git.example.org/a-b/c.git"), Some(("a-b".into(), "c".into())));
}

#[test]
fn an_owner_is_one_word() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "github");
    world.configure("webhook.owner", "a/b");
    let listed = world.webhook(&["list"]);
    let said = String::from_utf8_lossy(&listed.stderr);
    assert!(said.contains("webhook.owner 'a/b': is no owner: write one word without '/' and blanks"), "{said}");
    world.commit("one");
    world.push(&["main"]);
    assert_eq!(receiver.take_one().json()["repository"]["full_name"], "group/project", "the default counts");
}

/// Two of one name below the root: in `a/b` and in `a-b`, told to a target of the server's and to one of their own.
#[test]
fn check_finds_repositories_that_are_called_the_same() {
    let set_up = SetUp::new();
    let world = &set_up.world;
    fs::write(world.path("home/.gitconfig"), "[safe]\n\tdirectory = *\n").unwrap();
    for path in ["srv/a/b/c.git", "srv/a-b/c.git", "srv/c.git"] {
        let place = world.path(path);
        let path = place.to_str().unwrap();
        world.git(&["init", "--quiet", "--bare", path]);
        world.git(&["-C", path, "config", "webhook.ci.url", "http://127.0.0.1:9/"]);
    }
    let root = world.path("srv").to_str().unwrap().to_owned();
    let told = || -> Vec<(String, String, Vec<String>)> {
        let output = world.webhook(&["check", "--json", "--root", &root]);
        let all: Value = crate::support::rows(&output.stdout).into();
        let all = all.as_array().unwrap().iter().filter(|finding| message(finding).contains("is called"));
        let text = |value: &Value| value.as_str().unwrap_or_default().replace(&root, "");
        all.map(|it| {
            let mend = it["mend"].as_array().unwrap().iter().map(|mend| mend.as_str().unwrap().to_owned());
            (text(&it["repository"]), text(&it["message"]), mend.collect())
        })
        .collect()
    };
    // Without a root each is called by its directory's name alone.
    let first = told();
    assert_eq!(first.len(), 3, "{first:#?}");
    assert!(first.iter().all(|(_, message, _)| message.contains("is called 'c/c' as ")), "{first:#?}");
    // With one the two that differ in a slash are left.
    world.configure_globally("webhook.root", &root);
    let second = told();
    let messages: Vec<_> = second.iter().map(|(_, message, _)| message.as_str()).collect();
    let expected = [
        "'/a/b/c.git' is called 'a-b/c' as '/a-b/c.git' is, and receivers take them for one",
        "'/a-b/c.git' is called 'a-b/c' as '/a/b/c.git' is, and receivers take them for one",
    ];
    assert_eq!(messages, expected);
    for (_, _, mend) in &second {
        assert_eq!(mend.len(), 1, "{second:#?}");
        let output = world.command("sh", std::path::Path::new("/")).args(["-c", &mend[0]]).output().unwrap();
        assert!(output.status.success(), "{mend:?}");
    }
    assert_eq!(told(), [], "each has an owner of its own");
}

/// To a target of the server's a repository does not say what it is called: the server's root does.
#[test]
fn check_sets_the_root_where_the_servers_targets_take_two_for_one() {
    let set_up = SetUp::new();
    let world = &set_up.world;
    world.configure_globally("safe.directory", "*");
    world.configure_globally("webhook.all.url", "http://127.0.0.1:9/");
    for path in ["srv/a/c.git", "srv/b/c.git"] {
        world.git(&["init", "--quiet", "--bare", world.path(path).to_str().unwrap()]);
    }
    let root = world.path("srv").to_str().unwrap().to_owned();
    let told = || -> Vec<Value> {
        let output = world.webhook(&["check", "--json", "--root", &root]);
        let all: Vec<Value> = crate::support::rows(&output.stdout);
        all.into_iter().filter(|finding| message(finding).contains("is called 'c/c'")).collect()
    };
    let found = told();
    assert_eq!(found.len(), 2, "{found:#?}");
    let mend = found[0]["mend"][0].as_str().unwrap();
    assert!(mend.contains("webhook.root"), "{mend}");
    let output = world.command("sh", std::path::Path::new("/")).args(["-c", mend]).output().unwrap();
    assert!(output.status.success(), "{mend}");
    assert!(told().is_empty(), "they are a/c and b/c now");
}
