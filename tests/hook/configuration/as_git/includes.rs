//! Files that include others.

use super::*;

#[test]
fn several_paths_of_one_section_are_read_in_their_order() {
    let files = Files::new();
    for name in ["a", "b", "c"] {
        files.write(&format!("inc/{name}"), sets(name));
    }
    files.write("user", "[include]\npath = ../inc/a\npath = ../inc/b\n[INCLUDE]\nPATH = ../inc/c\n");
    assert_eq!(files.refs(), ["a", "b", "c"]);
}

#[test]
fn values_around_an_include_keep_their_place() {
    let files = Files::new();
    files.write("inc/a", sets("a"));
    files.write("user", sets("before") + "[include]\npath = ../inc/a\n" + &sets("behind"));
    assert_eq!(files.refs(), ["before", "a", "behind"]);
    // `path` also stands in the middle of the section that is included into.
    files
        .write("inc/webhook", "[webhook \"x\"]\nref = a\n[include]\nignored = 1\npath = b\n[webhook \"x\"]\nref = c\n");
    files.write("inc/b", sets("b"));
    files.write("user", "[include]\npath = ../inc/webhook\n");
    assert_eq!(files.refs(), ["a", "b", "c"]);
}

#[test]
fn paths_are_relative_to_the_file_or_to_a_home() {
    let mut files = Files::new();
    files.write("inc/a", sets("a") + "[include]\npath = below/b\n");
    fs::create_dir(files.world.path("inc/below")).unwrap();
    files.write("inc/below/b", sets("b"));
    for path in ["../inc/a", "~/../inc/a", "./../inc/./a", &files.world.path("inc/a").to_string_lossy()] {
        files.write("user", format!("[include]\npath = \"{path}\"\n"));
        assert_eq!(files.refs(), ["a", "b"], "{path}");
    }
    files.write("user", "");
    files.write("system", "[include]\npath = ~/../inc/a\n");
    files.set("GIT_CONFIG_GLOBAL", "");
    assert_eq!(files.refs(), ["a", "b"]);
    files.unset("HOME");
    files.both_refuse();
}

#[test]
fn what_is_not_there_is_passed_over() {
    let files = Files::new();
    for path in
        ["missing", "/dev/null", "../inc/missing/file", "system/file", ":(optional)../inc/a", "%(prefix)/no/such/file"]
    {
        files.write("system", "");
        files.write("inc/a", sets("a"));
        files.write("user", format!("[include]\npath = {path}\n"));
        assert!(files.refs().is_empty(), "{path}");
    }
}

#[test]
fn what_git_dies_of_is_refused() {
    let files = Files::new();
    for line in ["path", "path = ../inc", "path = .", "path = ~nobody-of-this-name/x", "path = ~nobody-of-this-name"] {
        files.write("user", format!("[include]\n{line}\n"));
        files.both_refuse();
    }
    files.write("user", format!("[include]\npath = {}\n", "x".repeat(5000)));
    files.both_refuse();
}

#[test]
fn bad_147_ten_files_deep_and_no_deeper() {
    let files = Files::new();
    for at in 1..=11 {
        files.write(&format!("inc/{at}"), sets(&at.to_string()) + &format!("[include]\npath = {}\n", at + 1));
    }
    files.write("user", "[include]\npath = ../inc/2\n");
    assert_eq!(files.refs().len(), 10);
    files.write("user", "[include]\npath = ../inc/1\n");
    files.both_refuse();
    files.write("user", "[include]\npath = .gitconfig\n");
    files.both_refuse();
}

#[test]
fn a_name_below_include_is_no_include() {
    let files = Files::new();
    files.write("inc/a", sets("a"));
    for header in [
        "include \"x\"",
        "include.x",
        "includeIf",
        "includes",
        "includeIf \"\"",
        "includeIf \"gitdir\"",
        "includeIf \"GITDIR:**\"",
    ] {
        files.write("user", format!("[{header}]\npath = ../inc/a\n"));
        assert!(files.refs().is_empty(), "{header}");
    }
}

#[test]
fn odd_spellings_count_at_any_depth() {
    let files = Files::new();
    files.write("inc/a", "[InClUdE]\npAtH = b\n");
    files.write("inc/b", "[iNcLuDeIf \"gitdir:**\"]\nPath = c\n");
    files.write("inc/c", sets("c"));
    files.write("user", "[INCLUDEIF \"onbranch:**\"]\nPATH = ../inc/a\n");
    assert_eq!(files.refs(), ["c"]);
}

#[test]
fn the_scope_is_that_of_the_file_that_includes() {
    let files = Files::new();
    files.write("inc/a", sets("a"));
    let path = files.world.path("inc/a");
    for (name, scope) in [("system", Scope::System), ("xdg", Scope::Global), ("local", Scope::Repository)] {
        files.write(name, format!("[include]\npath = {}\n", path.display()));
        let keys = files.both_read();
        assert!(keys[&b"webhook.x.ref"[..]].iter().any(|(_, found, file)| (*found, file) == (scope, &real(&path))));
    }
}
