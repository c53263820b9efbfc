//! The hook: hands standard input and the environment to `receive`, and exits 0 whatever happens.

use git_webhook::process::Environment;
use git_webhook::receive;

fn main() {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == "--version") {
        println!("post-receive (git-webhook) {}", env!("CARGO_PKG_VERSION"));
        return;
    }
    // The push has been accepted: a mistake of ours goes to the log, not to the pusher.
    std::panic::set_hook(Box::new(|info| log::error!(target: "git_webhook", "{info}")));
    let run = || receive::run(std::io::stdin().lock(), &Environment::new(std::env::vars_os()));
    // The panic hook has logged whatever there was.
    drop(std::panic::catch_unwind(run));
}
