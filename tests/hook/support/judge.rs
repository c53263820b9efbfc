//! What must be so of whatever any program prints in any test.

use std::process::{Command, Output};

use super::{canary, json};

/// No secret, and of our own programs nothing that a terminal obeys.
#[track_caller]
pub fn judge(command: &Command, output: &Output) {
    let program = command.get_program().to_string_lossy().into_owned();
    // git shows what it was asked for, and the configuration is full of secrets.
    if !command.get_args().any(|argument| argument == "config") {
        canary::is_nowhere_in(&output.stdout, &format!("{command:?}"));
        canary::is_nowhere_in(&output.stderr, &format!("{command:?}"));
    }
    if program.ends_with("/git-webhook") {
        json::is_as_documented(command, output);
    }
    if program.ends_with("/git-webhook") || program.ends_with("/post-receive") {
        is_fit_for_a_terminal(&output.stdout);
        is_fit_for_a_terminal(&output.stderr);
    }
}

/// Fails where a text has a character other than a line's end that a terminal obeys, or shows nothing of.
#[track_caller]
pub fn is_fit_for_a_terminal(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let is_obeyed = |c: char| {
        let is_invisible = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}');
        c != '\n' && (c.is_control() || is_invisible || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}'))
    };
    if let Some(c) = text.chars().find(|c| is_obeyed(*c)) {
        panic!("{c:?} is printed: {text:?}");
    }
}
