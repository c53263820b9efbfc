//! `git webhook`: one file a verb.

mod add;
mod check;
mod echo;
mod edit;
mod enable;
mod flush;
mod formats;
mod list;
mod log;
mod owner;
mod payload;
mod place;
mod reconcile;
mod redeliver;
mod remove;
mod show;
mod status;
mod table;
mod test;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::config;
use crate::format::{self, FORMATS, Format};
use crate::log_file;
use crate::message;
use crate::process::Environment;
use crate::text::sanitise;

/// git's exit code for a wrong command line.
const USAGE: u8 = 129;

#[derive(Parser)]
#[command(
    name = "git webhook",
    bin_name = "git webhook",
    version,
    about = "Webhooks of a bare repository: look at them and try them out"
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Add a target
    Add {
        #[command(flatten)]
        wish: add::Wish,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Remove a target and its secret; what waits for it is set aside
    Remove {
        /// The target
        name: String,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// List the targets, and what is wrong with their configuration
    List {
        /// Print one JSON array
        #[arg(long)]
        json: bool,
        /// Look at every repository below DIR
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
    },
    /// List the payload formats, with their events and what a secret travels in
    Formats {
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Find what is wrong with this set-up, and print the commands that mend it; exit 1 where deliveries cannot work
    Check {
        #[command(flatten)]
        options: check::Options,
    },
    /// Send an event made from the newest commits to one target
    Test {
        /// The target
        name: String,
        /// What to send
        #[arg(long, value_enum, default_value = "push")]
        event: test::TestEvent,
    },
    /// Show each delivery and what came of it, newest first
    Log {
        #[command(flatten)]
        filter: log::Filter,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
        /// Look at every repository below DIR
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
    },
    /// Show one delivery whole: request, body, every attempt and what the receiver answered
    Show {
        /// Its id, or how it begins
        id: String,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Send deliveries once more, under their ids
    Redeliver {
        #[command(flatten)]
        choice: redeliver::Choice,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
        /// Go to every repository below DIR
        #[arg(long, value_name = "DIR", conflicts_with = "ids")]
        root: Option<PathBuf>,
    },
    /// Send what waits and is due
    Flush {
        /// Send what waits though its time has not come
        #[arg(long)]
        now: bool,
        /// Only what waits for this target
        #[arg(long, value_name = "NAME")]
        target: Option<String>,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
        /// Go to every repository below DIR
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
    },
    /// Tell what waits, for how long and for whom; exit 1 where something waits for too long
    Status {
        /// How long is too long, in s, m, h or d
        #[arg(long, value_name = "TIME", default_value = "1h", value_parser = seconds)]
        max_age: i64,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
        /// Look at every repository below DIR
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
    },
    /// Announce what the refs show and nobody told
    Reconcile {
        /// Show what would be announced, and announce nothing
        #[arg(long, conflicts_with_all = ["all", "baseline"])]
        dry_run: bool,
        /// Announce more than 20 differences too
        #[arg(long)]
        all: bool,
        /// Take the refs as they are for told
        #[arg(long, conflicts_with = "all")]
        baseline: bool,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
        /// Go to every repository below DIR
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
    },
    /// Use a target again that was switched off, or that answered 410
    Enable {
        /// The target
        name: String,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Tell a target of nothing more; what waits for it stays
    Disable {
        /// The target
        name: String,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Print the body that a ref update would be told with; send nothing
    Payload {
        /// The format
        #[arg(long, value_name = "F")]
        format: String,
        /// Only this event, where the format has several for one update
        #[arg(long, value_parser = ["push", "tag_push", "create", "delete"])]
        event: Option<String>,
        /// Where the ref pointed before: an object id or any name git resolves, 0 for nowhere
        old: String,
        /// Where the ref points now: an object id or any name git resolves, 0 for nowhere
        new: String,
        /// The full ref name, such as refs/heads/main
        r#ref: OsString,
    },
    /// Receive webhooks on this machine and print each, its token or signature verified
    Echo {
        /// The port to listen on; 0 takes any that is free
        #[arg(default_value_t = 8000)]
        port: u16,
        /// The format to verify; without it, the one whose header is there
        #[arg(long, value_name = "F")]
        format: Option<String>,
        /// The file that holds the secret or the whsec_ key
        #[arg(long, value_name = "FILE", conflicts_with = "target")]
        secret_file: Option<PathBuf>,
        /// Take format and secrets from this target of the repository
        #[arg(long, value_name = "NAME")]
        target: Option<String>,
    },
}

/// Why a verb could not do its work, in words for whoever typed it.
#[derive(Debug)]
pub struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&sanitise(&self.0))
    }
}

fn failure<T>(why: impl Into<String>) -> Result<T, Failure> {
    Err(Failure(why.into()))
}

fn known_format(name: &str) -> Result<&'static Format, Failure> {
    format::find(name).ok_or_else(|| {
        let known: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
        Failure(message::unknown_format(name, known.join(", ")))
    })
}

/// A length of time on the command line, in seconds.
fn seconds(text: &str) -> Result<i64, String> {
    match config::time(text) {
        Ok(Some(seconds)) => Ok(i64::try_from(seconds).unwrap_or(i64::MAX)),
        _ => Err(message::no_length_of_time().into()),
    }
}

/// Runs one verb. Exit code 0 when all is well, 1 when something failed or is wrong, 129 for a wrong command line.
pub fn run(arguments: impl Iterator<Item = OsString>, environment: &Environment) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Standard output may be closed; there is nobody to tell then.
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(USAGE),
            };
        }
    };
    log_file::start_on_stderr();
    let outcome = match arguments.verb {
        Verb::List { json, root } => list::run(json, root.as_deref(), environment),
        Verb::Formats { json } => formats::run(json),
        Verb::Check { options } => check::run(&options, environment),
        Verb::Test { name, event } => test::run(&name, event, environment),
        Verb::Log { filter, json, root } => log::run(&filter, json, root.as_deref(), environment),
        Verb::Show { id, json } => show::run(&id, json, environment),
        Verb::Redeliver { choice, json, root } => redeliver::run(&choice, json, root.as_deref(), environment),
        Verb::Flush { now, target, json, root } => {
            flush::run(now, target.as_deref(), json, root.as_deref(), environment)
        }
        Verb::Status { max_age, json, root } => status::run(max_age, json, root.as_deref(), environment),
        Verb::Reconcile { dry_run, all, baseline, json, root } => {
            let manner = reconcile::Manner { dry_run, all, baseline };
            reconcile::run(manner, json, root.as_deref(), environment)
        }
        Verb::Add { wish, json } => add::run(&wish, json, environment),
        Verb::Remove { name, json } => remove::run(&name, json, environment),
        Verb::Enable { name, json } => enable::run(&name, true, json, environment),
        Verb::Disable { name, json } => enable::run(&name, false, json, environment),
        Verb::Payload { format, event, old, new, r#ref } => {
            payload::run(&format, event.as_deref(), &old, &new, &r#ref, environment)
        }
        Verb::Echo { port, format, secret_file, target } => {
            let secrets = echo::Source { format, secret_file, target };
            echo::run(port, &secrets, environment)
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}
