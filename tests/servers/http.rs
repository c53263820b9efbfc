//! git-http-backend behind web servers, which ask for a password and let git know of whom.

use std::fs;

use crate::machine::{Machine, until_listening};
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
         git config --system webhook.gitHttpUrl 'https://git.example.org/git/{{repository}}.git'"
    ));
    machine.install(REPOSITORY);
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
    let _fcgiwrap = machine.start("systemd-socket-activate -l /run/fcgiwrap.socket setpriv --reuid=git --regid=git --init-groups /usr/sbin/fcgiwrap -f");
    machine.run("until [ -S /run/fcgiwrap.socket ]; do sleep 0.05; done; chown www-data /run/fcgiwrap.socket");
    let _nginx = machine.start("nginx -g 'daemon off;'");
    until_listening(80);
    way(&machine, "git:git").serves();
    assert_eq!(machine.check(REPOSITORY), [""; 0]);
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
    let _apache = machine.start("apache2ctl -D FOREGROUND");
    until_listening(80);
    way(&machine, "www-data:www-data").serves();
    assert_eq!(machine.check(REPOSITORY), [""; 0]);
}
