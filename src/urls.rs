//! Addresses made from text: what is encoded, templates and what is filled in, the server of a page.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What may not stand in a path segment of a URL as it is (RFC 3986, section 3.3).
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Percent-encodes what may not stand in the path of a URL.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// Fills a URL template's `{repository}` (path with namespace) and `{name}`, percent-encoded where a URL wants it.
///
/// `git@host:{repository}.git` is no URL: what stands behind its colon is a path as it is.
pub fn fill_template(template: &str, path: &str, name: &str) -> String {
    if !template.contains("://") {
        return template.replace("{repository}", path).replace("{name}", name);
    }
    template.replace("{repository}", &encode(path)).replace("{name}", &encode(name))
}

/// `https://git.example.org` of `https://git.example.org/group/project`.
pub fn origin(homepage: &str) -> Option<String> {
    let (scheme, rest) = homepage.split_once("://")?;
    let host = rest.split('/').next().filter(|host| !host.is_empty())?;
    Some(format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_and_encoded() {
        assert_eq!(
            fill_template("https://git.example/{repository}?n={name}", "a b/c#d", "c#d"),
            "https://git.example/a%20b/c%23d?n=c%23d"
        );
        assert_eq!(fill_template("git@h:{repository}.git", "a b/c", "c"), "git@h:a b/c.git");
    }
}
