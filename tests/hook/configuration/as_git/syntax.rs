//! One file's text: sections, keys, values, comments.

use super::*;

/// One file's text; what git makes of it, we make of it.
#[track_caller]
fn alike(text: impl AsRef<[u8]>) -> Keys {
    let files = Files::new();
    files.write("user", text);
    files.both_read()
}

#[track_caller]
fn refused(texts: &[&[u8]]) {
    let files = Files::new();
    for text in texts {
        files.write("user", text);
        match files.compare() {
            Ok(Agreement::Refused(_)) => {}
            Ok(Agreement::Read(keys)) => panic!("{}: both read {keys:?}", text.escape_ascii()),
            Err(difference) => panic!("{}: {difference}", text.escape_ascii()),
        }
    }
}

fn value(keys: &Keys, key: &str) -> Vec<Option<String>> {
    let values = keys.get(key.as_bytes()).into_iter().flatten();
    values.map(|(value, _, _)| value.as_ref().map(|value| String::from_utf8_lossy(value).into_owned())).collect()
}

#[test]
fn a_key_without_value_is_not_one_with_an_empty_value() {
    let keys = alike("[webhook]\nref\nref =\nref = x\nref\n");
    assert_eq!(value(&keys, "webhook.ref"), [None, Some("".into()), Some("x".into()), None]);
}

#[test]
fn behind_a_key_without_value_nothing_may_stand() {
    refused(&[
        b"[webhook \"x\"]\nenabled url = http://h/\n",
        b"[webhook \"x\"]\nenabled # comment\n",
        b"[webhook \"x\"]\nenabled ; comment\n",
        b"[webhook \"x\"]\nenabled [webhook \"y\"]\n",
        b"key # before any section\n",
    ]);
}

#[test]
fn a_section_with_a_dot_and_quotes_is_joined() {
    let keys = alike("[webhook.A \"B.c\"]\nref = x\n[WEBHOOK.ci]\nref = y\n[webhook.]\nref = z\n");
    let names: Vec<_> = keys.keys().map(|key| String::from_utf8_lossy(key).into_owned()).collect();
    assert_eq!(names, ["webhook..ref", "webhook.a.B.c.ref", "webhook.ci.ref"]);
}

#[test]
fn quotes_spaces_and_continuations() {
    let keys = alike(
        "[webhook]\nref = \" a \"  b\\\n   c \\\n\nref = \"\" x\nref = x \"\"\nref = \"a;\"#b\nref = \\\nref = y\\",
    );
    let expected = [" a   b   c ", "x", "x ", "a;", "ref = y"];
    assert_eq!(value(&keys, "webhook.ref"), expected.map(|text| Some(text.to_owned())));
}

#[test]
fn bad_141_escapes() {
    let keys = alike("[webhook]\nref = \\n\\t\\b\\\\\\\"\n");
    assert_eq!(value(&keys, "webhook.ref"), [Some("\n\t\u{8}\\\"".into())]);
    refused(&[b"[webhook]\nref = \\q\n", b"[webhook]\nref = \\\r\r\nx\n"]);
}

#[test]
fn what_no_file_may_hold() {
    refused(&[
        b"[webhook]\nref = \"x\n",
        b"[webhook\n",
        b"[webhook \"x]\n",
        b"[webhook \"x\"y]\n",
        b"[webhook_x]\n",
        b"[webhook x]\n",
        b"[]\n",
        b"1ref = x\n",
        b"[webhook]\nre_f = x\n",
        b"[webhook]\nref: x\n",
        b"[webhook]\n\0\n",
        b"\x00",
    ]);
}

#[test]
fn bad_140_only_the_mark_of_utf_8_may_begin_a_file() {
    let keys = alike(b"\xef\xbb\xbf[webhook]\nref = x\n");
    assert_eq!(value(&keys, "webhook.ref"), [Some("x".into())]);
    let file = b"[webhook]\nref = x\n";
    for mark in [
        &b"\xff\xfe"[..],
        b"\xfe\xff",
        b"\0\0\xfe\xff",
        b"+/v8",
        b"\xf7\x64\x4c",
        b"\xdd\x73\x66\x73",
        b"\x0e\xfe\xff",
        b"\xfb\xee\x28",
        b"\x84\x31\x95\x33",
        b"\xef\xbb",
        b"\xef\xbb\xbf\xef\xbb\xbf",
    ] {
        refused(&[&[mark, file].concat()]);
    }
}

#[test]
fn a_carriage_return_counts_in_a_value_alone() {
    let keys = alike("[webhook \"x\"]\r\nref = a\rb\r\n");
    assert_eq!(value(&keys, "webhook.x.ref"), [Some("a\rb".into())]);
    refused(&[b"[webhook]\nref\r = x\n", b"[\rwebhook]\n"]);
}

#[test]
fn the_line_is_the_one_that_git_names() {
    let files = Files::new();
    for text in [
        "[webhook]\nref = x\n\n  ref = \\q\n",
        "\r\n\r\n[web_hook]\r\n",
        "[a]\nb = \\\n\\\nx\nc d\n",
        "=",
        "[a]\nb # c\n[d]\n",
    ] {
        files.write("user", text);
        let said = String::from_utf8(files.git().stderr).unwrap();
        let line = said.split("bad config line ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
        match files.ours() {
            Err(config::Unreadable::Syntax(_, number)) => assert_eq!(number.to_string(), line, "{text:?}"),
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

#[test]
fn a_nul_is_kept_where_git_stops_reading_the_value() {
    let files = Files::new();
    files.write("user", "[webhook]\nref = a\0b\n");
    assert!(files.git().status.success());
    let entries = files.ours().unwrap();
    assert!(entries.iter().any(|entry| entry.value.as_deref() == Some(b"a\0b")), "{entries:?}");
}
