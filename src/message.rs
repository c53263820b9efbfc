//! Every error message of the hook and the verbs, in one place; `docs/messages.md` says of each why it comes and what to
//! do, and a test compares the two.
//!
//! Written as git writes them: lower case, no full stop, what happened first, the subject in quotes, and the way out.

use std::fmt::Display;

/// One function for each message: of its places, or without any, text that needs no memory.
macro_rules! messages {
    ($($name:ident ( $($place:ident),* ) = $text:literal;)*) => {
        $(messages! { @one $name ($($place),*) $text })*

        /// The text of every message, each place in braces.
        pub const ALL: &[&str] = &[$($text),*];
    };
    (@one $name:ident () $text:literal) => {
        #[doc = $text]
        pub const fn $name() -> &'static str {
            $text
        }
    };
    (@one $name:ident ($($place:ident),+) $text:literal) => {
        #[doc = $text]
        pub fn $name($($place: impl Display),+) -> String {
            format!($text)
        }
    };
}

messages! {
    // The verbs.
    unknown_format(name, known) = "unknown format '{name}': choose {known}";
    no_such_target(name, others) = "no target '{name}': {others}";
    target_is_there(name) = "target '{name}' is there already: git config webhook.{name}.<key> changes it, git webhook remove {name} removes it";
    too_many_targets(most) = "webhook.maxTargets allows {most} targets, and so many are there: remove one, or raise it in the system's or the user's configuration";
    target_is_elsewhere(name, file) = "target '{name}' is set in '{file}', not in this repository's own configuration: run git config --file '{file}' --remove-section webhook.{name}";
    not_added(problems) = "nothing was written: {problems}";
    no_random_bytes(why) = "cannot make a secret: {why}";
    cannot_read_secret(why) = "cannot read the secret from standard input: {why}";
    no_secret_given() = "no secret on standard input: type it, or use --generate-secret";
    secret_is_there(path) = "'{path}' is there already: use it with --secret-file, or remove it";
    config_is_locked(path, lock) = "'{path}' is being changed by another git config; if none runs, remove '{lock}'";
    git_config_failed(said) = "git config: {said}";
    cannot_run_git(why) = "cannot run git: {why}";
    cannot(doing, path, why) = "cannot {doing} '{path}': {why}";
    receipt_is_gone() = "the push it comes from is older than webhook.keepLog, so its body cannot be built again";
    no_format_any_more(format) = "this program knows no format '{format}', so its body cannot be built again";
    no_objects_now() = "the objects of the repository cannot be read now, so its body cannot be built again";
    not_built_any_more() = "its body cannot be built again: the objects it tells of are gone";
    no_such_delivery(id) = "no delivery '{id}' in the log: git webhook log shows which there are";
    several_deliveries(id, ids) = "several deliveries begin with '{id}': {ids}";
    short_id(id) = "'{id}' is no delivery's id: write at least four of its characters";
    target_is_busy(name) = "webhook {name}: another process is sending to it: try again when it is done";
    target_is_gone(name) = "no target '{name}' that can be used: add it again, or mend its configuration";
    target_is_disabled(name) = "webhook {name}: is disabled: run git webhook enable {name} first";
    not_tried_now() = "not tried: the target does not answer, or an older event of the ref failed; it waits for its turn";
    no_length_of_time() = "write a whole number with s, m, h or d";
}
