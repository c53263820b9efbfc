//! The command, run as `git webhook`: hands the arguments and the environment to `command`.

use std::process::ExitCode;

use git_webhook::command;
use git_webhook::process::Environment;

fn main() -> ExitCode {
    let environment = Environment::new(std::env::vars_os());
    command::run(std::env::args_os(), &environment)
}
