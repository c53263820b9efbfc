//! git-http-backend behind web servers, which ask for a password and let git know of whom.

use std::fs;

use crate::machine::{Machine, until_listening};
use crate::support::Receiver;
use crate::way::Way;

const REPOSITORY: &str = "/srv/git/team/project.git";

/// A repository of the user who runs git for the web server.
fn repository(machine: &Machine, owner: &str) {
    machine.run(&format!(
        "id git >/dev/null 2>&1 || useradd -m git
         useradd -m ada
         mkdir -p /srv/git/team
         git init -q -b main --bare {REPOSITORY}
         chown -R {owner}: /srv/git/team
         git config --system webhook.root /srv/git
         git config --system webhook.homepage 'https://git.example.org/{{repository}}'
         git config --system webhook.gitHttpUrl 'https://git.example.org/git/{{repository}}.git'"
    ));
    machine.install(REPOSITORY);
}

/// What a user's own file says counts for no push that comes without `HOME`, and both the hook and `check` say so; a second name
/// of the repository too, which comes of the server's own variable.
fn what_it_does_not_see_is_told(machine: &Machine, way: &Way<'_>, user: &str) {
    let receiver = Receiver::new();
    way.tell(&receiver);
    way.commit();
    let home = machine.run(&format!("getent passwd {user} | cut -d: -f6")).trim().to_owned();
    let own = format!("{home}/.gitconfig");
    machine.run(&format!("git config --file {own} webhook.own.url http://127.0.0.1:9/; chown {user} {own}; git config --system --unset webhook.root"));
    let said = way.pushes("");
    assert!(said.contains("webhook ci: delivered") && !said.contains("webhook own"), "{said}");
    let log = fs::read_to_string(format!("{REPOSITORY}/webhook/hook.log")).unwrap();
    let told = format!(
        "HOME is not set, so what '{own}' says of webhooks does not count: put it into the system's configuration\n"
    );
    assert!(log.ends_with(&told), "{log}");
    let found = machine.check(REPOSITORY);
    assert!(
        found
            .iter()
            .any(|it| it.starts_with("pushes come by a way that sets no HOME, and for them nothing counts that ")),
        "{found:?}"
    );
    let several = "by one way this repository is told of as 'project', by another as 'team/project': webhook.root or webhook.repository ends it";
    assert!(found.iter().any(|it| it == several), "{found:?}");
    machine.run(&format!("rm {own}; git config --system webhook.root /srv/git"));
    assert_eq!(machine.check(REPOSITORY), [""; 0]);
}

fn way<'m>(machine: &'m Machine, owner: &'m str) -> Way<'m> {
    Way {
        machine,
        repository: REPOSITORY,
        owner,
        user: "ada",
        url: "http://ada:password@127.0.0.1/git/team/project.git",
        // What becomes HTTP_PROXY in the environment of a CGI program.
        environment: vec![
            ("GIT_CONFIG_COUNT", "1".into()),
            ("GIT_CONFIG_KEY_0", "http.extraHeader".into()),
            ("GIT_CONFIG_VALUE_0", "Proxy: http://127.0.0.1:1/".into()),
        ],
        pusher: "ada",
        name: "team/project",
        clone_address: "https://git.example.org/git/team/project.git",
        branch: "main",
    }
}

#[test]
#[ignore = "needs root, nginx and fcgiwrap: run tests/run"]
fn nginx_with_fcgiwrap() {
    let Some(machine) = Machine::new("http::nginx_with_fcgiwrap") else { return };
    repository(&machine, "git");
    machine.run("rm -f /etc/nginx/sites-enabled/* /etc/nginx/modules-enabled/* && htpasswd -bc /etc/nginx/git.htpasswd ada password 2>&1");
    let site = "server {
        listen 127.0.0.1:80;
        location ~ ^/git(/.*) {
            auth_basic git;
            auth_basic_user_file /etc/nginx/git.htpasswd;
            client_max_body_size 0;
            include fastcgi_params;
            fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;
            fastcgi_param GIT_PROJECT_ROOT /srv/git;
            fastcgi_param GIT_HTTP_EXPORT_ALL 1;
            fastcgi_param PATH_INFO $1;
            fastcgi_param REMOTE_USER $remote_user;
            fastcgi_pass unix:/run/fcgiwrap.socket;
        }
    }";
    fs::write("/etc/nginx/conf.d/git.conf", site).unwrap();
    // As the unit of the package has it, but for the user.
    let _fcgiwrap = machine.start("env -u HOME systemd-socket-activate -l /run/fcgiwrap.socket setpriv --reuid=git --regid=git --init-groups /usr/sbin/fcgiwrap -f");
    machine.run("until [ -S /run/fcgiwrap.socket ]; do sleep 0.05; done; chown www-data /run/fcgiwrap.socket");
    let _nginx = machine.start("nginx -g 'daemon off;'");
    until_listening(80);
    let way = way(&machine, "git:git");
    way.serves();
    assert_eq!(machine.check(REPOSITORY), [""; 0]);
    what_it_does_not_see_is_told(&machine, &way, "git");
}

#[test]
#[ignore = "needs root and apache2: run tests/run"]
fn apache() {
    let Some(machine) = Machine::new("http::apache") else { return };
    repository(&machine, "www-data");
    machine.run(
        "a2enmod -q cgi >/dev/null; a2dismod -q -f mpm_event mpm_worker >/dev/null 2>&1; a2enmod -q mpm_prefork >/dev/null
         a2dissite -q 000-default >/dev/null; mkdir -p /run/apache2 /var/log/apache2
         htpasswd -bc /etc/apache2/git.htpasswd ada password 2>&1",
    );
    let site = "<VirtualHost *:80>
        SetEnv GIT_PROJECT_ROOT /srv/git
        SetEnv GIT_HTTP_EXPORT_ALL
        ScriptAlias /git/ /usr/lib/git-core/git-http-backend/
        <Location /git/>
            AuthType Basic
            AuthName git
            AuthUserFile /etc/apache2/git.htpasswd
            Require valid-user
        </Location>
    </VirtualHost>";
    fs::write("/etc/apache2/sites-enabled/git.conf", site).unwrap();
    let _apache = machine.start("env -u HOME apache2ctl -D FOREGROUND");
    until_listening(80);
    let way = way(&machine, "www-data:www-data");
    way.serves();
    assert_eq!(machine.check(REPOSITORY), [""; 0]);
    what_it_does_not_see_is_told(&machine, &way, "www-data");
}
