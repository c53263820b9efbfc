//! The variables and values of `-c` that git reads its configuration from or by.

use super::*;

/// What is read with these variables set; `None` takes one away.
#[track_caller]
fn read(variables: &[(&'static str, Option<&str>)]) -> Vec<String> {
    let mut files = Files::new();
    for name in ["system", "xdg", "user", "inc/other"] {
        files.write(name, sets(name));
    }
    fs::create_dir_all(files.world.path("xdg/git")).unwrap();
    files.write("xdg/git/config", sets("elsewhere"));
    for (name, value) in variables {
        match value {
            Some(value) => files.set(name, value.replace("BASE", &files.world.path("").to_string_lossy())),
            None => files.unset(name),
        }
    }
    files.refs()
}

#[test]
fn git_s_variables_choose_the_files_as_for_git() {
    assert_eq!(read(&[]), ["system", "xdg", "user"]);
    assert_eq!(read(&[("GIT_CONFIG_NOSYSTEM", Some("1"))]), ["xdg", "user"]);
    assert_eq!(read(&[("GIT_CONFIG_NOSYSTEM", Some("no"))]), ["system", "xdg", "user"]);
    assert_eq!(read(&[("GIT_CONFIG_NOSYSTEM", Some(""))]), ["system", "xdg", "user"]);
    assert_eq!(read(&[("GIT_CONFIG_SYSTEM", Some(""))]), ["xdg", "user"]);
    assert_eq!(read(&[("GIT_CONFIG_GLOBAL", Some("BASE/inc/other"))]), ["system", "inc/other"]);
    assert_eq!(read(&[("GIT_CONFIG_GLOBAL", Some(""))]), ["system"]);
    assert_eq!(read(&[("XDG_CONFIG_HOME", Some("BASE/xdg"))]), ["system", "elsewhere", "user"]);
    assert_eq!(read(&[("XDG_CONFIG_HOME", Some(""))]), ["system", "xdg", "user"]);
    assert_eq!(read(&[("HOME", None)]), ["system"]);
    assert_eq!(read(&[("HOME", None), ("XDG_CONFIG_HOME", Some("BASE/xdg"))]), ["system", "elsewhere"]);
    assert_eq!(read(&[("HOME", Some(""))]), ["system"]);
    assert_eq!(read(&[("HOME", Some("/dev/null"))]), ["system"]);
}

#[test]
fn bad_165_what_git_takes_from_the_environment_is_left_out() {
    let mut files = Files::new();
    files.write("user", sets("user"));
    files.set("GIT_CONFIG_COUNT", "1");
    files.set("GIT_CONFIG_KEY_0", "webhook.x.ref");
    files.set("GIT_CONFIG_VALUE_0", "rogue");
    files.set("GIT_CONFIG_PARAMETERS", "'webhook.x.ref=rogue'");
    assert!(String::from_utf8_lossy(&files.git().stdout).contains("rogue"), "git takes it");
    let entries = files.ours().unwrap();
    let values: Vec<_> = entries.iter().filter(|entry| entry.key == "ref").map(|entry| entry.value.clone()).collect();
    assert_eq!(values, [Some(b"user".to_vec())]);
}

#[test]
fn the_worktree_s_file_is_read_where_the_extension_says_so() {
    let files = Files::new();
    files.write("worktree", sets("worktree"));
    assert!(files.refs().is_empty());
    for extension in ["worktreeConfig", "WORKTREECONFIG = yes", "worktreeconfig = 1"] {
        files.write("local", format!("[extensions]\n{extension}\n"));
        assert_eq!(files.refs(), ["worktree"], "{extension}");
    }
    files.write("inc/extension", "[extensions]\nworktreeConfig = true\n");
    files.write("local", "[include]\npath = ../inc/extension\n");
    assert!(files.refs().is_empty(), "git asks the file itself, without what it includes");
}
