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
    no_length_of_time() = "write a whole number with s, m, h or d";

    // git webhook check.
    check_hooks_unknown(why) = "cannot ask git where the hooks are: {why}";
    check_hook_missing(name, directory) = "no {name} hook in '{directory}'";
    check_hook_dangling(path) = "'{path}' is a link that leads nowhere";
    check_hook_not_executable(path) = "'{path}' is not executable, so git passes over it";
    check_hook_foreign(path) = "'{path}' is another hook and does not run git-webhook";
    check_hook_other_version(path, version, own) = "'{path}' runs git-webhook {version}, and this is {own}";
    check_hook_twice(kept, spare) = "git-webhook runs twice: as '{kept}' and as '{spare}'";
    check_hook_shadowed(file, directory, name) =
        "core.hooksPath in '{file}' has git look for hooks in '{directory}', where there is no {name} of git-webhook";
    check_hook_unused(path, directory) = "'{path}' is never run: core.hooksPath has git look in '{directory}'";
    check_too_many_targets(count, most) = "{count} targets are configured, and webhook.maxTargets allows {most}";
    check_set_twice(key, file) = "{key} is set twice in '{file}', and the last one counts";
    check_overruled(key, file, other) = "{key} in '{file}' has no effect: '{other}' sets it later";
    check_read_differently(key, file) = "{key} in '{file}' is not read as git reads it";
    check_git_cannot_read(why) = "git cannot list the configuration: {why}";
    check_secret_readable(file, key) = "others can read '{file}', which holds {key}";
    check_open_directory(path) = "others can enter '{path}', which holds what was pushed and secrets";
    check_state_link(path) = "'{path}' is a symbolic link";
    check_state_no_directory(path) = "'{path}' is no directory";
    check_state_not_writable(user, path) = "user {user} cannot write '{path}'";
    check_state_not_groups(path) = "'{path}' is not open to the group, though core.sharedRepository is set";
    check_state_other_group(count, root, group) =
        "{count} files below '{root}' are not of the repository's group {group}";
    check_state_other_owner(count, root, owner) =
        "{count} files below '{root}' do not belong to {owner}, the repository's owner";
    check_cannot_keep(why) = "no push can be written down: {why}";
    check_locks_ignored(path) = "a locked file in '{path}' can be locked again";
    check_no_locks(path, why) = "files in '{path}' cannot be locked: {why}";
    check_network_file_system(path, kind) = "'{path}' lies on a network file system ({kind})";
    check_memory_file_system(path, kind) = "'{path}' lies in memory ({kind}), and the repository does not";
    check_connect_hint() = "git webhook check --connect dials the receivers too, and sends nothing";
    check_no_target() = "no target is configured";
    check_disabled(name) = "target '{name}' is disabled";
    check_nothing_wanted(name) = "target '{name}' asks for no event that is sent";
    check_event_unsent(words, name) = "no format sends {words}, which target '{name}' asks for";
    check_unverified(name) = "the certificate of target '{name}' is not verified";
    check_push_options(name) = "push options are not advertised, and target '{name}' asks for reviews";
    check_unreached(name, origin, why) = "cannot reach target '{name}' at {origin}: {why}";
    check_parked(name) = "target '{name}' answered 410 and gets nothing";
    check_waiting(count, name, age) = "{count} deliveries wait for target '{name}', the oldest for {age}";
    check_untold(count, age) = "{count} pushes are told to nobody yet, the oldest for {age}";
    check_removed(count, name) = "{count} deliveries wait for '{name}', which is configured no more";
    check_dead(count, name) = "{count} deliveries of '{name}' were given up";
    check_no_timer(path) = "no timer runs git webhook flush for '{path}'";
    check_timer_inactive(unit) = "the timer '{unit}' is not active";
    check_accept_env(word, file) = "sshd takes {word} from clients (AcceptEnv in '{file}')";
}
