//! The unit that `install.sh --worker` sets up.

use super::timer::{Machine, SYSTEMCTL, apart, real};
use super::*;

const UNIT: &str = "git-webhook-worker.service";

#[test]
fn a_user_has_a_worker_of_his_own_that_starts_with_the_machine() {
    let machine = Machine::with_systemd();

    let run = machine.run("--worker");

    run.succeeds().prints("installed the worker 'git-webhook-worker.service', as user 'ada'");
    run.warns("have it run always: loginctl enable-linger 'ada'");
    let (place, names) = machine.units();
    assert_eq!(names, [UNIT]);
    let calls = ["daemon-reload", &format!("enable --quiet {UNIT}"), &format!("restart {UNIT}")];
    assert_eq!(machine.calls(), calls.map(|call| format!("--user {call}")));
    let service = fs::read_to_string(place.join(UNIT)).unwrap();
    let program = machine.world.path("prefix/bin/git-webhook");
    assert!(service.contains(&format!("\nExecStart=\"{}\" worker\n", program.display())), "{service}");
    assert!(service.contains("\nWantedBy=default.target") && !service.contains("User="), "{service}");

    machine.run("--worker").succeeds().prints("already installed: the worker");
    assert_eq!(machine.calls(), [""; 0]);

    machine.run("--uninstall --worker").succeeds().prints("removed the worker");
    assert_eq!(machine.calls(), [format!("--user disable --now --quiet {UNIT}"), "--user daemon-reload".into()]);
    assert_eq!(machine.units().1, [""; 0]);
    assert!(machine.world.has("prefix/bin/git-webhook"), "the programs stay");
    machine.run("--uninstall --worker").succeeds().prints("not installed: a worker");
}

#[test]
fn a_worker_that_is_only_told_is_not_there() {
    let machine = Machine::with_systemd();
    machine.run("--worker --dry-run").succeeds().prints(UNIT);
    assert_eq!((machine.units().1.len(), machine.calls().len()), (0, 0));
}

#[test]
fn without_systemd_it_says_what_to_run() {
    let machine = Machine::with_cron();
    machine
        .run("--worker")
        .fails("error: cannot set up a worker: there is no systemd to ask")
        .warns("git-webhook worker");
}

#[test]
#[ignore = "needs systemd-analyze: run tests/run"]
fn systemd_accepts_the_unit_and_root_has_to_name_a_user() {
    let world = real();
    executable(&world.path("system/systemctl"), SYSTEMCTL);
    apart(&world, "$install --worker").fails("error: cannot set up a worker as root");
    let run = apart(&world, "$install --worker --user daemon; systemd-analyze verify --man=no units/*");
    assert_eq!(run.succeeds().stderr, "", "{run:?}");
    let service = fs::read_to_string(world.path("units").join(UNIT)).unwrap();
    assert!(service.contains("\nUser=daemon\n") && service.contains("\nWantedBy=multi-user.target"), "{service}");
    let machine = Machine::with_systemd();
    machine.run("--worker").succeeds();
    let mut verify = machine.world.isolated("systemd-analyze", "verify --man=no --user");
    verify.env("XDG_RUNTIME_DIR", machine.world.path("state"));
    let run = Run::of(verify.arg(machine.units().0.join(UNIT)));
    assert_eq!(run.succeeds().stderr, "", "{run:?}");
}
