//! The keys there are: name, owner, default. `docs/config.md` is checked against this list.

/// What a key is set for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// `webhook.<name>.<key>`, and `webhook.<key>` as the default of all targets.
    Target,
    /// `webhook.<name>.<key>` alone.
    TargetAlone,
    /// `webhook.<key>`: the repository or the server.
    Repository,
    /// `webhookUser.<login>.<key>`.
    User,
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// As it is documented; git compares without case.
    pub name: &'static str,
    /// What it is set for.
    pub of: Of,
    /// What counts where it is not set, in the words of the documentation.
    pub default: &'static str,
    /// Counts only from the system's or the user's file, not from a repository's own.
    pub protected: bool,
    /// Holds several values.
    pub list: bool,
    /// What it is for and what it can be, in one line; of the keys that are options of `git webhook add`.
    pub meaning: &'static str,
}

const fn key(name: &'static str, of: Of, default: &'static str) -> Key {
    Key { name, of, default, protected: false, list: false, meaning: "" }
}

const fn protected(name: &'static str, of: Of, default: &'static str) -> Key {
    Key { protected: true, ..key(name, of, default) }
}

const fn list(key: Key) -> Key {
    Key { list: true, ..key }
}

const fn means(meaning: &'static str, key: Key) -> Key {
    Key { meaning, ..key }
}

/// Every key, in the order of the documentation.
pub const KEYS: &[Key] = &[
    key("url", Of::TargetAlone, "required"),
    means(
        "In which forge's words it is told: a name that git webhook formats lists",
        key("format", Of::Target, "codeup"),
    ),
    means(
        "How much it is told: full, commits (no lists of files), thin (no commits)",
        key("detail", Of::Target, "full"),
    ),
    means(
        "How the body travels: json, form as payload=…; of a template any media type",
        key("contentType", Of::Target, "json"),
    ),
    means(
        "The template of format template, below webhook/template/ or absolute",
        key("template", Of::TargetAlone, "none"),
    ),
    means("The method of format template: POST, PUT or GET", key("method", Of::Target, "POST")),
    means(
        "What it is told of: push, tag_push, create, delete, note, merge_request, all, or the forge's narrower names",
        list(key("event", Of::Target, "push tag_push")),
    ),
    means(
        "Of which refs: full names or short ones, * for anything, ! excludes, the last that matches wins",
        list(key("ref", Of::Target, "every ref")),
    ),
    means(
        "Which answers count as delivered: statuses and classes such as 302 or 2xx",
        list(key("success", Of::Target, "2xx")),
    ),
    means("A title, for people", key("description", Of::TargetAlone, "none")),
    means("Whether it is told of anything: true or false", key("enabled", Of::Target, "true")),
    means(
        "Whether a repository may switch off this target of the server: true or false",
        key("optional", Of::Target, "false"),
    ),
    means("Whether requests carry W3C Trace Context: true, false or continue", key("traceparent", Of::Target, "true")),
    means(
        "Whether keys are sent that Codeup sends beyond its document: true or false",
        key("codeupExtras", Of::Target, "false"),
    ),
    key("secret", Of::TargetAlone, "none"),
    means(
        "The file with the token or HMAC key, below webhook/secret/ or absolute",
        key("secretFile", Of::TargetAlone, "none"),
    ),
    list(key("signingSecret", Of::TargetAlone, "none")),
    means(
        "The file with a Standard Webhooks key, below webhook/secret/ or absolute",
        list(key("signingSecretFile", Of::TargetAlone, "none")),
    ),
    means("A further request header, 'Name: value'", list(key("header", Of::TargetAlone, "none"))),
    means("A file with further request headers, one a line", key("headerFile", Of::TargetAlone, "none")),
    means("Whether the receiver's certificate is verified: true or false", key("sslVerify", Of::Target, "true")),
    means("A PEM file with certificates to trust beside the system's", key("sslCAInfo", Of::TargetAlone, "none")),
    means("A PEM file with the client certificate", key("sslCert", Of::TargetAlone, "none")),
    means("A PEM file with its key", key("sslKey", Of::TargetAlone, "none")),
    protected("proxy", Of::Target, "none"),
    means("How long one attempt may take, in s, m, h or d", key("timeout", Of::Target, "10s")),
    means("How long a delivery that fails is tried again, in s, m, h or d", key("retryFor", Of::Target, "3d")),
    means("How many commits one payload lists at most", key("maxCommits", Of::Target, "the forge's own")),
    means("The largest body, with k, m or g", key("maxBody", Of::Target, "25m")),
    key("repository", Of::Repository, "derived from the path"),
    key("owner", Of::Repository, "the words before the name joined by '-', else the name"),
    key("aliases", Of::Repository, "branch"),
    key("mirrors", Of::Repository, "none"),
    protected("root", Of::Repository, "none"),
    key("homepage", Of::Repository, "empty"),
    key("commitUrl", Of::Repository, "the viewer's, else the format's own below homepage"),
    key("viewer", Of::Repository, "none"),
    key("compareUrl", Of::Repository, "the viewer's, else the format's own below homepage"),
    key("branchUrl", Of::Repository, "the viewer's, else the format's own below homepage"),
    key("tagUrl", Of::Repository, "the viewer's, else the format's own below homepage"),
    key("treeUrl", Of::Repository, "the viewer's, else the format's own below homepage"),
    key("reviewUrl", Of::Repository, "the format's own below homepage"),
    key("gitHttpUrl", Of::Repository, "from gitweb.url or cloneurl"),
    key("gitSshUrl", Of::Repository, "from gitweb.url or cloneurl"),
    key("repositoryDescription", Of::Repository, "from gitweb.description or description"),
    key("visibility", Of::Repository, "private"),
    key("projectId", Of::Repository, "derived from the path"),
    list(protected("userVariable", Of::Repository, "none")),
    key("maxWait", Of::Repository, "10s"),
    key("detach", Of::Repository, "false"),
    key("reconcile", Of::Repository, "false"),
    list(protected("allowedHosts", Of::Repository, "external private loopback")),
    protected("secretMode", Of::Repository, "private"),
    protected("templateDir", Of::Repository, "none"),
    protected("report", Of::Repository, "all"),
    protected("maxTargets", Of::Repository, "50"),
    protected("onFailure", Of::Repository, "none"),
    list(protected("via", Of::Repository, "none")),
    protected("viaCredentials", Of::Repository, "none"),
    protected("viaPatience", Of::Repository, "15m"),
    key("keepLog", Of::Repository, "30d"),
    list(key("notesRef", Of::Repository, "refs/notes/commits")),
    key("reviews", Of::Repository, "true"),
    list(key("reviewRef", Of::Repository, "none")),
    key("maxReviewEvents", Of::Repository, "50"),
    key("maxNote", Of::Repository, "64k"),
    key("logLevel", Of::Repository, "warn"),
    protected("name", Of::User, "the login"),
    protected("email", Of::User, "none"),
    protected("id", Of::User, "derived from the login"),
];

/// Looks a key up, without regard to case, among those that may stand in a place.
pub fn find(name: &str, places: &[Of]) -> Option<&'static Key> {
    KEYS.iter().find(|key| places.contains(&key.of) && key.name.eq_ignore_ascii_case(name))
}

/// Whether the value may hold a secret or is a URL, which no message repeats: Slack and Jenkins put their secret there,
/// and a secret is easily written behind `secretFile`.
pub fn is_confidential(name: &str) -> bool {
    const NAMES: [&str; 21] = [
        "url",
        "proxy",
        "secret",
        "secretFile",
        "signingSecret",
        "signingSecretFile",
        "header",
        "headerFile",
        "sslKey",
        "homepage",
        "commitUrl",
        "compareUrl",
        "branchUrl",
        "tagUrl",
        "treeUrl",
        "reviewUrl",
        "gitHttpUrl",
        "gitSshUrl",
        "onFailure",
        "via",
        "viaCredentials",
    ];
    NAMES.iter().any(|other| other.eq_ignore_ascii_case(name))
}

/// The known key most like `name`, if one is like it at all.
pub fn nearest(name: &str, places: &[Of]) -> Option<&'static str> {
    // The comparison takes memory for the product of both lengths.
    if name.len() > 64 {
        return None;
    }
    let distance = |key: &Key| strsim::damerau_levenshtein(&key.name.to_ascii_lowercase(), &name.to_ascii_lowercase());
    KEYS.iter()
        .filter(|key| places.contains(&key.of))
        .map(|key| (distance(key), key.name))
        .min()
        .filter(|(distance, _)| *distance <= 1 + name.len() / 4)
        .map(|(_, name)| name)
}
