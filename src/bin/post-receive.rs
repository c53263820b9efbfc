//! The hook: hands standard input and the environment to `receive`, and exits 0 whatever happens.
//!
//! With glibc it begins without what Rust does before `main`: that reads the map of the process to tell of a stack that overflows,
//! which takes a tenth of a millisecond of every push, and the hook would end either way. `process::begin` does the rest of it.

#![cfg_attr(target_env = "gnu", no_main)]

use std::ffi::OsString;
use std::io::stdin;

use git_webhook::alarm;
use git_webhook::process::{self, Environment};
use git_webhook::receive::{self, Hook};
use git_webhook::template;

#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "C calls it by its name, and so there must be no other")]
#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    process::begin();
    // No panic goes on into C.
    drop(std::panic::catch_unwind(run));
    0
}

#[cfg(not(target_env = "gnu"))]
fn main() {
    run();
}

fn run() {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let arguments: Vec<_> = arguments.collect();
    let argument = arguments.first();
    if argument.is_some_and(|argument| argument == "--version") {
        // One string, which git webhook check looks for in the file: it runs no hook.
        print!(concat!("post-receive (git-webhook) ", env!("CARGO_PKG_VERSION"), "\n"));
        return;
    }
    if argument.is_some_and(|argument| argument == template::ARGUMENT) {
        return template::serve();
    }
    // The push has been accepted, or is to be: a mistake of ours goes to the log, not to the pusher.
    std::panic::set_hook(Box::new(|info| log::error!(target: "git_webhook", "{info}")));
    if receive::is_receive_report(&name) {
        return receive::pass_report();
    }
    let run = || {
        let environment = Environment::new(std::env::vars_os());
        match Hook::called(&name, argument.map(OsString::as_os_str), &environment) {
            Hook::PreReceive => receive::write_intent(stdin().lock(), &environment, &arguments),
            Hook::PostReceive => receive::run(stdin().lock(), &environment, &arguments),
            Hook::Detached => receive::deliver_detached(&environment),
            Hook::Alarm => alarm::tell(&environment),
        }
    };
    // The panic hook has logged whatever there was.
    drop(std::panic::catch_unwind(run));
}
