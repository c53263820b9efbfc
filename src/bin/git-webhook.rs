//! The command, run as `git webhook`: hands the arguments and the environment to `command`.

use std::process::ExitCode;

use git_webhook::command;
use git_webhook::process::Environment;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(command::tell_mistake));
    let environment = Environment::new(std::env::vars_os());
    let run = || command::run(std::env::args_os(), &environment);
    // The panic hook has told whatever there was.
    std::panic::catch_unwind(run).unwrap_or(ExitCode::FAILURE)
}
