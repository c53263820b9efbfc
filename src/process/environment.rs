//! The environment variables, taken once.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};

use super::user::os_user;

/// A snapshot of the environment variables, taken once, so that everything below is a function of its arguments.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: HashMap<OsString, OsString>,
    /// The OS user, where it is not the one of this process but of the one that the snapshot was taken of.
    user: Option<String>,
}

impl Environment {
    /// Takes the variables, as `std::env::vars_os` gives them.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self { variables: variables.into_iter().collect(), user: None }
    }

    /// The same with the variables and the OS user of another process: what a push was made with, when it is told later.
    pub fn of_push(variables: impl IntoIterator<Item = (OsString, OsString)>, user: String) -> Self {
        Self { user: Some(user), ..Self::new(variables) }
    }

    /// The values of those of `names` that are set, sorted.
    pub fn some<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, OsString> {
        names.into_iter().filter_map(|name| Some((name.to_owned(), self.raw(name)?.to_owned()))).collect()
    }

    /// The login of the user who pushed, as far as the system tells.
    pub fn os_user(&self) -> String {
        self.user.clone().unwrap_or_else(os_user)
    }

    /// The value of `name`; an empty value counts as none, as in most of git.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.raw(name).filter(|value| !value.is_empty())
    }

    /// The value of `name`, be it empty.
    pub fn raw(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// The value of `name` as text, with U+FFFD in place of what is not UTF-8.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| value.to_string_lossy().into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_counts_as_none() {
        let environment = Environment::new([("GL_USER".into(), "".into())]);
        assert_eq!(environment.get("GL_USER"), None);
    }
}
