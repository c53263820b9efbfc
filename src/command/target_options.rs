//! The keys of a target as options of `add` and `set`: one for each, with its meaning.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::config::{KEYS, Key, Of};

/// The values of keys, one option for each key of a target, in the order of the documentation.
pub(super) struct Values(pub(super) Vec<(&'static str, String)>);

/// Those that are no options: an argument, and what must not stand on a command line.
const NO_OPTIONS: [&str; 3] = ["url", "secret", "signingSecret"];

fn options() -> impl Iterator<Item = &'static Key> {
    // What is protected would count for nothing where this writes.
    let is_option = |key: &&Key| {
        matches!(key.of, Of::Target | Of::TargetAlone) && !key.protected && !NO_OPTIONS.contains(&key.name)
    };
    KEYS.iter().filter(is_option)
}

impl Args for Values {
    fn augment_args(command: Command) -> Command {
        options().fold(command, |command, key| {
            let help = format!("{} [default: {}]", key.meaning, key.default);
            let action = if key.list { ArgAction::Append } else { ArgAction::Set };
            command.arg(Arg::new(key.name).long(kebab(key.name)).value_name("VALUE").help(help).action(action))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Values {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let values = |key: &'static Key| {
            let given = matches.get_many::<String>(key.name).unwrap_or_default();
            given.map(|value| (key.name, value.clone()))
        };
        Ok(Self(options().flat_map(values).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// `retry-for` for `retryFor`, `ssl-ca-info` for `sslCAInfo`.
fn kebab(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut kebab = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let is_after_small = at > 0 && letters[at - 1].is_lowercase();
        let is_before_small = letters.get(at + 1).is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && at > 0 && (is_after_small || is_before_small) {
            kebab.push('-');
        }
        kebab.push(letter.to_ascii_lowercase());
    }
    kebab
}

#[cfg(test)]
mod tests {
    use super::kebab;

    #[test]
    fn options_are_in_kebab_case() {
        assert_eq!(
            ["url", "retryFor", "sslCAInfo", "signingSecretFile"].map(kebab),
            ["url", "retry-for", "ssl-ca-info", "signing-secret-file"]
        );
    }
}
