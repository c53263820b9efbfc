//! Has the commands of one run go together: pasted in order they leave nothing to mend, and none undoes another.

use std::collections::HashSet;

use super::finding::Finding;
use super::mend::{FileKey, Mend, Value};

/// Leaves to each key of a file one command: of several findings about it one mend is enough, and the others would find
/// it gone or bring it back.
pub(super) fn compose(findings: &mut [Finding]) {
    let mut order: Vec<usize> = (0..findings.len()).collect();
    order.sort_by_key(|at| (findings[*at].mend.iter().map(rank).min().unwrap_or(u8::MAX), findings[*at].severity));
    let mut claimed = HashSet::new();
    let mut known = HashSet::new();
    for at in order {
        let mends = std::mem::take(&mut findings[at].mend);
        findings[at].mend = mends.into_iter().filter_map(|mend| claim(mend, &mut claimed)).collect();
        // The same command is printed once.
        findings[at].mend.retain(|mend| known.insert(format!("{mend:?}")));
    }
    findings.sort_by_key(|finding| (finding.mend.iter().any(Mend::is_last), finding.severity));
}

/// What takes a key away makes whatever else is wrong about it right too, and what moves it there what it lacks.
fn rank(mend: &Mend) -> u8 {
    match mend {
        // It takes the key away, and keeps what it holds.
        Mend::AllOf(_) => 0,
        Mend::Unset(_) => 1,
        Mend::Shift { .. } => 2,
        // It is the last one too.
        Mend::Set { value: Value::LastBeforeHash, .. } => 3,
        Mend::Set { value: Value::Last, .. } => 5,
        Mend::Set { .. } => 4,
        _ => 6,
    }
}

/// The mend as far as nobody else sees to its keys.
fn claim(mend: Mend, claimed: &mut HashSet<(String, String)>) -> Option<Mend> {
    let keys: Vec<_> = keys(&mend).into_iter().map(plain).collect();
    if keys.iter().all(|key| !claimed.contains(key)) {
        claimed.extend(keys);
        return Some(mend);
    }
    match mend {
        // The place is taken: then it only goes.
        Mend::Shift { from, .. } if claimed.insert(plain(&from)) => Some(Mend::Unset(from)),
        _ => None,
    }
}

fn keys(mend: &Mend) -> Vec<&FileKey> {
    match mend {
        Mend::Unset(key) | Mend::Set { place: key, .. } => vec![key],
        Mend::Shift { from, to } => vec![from, to],
        Mend::AllOf(mends) => mends.iter().flat_map(keys).collect(),
        _ => Vec::new(),
    }
}

/// git compares section and key without regard to case, and what stands between them as it is.
fn plain(key: &FileKey) -> (String, String) {
    let mut parts: Vec<_> = key.key.split('.').map(String::from).collect();
    for at in [0, parts.len() - 1] {
        parts[at] = parts[at].to_ascii_lowercase();
    }
    (key.file.clone(), parts.join("."))
}
