//! Includes that count only where a condition holds.

use super::generate::Random;
use super::*;

/// Whether a file is included under a condition that stands in the file `name`; git's word is law.
#[track_caller]
fn holds(files: &Files, name: &str, condition: &str) -> bool {
    let path = files.world.path("inc/a");
    files.write("inc/a", sets("a"));
    files.write(name, format!("[includeIf \"{condition}\"]\npath = {}\n", path.display()));
    !files.refs().is_empty()
}

#[test]
fn gitdir() {
    let files = Files::new();
    let base = real(&files.world.path("")).to_string_lossy().into_owned();
    for (condition, expected) in [
        ("gitdir:**", true),
        ("gitdir:project.git", true),
        ("gitdir:Project.git", false),
        ("gitdir/i:Project.GIT", true),
        ("gitdir:project", false),
        ("gitdir:project.git/", false),
        ("gitdir:~/", false),
        ("gitdir:~/../project.git", false),
        ("gitdir:./", false),
        ("gitdir:/**", true),
        ("gitdir:/*", false),
        ("gitdir:p[a-r]oject.g?t", true),
        ("gitdir:p[!a-r]oject.git", false),
        ("gitdir:[[:alpha:]]*.git", true),
        ("gitdir:%(prefix)/**", false),
        ("gitdir:", true),
        (&format!("gitdir:{}/project.git", "/*".repeat(base.matches('/').count())), true),
        (&format!("gitdir:{base}/"), true),
        (&format!("gitdir:{base}/**"), true),
        (&format!("gitdir:{base}/project.git"), true),
        (&format!("gitdir/i:{}/", base.to_uppercase()), true),
        (&format!("gitdir:{base}"), false),
    ] {
        assert_eq!(holds(&files, "user", condition), expected, "{condition}");
    }
    assert!(holds(&files, "system", "gitdir:./"), "relative to the file, which lies beside the repository");
    assert!(holds(&files, "system", "gitdir/i:./PROJECT.git"));
}

#[test]
fn gitdir_takes_no_pattern_from_the_name_of_a_directory() {
    let mut files = Files::new();
    let odd = files.world.path("a[b]*");
    fs::create_dir(&odd).unwrap();
    let moved = odd.join("project.git");
    fs::rename(files.world.server(), &moved).unwrap();
    std::os::unix::fs::symlink(&moved, files.world.server()).unwrap();
    files.set("GIT_CONFIG_SYSTEM", odd.join("system"));
    let text = format!("[includeIf \"gitdir:./\"]\npath = {}\n", files.world.path("inc/a").display());
    fs::write(odd.join("system"), text).unwrap();
    files.write("inc/a", sets("a"));
    assert_eq!(files.refs(), ["a"]);
}

#[test]
fn gitdir_with_and_without_symbolic_links() {
    let mut files = Files::new();
    let link = files.world.path("link.git");
    std::os::unix::fs::symlink(files.world.server(), &link).unwrap();
    files.set("GIT_DIR", &link);
    assert!(holds(&files, "user", "gitdir:link.git"));
    assert!(holds(&files, "user", "gitdir:project.git"));
    assert!(!holds(&files, "user", "gitdir:other.git"));
}

#[test]
fn gitdir_of_a_linked_worktree_is_its_own() {
    let files = Files::new();
    files.write("inc/a", sets("a"));
    let id = files.world.commit("one");
    files.world.push(&["main"]);
    files.world.server_git(&["worktree", "add", "--quiet", "--detach", "../tree", &id]);
    let common = files.world.server();
    let own = common.join("worktrees/tree");
    let path = files.world.path("inc/a");
    for (condition, expected) in
        [("gitdir:./worktrees/", 1), ("gitdir:**/tree", 1), ("gitdir:project.git", 0), ("onbranch:**", 0)]
    {
        files.write("local", format!("[includeIf \"{condition}\"]\npath = {}\n", path.display()));
        let variables = files.variables.iter().map(|(name, value)| ((*name).into(), value.clone()));
        let entries = config::entries(&own, &common, &Environment::new(variables)).unwrap();
        let mut command = Command::new("git");
        command.args(["config", "--get-all", "webhook.x.ref"]).current_dir(files.world.path("tree")).env_clear();
        let variables = files.variables.iter().filter(|(name, _)| *name != "GIT_DIR").cloned();
        let git = command.envs(variables).ends().stdout;
        assert_eq!(git, b"a\n".repeat(expected), "{condition}");
        assert_eq!(entries.iter().filter(|entry| entry.key == "ref").count(), expected, "{condition}");
    }
}

#[test]
fn onbranch() {
    let files = Files::new();
    let head = |text: &str| fs::write(files.world.server().join("HEAD"), text).unwrap();
    for (branch, condition, expected) in [
        ("main", "onbranch:main", true),
        ("main", "onbranch:mai?", true),
        ("main", "onbranch:Main", false),
        ("main", "onbranch:main/", false),
        ("feature/x/y", "onbranch:feature/", true),
        ("feature/x/y", "onbranch:feature/*", false),
        ("feature/x/y", "onbranch:feature/**", true),
        ("feature/x/y", "onbranch:**/y", true),
        ("feature/x/y", "onbranch:refs/heads/**", false),
        ("grün", "onbranch:gr*n", true),
    ] {
        head(&format!("ref: refs/heads/{branch}\n"));
        assert_eq!(holds(&files, "user", condition), expected, "{branch} {condition}");
    }
    head("ref:  \trefs/heads/main  \n\n");
    assert!(holds(&files, "user", "onbranch:main"));
    head("ref: refs/other/main\n");
    assert!(!holds(&files, "user", "onbranch:**"));
    head(&("1".repeat(40) + "\n"));
    assert!(!holds(&files, "user", "onbranch:**"));
}

#[test]
fn onbranch_follows_symbolic_refs() {
    let files = Files::new();
    let server = files.world.server();
    fs::write(server.join("HEAD"), "ref: refs/heads/alias\n").unwrap();
    fs::write(server.join("refs/heads/alias"), "ref: refs/heads/main\n").unwrap();
    assert!(holds(&files, "user", "onbranch:main"));
    assert!(!holds(&files, "user", "onbranch:alias"));
    fs::remove_file(server.join("HEAD")).unwrap();
    std::os::unix::fs::symlink("refs/heads/alias", server.join("HEAD")).unwrap();
    assert!(holds(&files, "user", "onbranch:main"));
}

#[test]
fn hasconfig_sees_remotes_of_all_files() {
    let files = Files::new();
    files.write("worktree", "");
    files.write("inc/remote", "[remote \"far\"]\nurl = https://far.example/x\n");
    files.write("local", "[remote \"o\"]\nurl = https://example.org/a/b\n[include]\npath = ../inc/remote\n");
    for (condition, expected) in [
        ("hasconfig:remote.*.url:https://example.org/**", true),
        ("hasconfig:remote.*.url:https://example.org/*", false),
        ("hasconfig:remote.*.url:https://far.example/x", true),
        ("hasconfig:remote.*.url:https://EXAMPLE.org/a/b", false),
        ("hasconfig:remote.*.url:https://example.org/a/", false),
        ("hasconfig:remote.*.url:", false),
        ("hasconfig:remote.o.url:**", false),
        ("hasconfig:user.name:**", false),
    ] {
        assert_eq!(holds(&files, "user", condition), expected, "{condition}");
    }
}

#[test]
fn hasconfig_forbids_remotes_below_includeif() {
    let files = Files::new();
    files.write("inc/remote", "[remote \"far\"]\nurl = https://far.example/x\n");
    files.write("local", "[include]\npath = ../inc/remote\n");
    files.write("user", "[includeIf \"hasconfig:remote.*.url:nothing\"]\npath = ../inc/none\n");
    files.both_read();
    for condition in ["gitdir:**", "hasconfig:remote.*.url:other"] {
        files.write("local", format!("[includeIf \"{condition}\"]\npath = ../inc/remote\n"));
        files.both_refuse();
    }
    files.write("local", "[includeIf \"gitdir:**\"]\npath = ../inc/remote\n");
    files.write("user", "");
    files.both_read();
}

/// Hundreds of patterns in one file, each with a file of its own to include. `[:` without `:]` is left out: gix-glob
/// and git differ there.
#[test]
fn random_patterns_match_as_in_git() {
    let files = Files::new();
    let seed = std::env::var("CONFIGURATION_CASE").ok().and_then(|number| number.parse().ok());
    let mut random = Random(seed.unwrap_or(7));
    let path = files.world.path("inc");
    let mut text = String::new();
    let pieces = [
        "*",
        "**",
        "**/",
        "/**",
        "?",
        "/",
        "a",
        "b",
        "[ab]",
        "[!a]",
        "[^-b]",
        "[a-c]",
        "[]a]",
        "[[:alpha:]]",
        "[",
        "]",
        "\\\\",
        "-",
        ".",
        "[/]",
        "[b\\\\-d]",
        "B",
    ];
    for number in 0..600 {
        let pattern: String = (0..1 + random.below(6)).map(|_| random.pick(&pieces)).collect();
        text += &format!("[includeIf \"onbranch:{pattern}\"]\npath = {}/p{number}\n", path.display());
        fs::write(path.join(format!("p{number}")), sets(&number.to_string())).unwrap();
    }
    files.write("user", &text);
    let mut matched = 0;
    for branch in ["a", "b", "ab", "a/b", "a/b/c", "a/ab/a.b", "-", "b/a-b", "aB"] {
        fs::write(files.world.server().join("HEAD"), format!("ref: refs/heads/{branch}\n")).unwrap();
        if let Err(difference) = files.compare() {
            panic!("{branch}: {difference}{text}");
        }
        matched += files.refs().len();
    }
    assert!(matched > 150, "{matched}");
}
