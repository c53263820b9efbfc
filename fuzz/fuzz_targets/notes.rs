//! Notes of any text: requests, comments and verdicts are read, and what is new of a note is no more than it has.

#![no_main]

use git_webhook::appraise::{Comment, Request, lines, new_lines, verdict};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|texts: (&str, &str)| {
    let (old, new) = texts;
    let told = new_lines(Some(old), new);
    assert!(told.len() <= lines(new).count());
    assert!(told.iter().all(|line| !lines(old).any(|known| known == *line)));
    for note in [old, new] {
        let requests = Request::all(note);
        assert!(requests.is_sorted_by_key(|request| request.timestamp.unwrap_or(0)));
        let comments: Vec<_> = lines(note).filter_map(Comment::parse).collect();
        let _ = (verdict(&comments), comments.iter().map(|comment| comment.words().len()).sum::<usize>());
    }
});
