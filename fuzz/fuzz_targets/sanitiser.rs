//! Text of others: whatever it is, nothing is left that a terminal obeys.

#![no_main]

use git_webhook::text::{json_for_terminal, sanitise, shorten};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let is_harmless = |c: char| c == '\'' || c == '"' || c == '\\' || c.escape_debug().count() == 1;
    let safe = sanitise(text);
    assert!(safe.chars().all(|c| !c.is_control()), "{safe:?}");
    assert!(safe.chars().all(is_harmless), "{safe:?}");
    let value = serde_json::Value::from(text);
    let json = json_for_terminal(&value.to_string());
    assert!(json.chars().all(|c| !c.is_control()), "{json:?}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).ok(), Some(value));
    for longest in [0, 1, 7] {
        assert!(shorten(text.to_owned(), longest).len() <= longest.max(text.len().min(longest)) + '…'.len_utf8());
    }
});
