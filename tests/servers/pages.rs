//! Every page of `docs/install` is followed: its commands are run in their order on a fresh machine, and then a push is told.
//!
//! A block ```` ```sh ```` is root's, in the source of git-webhook where it goes nowhere else; ```` ```sh client ```` is of whoever
//! pushes, in his clone. What stands in for the world outside: the receiver's address is one of this machine, `install.sh` takes
//! the programs that are built, and `systemctl` starts by hand what a page asks it for.

use std::fs;

use crate::machine::{Machine, built, installer, until_listening};
use crate::support::{Receiver, write_program};

/// Starts services as their units have them.
const SYSTEMCTL: &str = r#"#!/bin/sh
case "$1" in show-environment) exit 1 ;; daemon-reload) exit 0 ;; enable) shift ;; esac
shift
cd /
start() { setsid "$@" </dev/null >/dev/null 2>&1 & }
of() { sed -n "s/^$1=//p" $2; }
case "$1" in
ssh) mkdir -p /run/sshd; ssh-keygen -A >/dev/null; start /usr/sbin/sshd -D ;;
nginx) start nginx -g 'daemon off;' ;;
apache2) start env -u HOME apache2ctl -D FOREGROUND ;;
fcgiwrap)
    user=$(of User /etc/systemd/system/fcgiwrap.service.d/*.conf)
    start env -u HOME systemd-socket-activate -l /run/fcgiwrap.socket \
        setpriv --reuid="$user" --regid="$user" --init-groups /usr/sbin/fcgiwrap -f
    until [ -S /run/fcgiwrap.socket ]; do sleep 0.05; done
    chown www-data /run/fcgiwrap.socket ;;
*)
    user=$(of User /etc/systemd/system/$1.service)
    start env -u HOME setpriv --reuid="$user" --regid="$user" --init-groups $(of ExecStart /etc/systemd/system/$1.service) ;;
esac
"#;

/// A page that is being followed.
struct Walk {
    machine: Machine,
    receiver: Receiver,
    page: String,
    /// Who pushes, on the machine that stands for all of them.
    client: &'static str,
    /// Where the server listens by then.
    port: Option<u16>,
}

impl Walk {
    /// `None` where this process has seen another one follow it.
    fn new(page: &str, client: &'static str, port: Option<u16>) -> Option<Self> {
        let machine = Machine::new(&format!("pages::{page}"))?;
        let path = format!("{}/docs/install/{}.md", env!("CARGO_MANIFEST_DIR"), page.replace('_', "-"));
        let page = fs::read_to_string(path).unwrap();
        let source = "/root/git-webhook";
        fs::create_dir(source).unwrap();
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in *--uninstall*|*--link-only*|*--timer*) ;; *) set -- --from '{}' \"$@\" ;; esac\nexec '{}' \"$@\"\n",
            built(),
            installer()
        );
        write_program(format!("{source}/install.sh").as_ref(), script);
        write_program("/usr/local/sbin/systemctl".as_ref(), SYSTEMCTL);
        machine.run(&format!(
            "echo '127.0.0.1 git.example.org' >>/etc/hosts
             [ {client} = root ] || useradd -m {client}
             printf 'Host *\\n StrictHostKeyChecking no\\n UserKnownHostsFile /dev/null\\n LogLevel ERROR\\n' >/etc/ssh/ssh_config
             rm -f /etc/ssh/sshd_config.d/*; printf 'Include /etc/ssh/sshd_config.d/*.conf\\nUsePAM yes\\nPasswordAuthentication no\\n' >/etc/ssh/sshd_config"
        ));
        machine.run_as(
            client,
            "mkdir -p -m 700 .ssh; ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519; cp .ssh/id_ed25519.pub /mnt/open/ada.pub
             git init -q -b main work; cd work; git commit -q --allow-empty -m one",
        );
        machine.run(&format!("cp /mnt/open/ada.pub {source}/ada.pub"));
        Some(Self { machine, receiver: Receiver::new(), page, client, port })
    }

    /// Its blocks, each behind what kind it is.
    fn blocks(&self) -> Vec<(&str, &str)> {
        let blocks = self.page.split("\n```").skip(1).step_by(2);
        blocks.map(|block| block.split_once('\n').unwrap_or((block, ""))).collect()
    }

    fn follow(&self) {
        let mut count = 0;
        for (kind, block) in self.blocks() {
            let block = block.replace("https://ci.example.org/hook", &self.receiver.url());
            match kind {
                "sh" => drop(self.machine.run(&format!("cd /root/git-webhook; exec 2>&1; {block}"))),
                "sh client" => {
                    self.port.into_iter().for_each(until_listening);
                    self.machine.run_as(self.client, &format!("cd work; {block}"));
                }
                "perl" => self.write_gitolite_rc(&block),
                "" if count == 0 && block.starts_with("repo project") => {
                    self.push_gitolite_conf(&block);
                    count += 1;
                }
                "" => {}
                other => panic!("a block of kind '{other}'"),
            }
        }
    }

    /// The lines that the page asks for, in front of what is enabled.
    fn write_gitolite_rc(&self, lines: &str) {
        fs::write("/mnt/open/lines", lines).unwrap();
        self.machine
            .run("sed -i -e '/GIT_CONFIG_KEYS/d' -e '/^ *ENABLE/{e cat /mnt/open/lines' -e '}' /home/git/.gitolite.rc");
    }

    fn push_gitolite_conf(&self, conf: &str) {
        fs::write("/mnt/open/conf", format!("repo gitolite-admin\n    RW+ = ada\n{conf}")).unwrap();
        self.machine.run_as(
            self.client,
            "git clone -q git@git.example.org:gitolite-admin admin; cd admin; cp /mnt/open/conf conf/gitolite.conf
             git commit -qam targets; git push -q",
        );
    }

    /// That the push was told, by whom and of what, and that nothing is left to do but a timer.
    fn was_told(&self, pusher: &str, name: &str, repository: &str) {
        let told = self.receiver.take();
        let json = told.last().expect("the push is told").json();
        assert_eq!(json["user_username"], pusher, "{json:#}");
        assert_eq!(json["project"]["path_with_namespace"].as_str().unwrap().rsplit('/').next(), Some(name), "{json:#}");
        assert_eq!(self.machine.check(repository), [""; 0]);
    }
}

/// The blocks of a page up to a heading or a sentence, as what another page begins with.
fn begin_with(walk: &Walk, page: &str, end: &str) {
    let path = format!("{}/docs/install/{page}.md", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).unwrap();
    let text = text.split(end).next().unwrap();
    for block in text.split("\n```sh\n").skip(1).map(|rest| rest.split("\n```").next().unwrap()) {
        walk.machine.run(&format!("cd /root/git-webhook; exec 2>&1; {block}"));
    }
}

const PROJECT: &str = "/srv/git/project.git";

#[test]
#[ignore = "needs root and sshd: run tests/run"]
fn ssh() {
    let Some(walk) = Walk::new("ssh", "client", Some(22)) else { return };
    walk.follow();
    walk.was_told("ada", "project", PROJECT);
}

#[test]
#[ignore = "needs root and sshd: run tests/run"]
fn ssh_shared() {
    let Some(walk) = Walk::new("ssh_shared", "client", Some(22)) else { return };
    walk.machine.run("systemctl restart ssh");
    walk.follow();
    walk.was_told("ada", "project", PROJECT);
}

#[test]
#[ignore = "needs root, sshd and gitolite3: run tests/run"]
fn gitolite() {
    let Some(walk) = Walk::new("gitolite", "client", Some(22)) else { return };
    walk.machine.run("useradd -m git; usermod -p '*' git; systemctl restart ssh");
    walk.machine.run_as("git", "gitolite setup -pk /mnt/open/ada.pub 2>&1");
    until_listening(22);
    walk.follow();
    walk.was_told("ada", "project", "/home/git/repositories/project.git");
}

#[test]
#[ignore = "needs root, nginx and fcgiwrap: run tests/run"]
fn nginx() {
    let Some(walk) = Walk::new("nginx", "client", Some(80)) else { return };
    walk.machine.run("rm -f /etc/nginx/modules-enabled/*");
    walk.follow();
    walk.was_told("ada", "project", PROJECT);
}

#[test]
#[ignore = "needs root and apache2: run tests/run"]
fn apache() {
    let Some(walk) = Walk::new("apache", "client", Some(80)) else { return };
    walk.machine.run("rm -f /etc/apache2/sites-enabled/git.conf; mkdir -p /run/apache2 /var/log/apache2");
    walk.follow();
    walk.was_told("ada", "project", PROJECT);
}

#[test]
#[ignore = "needs root: run tests/run"]
fn git_daemon() {
    let Some(walk) = Walk::new("git_daemon", "client", Some(9418)) else { return };
    walk.follow();
    walk.was_told("git", "project", PROJECT);
}

#[test]
#[ignore = "needs root: run tests/run"]
fn containers() {
    let Some(walk) = Walk::new("containers", "root", None) else { return };
    walk.follow();
    walk.was_told("root", "project", PROJECT);
}

#[test]
#[ignore = "needs root, sshd and cron: run tests/run"]
fn many() {
    let Some(walk) = Walk::new("many", "client", Some(22)) else { return };
    begin_with(&walk, "ssh", "Then git-webhook");
    walk.follow();
    walk.was_told("ada", "new", "/srv/git/new.git");
}

/// From one recipe on to the end of it all.
#[test]
#[ignore = "needs root, sshd and cron: run tests/run"]
fn lifecycle() {
    let Some(walk) = Walk::new("lifecycle", "client", Some(22)) else { return };
    begin_with(&walk, "ssh", "Then git-webhook");
    walk.machine.run("cd /root/git-webhook && ./install.sh /srv/git/project.git 2>&1");
    walk.follow();
    assert!(!fs::exists("/srv/git/project.git/hooks/post-receive").unwrap());
    assert!(
        !fs::exists("/usr/local/libexec/git-webhook").unwrap() && fs::exists("/srv/git/project.git/webhook").unwrap()
    );
}

/// What the index names is there, and what is there it names.
#[test]
fn the_index_names_every_page() {
    let directory = format!("{}/docs/install", env!("CARGO_MANIFEST_DIR"));
    let index = fs::read_to_string(format!("{directory}/README.md")).unwrap();
    for entry in fs::read_dir(&directory).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        assert!(name == "README.md" || index.contains(&format!("]({name})")), "{name}");
    }
}
