//! Ways without a server of its own: ssh with git-shell, git's own protocol, and a path.

use crate::machine::{Machine, until_listening};
use crate::support::Running;
use crate::way::Way;

const REPOSITORY: &str = "/srv/git/team/project.git";

/// A repository that two users share, each with a login of his own that is good for git alone.
fn shared(machine: &Machine) {
    machine.run(
        "printf '/usr/bin/git-shell\\n' >>/etc/shells
         groupadd dev
         for user in git ada bob; do useradd -m -G dev $user; done
         mkdir -p /srv/git/team
         git init -q -b main --bare --shared=group /srv/git/team/project.git
         chown -R git:dev /srv/git/team && chmod g+s /srv/git/team
         git config --system webhook.root /srv/git
         git config --system webhook.homepage 'https://git.example.org/{repository}'
         git config --system webhook.gitSshUrl 'git.example.org:/srv/git/{repository}.git'
         git config --system safe.directory '*'",
    );
    machine.install("/srv/git/team/project.git");
}

/// sshd as an administrator sets it up for users who push and do nothing else.
pub fn sshd(machine: &Machine) -> Running {
    machine.run(
        "mkdir -p /run/sshd
         ssh-keygen -A >/dev/null
         for user in ada bob; do
             usermod -p '*' -s \"$(command -v git-shell)\" $user
             runuser -u $user -- sh -c 'mkdir -m 700 $0/.ssh && ssh-keygen -q -t ed25519 -N \"\" -f $0/.ssh/id && cp $0/.ssh/id.pub $0/.ssh/authorized_keys' /home/$user
         done
         printf 'PasswordAuthentication no\\nUsePAM no\\nAcceptEnv LANG LC_*\\nPidFile none\\n' >/etc/ssh/sshd_config",
    );
    let server = machine.start("/usr/sbin/sshd -D -E /var/log/sshd");
    until_listening(22);
    server
}

pub fn ssh() -> (&'static str, String) {
    (
        "GIT_SSH_COMMAND",
        "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -i ~/.ssh/id".into(),
    )
}

/// What the repository is to be called by, whatever way a push has come.
fn way<'m>(machine: &'m Machine, user: &'m str, url: &'m str, pusher: &'m str, branch: &'m str) -> Way<'m> {
    Way {
        machine,
        repository: REPOSITORY,
        owner: "git:dev",
        user,
        url,
        environment: Vec::new(),
        pusher,
        name: "team/project",
        clone_address: "git.example.org:/srv/git/team/project.git",
        branch,
    }
}

#[test]
#[ignore = "needs root, sshd and util-linux: run tests/run"]
fn ssh_with_git_shell_and_a_shared_group() {
    let Some(machine) = Machine::new("plain::ssh_with_git_shell_and_a_shared_group") else { return };
    shared(&machine);
    let _sshd = sshd(&machine);
    for (user, branch) in [("ada", "main"), ("bob", "topic")] {
        let url = format!("ssh://{user}@127.0.0.1{REPOSITORY}");
        let way = Way { environment: vec![ssh()], ..way(&machine, user, &url, user, branch) };
        way.serves();
    }
    assert_eq!(machine.check(REPOSITORY), [""; 0]);
}

#[test]
#[ignore = "needs root and util-linux: run tests/run"]
fn gits_own_protocol() {
    let Some(machine) = Machine::new("plain::gits_own_protocol") else { return };
    shared(&machine);
    let _daemon = machine.start(
        "runuser -u git -- git daemon --listen=127.0.0.1 --reuseaddr --export-all --enable=receive-pack --base-path=/srv/git",
    );
    until_listening(9418);
    // It knows of nobody.
    way(&machine, "ada", "git://127.0.0.1/team/project.git", "git", "main").serves();
    assert_eq!(machine.check(REPOSITORY), [""; 0]);
}

#[test]
#[ignore = "needs root and util-linux: run tests/run"]
fn a_path() {
    let Some(machine) = Machine::new("plain::a_path") else { return };
    shared(&machine);
    way(&machine, "ada", REPOSITORY, "ada", "main").serves();
    assert_eq!(machine.check(REPOSITORY), [""; 0]);
}
