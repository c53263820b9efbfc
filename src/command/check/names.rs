//! Repositories below one root that receivers take for one: they know a repository by its owner and its name.

use std::collections::BTreeMap;
use std::path::Path;

use super::Scene;
use super::finding::{Finding, Kind, Severity};
use super::mend::{self, Mend, Value, shown};
use crate::command::as_owner::Said;
use crate::config::Configured;
use crate::message;

/// The keys that give a repository another name: for its own targets, and for the server's.
const OWNER: &str = "webhook.owner";
const ROOT: &str = "webhook.root";

/// What the repository is called, to the targets of either kind that it has: nothing that is wrong by itself.
pub(super) fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let configuration = &scene.place.configuration;
    let targets = || configuration.targets.iter().filter_map(Configured::as_far_as_read);
    let is_told = |is_protected| targets().any(|target| target.is_protected == is_protected && target.switch.is_on());
    let called = |is_protected: bool| {
        let name = scene.place.scene(scene.environment).repository(is_protected).full_name();
        let finding = Finding::new(Severity::Fact, Kind::Called, name);
        match (is_protected, mend::protected_file(scene.is_shared(), scene.environment)) {
            (false, _) => finding.mend(mend::set(&scene.place.common_dir.join("config"), OWNER, "")),
            // What the repository says of itself is not for the server's.
            (true, Some(file)) if configuration.settings.root.is_none() => finding.mend(mend::set(&file, ROOT, "")),
            (true, Some(file)) => finding.mend(mend::edit(&file)),
            (true, None) => finding,
        }
    };
    [false, true].into_iter().filter(|is_protected| is_told(*is_protected)).map(called).collect()
}

/// Puts in the place of what each is called that it is called as another one.
pub(super) fn compare(said: &mut [Said<Finding>], root: Option<&Path>) {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in said.iter() {
        for called in one.rows.iter().filter(|row| row.kind == Kind::Called) {
            let others = all.entry(called.message.clone()).or_default();
            let path = one.path.display().to_string();
            if !others.contains(&path) {
                others.push(path);
            }
        }
    }
    for one in said {
        let (called, rest) = std::mem::take(&mut one.rows).into_iter().partition(|row| row.kind == Kind::Called);
        one.rows = rest;
        let called: Vec<Finding> = called;
        let path = one.path.display().to_string();
        for Finding { message: name, mend, .. } in called {
            let mut others = all.get(&name).into_iter().flatten();
            let Some(other) = others.find(|other| **other != path) else { continue };
            let finding = Finding::advice(Kind::SameName, message::check_same_name(&path, other, &name));
            let mends = mend.into_iter().filter_map(|mend| filled(mend, &one.path, root));
            one.rows.push(mends.fold(finding, Finding::mend));
        }
    }
}

/// The mend with the value that makes the name another: where the repository lies below `root`.
fn filled(mend: Mend, repository: &Path, root: Option<&Path>) -> Option<Mend> {
    let root = root.and_then(|root| root.canonicalize().ok())?;
    let Mend::Set { place, .. } = mend else { return Some(mend) };
    let below = repository.strip_prefix(&root).unwrap_or(repository);
    let value = match place.key.as_str() {
        ROOT => shown(&root),
        // A dot joins no words of any other's.
        _ => {
            let above = below.parent().unwrap_or(Path::new("")).components();
            let words: Vec<_> = above.map(|word| word.as_os_str().to_string_lossy().into_owned()).collect();
            // What lies in the root itself keeps its name.
            if words.is_empty() { return None } else { words.join(".") }
        }
    };
    Some(Mend::Set { place, value: Value::Text(value) })
}
