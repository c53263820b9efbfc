//! A raw tree of any bytes, of both object formats: the walk over it ends, and every mode is one that git knows.

#![no_main]

use git_webhook::repository::object::tree_entries;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for id_len in [20, 32] {
        let entries: Vec<_> = tree_entries(data, id_len).collect();
        assert!(entries.len() <= data.len() / id_len);
        for entry in entries {
            assert!(matches!(entry.mode, 0o100_644 | 0o100_755 | 0o120_000 | 0o040_000 | 0o160_000));
            assert!(!entry.name.contains(&0));
        }
    }
});
