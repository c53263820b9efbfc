//! `git webhook`: one file a verb.

mod failure;
mod screen;
mod terminal;
mod table;
mod place;
mod as_owner;
mod output;
mod edit;
mod progress;
mod targets;
mod deliveries;
mod status;
mod log;
mod follow;
mod level;
mod target_options;
mod new_secret;
mod receiver;
mod told;
mod add;
mod set;
mod rename;
mod remove;
mod enable;
mod key;
mod list;
mod formats;
mod differences;
mod reconcile;
mod mirror;
mod flush;
mod redeliver;
mod dead;
mod reviews;
mod show;
mod payload;
mod test_subject;
mod sample;
mod test;
mod echo;
mod worker;
mod fleet;
mod check;

use std::ffi::OsString;
use std::io::{Write as _, stderr};
use std::panic::PanicHookInfo;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use as_owner::{Call, Errand};
use failure::Failure;
use output::Reach;

use crate::alarm;
use crate::config;
use crate::format::{self, FORMATS, Format};
use crate::log_file;
use crate::message;
use crate::process::Environment;
use crate::template;
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
    /// Answer root, who has started this as the owner of the repository around it
    #[arg(long, hide = true, value_name = "USER.DESCRIPTOR")]
    as_owner: Option<Errand>,
    /// Print long output as it is, without a pager
    #[arg(long)]
    no_pager: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Add a target
    Add {
        #[command(flatten)]
        wish: add::Wish,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Change keys of a target
    Set {
        #[command(flatten)]
        wish: set::Wish,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Call a target otherwise; what waits for it, its dead letters and its secret files go with it
    Rename {
        /// The target
        old: String,
        /// Its new name
        new: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Remove a target and its secret; what waits for it becomes dead letters
    Remove {
        /// The target
        name: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List the targets, and what is wrong with their configuration
    List {
        /// Show whole addresses, secrets in them too
        #[arg(long)]
        urls: bool,
        #[command(flatten)]
        reach: Reach,
    },
    /// List the payload formats, with their events and what a secret travels in
    Formats {
        /// Print one JSON object
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
        #[command(flatten)]
        trial: test::Trial,
    },
    /// Show each delivery and what came of it, newest first
    Log {
        #[command(flatten)]
        filter: log::Filter,
        #[command(flatten)]
        amount: log::Amount,
        #[command(flatten)]
        reach: Reach,
    },
    /// Show what came of a delivery, a ref or a commit: state, every attempt and what the receiver answered, request
    Show {
        #[command(flatten)]
        choice: show::Choice,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Send deliveries once more, under their ids
    Redeliver {
        #[command(flatten)]
        choice: redeliver::Choice,
        #[command(flatten)]
        reach: Reach,
    },
    /// Send what waits and is due
    Flush {
        /// Send what waits though its time has not come
        #[arg(long)]
        now: bool,
        /// Only what waits for this target
        #[arg(long, value_name = "NAME", conflicts_with = "reconcile")]
        target: Option<String>,
        /// Announce what moved without a hook too, as with webhook.reconcile
        #[arg(long)]
        reconcile: bool,
        /// With --root: name each repository in which nothing waits too
        #[arg(long, requires = "root")]
        all: bool,
        #[command(flatten)]
        reach: Reach,
    },
    /// List the dead letters, which are tried no more; have seen them, or drop them
    Dead {
        #[command(flatten)]
        choice: dead::Choice,
        #[command(flatten)]
        reach: Reach,
    },
    /// List the open reviews
    Reviews {
        #[command(flatten)]
        reach: Reach,
    },
    /// Tell what waits, for how long and for whom; exit 1 where something is late, 2 where it needs a person, 3 where not
    /// all can be seen
    Status {
        /// How long is too long, in s, m, h or d
        #[arg(long, value_name = "TIME", default_value = "1h", value_parser = seconds)]
        max_age: i64,
        /// With --root: show the targets with which nothing is wrong too
        #[arg(long, requires = "root")]
        all: bool,
        #[command(flatten)]
        reach: Reach,
    },
    /// Announce what the refs show and nobody told
    Reconcile {
        #[command(flatten)]
        manner: reconcile::Manner,
        #[command(flatten)]
        reach: Reach,
    },
    /// Use a target again that was switched off, or that answered 410
    Enable {
        /// The target
        name: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Tell a target of nothing more; what waits for it stays
    Disable {
        /// The target
        name: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Print the public keys by which a target's receiver verifies signatures
    Key {
        /// The target
        name: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Print the body that a ref update would be told with; send nothing
    Payload {
        /// The format, or event for what templates are given
        #[arg(long, value_name = "F")]
        format: String,
        /// Only this event, where the format has several for one update
        #[arg(long, value_parser = ["push", "tag_push", "create", "delete", "note", "merge_request"])]
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
        #[command(flatten)]
        source: echo::Source,
    },
    /// Make the deliveries that git servers hand to the broker, until a signal ends it
    Worker {
        #[command(flatten)]
        manner: worker::Manner,
    },
    /// Set up the broker between git servers and workers, or tell what lies there
    Fleet {
        #[command(subcommand)]
        errand: fleet::Errand,
    },
}

fn known_format(name: &str) -> Result<&'static Format, Failure> {
    format::find(name).ok_or_else(|| {
        let known: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
        Failure::new(message::unknown_format(name, known.join(", ")))
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
    let arguments: Vec<_> = arguments.collect();
    if arguments.get(1).is_some_and(|argument| argument == alarm::ARGUMENT) {
        alarm::tell(environment);
        return ExitCode::SUCCESS;
    }
    if arguments.get(1).is_some_and(|argument| argument == template::ARGUMENT) {
        template::serve();
        return ExitCode::SUCCESS;
    }
    let Arguments { as_owner, no_pager, verb } = match Arguments::try_parse_from(&arguments) {
        Ok(arguments) => arguments,
        Err(error) => return tell_usage(&error, &arguments),
    };
    log_file::start_on_stderr();
    let (is_owners, answers) = (as_owner.is_some(), as_owner.is_some_and(Errand::answers));
    let call = Call { arguments: arguments.into_iter().skip(1).collect(), environment, is_owners };
    // Before anything of the repository is read.
    let set_out = as_owner.map_or(Ok(()), Errand::set_out);
    let failed = verb.failed();
    if no_pager {
        terminal::never_page();
    }
    let outcome = set_out.and_then(|()| verb.run(&call));
    terminal::finish();
    match outcome {
        Ok(code) => code,
        Err(why) => {
            match answers {
                true => call.answer_failure(why),
                false => terminal::error(why),
            }
            failed
        }
    }
}

/// Tells what is wrong about a command line, or the help that was asked for.
fn tell_usage(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // Standard output may be closed; there is nobody to tell then.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let texts: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    let is_surplus = matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::TooManyValues);
    let text = match texts.iter().find_map(|text| new_secret::secret_option(text)).filter(|_| is_surplus) {
        // It quotes the secret.
        Some(option) => format!("error: {}\n", message::secret_as_argument(option)),
        // A URL may be a secret as well.
        None => texts
            .iter()
            .filter(|text| text.contains("://"))
            .fold(error.render().to_string(), |text, url| text.replace(&**url, "…")),
    };
    let lines = text.split_inclusive('\n').map(|line| sanitise(line.trim_end_matches('\n')) + "\n");
    // As above.
    let _ = stderr().write_all(lines.collect::<String>().as_bytes());
    ExitCode::from(USAGE)
}

/// Tells a panic, which is a mistake of ours, in one line: a backtrace says nothing to an administrator.
pub fn tell_mistake(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
    let what = text.unwrap_or("panic");
    let place = info.location().map(|place| format!("{}:{}", place.file(), place.line())).unwrap_or_default();
    // Where standard error is closed nobody is told; a panic in here would end in a signal.
    let _ = writeln!(stderr(), "{}", mistake(what, &place));
}

fn mistake(what: &str, place: &str) -> String {
    sanitise(&format!("error: {}", message::mistake(what, place)))
}

impl Verb {
    /// What it exits with where it could not do its work.
    fn failed(&self) -> ExitCode {
        match self {
            // Which says nothing of what it is asked for.
            Self::Status { .. } => ExitCode::from(status::Alarm::Unknown as u8),
            _ => ExitCode::FAILURE,
        }
    }

    fn run(self, call: &Call<'_>) -> Result<ExitCode, Failure> {
        let is_well = match self {
            Self::List { urls, reach } => list::run(urls, &reach, call),
            Self::Formats { json } => formats::run(json),
            Self::Check { options } => check::run(&options, call),
            Self::Test { trial } => test::run(&trial, call),
            Self::Log { filter, amount, reach } if amount.follow => follow::run(&filter, amount.limit, &reach, call),
            Self::Log { filter, amount, reach } => log::run(&filter, &amount, &reach, call),
            Self::Show { choice, json } => show::run(&choice, json, call),
            Self::Redeliver { choice, reach } => redeliver::run(&choice, &reach, call),
            Self::Flush { now, target, reconcile, all, reach } => {
                flush::run(flush::Wish { now, only: target.as_deref(), reconcile, all }, &reach, call)
            }
            Self::Dead { choice, reach } => dead::run(&choice, &reach, call),
            Self::Reviews { reach } => reviews::run(&reach, call),
            Self::Status { max_age, all, reach } => {
                return status::run(max_age, all, &reach, call).map(|alarm| ExitCode::from(alarm as u8));
            }
            Self::Reconcile { manner, reach } => reconcile::run(manner, &reach, call),
            Self::Add { wish, json } => add::run(&wish, json, call),
            Self::Set { wish, json } => set::run(&wish, json, call),
            Self::Rename { old, new, json } => rename::run(&old, &new, json, call),
            Self::Remove { name, json } => remove::run(&name, json, call),
            Self::Enable { name, json } => enable::run(&name, true, json, call),
            Self::Disable { name, json } => enable::run(&name, false, json, call),
            Self::Key { name, json } => key::run(&name, json, call),
            Self::Payload { format, event, old, new, r#ref } => {
                payload::run(&format, event.as_deref(), &old, &new, &r#ref, call)
            }
            Self::Echo { port, source } => echo::run(port, &source, call),
            Self::Worker { manner } => worker::run(&manner, call),
            Self::Fleet { errand } => fleet::run(&errand, call),
        }?;
        Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_of_ours_is_told_in_one_line() {
        assert_eq!(
            mistake("called `unwrap()` on\na `None` value", "src/x.rs:7"),
            "error: a mistake in git-webhook: called `unwrap()` on\\na `None` value (src/x.rs:7): please report it"
        );
    }
}
