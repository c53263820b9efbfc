//! Addresses made from text: what is encoded, templates and what is filled in, the server of a page.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::Url;

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

/// The server of a page, `https://git.example.org` of `https://git.example.org/group/project`: nothing that stands behind
/// it, and no user or password before it, since receivers are told.
pub fn origin(homepage: &str) -> Option<String> {
    let url = Url::parse(homepage).ok()?;
    let host = url.host_str().filter(|host| !host.is_empty())?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}://{host}{port}", url.scheme()))
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

    #[test]
    fn an_origin_is_server_and_port_alone() {
        let origin = |text: &str| origin(text).unwrap_or_default();
        assert_eq!(origin("https://git.example.org/group/project"), "https://git.example.org");
        assert_eq!(origin("http://user:secret@git.example.org:8080?token=x#y"), "http://git.example.org:8080");
        assert_eq!(origin("https://[::1]:8443/x"), "https://[::1]:8443");
        assert_eq!(["git.example.org", "https://", "/srv/git"].map(origin), [""; 3]);
    }
}
