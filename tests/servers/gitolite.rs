//! gitolite over ssh, as its own user has it: hooks from LOCAL_CODE, targets from gitolite.conf, copies on other servers.

use crate::machine::Machine;
use crate::plain::{ssh, sshd};
use crate::support::{Ends, Receiver};
use crate::way::Way;

/// gitolite for a user, whose administrator is ada; what its configuration file says beside the defaults, and what it enables.
fn gitolite(machine: &Machine, user: &str, settings: &str, enabled: &str) {
    machine.run(&format!("useradd -m {user}; usermod -p '*' {user}; cp /home/ada/.ssh/id.pub /mnt/open/ada.pub"));
    machine.run_as(
        user,
        &format!(
            "mkdir -p local/hooks/repo-specific
             gitolite setup -pk /mnt/open/ada.pub >/dev/null 2>&1
             sed -i 's|GIT_CONFIG_KEYS .*|GIT_CONFIG_KEYS => \"webhook\\\\..*\", LOCAL_CODE => \"$ENV{{HOME}}/local\", {settings}|
                     s|^ *ENABLE => \\[|&{enabled}|' .gitolite.rc
             git config --global webhook.root ~/repositories
             git config --global webhook.gitSshUrl \"$(id -un)@git.example.org:{{repository}}\"
             git config --global webhook.homepage 'https://git.example.org/{{repository}}'"
        ),
    );
    if enabled.contains("repo-specific-hooks") {
        return;
    }
    let said = machine.install(&format!("--gitolite --user {user}"));
    assert!(said.contains("installed the hooks of gitolite's repositories"), "{said}");
    // Again it is as once.
    assert!(
        machine.install(&format!("--gitolite --user {user}")).contains("already installed: the hooks of gitolite's")
    );
}

/// Has the administrator push a configuration.
fn configure(machine: &Machine, user: &str, conf: &str, keys: &str) {
    let (name, command) = ssh();
    machine.run_as(
        "ada",
        &format!(
            "export {name}='{command}'; rm -rf admin; git clone -q {user}@127.0.0.1:gitolite-admin admin 2>/dev/null; cd admin
             printf '%s\\n' 'repo gitolite-admin' '    RW+ = ada' '{conf}' >conf/gitolite.conf; {keys}
             git add -A; git commit -qm configuration; git push -q 2>&1"
        ),
    );
}

fn with_gitolite(name: &str, enabled: &str, test: impl FnOnce(&Machine)) {
    let Some(machine) = Machine::new(name) else { return };
    machine.run("groupadd dev; useradd -m ada; useradd -m bob");
    let _sshd = sshd(&machine);
    gitolite(&machine, "git", "", enabled);
    test(&machine);
}

fn way<'m>(machine: &'m Machine, repository: &'m str, url: &'m str) -> Way<'m> {
    Way {
        machine,
        repository,
        owner: "git:git",
        user: "ada",
        url,
        environment: vec![ssh()],
        pusher: "ada",
        name: "group/project",
        clone_address: "git@git.example.org:group/project",
        branch: "master",
    }
}

const PROJECT: &str = "/home/git/repositories/group/project.git";
/// What `gitolite mirror push s group/project` does, which ends with 1 whatever came of it.
/// gitolite pushes on by itself too, and of two at once one finds the refs locked.
const PUSH_ON: &str = "cd repositories/group/project.git
     for turn in 1 2 3 4 5; do said=$(git push --mirror s:group/project 2>&1) && exit; sleep 1; done; echo \"$said\"; exit 1";
const URL: &str = "git@127.0.0.1:group/project";

#[test]
#[ignore = "needs root, sshd and gitolite3: run tests/run"]
fn gitolite_over_ssh() {
    with_gitolite("gitolite::gitolite_over_ssh", "", |machine| {
        let receiver = Receiver::new();
        let target =
            format!("    config webhook.conf.url = {}\n    config webhook.conf.format = gitlab", receiver.url());
        configure(machine, "git", &format!("repo group/project\n    RW+ = @all\n{target}"), ":");
        let way = way(machine, PROJECT, URL);
        way.make_work();
        let said = Way { branch: "conf", ..way.clone() }.pushes("");
        assert!(said.contains("remote: webhook conf: delivered conf (200, "), "{said}");
        assert_eq!(receiver.take_one().json()["user_username"], "ada");
        machine.run(&format!("git config --file {PROJECT}/config --remove-section webhook.conf"));
        way.serves();
        assert_eq!(machine.check(PROJECT), [""; 0]);
    });
}

/// gitolite runs several hooks by a driver of its own, ours among them, and what refuses pushes goes on to.
#[test]
#[ignore = "needs root, sshd and gitolite3: run tests/run"]
fn repository_specific_hooks_run_beside_ours() {
    with_gitolite("gitolite::repository_specific_hooks_run_beside_ours", "\"repo-specific-hooks\",", |machine| {
        machine.run_as(
            "git",
            "printf '#!/bin/sh\\nwhile read old new ref; do case $ref in *forbidden) exit 1 ;; esac; done\\n' >local/hooks/repo-specific/refuse
             chmod +x local/hooks/repo-specific/refuse",
        );
        // As install.sh says, which calls nothing installed until it is so.
        let install =
            format!("{} --from {} --gitolite --user git", crate::machine::installer(), crate::machine::built());
        let output = machine.shell(&install).ends();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("no repository of gitolite's runs it yet"), "{said}");
        assert!(said.trim_end().ends_with("option hook.pre-receive.webhook = webhook"), "{said}");
        let ours =
            "repo @all\n    option hook.post-receive.webhook = webhook\n    option hook.pre-receive.webhook = webhook";
        let refuse = "repo group/project\n    RW+ = @all\n    option hook.pre-receive = refuse";
        configure(machine, "git", &format!("{refuse}\n{ours}"), ":");
        assert!(machine.install("--gitolite --user git").contains("already installed: the hooks of gitolite's"));
        let way = way(machine, PROJECT, URL);
        way.make_work();
        let receiver = Receiver::new();
        way.tell(&receiver);
        assert_eq!(machine.check(PROJECT), [""; 0]);
        for _ in 0..2 {
            way.commit();
            let said = way.pushes("");
            assert!(said.contains("delivered master (200, "), "{said}");
            let refused = Way { branch: "forbidden", ..way.clone() }.push("").ends();
            assert!(!refused.status.success(), "{refused:?}");
            // install.sh leaves alone what gitolite looks after, and gitolite has it as before.
            let left = machine.shell(&format!("{} --link-only {PROJECT}", crate::machine::installer())).ends();
            assert!(!left.status.success(), "{left:?}");
            machine.run_as("git", "gitolite setup");
        }
        assert_eq!(receiver.take().len(), 2);
        assert_eq!(machine.check(PROJECT), [""; 0]);
    });
}

/// F14 of real servers: `gitolite setup` puts the hook of LOCAL_CODE in the place of whatever was there.
#[test]
#[ignore = "needs root, sshd and gitolite3: run tests/run"]
fn a_hook_that_gitolite_puts_back_is_noticed() {
    with_gitolite("gitolite::a_hook_that_gitolite_puts_back_is_noticed", "", |machine| {
        configure(machine, "git", "repo group/project\n    RW+ = @all", ":");
        let receiver = Receiver::new();
        way(machine, PROJECT, URL).tell(&receiver);
        assert_eq!(machine.check(PROJECT), [""; 0]);
        let installer = crate::machine::installer();
        let said = machine.run(&format!("{installer} --link-only {PROJECT} 2>&1"));
        assert!(said.starts_with("already installed: the hooks of"), "{said}");
        // Somebody's own in their place, for all repositories.
        machine.run_as("git", "rm local/hooks/common/post-receive; printf '#!/bin/sh\\n' >local/hooks/common/post-receive; chmod +x local/hooks/common/post-receive; gitolite setup");
        let found = machine.check(PROJECT);
        assert!(
            found.iter().any(|it| it.ends_with("hooks/post-receive' is another hook and does not run git-webhook")),
            "{found:?}"
        );
        let left = machine.shell(&format!("{installer} --link-only {PROJECT}")).ends();
        let said = String::from_utf8_lossy(&left.stderr).into_owned();
        assert!(!left.status.success() && said.contains("gitolite puts") && said.contains("--gitolite"), "{said}");
        let left = machine.shell(&format!("{installer} --link-only --gitolite --user git")).ends();
        let said = String::from_utf8_lossy(&left.stderr).into_owned();
        assert!(!left.status.success() && said.contains("by option hook.post-receive in gitolite.conf"), "{said}");
        // And what was ours goes, here and in each repository.
        machine.run_as("git", "rm local/hooks/common/post-receive");
        machine.install("--gitolite --user git");
        machine.run(&format!("{installer} --uninstall --gitolite --user git --dry-run"));
        machine.run(&format!("{installer} --uninstall --gitolite --user git"));
        assert_eq!(machine.run("find /home/git -name '*-receive' -path '*hooks*'"), "");
    });
}

/// F16 of real servers: what is pushed on is the same push.
#[test]
#[ignore = "needs root, sshd and gitolite3: run tests/run"]
fn a_mirrors_copy_tells_nothing() {
    let Some(machine) = Machine::new("gitolite::a_mirrors_copy_tells_nothing") else { return };
    machine.run("groupadd dev; useradd -m ada; useradd -m bob");
    let _sshd = sshd(&machine);
    for (user, host) in [("git", "m"), ("other", "s")] {
        gitolite(&machine, user, &format!("HOSTNAME => \"{host}\","), "\"Mirroring\",");
    }
    // The master comes to the copy as its server.
    machine.run_as(
        "git",
        "ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519; cp .ssh/id_ed25519.pub /mnt/open/server-m.pub
         printf 'Host s\\n User other\\n HostName 127.0.0.1\\n StrictHostKeyChecking no\\n UserKnownHostsFile /dev/null\\n' >.ssh/config",
    );
    let receiver = Receiver::new();
    let conf = format!(
        "repo group/project\n    RW+ = @all\n    option mirror.master = m\n    option mirror.copies = s\n    config webhook.ci.url = {}\n    config webhook.ci.format = gitlab",
        receiver.url()
    );
    for user in ["git", "other"] {
        configure(&machine, user, &conf, "cp /mnt/open/server-m.pub keydir/");
    }
    let copy = PROJECT.replace("/git/", "/other/");
    let way = way(&machine, PROJECT, URL);
    way.make_work();
    let said = way.pushes("v1");
    assert!(said.contains("remote: webhook ci: delivered master, v1 (200, "), "{said}");
    let told = receiver.take();
    assert_eq!(told.len(), 2);
    machine.run_as("git", PUSH_ON);
    let at =
        |repository: &str| machine.run(&format!("git -c safe.directory='*' --git-dir {repository} rev-parse master"));
    assert_eq!(at(PROJECT), at(&copy));
    // Nor does anybody who compares the refs.
    machine.run_as("other", "cd repositories/group/project.git; git webhook reconcile; git webhook flush");
    way.commit();
    way.pushes("");
    machine.run_as("git", PUSH_ON);
    machine.run_as("other", "cd repositories/group/project.git; git webhook reconcile; git webhook flush");
    assert_eq!(receiver.take().len(), 1);
    // Unless it is to.
    machine.run_as("other", "git config --file repositories/group/project.git/config webhook.mirrors tell");
    way.commit();
    way.pushes("");
    machine.run_as("git", PUSH_ON);
    let told: Vec<_> =
        receiver.take().iter().map(|it| it.json()["user_username"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told, ["ada", "server-m"]);
}
