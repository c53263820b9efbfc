//! Which files are read, and in which order.

use super::*;

fn url(name: &str) -> String {
    format!("[webhook \"{name}\"]\nurl = http://h/\n")
}

fn names(world: &World) -> Vec<String> {
    list(world).rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn system_xdg_user_and_repository_are_read_in_this_order() {
    let mut world = World::new();
    with_system_file(&mut world, &url("system"));
    fs::create_dir_all(world.path("home/.config/git")).unwrap();
    fs::write(world.path("home/.config/git/config"), url("xdg")).unwrap();
    add_globally(&world, url("user"));
    add(&world, url("repository"));
    assert_eq!(names(&world), ["system", "xdg", "user", "repository"]);
}

#[test]
fn the_variables_of_git_choose_the_files() {
    let mut world = World::new();
    with_system_file(&mut world, &url("system"));
    add_globally(&world, url("user"));
    fs::write(world.path("other"), url("other")).unwrap();
    fs::create_dir_all(world.path("xdg/git")).unwrap();
    fs::write(world.path("xdg/git/config"), url("xdg")).unwrap();
    let (other, xdg) = (world.path("other"), world.path("xdg"));
    let (other, xdg) = (other.to_str().unwrap(), xdg.to_str().unwrap());
    for (variables, expected) in [
        (&[("GIT_CONFIG_SYSTEM", other)][..], &["other", "user"][..]),
        (&[("GIT_CONFIG_SYSTEM", "")], &["user"]),
        (&[("GIT_CONFIG_SYSTEM", "/dev/null")], &["user"]),
        (&[("GIT_CONFIG_NOSYSTEM", "true")], &["user"]),
        (&[("GIT_CONFIG_NOSYSTEM", "")], &["system", "user"]),
        (&[("GIT_CONFIG_GLOBAL", other)], &["system", "other"]),
        (&[("GIT_CONFIG_GLOBAL", "")], &["system"]),
        (&[("GIT_CONFIG_GLOBAL", "/dev/null")], &["system"]),
        (&[("XDG_CONFIG_HOME", xdg)], &["system", "xdg", "user"]),
        (&[("XDG_CONFIG_HOME", "")], &["system", "user"]),
        (&[("HOME", "/dev/null")], &["system"]),
        (&[("HOME", "/dev/null"), ("XDG_CONFIG_HOME", xdg)], &["system", "xdg"]),
    ] {
        let output = world.webhook_command().args(["list", "--json"]).envs(variables.iter().copied()).ends();
        let rows: Vec<Value> = crate::support::rows(&output.stdout);
        assert_eq!(rows.iter().map(|row| row["name"].as_str().unwrap()).collect::<Vec<_>>(), expected, "{variables:?}");
    }
}

#[test]
fn the_system_s_file_lies_below_the_prefix_of_the_git_that_runs_the_hook() {
    let receiver = Receiver::new();
    let world = World::new();
    push(&world);
    fs::create_dir_all(world.path("prefix/etc")).unwrap();
    fs::write(world.path("prefix/etc/gitconfig"), format!("[webhook \"ci\"]\nurl = {}\n", receiver.url())).unwrap();
    for directory in ["libexec/git-core", "lib/git-core"] {
        run_hook(&world, |command| {
            command.env("GIT_EXEC_PATH", world.path("prefix").join(directory)).env_remove("GIT_CONFIG_NOSYSTEM");
        });
        receiver.take_one();
    }
    run_hook(&world, |command| {
        command.env("GIT_EXEC_PATH", world.path("prefix/libexec/git-core"));
    });
    assert!(receiver.take().is_empty(), "GIT_CONFIG_NOSYSTEM holds");
}

#[test]
fn without_home_the_repository_s_own_file_is_enough() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    push(&world);
    receiver.take();
    run_hook(&world, |command| {
        command.env_remove("HOME");
    });
    receiver.take_one();
}

#[test]
fn where_a_group_pushes_the_user_s_own_file_is_not_read() {
    let world = World::new();
    add_globally(&world, url("user"));
    for (value, is_shared) in [
        ("group", true),
        ("all", true),
        ("true", true),
        ("1", true),
        ("0660", true),
        ("umask", false),
        ("false", false),
        ("0640", false),
        ("0600", false),
    ] {
        world.server_git(&["config", "core.sharedRepository", value]);
        assert_eq!(names(&world).is_empty(), is_shared, "{value}");
    }
}

#[test]
fn a_server_may_say_for_all_its_repositories_that_groups_push() {
    let mut world = World::new();
    with_system_file(&mut world, "[core]\nsharedRepository = group\n");
    add_globally(&world, url("user"));
    assert!(names(&world).is_empty());
    world.configure("core.sharedRepository", "false");
    assert_eq!(names(&world), ["user"]);
}

#[test]
fn bad_146_names_of_sections_and_keys_have_no_case_but_names_of_targets_have() {
    let world = World::new();
    add(&world, "[WebHook \"CI\"]\nURL = http://upper/\n[WEBHOOK \"ci\"]\nuRl = http://lower/\nMAXCOMMITS = 3\n");
    let listed = list(&world);
    listed.is_well();
    assert_eq!(
        (&listed.target("CI")["url"], &listed.target("ci")["url"]),
        (&json!("http://upper/…"), &json!("http://lower/…"))
    );
}

#[test]
fn the_old_form_of_a_section_is_read_in_lower_case() {
    let world = World::new();
    add(&world, "[webhook.CI]\nurl = http://h/\n");
    assert_eq!(names(&world), ["ci"]);
}

#[test]
fn bad_139_lines_may_end_as_on_windows() {
    let receiver = Receiver::new();
    let world = World::new();
    add(
        &world,
        format!("[webhook \"ci\"]\r\n\turl = {}\r\n\tformat = gitlab\r\n\tsecret = {CANARY}\r\n", receiver.url()),
    );
    push(&world);
    assert_eq!(receiver.take_one().header("X-Gitlab-Token"), CANARY);
}

#[test]
fn bad_140_a_file_may_begin_with_a_byte_order_mark() {
    let world = World::new();
    fs::write(world.path("home/.gitconfig"), format!("\u{feff}{}", url("ci"))).unwrap();
    assert_eq!(names(&world), ["ci"]);
}

#[test]
fn bad_152_a_file_may_be_a_symbolic_link() {
    let world = World::new();
    fs::write(world.path("elsewhere"), url("ci")).unwrap();
    fs::remove_file(world.path("home/.gitconfig")).unwrap();
    symlink(world.path("elsewhere"), world.path("home/.gitconfig")).unwrap();
    assert_eq!(names(&world), ["ci"]);
}

#[test]
fn a_linked_worktree_reads_its_own_file_too() {
    let world = World::new();
    world.configure("extensions.worktreeConfig", "true");
    push(&world);
    let tree = world.path("tree");
    world.server_git(&["worktree", "add", "--quiet", tree.to_str().unwrap(), "main"]);
    add(&world, url("common"));
    fs::write(world.server().join("worktrees/tree/config.worktree"), url("linked")).unwrap();
    fs::write(world.server().join("config.worktree"), url("main")).unwrap();
    assert_eq!(names(&world), ["common", "main"]);
    let output = world.command(env!("CARGO_BIN_EXE_git-webhook"), &tree).args(["list", "--json"]).ends();
    let rows: Value = crate::support::rows(&output.stdout).into();
    assert_eq!((&rows[0]["name"], &rows[1]["name"], &rows[2]), (&json!("common"), &json!("linked"), &Value::Null));
}

#[test]
fn an_include_delivers_once() {
    let receiver = Receiver::new();
    let world = World::new();
    let text = format!("[webhook \"ci\"]\nurl = {}\nref = a\n", receiver.url());
    fs::write(world.path("shared"), text).unwrap();
    add_globally(&world, "[include]\npath = ../shared\n[includeIf \"gitdir:project.git\"]\npath = ../shared\n");
    assert_eq!(list(&world).target("ci")["ref"], json!(["a", "a"]));
    world.commit("one");
    world.push(&["HEAD:a"]);
    receiver.take_one();
}

#[test]
fn an_include_can_depend_on_the_repository() {
    let receiver = Receiver::new();
    let world = World::new();
    fs::write(world.path("home/ci"), format!("[webhook \"ci\"]\nurl = {}\n", receiver.url())).unwrap();
    add_globally(
        &world,
        "[includeIf \"gitdir:**/project.git\"]\npath = ci\n[includeIf \"gitdir:other/\"]\npath = none\n",
    );
    push(&world);
    receiver.take_one();
}
