//! Every error message of the hook and the verbs, in one place; `docs/messages.md` says of each why it comes and what to
//! do, and a test compares the two.
//!
//! Written as git writes them: lower case, no full stop, what happened first, the subject in quotes, and the way out.

use std::fmt::Display;

/// One function for each message: of its places, or without any, text that needs no memory.
macro_rules! messages {
    ($($name:ident ( $($place:ident),* ) = $text:literal;)*) => {
        $(messages! { @one $name ($($place),*) $text })*

        /// The text of every message, each place in braces, and the names of its places.
        pub const ALL: &[(&str, &[&str])] = &[$(($text, &[$(stringify!($place)),*])),*];
    };
    (@one $name:ident () $text:literal) => {
        #[doc = concat!("`", $text, "`")]
        pub const fn $name() -> &'static str {
            $text
        }
    };
    (@one $name:ident ($($place:ident),+) $text:literal) => {
        #[doc = concat!("`", $text, "`")]
        pub fn $name($($place: impl Display),+) -> String {
            format!($text)
        }
    };
}

messages! {
    // Configuration. What stands in the files; key, value and file come around it.
    cannot_read(path, error) = "cannot read '{path}': {error}";
    bad_configuration_line(line, file) = "bad configuration line {line} in '{file}'";
    include_unclear(file) = "cannot tell which file '{file}' includes: write path = and a file's name";
    include_too_deep(file) = "'{file}' is included more than ten files deep: do files include each other?";
    remote_url_included(file) =
        "'{file}' sets a remote's url and is included by includeIf, which git refuses beside \
         includeIf.hasconfig:remote.*.url";
    on_branch_in_reftable(file) =
        "cannot tell the branch for includeIf.onbranch in '{file}': the refs are in a reftable";
    fifo() = "is a fifo, which may wait for ever";
    configuration_too_large() = "larger than 32 MiB";
    too_many_lines() = "more than half a million lines";
    default_counts(problem) = "{problem}; the default counts";
    protected_key() =
        "is ignored here, since it counts only from the system's or the user's own configuration, not from a \
         repository's";
    value_cut() = "is cut at '#' or ';', where a comment begins: put double quotes around the value";
    belongs_to_target(key) = "belongs to one target: write webhook.<name>.{key}";
    belongs_to_no_target(key) = "belongs to no target: write webhook.{key}";
    unknown_key_like(name) = "is no known key; did you mean {name}?";
    unknown_key() = "is no known key";
    no_value() = "has no value: write key = value";
    value_too_long() = "is longer than 64 KiB";
    no_utf8() = "is not UTF-8";
    holds_nul() = "holds a NUL";
    control_character() = "holds a control character";
    no_absolute_path() = "is not an absolute path";
    no_owner() = "is no owner: write one word without '/' and blanks";
    no_template() = "is no URL template: write a URL, with {repository} and {name} where they belong";
    no_commit_template() = "is no URL template: write a URL, with {repository}, {name} and {id} where they belong";
    no_compare_template() = "is no URL template: write a URL, with {repository}, {name}, {old} and {new} where they belong";
    no_branch_template() = "is no URL template: write a URL, with {repository}, {name} and {branch} where they belong";
    no_tag_template() = "is no URL template: write a URL, with {repository}, {name} and {tag} where they belong";
    no_viewer() = "is no viewer that is known: write cgit or gitweb, or a template for each kind of page";
    no_review_template() = "is no URL template: write a URL, with {repository}, {name} and {number} where they belong";
    no_visibility() = "is no visibility: write private, internal or public";
    no_report() = "is no report: write all, failures or none";
    no_aliases() = "is neither branch nor both";
    no_mirrors() = "is neither none nor tell";
    no_log_level() = "is no log level: write error, warn, info or debug";
    no_number() = "is no number from 1 to 2147483647";
    no_count() = "is no number from 0 to 2147483647";
    no_detail() = "is no detail: write full, commits or thin";
    no_content_type() = "is neither json nor form";
    no_form_in_format(format) = "asks for a form, and format {format} sends none: write json";
    no_tracing() = "is neither true, false nor continue";
    continue_is_protected() =
        "counts only from the system's or the user's own configuration, so the event's own trace is sent";
    no_size() = "is no size from 1k to 1g";
    no_time_of_push() = "is no time from 1s to 1h";
    no_time_of_keeping() = "is no time from 1s to 3650d";
    no_time() = "is no time: write a whole number with s, m, h or d";
    no_allowed_host(word) =
        "holds '{word}', which is neither external, private, loopback, a host, an address nor a network: it allows nothing";
    no_boolean() = "is no boolean: write true or false";
    no_target_name() =
        "is no target's name: write at most 64 letters, digits, '_', '.' and '-', a letter or digit first";
    url_not_set() = "is not set: write a line url = https://… below it";
    url_twice() = "is set twice, and the last one counts: a target has one URL, a second receiver is a second target";
    url_fragment() = "has a part behind '#', which is never sent: remove it";
    two_owners() = "is set in another configuration too, and a target has one owner: give one of the two another name";
    secret_included() =
        "lies outside the repository, which only includes the file: write it into the repository's own configuration, or \
         the whole target into the system's or the user's";
    foreign_owner() = "counts only where the target's url is set, and that is not the same configuration";
    unknown_format_value(known) = "is no known format: write {known}";
    unknown_event(known) = "holds an unknown event: write {known} or all";
    events_unknown_to_format(format, known) = "names nothing that format {format} has: write {known}";
    unused_by_format(format) = "is not used by format {format}: remove it";
    no_status() = "is no list of statuses from 200 to 499 or classes such as 2xx";
    no_ref_pattern() = "holds what no ref name can: write patterns such as refs/heads/* or !wip/*";
    mistaken_ref_pattern(meant) = "holds what no ref name can: was '{meant}' meant?";
    two_secrets() = "stands beside secretFile: keep one of them";
    secret_bom() = "names a file that begins with a byte order mark: write it anew without";
    secret_cr() = "names a file with a CR at the end of a line: remove it, as tr -d '\\r' does";
    secret_blank() =
        "names a file whose secret begins or ends with a blank, which counts: remove it, if the receiver has none";
    secret_blank_ignored() = "names a file whose key has blanks or empty lines around it, which are left out";
    no_secret_mode() = "is neither private nor any";
    header_file_no_utf8() = "names a file that is not UTF-8";
    header_file_line(line, why) = "names a file whose line {line} {why}";
    header_file_empty() = "names a file without a header: write Name: value, one a line";
    no_certificate() = "names a file without a certificate in PEM, or with one that cannot be read";
    no_private_key() = "names a file without a private key in PEM, or with one that is encrypted";
    other_private_key() = "names a key that is not the one of the certificate in sslCert";
    old_certificate() = "belongs to a certificate of X.509 version 1, which TLS libraries take no more: have it issued anew as version 3";
    lacks_ssl_key() = "is set without sslKey, and a certificate is nothing without its key";
    lacks_ssl_cert() = "is set without sslCert, and a key is nothing without its certificate";
    no_secret_file() = "names a file that is empty or holds more than one line of text";
    short_secret() = "may be guessed, being shorter than 24 bytes: set a longer one";
    no_signing_secret() =
        "is no Standard Webhooks key: write whsec_ and base64, or whsk_ and the base64 of an ed25519 key's seed";
    header_of_format() = "names a header that the format sets itself";
    header_of_credentials() = "names a header that is made of the url's user name and password";
    empty() = "is empty";
    no_header() = "is no header: write Name: value";
    no_header_name() = "has a name that no header can have";
    reserved_header() = "names a header that is set by git-webhook itself";
    secret_unreadable(error) = "cannot be read: {error}";
    secret_unreadable_below(place, error) = "cannot be read below {place}: {error}";
    secret_no_file() = "names what is no regular file";
    secret_open(path) = "names a file that others can read or write: run chmod o= '{path}'";
    secret_too_large() = "names a file that is too large to be what it should";
    secret_absolute(place) =
        "is an absolute path, which a repository's own configuration cannot use: put the file below {place} \
         and write its name";
    secret_no_path(place) = "is no path below {place}";
    secret_link(path, place) = "leads through the symbolic link '{path}': put the file itself below {place}";
    lacks_template() = "is not set, which format template needs: write the name of a file below webhook/template/";
    no_template_dir() =
        "is looked for in webhook.templateDir, which is not set: set that for the server, or write an absolute path";
    no_method() = "is no method that is known: write POST, PUT or GET";
    no_media_type() = "is no media type: write one such as text/plain; charset=utf-8, or json or form";
    header_not_filled_in() = "fills in a header that lets requests in: write it down as it is";
    url_statement() = "holds a statement or a comment: only expressions, in two braces each, can stand in it";
    url_open_expression() = "holds an expression without its end: write two closing braces behind it";
    url_expression_in_host() =
        "holds an expression before its path: scheme, user, host and port are what they are for every event";
    url_steps_up() = "holds an expression before a segment '..', which would take it away: write the path without";
    url_expression_in_name() = "holds an expression in a name of its query, where only values can be filled in";

    // Addresses. What is wrong with a URL, told without it: it may hold a secret.
    url_empty() = "is empty: write http://… or https://…";
    url_too_long() = "is longer than 8 KiB";
    url_space() = "holds a space, control character or backslash: write it percent-encoded";
    url_scheme() = "does not begin with http:// or https://";
    url_two_at() = "has two '@' before the path: write the one in the password as %40";
    url_password() =
        "has '@' behind a '?', '#' or '/' that its password seems to hold: write these as %3F, %23 and %2F";
    url_no_host() = "has no host";
    url_percent() = "has a percent sign in its host";
    url_unreadable() = "cannot be read as a URL: look at its host and port";
    url_port_0() = "has port 0";
    no_proxy() = "is no HTTP proxy: write http://HOST:PORT, with user name and password before the host where it wants them";
    url_label() = "has a host with a part of more than 63 characters";

    // Repository. What cannot be read of the repository itself.
    cannot_open(path, error) = "cannot open '{path}': {error}";
    no_such_directory() = "no such directory";
    path_not_utf8() = "its path is not UTF-8: run this in the repository";
    refs_through_git(error) = "cannot read the refs through git: {error}";
    others_listed_as_new(error) = "{error}; commits of other refs are listed as new";
    new_object_missing(name, id) =
        "{name}: {id}, where it points now, is not among the repository's objects or cannot be read: told without commits";
    ancestor_missing(name, id) =
        "{name}: {id}, which its new commits build on, is not among the repository's objects or cannot be read: told without what is below it";
    too_many_review_events(most) =
        "this push makes more events of reviews and comments than webhook.maxReviewEvents allows, {most}: none of them is told; raise it, or \
         push them in parts";
    note_too_large(name, id) = "{name}: the note on {id} is larger than 8 MiB: passed over";
    notes_unreadable(name) = "{name}: its notes cannot be read, so none of them is told";
    files_in_part(commit) = "commit {commit}: changed files are listed in part, there are too many";

    // Spool. What goes wrong with the files below webhook/.
    cannot_use(path, error) = "cannot use '{path}': {error}";
    cannot_create(path, error) = "cannot create '{path}': {error}";
    cannot_set_mode(path, error) = "cannot set the mode of '{path}': {error}";
    cannot_write(path, error) = "cannot write '{path}': {error}";
    cannot_write_sequence(path, error) = "cannot write the sequence number to '{path}': {error}";
    cannot_rename(path, error) = "cannot rename '{path}': {error}";
    cannot_rename_to(path, error) = "cannot rename to '{path}': {error}";
    cannot_bring_back(path, error) = "cannot bring '{path}' back into the queue: {error}";
    cannot_rename_in(name, directory, error) = "cannot rename '{name}' in '{directory}': {error}";
    cannot_sync(path, error) = "cannot sync '{path}': {error}";
    cannot_sync_directory(path, error) = "cannot sync the directory '{path}': {error}";
    cannot_sync_file_system(path, error) = "cannot sync the file system of '{path}': {error}";
    cannot_settle(path, error) = "cannot settle '{path}': {error}";
    cannot_make_dead(path, error) = "cannot make '{path}' a dead letter: {error}";
    cannot_remove(path, error) = "cannot remove '{path}': {error}";
    cannot_remove_delivered(path, error) = "cannot remove '{path}', which was delivered: {error}";
    cannot_remove_settled(day, error) = "cannot remove settled receipts of {day}: {error}";
    no_directory() = "it is there and is no directory";
    no_regular_file() = "it is no regular file";
    linked() = "it is linked from elsewhere too";
    belongs_to(user) = "it belongs to user {user}, who has no part in this repository";
    record_too_large() = "it is larger than any record";
    record_empty() = "it is empty";
    no_record() = "it is no record of git-webhook";
    other_version(version, known) = "it is of version {version}, this program reads version {known}";
    no_version() = "its version cannot be read";
    torn() = "it is torn: its length is not what its header says";
    damaged() = "it is damaged: its checksum is wrong";
    bad_content(error) = "its content cannot be read: {error}";
    no_ref_update() = "no ref update";
    no_ref() = "it holds what is no ref";
    no_record_name() = "it has no name of a record";
    not_its_name() = "it is not what its name says";
    body_damaged() = "the file with its body is damaged";
    body_missing() = "the file with its body is missing";
    two_records() = "there are two records of this delivery";
    target_gone() = "its target is configured no more";
    dead_by_log() = "it is a dead letter by the log";
    unknown_record_format(format) = "this program knows no format '{format}'";
    was_made_dead(path, why, to) = "'{path}': {why}; it is a dead letter now, '{to}'";
    was_made_dead_in_queue(name, target, why, to) = "'{name}' for {target}: {why}; it is a dead letter now, '{to}'";
    stays_in_queue(name, target, why, error) = "'{name}' for {target}: {why}; {error}";
    settled_kept(error) = "{error}: settled receipts are kept";
    not_durable(error) = "{error}: a power cut now would lose a push; afterwards run git webhook reconcile";
    made_once_more(error) = "{error}: its deliveries may be made once more";
    delivers_twice(error) = "{error}: if the hook is installed twice, it delivers twice";
    owner_can_read(path, error) = "cannot read '{path}': {error}; its owner can: run git webhook flush as that user";
    owner_can_read_queued(target, name, error) =
        "webhook {target}: cannot read '{name}' in its queue: {error}; its owner can: run git webhook flush as that \
         user";
    locked_for(path, seconds) = "'{path}' has been locked for {seconds} s: going on without it";
    no_locks(error) = "files cannot be locked here ({error}): two hooks at once may deliver an event twice";
    without_lock(error) = "{error}: going on without";
    log_lacks_line(error, target) = "{error}: the log lacks a line of webhook {target}";

    // Delivery. Why a delivery was not made, or is a dead letter. The first of them the pusher reads too.
    answered(status) = "answered {status}";
    answered_gone(status) = "answered {status}: gone for good";
    redirect(status) = "answered {status}, a redirect, which is not followed";
    address_refused() = "the server does not allow the receiver's address";
    never_dialled(address, class) = "{address} is a {class} address, which is never dialled, whatever webhook.allowedHosts says";
    not_allowed(address, class) = "{address} is a {class} address, which webhook.allowedHosts does not allow";
    no_lookup() = "the receiver's name cannot be looked up";
    refused() = "connection refused";
    no_connection() = "no connection";
    policy(error) =
        "{error}: the system's own policy, such as SELinux, AppArmor or a firewall, forbids this connection; SELinux allows \
         it below a web server after setsebool -P httpd_can_network_connect on";
    tls_unknown_authority() =
        "the certificate is signed by an authority that this machine does not trust, or by itself: set sslCAInfo to a file \
         with that authority's certificate";
    tls_expired(day) = "the certificate has expired on {day}: the receiver needs a new one";
    tls_not_valid_yet(day) = "the certificate is not valid before {day}: is one of the clocks wrong?";
    tls_other_name(names, host) = "the certificate is for {names}, not for {host}: set the URL to a name that it has";
    tls_no_names(host) = "the certificate names no host, as it has to in its subjectAltName: the receiver needs one for {host}";
    tls_authority_itself() =
        "the certificate is an authority's own, as openssl req -x509 makes them: set sslCAInfo to a file with that very certificate";
    tls_old_certificate() =
        "the certificate is of X.509 version 1, which TLS libraries take no more: the receiver needs one of version 3";
    tls_endless_chain() = "the receiver shows more certificates than any chain has";
    tls_bad_certificate(error) = "the certificate cannot be used: {error}";
    tls_old_version() = "the receiver speaks no TLS newer than 1.1: it needs an update";
    tls_none_spoken() = "what answers there does not speak TLS: is it http:// or another port?";
    tls_unknown_name() = "the receiver has no certificate for the host in the URL";
    tls_wants_certificate() = "the receiver wants a client certificate: set sslCert and sslKey";
    tls_certificate_refused(alert) = "the receiver does not accept the client certificate of sslCert ({alert})";
    tls_nothing_common() = "the receiver and git-webhook have no TLS version and cipher in common, or it wants a client certificate: set sslCert and sslKey then";
    tls_alert(alert) = "the receiver ended the TLS handshake ({alert})";
    proxy_refused() = "the proxy refuses connections";
    proxy_no_http() = "what is set as proxy does not answer as one";
    proxy_wants_password() = "the proxy answered 407: it wants a user name and password, in the URL of webhook.proxy";
    proxy_refuses_password() = "the proxy answered 407: it does not take the user name and password in the URL of webhook.proxy";
    proxy_answered(status) = "the proxy answered {status}, and makes no connection to the receiver";
    of_proxy(error) = "the proxy: {error}";
    no_tls() = "no trusted TLS connection";
    no_answer_in_time() = "no answer in time";
    closed() = "connection closed without an answer";
    no_http() = "the answer is not HTTP";
    declined() = "the receiver refuses it";
    too_many() = "the receiver takes no more for a while";
    unclear() = "the answer does not say what became of it";
    no_time_left() = "no time left to try";
    cut_short() = "the push waits no longer";
    busy() = "another push is being delivered";
    backoff() = "the receiver failed a while ago";
    failed_before(why) = "the receiver failed before: {why}";
    parked() = "the receiver answered 410 before";
    blocked() = "an older event comes first";
    fault() = "an error inside git-webhook";
    two_hosts() = "the host is read in two ways";
    redirect_to(address) = "to {address}";
    redirect_to_as(address, what) = "to {address}: {what}";
    the_same_with(what) = "the same with {what}";
    with_slash() = "'/' at the end";
    with_no_slash() = "no '/' at the end";
    with_port(port) = "port {port}";
    with_another_query() = "another query";
    the_same() = "the same address";
    another_host() = "another host";
    redirect_unreadable() = "to an address that cannot be read";
    within_header() = "in the midst of the answer's header";
    request_sent() = "the request was sent";
    before_request() = "before the request was sent";
    bad_url() = "bad URL";
    takes_no_larger(target, bytes) = "the receiver of '{target}' took {bytes} bytes and refused more (413): larger bodies are reduced";
    may_have_acted(times) = "the receiver may have acted (attempts like this: {times})";
    waits_for_success() = "another delivery to this target to get through";
    probed(failure) = "{failure}; sent before its time, to see whether the receiver is back";
    tried_long() = "tried for as long as retryFor says";
    refused_long() = "the address was not allowed for as long as retryFor says";
    silent_long() = "the target has not answered for as long as retryFor says";
    not_delivered(target, name, address, failure) = "webhook {target}: {name} not delivered to {address}: {failure}";
    more_not_delivered(target, count) = "webhook {target}: {count} more not delivered: git webhook log tells of each";
    reduced_body(from, allowed) =
        "a body of {from} bytes is larger than maxBody ({allowed}): told without lists of files";
    fewer_commits(said, commits) = "{said} and with at most {commits} commits";
    reduced_template(allowed) =
        "the template makes more of it than maxBody ({allowed}) or its steps allow: told without lists of files";
    template_too_large(most) = "it makes more than maxBody ({most} bytes)";
    expression_too_long(most) = "it makes more than {most} bytes";
    template_ended() = "it takes more time or memory than a template may";
    of_url(flaw) = "url: {flaw}";
    of_header(name, flaw) = "header {name}: {flaw}";
    made_for_template() = "it was made for format template, which the target has no more: put that back, and redeliver it";
    template_too_long(steps) = "it takes more than {steps} steps";
    unmade() = "its template does not work for this event";
    format_of_then() = "it was made for another format than the target has now";
    made_for_another_format(format) = "it was made for format {format}, which does not say what the url is filled in with";
    not_made(why) = "it is not made yet, since its template does not work for this event: {why}";
    template_flaw(line, column, why) = "line {line}, column {column}: {why}";
    template_flaw_in_line(line, why) = "line {line}: {why}";
    header_control_character(name) = "header {name} would hold a control character";
    check_template(target, event, why) = "template of target '{target}' does not work for {event}: {why}";
    check_no_json(target) =
        "template of target '{target}' makes no JSON, which its receiver is told it is: set contentType, or mend it";
    still_too_large(said, to) = "{said}; {to} bytes are left all the same";
    trust_store(error) = "trust store: {error}";
    no_certificates() =
        "trust store: no certificate found, so no https receiver can be trusted: install ca-certificates";
    unverified(target) = "webhook {target}: the receiver's certificate is not verified (sslVerify is false)";
    push_untold(sequence) = "push {sequence} cannot be told, by a mistake in git-webhook: please report it";
    fault_at_push() = "a mistake in git-webhook";
    told_from_memory(error) = "{error}: the push is told of once, from memory; afterwards run git webhook reconcile";
    not_detached(error) = "cannot start the process that delivers: {error}: run git webhook flush";
    teller_not_started(error) =
        "cannot start the process that runs webhook.onFailure: {error}: the next push or git webhook flush does";
    on_failure_not_started(target, error) =
        "webhook {target}: cannot run webhook.onFailure: {error}: it is run again in an hour";
    on_failure_failed(target, status) =
        "webhook {target}: webhook.onFailure exited with status {status}: it is run again in an hour";
    on_failure_ended(target) = "webhook {target}: a signal ended webhook.onFailure: it is run again in an hour";
    on_failure_killed(target, seconds) =
        "webhook {target}: webhook.onFailure took longer than {seconds} seconds and was killed: it is run again in an hour";
    about_target(target, error) = "webhook {target}: {error}";
    takes_over(target, wrong) = "webhook {target}: is told of the pushes that waited for '{wrong}', whose name was wrong";
    target_removed(target, count) =
        "webhook {target}: is configured no more: {count} deliveries that waited are dead letters now";
    moved_without_hook(name, from, to) =
        "{name} moved from {from} to {to} without a hook: git webhook reconcile tells it";
    many_moved_without_hook(count, first) =
        "{count} refs, the first of them {first}, moved without a hook before this push: git webhook reconcile tells it";
    gitolite_does_not_answer(why) = "cannot ask gitolite whether this is a mirror's copy, and tell the push: {why}";
    home_not_set(file) = "HOME is not set, so what '{file}' says of webhooks does not count: put it into the system's configuration";
    no_input_though_intent() =
        "post-receive was given no refs though pre-receive was: does a hook before it read its standard input?";

    // The broker. What is wrong between a git server or a worker and NATS.
    via_empty() = "is empty: write nats:// and a host";
    via_scheme() = "is no server of NATS: write nats://HOST:PORT, or tls:// where nothing may go in the clear";
    via_host() = "has a server without a host, or one that no host is called";
    via_port() = "has a server whose port is no number from 1 to 65535";
    via_login() = "has a user name or password that cannot be read";
    via_credentials() =
        "names a file without credentials of NATS: one line with a seed (SU…), a password, user:password or a \
         token, or a whole creds file";
    broker_no_nats() = "what answers there does not speak NATS, or a version that is too old";
    broker_no_tls() = "the server speaks no TLS, and tls:// asks for it";
    broker_denied() = "the broker does not accept these credentials";
    broker_not_permitted() = "the broker does not let this user do that";
    broker_no_stream() = "the broker has no such stream or consumer";
    broker_full() = "the stream is full";
    broker_too_large() = "larger than a message may be";
    broker_overtaken() = "somebody else was first";
    broker_said() = "the broker said no";
    unsound_message(name) = "its {name} is not what a delivery has";
    lacks_via() = "is set without via, and means nothing without";
    no_broker() = "no connection to the broker";
    not_acknowledged() = "the broker did not acknowledge it";
    not_taken() = "the broker did not take it";
    too_large_for_broker() = "too large for the broker";
    too_large_for_both(size, most, max_body) =
        "its body of {size} bytes cannot be made small enough: the broker takes messages of {most} bytes (max_payload), the \
         target bodies of {max_body} (maxBody)";
    never_taken() = "it would never be taken";
    outcomes_unknown(count, broker, error) =
        "cannot ask {broker} what came of {count} deliveries that it took: {error}";
    published_again(target, name, id) =
        "webhook {target}: {name}: the broker has lost {id}, which it had acknowledged: published again, late";
    told_by_worker(worker) = "worker {worker} did not make it";
    outcome_unknown(worker) = "worker {worker} is newer than this program, which does not know what it tells: upgrade it";
    test_past_broker(name) =
        "target {name} is told through the broker (webhook.via), and nothing is sent past it: run git webhook test on a worker's \
         machine";
    broker_lost(target, error) = "no connection to the broker for target '{target}', and another one is tried: {error}";
    newer_message(target, version) =
        "a delivery for target '{target}' is of version {version}, and waits for a newer worker";
    message_refused(sequence, target, why) = "message {sequence} for target '{target}' is set aside: {why}";
    other_format(format, own) = "it has the format {format}, and the target {own} here";
    no_event_of_format(event, format) = "'{event}' is no event of format {format}";
    larger_than_max_body(size, most) = "it has {size} bytes, and maxBody of the target allows {most} here";
    no_worker_has() = "no worker has this target";
    cannot_look_for_unclaimed(error) = "cannot look for messages that no worker is there for: {error}";
    cannot_look_for_lost(error) = "cannot look after the consumers at the broker: {error}";
    consumer_lost(target) = "the broker had lost track of what waits for target '{target}': its consumer is made anew";

    // What the pusher reads. Without address or detail: he can neither see nor change the configuration.
    misconfigured(target) = "webhook {target}: not configured rightly, the event is kept; see git webhook check";
    misconfigured_unkept(target) = "webhook {target}: not configured rightly, nothing was sent; see git webhook check";
    unreadable() = "webhook: the configuration cannot be read, the event is kept; see git webhook check";
    no_objects() = "webhook: the repository cannot be read, the event is kept";
    unfinished() = "webhook: webhook.maxWait is up: what is not told yet is kept, and told later";
    not_told(error) =
        "webhook: the event can be neither sent now nor written down ({error}): tell the administrator, who can run git \
         webhook reconcile";
    kept_though(error) = "webhook: the event cannot be sent now ({error}), it is kept";
    not_kept(error) =
        "webhook: the event cannot be written down ({error}), so it is sent once, now or never;\nwebhook: tell the \
         administrator, who can run git webhook reconcile later";
    malformed_line(line) = "webhook: malformed ref line {line}, passed over";
    never_existed(name) = "webhook: {name} never existed, passed over";
    unknown_push_option(name) = "webhook: push option {name} is unknown here, and passed over";
    no_branch_to_merge_into(target) =
        "webhook: no review opened: there is no branch '{target}' to be merged into; see push option merge_request.target";
    nothing_to_review(target) = "webhook: no review opened: no branch was pushed that has what '{target}' has not";
    no_default_branch() =
        "webhook: no review opened: HEAD names no branch that is there to be merged into; see push option merge_request.target";
    no_review_to_change() =
        "webhook: no open review has what was pushed: push option merge_request.create opens one";
    foreign_ids(name) = "webhook: {name} has ids of another object format, passed over";
    input_cut_short() = "webhook: the list of refs was cut short, only what arrived was sent";
    usage() =
        "post-receive is a git hook: link it as hooks/post-receive in a repository, and git runs it after each \
         push.\nSee git webhook --help for what to do by hand.";
    none_delivered(target, refs) = "webhook {target}: not delivered: {refs}";
    some_delivered(target, count, all, refs) = "webhook {target}: delivered {count} of {all} refs, not {refs}";
    one_of(refs, one, reason) = "{refs}, among them {one} ({reason})";
    kept(said) = "{said}; kept, and tried again later";
    kept_until_enabled(said) = "{said}; kept until the administrator enables it again";

    // Verbs. What a verb of git webhook cannot do.
    unknown_format(name, known) = "unknown format '{name}': choose {known}";
    no_length_of_time() = "write a whole number with s, m, h or d";
    cannot_run_git(error) = "cannot run git: {error}";
    cannot_enter(path, error) = "cannot enter '{path}': {error}";
    cannot_find_program(error) = "cannot find this program: {error}";
    cannot_start_as_owner(user, error) = "cannot start this program as user {user}, the owner: {error}";
    no_errand() = "write a user's number, a dot and a descriptor's number";
    not_the_owners(user) = "the repository was exchanged meanwhile: it is not user {user}'s, and nothing was done";
    nothing_as_owner(user) = "nothing could be done as user {user}, the owner";
    secret_as_argument(option) =
        "{option} takes no value, since everybody on this machine can read arguments: type the secret when asked, or pipe \
         it in; what was given is in the shell's history now, so change it if it was one";
    target_is_there(name) =
        "target '{name}' is there already: git config webhook.{name}.<key> changes it, git webhook remove {name} \
         removes it";
    too_many_targets(most) =
        "webhook.maxTargets allows {most} targets, and so many are there: remove one, or raise it in the system's or \
         the user's configuration";
    target_is_elsewhere(name, file) =
        "target '{name}' is set in '{file}', not in this repository's own configuration: run git config --file \
         '{file}' --remove-section webhook.{name}";
    switch_is_elsewhere(name, file) =
        "target '{name}' is set in '{file}', which does not leave it to repositories: run git config --file '{file}' \
         webhook.{name}.optional true there first, or change webhook.{name}.enabled there for all";
    switched_off_by_repository() = "switched off by the repository";
    target_stands_elsewhere(name, file) =
        "target '{name}' is set in '{file}': --system and --global change those files, an editor any other";
    no_file_of_scope() = "there is no such file: GIT_CONFIG_NOSYSTEM or GIT_CONFIG_GLOBAL is set so, or HOME is not";
    secret_of_many() =
        "what all repositories share has its secret in a file that their users can read: make it, and name it with \
         --secret-file /path";
    discord_takes_slack() = "Discord takes this format at the webhook's address with /slack behind it";
    not_told_without() =
        "receivers find the repository by addresses that are set nowhere; with your host for HOST, as far as there are such:";
    set_and_unset(key) = "{key} cannot be set and unset at once";
    nothing_to_set() = "nothing to change: git webhook set -h lists the options";
    not_changed(problems) = "nothing was changed: {problems}";
    url_stays() = "a target is nothing without its url: set another with --url, or run git webhook remove";
    no_key_like(key, like) = "'{key}' is no key of a target: do you mean {like}?";
    no_key(key) = "'{key}' is no key of a target: git-webhook-config(5) lists them";
    not_renamed(name, why) = "nothing was renamed: '{name}' {why}";
    not_added(problems) = "nothing was written: {problems}";
    no_random_bytes(error) = "cannot make a secret: {error}";
    cannot_read_secret(error) = "cannot read the secret from standard input: {error}";
    no_secret_given() = "no secret on standard input: type it, or use --generate-secret";
    secret_is_there(path) = "'{path}' is there already: use it with --secret-file, or remove it";
    config_is_locked(path, lock) = "'{path}' is being changed by another git config; if none runs, remove '{lock}'";
    git_config_failed(said) = "git config: {said}";
    receipt_is_gone() = "the push it comes from is older than webhook.keepLog, so its body cannot be built again";
    no_format_any_more(format) = "this program knows no format '{format}', so its body cannot be built again";
    no_objects_now() = "the objects of the repository cannot be read now, so its body cannot be built again";
    not_built_any_more() = "its body cannot be built again: the objects it tells of are gone";
    no_such_delivery(id) = "no delivery '{id}' in the log: git webhook log shows which there are";
    no_delivery_of_ref(name) = "no delivery of the ref '{name}': no target was told of it, or longer ago than keepLog";
    no_delivery_of_commit(name) =
        "no delivery of the commit '{name}': no target was told of a push that brought it, or longer ago than keepLog";
    no_commit(name) = "'{name}' names no commit here";
    no_such_status() = "write a status such as 404, or a class such as 5xx";
    follows_alone(option) = "--follow shows attempts as they come, of one repository: leave out {option}";
    several_deliveries(id, ids) = "several deliveries begin with '{id}': {ids}";
    drop_which() = "which dead letters? write their ids, or --all";
    no_dead_letter(id) = "no dead letter '{id}': git webhook dead shows which there are";
    several_dead_letters(id, count) = "'{id}' begins {count} dead letters: write more of it";
    short_id(id) = "'{id}' is no delivery's id: write at least four of its characters";
    target_is_busy(name) = "webhook {name}: another process is sending to it: try again when it is done";
    target_is_gone(name) = "no target '{name}' that can be used: add it again, or mend its configuration";
    waits_for_target(name) = "its target is configured no more; run git webhook add {name}, then git webhook flush --now";
    target_is_disabled(name) = "target '{name}' is disabled: run git webhook enable {name} first";
    has_no_deliveries_yet() = "there is none yet: the target has to be configured rightly, to say what it wants";
    waits_for_enable(name) = "waits for git webhook enable {name}";
    waits_for_namespace() = "waits until the server's webhook.repository tells namespaces apart";
    waits_for_another_namespace(namespace) =
        "waits: the namespace '{namespace}' cannot be part of a repository's path, as webhook.repository would have it";
    waits_for_configuration() = "waits for the configuration of the target";
    not_tried_now() = "not tried: the target does not answer, or an older event of the ref failed; it waits for its turn";
    no_target_yet(name) = "no target '{name}': there is none; add one with git webhook add {name} https://…";
    other_targets(name, names) = "no target '{name}': there is {names}";
    no_targets() = "no targets; add one with: git webhook add <name> https://…";
    more_targets(count, most) = "{count} targets, more than webhook.maxTargets allows ({most})";
    mistake(what, place) = "a mistake in git-webhook: {what} ({place}): please report it";
    no_branch_or_tag(name) = "'{name}' is no branch or tag: write refs/heads/… or refs/tags/…";
    both_nowhere() = "OLD and NEW are both nowhere";
    no_event(format) = "format {format} has no event for this";
    no_ping(format) = "format {format} has no ping: try --event push";
    no_object(name, digits) = "'{name}' names no object here, and is no object id of {digits} digits";
    test_is_not_kept() = "the body of a test is not kept";
    kept_away_by_switch(name) = "a push is not told: target '{name}' is disabled";
    kept_away_by_ref(name, patterns) = "a push of this ref is not told: webhook.{name}.ref is {patterns}";
    kept_away_by_event(name, events) = "a push is not told in this event: webhook.{name}.event is {events}";
    no_branch_of(name) = "no branch or tag '{name}' here";
    nothing_to_send() = "nothing to send";
    no_commit_yet() = "no branch has a commit yet: push one first";
    takes_newest_branch(name) = "HEAD names no branch that is there, so this is of the newest, {name}";
    no_tag_yet() = "there is no tag yet: push one first";
    bad_snapshot(path, why) = "cannot read '{path}': {why}; take a new one with git webhook reconcile --baseline";
    copy_of(path) = "this repository is a copy of '{path}', where what waits in it is told";
    moved() = "this repository was moved, copied or restored, and what waits in it may be told elsewhere";
    restored() = "this repository is older than what was told of it: a backup was restored";
    displaced(why) =
        "{why}: nothing is sent or announced but by pushes until git webhook reconcile --adopt (it takes the place of the \
         other) or git webhook reconcile --baseline (it is one of its own)";
    copied_along() = "it was copied along with the repository, and is the original's to tell";
    waits_for_reconcile() = "git webhook reconcile --adopt or --baseline";
    bad_looks(path, why) = "cannot read '{path}': {why}; git webhook reconcile --all begins anew";
    timer_stopped(count) =
        "{count} refs were rewound or deleted without a hook, so the timer announces no movement any more: look at them with git \
         webhook reconcile --dry-run, then run git webhook reconcile --all";
    left_to_hooks(count) =
        "refs with a push under way, or cut off less than a minute ago, which is left to its own hook: {count}; run git webhook \
         reconcile again later";
    waits_for_all() = "git webhook reconcile --all";
    too_many_lost(most) =
        "more than {most} refs were rewound or deleted: look at them, then run git webhook reconcile --all";
    cannot_listen(port, error) = "cannot listen on port {port}: {error}; choose another: git webhook echo 0 takes any";
    no_address(error) = "cannot tell the address to listen on: {error}";
    not_roots_alone(path) = "'{path}' is root's, but others can write it, its configuration or a directory above it: run chmod go-w there, or chown '{path}' to whoever uses it";
    owner_takes_too_long(path) = "'{path}' took longer than ten minutes, and was left: run this there as its owner";
    section_stays(name, file) = "'{file}' spells the section of '{name}' in capitals, and nothing was changed: remove it with an editor";
    no_public_key(name) =
        "target '{name}' has no key of two halves: git webhook add --generate-signing-key makes one, or set its signingSecretFile";
    secret_without_use(format) = "format {format} sends no secret: leave it out, or make a key with --generate-signing-secret";
    secret_not_in_header(format) =
        "format {format} sends its secret in no header, which is all that echo verifies: leave out --secret-file";
    no_secret_in_format(format) = "format {format} sends no secret: leave out --secret-file";
    missing_header(names) = "{names}: MISSING";
    wrong_header(name) = "{name}: WRONG";
    cannot_forward(why) = "cannot forward there: {why}";
    not_verified() = "not verified: no secret was given";
    no_via() = "webhook.via is not set in the system's or the user's own configuration";
    worker_without_targets() = "no target is configured in the system's or the user's own configuration";
    bad_credentials(path, why) = "'{path}' {why}";
    no_broker_for_fleet(servers, error) = "no broker at {servers}: {error}";
    fleet_failed(error) = "the broker did not do it: {error}";
    stream_is_otherwise(name, what) = "stream {name} is there with another {what}, which cannot be changed";
    stream_missing(name) = "there is no stream {name}";
    stream_nearly_full(name, bytes, most) = "stream {name} is nearly full: {bytes} bytes of {most}";
    no_worker_asks(target, count) = "no worker asks for deliveries of target '{target}', and {count} wait";

    // git webhook check.
    check_hooks_unknown(why) = "cannot ask git where the hooks are: {why}";
    check_hooks_refused(why) = "git cannot list its hooks, and refuses every push: {why}";
    check_hook_switched_off(path, event) = "git passes over '{path}': hook.{event}.enabled is false";
    check_configured_hook_off(key, event) = "{key} is false, so no {event} of this repository is told";
    check_no_interpreter(path, program) = "'{path}' is a script for '{program}', which is not there, so git cannot run it";
    check_hook_missing(name, directory) = "no {name} hook in '{directory}'";
    check_pushes_unseen() =
        "webhook.reconcile is true, and nothing of ours is pre-receive: a push whose hook comes a minute after it is announced as what \
         a mirror brought, without its pusher";
    check_hook_unknown(path) = "'{path}' is never run: this git does not know the hook receive-report";
    check_hook_dangling(path) = "'{path}' is a link that leads nowhere";
    check_hook_not_executable(path) = "'{path}' is not executable, so git passes over it";
    check_hook_foreign(path) = "'{path}' is another hook and does not run git-webhook";
    check_hook_is_command(path) = "'{path}' is the command git-webhook, which refuses every push there: the hook is post-receive";
    check_hook_closed(group, program, place) =
        "other members of '{group}' cannot run '{program}', and git passes over it: '{place}' is closed to them; install as \
         root, or with --prefix in a place that is open";
    check_hook_other_version(path, version, own) = "'{path}' runs git-webhook {version}, and this is {own}";
    check_hook_twice(kept, spare) = "git-webhook runs twice: as '{kept}' and as '{spare}'";
    check_hook_shadowed(file, directory, name) =
        "core.hooksPath in '{file}' has git look for hooks in '{directory}', where there is no {name} of git-webhook";
    check_hook_unused(path, directory) = "'{path}' is never run: core.hooksPath has git look in '{directory}'";
    check_too_many_targets(count, most) = "{count} targets are configured, and webhook.maxTargets allows {most}";
    check_same_name(path, other, name) = "'{path}' is called '{name}' as '{other}' is, and receivers take them for one";
    check_set_twice(key, file) = "{key} is set twice in '{file}', and the last one counts";
    check_read_differently(key, file) = "{key} in '{file}' is not read as git reads it";
    check_git_cannot_read(why) = "git cannot list the configuration: {why}";
    check_secret_readable(file, key) = "others can read '{file}', which holds {key}";
    check_secret_closed(path) = "other members of the repository's group cannot read '{path}'";
    check_open_directory(path) = "others can enter '{path}', which holds what was pushed and secrets";
    check_state_link(path) = "'{path}' is a symbolic link";
    check_state_no_directory(path) = "'{path}' is no directory";
    check_state_not_writable(user, path) = "user {user} cannot write '{path}'";
    check_state_not_groups(path) = "'{path}' is not open to the group, though core.sharedRepository is set";
    check_state_other_group(count, root, group) =
        "{count} files below '{root}' are not of the repository's group {group}";
    check_state_other_owner(count, root, owner) =
        "{count} files below '{root}' do not belong to {owner}, the repository's owner";
    check_cannot_keep(why) = "no push can be written down: {why}";
    check_locks_ignored(path) = "a locked file in '{path}' can be locked again";
    check_no_locks(path, why) = "files in '{path}' cannot be locked: {why}";
    check_network_file_system(path, kind) = "'{path}' lies on a network file system ({kind})";
    check_memory_file_system(path, kind) = "'{path}' lies in memory ({kind}), and the repository does not";
    check_connect_hint() = "git webhook check --connect dials the receivers too, and sends nothing";
    check_no_target() = "no target is configured";
    check_nothing_wanted(name) = "target '{name}' asks for no event that is sent";
    check_event_unsent(format, words, name) = "format {format} sends no {words}, which target '{name}' asks for";
    check_unverified(name) = "the certificate of target '{name}' is not verified";
    check_other_chat(name, known, format) = "target '{name}' has an address of {known}, and format {format}, which it does not read";
    check_plain_token(name) = "target '{name}' sends what lets it in over http, where everybody on the way can read it: write https://";
    check_no_address(format) =
        "payloads of format {format} have no clone address, by which its receivers find their job";
    check_no_homepage(format) = "payloads of format {format} have no links, for webhook.homepage is not set";
    check_push_options(name) = "push options are not advertised, and target '{name}' asks for reviews";
    check_unreached(name, origin, why) = "cannot reach target '{name}' at {origin}: {why}";
    check_reached(name, origin, from) = "target '{name}' at {origin}, from {from}";
    check_certificate(names, issuer, days) = "certificate of {names} by {issuer}, for {days} days more";
    check_certificate_ended(names, issuer, days) = "certificate of {names} by {issuer}, which ended {days} days ago";
    check_certificate_ends(names, name, days) =
        "the certificate of {names}, which target '{name}' shows, is valid for {days} days more";
    check_parked(name) = "target '{name}' answered 410 and gets nothing";
    check_unborn_head(target) =
        "HEAD names {target}, which is not there: clones check out nothing, and receivers take it for the default branch";
    check_head_no_branch() = "HEAD names no branch, so clones and receivers have to guess which is the default one";
    check_pattern(name, pattern, meant) =
        "webhook.{name}.ref '{pattern}' matches no ref that is there: was '{meant}' meant?";
    check_dangling_alias(name, target) = "{name} leads to {target}, which is not there";
    check_withheld(name) =
        "target '{name}' is told nothing of pushes in namespaces until the server's webhook.repository tells them apart";
    check_withheld_name(name, namespace) =
        "target '{name}' is not told of a push in the namespace '{namespace}', which cannot be part of a repository's path as \
         webhook.repository would have it";
    check_waiting(count, name, age) = "target '{name}' has {count} waiting, the oldest for {age}";
    check_untold(count, age) = "{count} pushes are told to nobody yet, the oldest for {age}";
    check_unworked(count, name, age) =
        "the broker has {count} for target '{name}', the oldest for {age}, and no worker has told what came of them: is one running?";
    check_removed(count, name) = "'{name}' is configured no more, and has {count} waiting";
    check_dead(count, name) = "'{name}' has dead letters: {count}";
    check_no_timer(path) = "no timer runs git webhook flush for '{path}'";
    check_timer_inactive(unit) = "the timer '{unit}' is not active";
    check_unseen_file(file) = "pushes come by a way that sets no HOME, and for them nothing counts that '{file}' says: move it to the system's file";
    check_several_names(one, other) =
        "by one way this repository is told of as '{one}', by another as '{other}': webhook.root or webhook.repository ends it";
    check_accept_env(word, file) = "sshd takes {word} from clients (AcceptEnv in '{file}')";
    check_no_broker(origin, why) = "cannot reach the broker at {origin}: {why}";
    check_no_stream(origin, stream) = "the broker at {origin} has no stream {stream}, so nothing is told through it";
    check_stream_nearly_full(stream, percent) =
        "stream {stream} of the broker has taken {percent} % of its room; when it is full, deliveries wait on the git servers";
    check_clocks_apart(seconds) =
        "the broker's clock is {seconds} s ahead of this one's, so the log's times cannot be compared with a worker's";
}
