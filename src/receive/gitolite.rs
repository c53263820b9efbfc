//! Copies that gitolite keeps of another server's repositories: what comes to one was told where it was pushed.

use std::process::{Command, Stdio};

use log::warn;

use crate::config::Settings;
use crate::message;
use crate::process::Environment;

/// Whether a push came from the server that gitolite has for the repository's master, and this one is to tell nothing of it.
/// Where gitolite does not answer, it is told: rather twice than never.
///
/// Pushes from server to server alone pass gitolite's checks, and by its own names for servers (gitolite's mirroring
/// documentation, `Gitolite::Triggers::Mirroring`): nobody else's push pays for the question.
pub(super) fn is_copied(settings: &Settings, environment: &Environment) -> bool {
    let is_servers = environment.text("GL_USER").is_some_and(|user| user.starts_with("server-"));
    let is_between_servers = is_servers && environment.get("GL_BYPASS_ACCESS_CHECKS").is_some();
    let Some(repository) = environment.text("GL_REPO").filter(|_| is_between_servers && !settings.tell_mirrors) else {
        return false;
    };
    let answers =
        ask(&["query-rc", "HOSTNAME"]).and_then(|own| Ok((own, ask(&["mirror", "list", "master", &repository])?)));
    match answers {
        Ok((own, master)) => own != master,
        Err(why) => {
            warn!("{}", message::gitolite_does_not_answer(why));
            false
        }
    }
}

/// What gitolite answers, which finds its own configuration by `HOME`.
fn ask(words: &[&str]) -> Result<String, String> {
    let mut command = Command::new("gitolite");
    // To whoever seems to have come by ssh it would not answer.
    command.args(words).env_remove("GL_USER").stdin(Stdio::null());
    let output = command.output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && !said.is_empty() {
        return Ok(said);
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(why.lines().next().map_or_else(|| output.status.to_string(), String::from))
}
