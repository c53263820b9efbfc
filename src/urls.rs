//! Addresses made from text: what is encoded, templates and what is filled in, the server of a page.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode, percent_encode, utf8_percent_encode};
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

/// The same of what may stand behind `?` as well, where `&`, `;`, `+` and `=` part values.
pub fn encode_value(text: &str) -> String {
    const VALUE: &AsciiSet = &SEGMENT.add(b'&').add(b';').add(b'+').add(b'=');
    utf8_percent_encode(text, VALUE).to_string()
}

/// Percent-encodes all but what is never anything else in a URL (RFC 3986, section 2.3).
pub fn encode_whole(text: &[u8]) -> String {
    const ALL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encode(text, ALL).to_string()
}

/// What the URL Standard's serialiser of forms leaves as it is, but for the blank, which becomes a plus sign.
const IN_FORMS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_').remove(b' ');

/// A value as it stands in a form that is posted.
pub fn form_encode(value: &[u8]) -> String {
    let pieces = percent_encode(value, IN_FORMS);
    pieces.flat_map(str::chars).map(|c| if c == ' ' { '+' } else { c }).collect()
}

/// How long that is, in bytes.
pub fn form_len(value: &[u8]) -> usize {
    percent_encode(value, IN_FORMS).map(str::len).sum()
}

/// A value that stands in a form that was posted.
pub fn form_decode(value: &[u8]) -> Vec<u8> {
    let value: Vec<u8> = value.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&value).collect()
}

/// What stands percent-encoded in a URL.
pub fn percent_decoded(text: &str) -> Vec<u8> {
    percent_decode(text.as_bytes()).collect()
}

/// One word of printable ASCII, whatever the bytes are: the others are percent-encoded, blanks and the percent sign too.
pub fn printable(bytes: &[u8]) -> String {
    const ODD: &AsciiSet = &CONTROLS.add(b'%').add(b' ');
    percent_encode(bytes, ODD).to_string()
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
    fn a_form_is_encoded_as_browsers_do_and_read_back() {
        let value = "{\"a b\":\"é+&=%~*-._\"}".as_bytes();
        let form = form_encode(value);
        assert_eq!(form, "%7B%22a+b%22%3A%22%C3%A9%2B%26%3D%25%7E*-._%22%7D");
        assert_eq!(form_len(value), form.len());
        assert_eq!(form_decode(form.as_bytes()), value);
        let parsed: Vec<_> = url::form_urlencoded::parse(form.as_bytes()).collect();
        assert_eq!(parsed, [(String::from_utf8_lossy(value), "".into())]);
    }

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
