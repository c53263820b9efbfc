//! TLS: who is trusted, what the pusher and the administrator read of a certificate that is not right, and that it is
//! the matter of one target alone.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::support::{Answer, Ends, Fan, Receiver, Running, World, until};

const UNTRUSTED: &str = "no trusted TLS connection";

/// A certificate authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        Self::called("ours")
    }

    pub fn called(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A server that it vouches for.
    pub fn server(&self) -> ServerConfig {
        self.server_with(|_| ())
    }

    /// A server with a certificate changed for the worse.
    pub fn server_with(&self, change: impl FnOnce(&mut CertificateParams)) -> ServerConfig {
        let (key, params) = key_and_params(change);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let builder = ServerConfig::builder().with_no_client_auth();
        builder.with_single_cert(vec![certificate.der().clone()], der(&key)).unwrap()
    }

    /// A server that wants to see a certificate of its clients for which it vouches too.
    fn demanding(&self, versions: &[&'static rustls::SupportedProtocolVersion]) -> ServerConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
        let (key, params) = key_and_params(|_| ());
        let certificate = params.signed_by(&key, &self.0).unwrap().into();
        let builder = ServerConfig::builder_with_protocol_versions(versions).with_client_cert_verifier(verifier);
        builder.with_single_cert(vec![certificate], der(&key)).unwrap()
    }

    /// The key and certificate of a client, in PEM.
    fn client(&self) -> (String, String) {
        let (key, params) = key_and_params(|_| ());
        (key.serialize_pem(), params.signed_by(&key, &self.0).unwrap().pem())
    }

    /// A world that trusts it and nobody else.
    pub fn world(&self) -> World {
        let mut world = World::new();
        let store = world.path("trust.pem");
        fs::write(&store, self.0.pem()).unwrap();
        world.set("SSL_CERT_FILE", store.to_str().unwrap());
        world.commit("one");
        world
    }
}

fn key_and_params(change: impl FnOnce(&mut CertificateParams)) -> (KeyPair, CertificateParams) {
    let mut params = CertificateParams::new(["localhost".into()]).unwrap();
    change(&mut params);
    (KeyPair::generate().unwrap(), params)
}

fn der(key: &KeyPair) -> PrivateKeyDer<'static> {
    key.serialize_der().try_into().unwrap()
}

/// A server nobody vouches for.
pub fn self_signed() -> ServerConfig {
    let (key, params) = key_and_params(|_| ());
    let certificate: CertificateDer = params.self_signed(&key).unwrap().into();
    ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], der(&key)).unwrap()
}

/// A server that is its own authority, as `openssl req -x509` makes it, and its certificate in PEM.
fn its_own_authority(change: impl FnOnce(&mut CertificateParams)) -> (ServerConfig, String) {
    let (key, mut params) = key_and_params(change);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    let builder = ServerConfig::builder().with_no_client_auth();
    (builder.with_single_cert(vec![certificate.der().clone()], der(&key)).unwrap(), certificate.pem())
}

/// Year, month and day that are so many days from now.
fn days_from_now(days: u32) -> (i32, u8, u8) {
    let command = std::process::Command::new("date").args(["-u", "+%Y %m %d", "-d", &format!("{days} days")]).ends();
    let text = String::from_utf8(command.stdout).unwrap();
    let parts: Vec<i32> = text.split_whitespace().map(|part| part.parse().unwrap()).collect();
    (parts[0], parts[1] as u8, parts[2] as u8)
}

#[test]
fn an_authority_of_the_system_s_store_is_trusted() {
    let authority = Authority::new();
    let receiver = Receiver::secure(authority.server());
    Fan::of(authority.world(), [&receiver]).delivers();
    assert!(receiver.take_one().header("host").starts_with("localhost:"));
}

#[test]
fn an_address_in_the_certificate_is_trusted() {
    let authority = Authority::new();
    let by_address = |params: &mut CertificateParams| {
        params.subject_alt_names = vec![SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST))];
    };
    let receiver = Receiver::secure(authority.server_with(by_address));
    let world = authority.world();
    world.configure("webhook.ci.url", &receiver.url().replace("localhost", "127.0.0.1"));
    world.push(&["main"]);
    receiver.take_one();
}

#[test]
fn bad_297_298_300_304_306_certificates_that_are_not_right() {
    let authority = Authority::new();
    let world = authority.world();
    let cases = [
        (Authority::called("theirs").server(), "that this machine does not trust, or by itself: set sslCAInfo"),
        (self_signed(), "that this machine does not trust, or by itself: set sslCAInfo"),
        (authority.server_with(|params| params.not_after = date_time_ymd(2001, 2, 3)), "has expired on 2001-02-03: "),
        (
            authority.server_with(|params| params.not_before = date_time_ymd(2999, 2, 3)),
            "not valid before 2999-02-03: ",
        ),
        (
            authority.server_with(|params| params.subject_alt_names = names("other.example")),
            "is for other.example, not for localhost: set the URL",
        ),
        (
            authority.server_with(|params| params.subject_alt_names.clear()),
            "names no host, as it has to in its subjectAltName: the receiver needs one for localhost",
        ),
    ];
    let (configs, causes): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let mut receivers: Vec<_> = configs.into_iter().map(Receiver::secure).collect();
    receivers.push(Receiver::secure(authority.server()));
    receivers.push(Receiver::new());
    let fan = Fan::of(world, &receivers);
    let log = fan.world.log();
    for (at, cause) in causes.iter().enumerate() {
        assert_eq!(fan.said[at], Fan::failure(UNTRUSTED), "t{at}: {log}");
        let known = format!("t{at}: refs/heads/main not delivered to {}: {UNTRUSTED} (", receivers[at].origin());
        let line = log.lines().find(|line| line.contains(&known)).unwrap_or_else(|| panic!("t{at}: {log}"));
        assert!(line.contains(cause), "{cause}: {line}");
        assert!(receivers[at].requests().is_empty(), "it was told all the same");
    }
    assert!(fan.said[causes.len()..].iter().all(|line| line.starts_with("delivered main (200, ")), "{:?}", fan.said);
}

fn names(name: &str) -> Vec<SanType> {
    vec![SanType::DnsName(name.try_into().unwrap())]
}

/// What a server sends that chooses TLS 1.1, as an old one does when it is offered 1.2 at most.
fn hello_of_tls_1_1() -> Vec<u8> {
    let hello = [&[3, 2][..], &[7; 32], &[0, 0, 0x2f, 0]].concat();
    let handshake = [&[2, 0, 0, hello.len() as u8][..], &hello].concat();
    [&[0x16, 3, 2, 0, handshake.len() as u8][..], &handshake].concat()
}

#[test]
fn bad_301_303_what_is_no_tls_of_today() {
    let wild = |answer: Vec<u8>| {
        let speak = move |mut stream: std::net::TcpStream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(&answer);
        };
        Receiver::wild(speak).over_https()
    };
    let receivers = [
        wild(hello_of_tls_1_1()),
        wild(b"\x15\x03\x01\x00\x02\x02\x46".to_vec()),
        wild(b"\x15\x03\x03\x00\x02\x02\x28".to_vec()),
        wild(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        wild(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        wild(vec![0; 100]),
    ];
    let fan = Fan::new(&receivers);
    let log = fan.world.log();
    for (target, why) in [
        ("t0", "the receiver speaks no TLS newer than 1.1: it needs an update"),
        ("t1", "the receiver speaks no TLS newer than 1.1: it needs an update"),
        ("t2", "the receiver and git-webhook have no TLS version and cipher in common"),
        ("t3", "what answers there does not speak TLS: is it http:// or another port?"),
        ("t4", "what answers there does not speak TLS"),
        ("t5", "what answers there does not speak TLS"),
    ] {
        let line = log.lines().find(|line| line.contains(&format!("webhook {target}: "))).unwrap();
        assert!(line.contains(why), "{line}");
    }
    fan.fails(UNTRUSTED);
}

#[test]
fn bad_307_a_certificate_of_ours_is_demanded() {
    let authority = Authority::new();
    for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
        let receiver = Receiver::secure(authority.demanding(versions));
        let fan = Fan::of(authority.world(), [&receiver]);
        assert!(fan.world.log().contains("a client certificate"), "{}", fan.world.log());
        let checked = String::from_utf8(fan.world.webhook(&["check", "--connect"]).stdout).unwrap();
        assert!(checked.contains("wants a client certificate"), "{checked}");
        fan.fails(UNTRUSTED);
        assert!(receiver.take().is_empty());
    }
}

/// Writes a file as an administrator does and names it in the target's configuration.
fn name_file(world: &World, key: &str, content: &str, mode: u32) {
    let directory = world.server().join("webhook/secret");
    fs::create_dir_all(&directory).unwrap();
    let name = format!("{key}.pem");
    fs::write(directory.join(&name), content).unwrap();
    fs::set_permissions(directory.join(&name), fs::Permissions::from_mode(mode)).unwrap();
    world.configure(&format!("webhook.ci.{key}"), &name);
}

/// A world that trusts what the system does, with one target.
fn world_of(receiver: &Receiver) -> World {
    let world = World::told_to(receiver, "gitlab");
    world.commit("one");
    world
}

#[test]
fn a_target_trusts_an_authority_of_its_own_beside_the_system_s() {
    let (ours, theirs) = (Authority::new(), Authority::called("theirs"));
    let (receiver, other) = (Receiver::secure(ours.server()), Receiver::secure(theirs.server()));
    let world = theirs.world();
    for (name, url) in [("ci", receiver.url()), ("by-system", other.url()), ("without", receiver.url())] {
        world.configure(&format!("webhook.{name}.url"), &url);
    }
    let bundle = format!("{}{}", Authority::called("third").0.pem(), ours.0.pem());
    name_file(&world, "sslCAInfo", &bundle, 0o644);
    // One of the system's is trusted beside it.
    world.configure("webhook.both.url", &other.url());
    world.configure("webhook.both.sslCAInfo", "sslCAInfo.pem");
    let said = world.push(&["main"]).said();
    let is_delivered =
        |name: &str| said.iter().any(|line| line.starts_with(&format!("webhook {name}: delivered main")));
    assert_eq!(["ci", "by-system", "both", "without"].map(is_delivered), [true, true, true, false], "{said:#?}");
    for (content, mode, why) in [
        ("no certificate", 0o644, "names a file without a certificate in PEM"),
        (bundle.as_str(), 0o646, "names a file that others can read or write"),
    ] {
        name_file(&world, "sslCAInfo", content, mode);
        let listed = world.webhook(&["list"]);
        let text = String::from_utf8_lossy(&listed.stderr).into_owned() + &String::from_utf8_lossy(&listed.stdout);
        assert!(text.contains(why), "{text}");
    }
}

/// It is trusted for what it says of itself, and for nothing else.
#[test]
fn a_certificate_that_is_its_own_authority_is_trusted_where_it_is_named() {
    let said_of = |(config, pem): (ServerConfig, String), named: Option<&str>| {
        let receiver = Receiver::secure(config);
        let world = world_of(&receiver);
        name_file(&world, "sslCAInfo", named.unwrap_or(&pem), 0o644);
        let said = world.push(&["main"]).said();
        format!("{said:?} {}", world.log())
    };
    let plain = || its_own_authority(|_| ());
    let said = said_of(plain(), None);
    assert!(said.contains("delivered main (200, "), "{said}");
    // Another of the same name.
    for (case, named, why) in [
        (plain(), Some(plain().1), "an authority's own, as openssl req -x509 makes them: set sslCAInfo"),
        (its_own_authority(|params| params.not_after = date_time_ymd(2001, 2, 3)), None, "has expired on 2001-02-03: "),
        (
            its_own_authority(|params| params.not_before = date_time_ymd(2999, 2, 3)),
            None,
            "not valid before 2999-02-03",
        ),
        (
            its_own_authority(|params| {
                params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
            }),
            None,
            "set sslCAInfo",
        ),
        (
            its_own_authority(|params| params.subject_alt_names = names("other.example")),
            None,
            "is for other.example, not for localhost",
        ),
    ] {
        let said = said_of(case, named.as_deref());
        assert!(said.contains(why) && !said.contains("delivered main (200"), "{why}: {said}");
    }
}

/// It vouches for none but itself, and an authority for none any more once it has expired.
#[test]
fn what_is_named_vouches_for_others_only_as_an_authority_that_is_valid() {
    let issuer = |change: &dyn Fn(&mut CertificateParams)| {
        let (key, mut params) = key_and_params(|params| params.distinguished_name.push(DnType::CommonName, "issuer"));
        change(&mut params);
        Authority(CertifiedIssuer::self_signed(params, key).unwrap())
    };
    let ca = |params: &mut CertificateParams| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let old = |params: &mut CertificateParams| {
        ca(params);
        params.not_after = date_time_ymd(2001, 2, 3);
    };
    for (issuer, is_trusted) in [(issuer(&ca), true), (issuer(&|_| ()), false), (issuer(&old), false)] {
        let receiver = Receiver::secure(issuer.server());
        let world = world_of(&receiver);
        name_file(&world, "sslCAInfo", &issuer.0.pem(), 0o644);
        let said = world.push(&["main"]).said();
        assert_eq!(said[0].contains("delivered main (200, "), is_trusted, "{said:?} {}", world.log());
    }
}

/// As OpenSSL made them before there was `-addext`.
#[test]
#[ignore = "needs openssl: run tests/run"]
fn a_certificate_of_version_1_is_named_as_that() {
    let directory = World::new();
    let openssl = |arguments: &[&str]| {
        let mut command = std::process::Command::new("openssl");
        command.current_dir(directory.path(""));
        command.args(arguments);
        command
    };
    let made = |arguments: &[&str]| assert!(openssl(arguments).ends().status.success(), "{arguments:?}");
    made(&[
        "req",
        "-new",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "key",
        "-subj",
        "/CN=localhost",
        "-out",
        "request",
    ]);
    made(&["x509", "-req", "-in", "request", "-signkey", "key", "-out", "certificate"]);
    let receiver = Receiver::wild(|_| ()).over_https();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let mut serve =
        openssl(&["s_server", "-cert", "certificate", "-key", "key", "-accept", &format!("127.0.0.1:{port}")]);
    serve.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null()).args(["-www", "-quiet"]);
    let _running = Running(serve.spawn().unwrap());
    let open = || std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_ok();
    until("s_server listens", open);
    let world = world_of(&receiver);
    world.configure("webhook.ci.url", &format!("https://127.0.0.1:{port}/"));
    world.push(&["main"]);
    assert!(world.log().contains("the certificate is of X.509 version 1, which"), "{}", world.log());
    world.configure("webhook.ci.sslVerify", "false");
    world.commit("two");
    world.push(&["main"]);
    let last = world.attempts().last().unwrap()["reason"].to_string();
    assert!(!last.contains("TLS"), "{last}");
    let pem = |name: &str| fs::read_to_string(directory.path(name)).unwrap();
    name_file(&world, "sslCert", &pem("certificate"), 0o644);
    name_file(&world, "sslKey", &pem("key"), 0o600);
    world.commit("three");
    world.push(&["main"]);
    assert!(world.log().contains("belongs to a certificate of X.509 version 1"), "{}", world.log());
}

/// A head that is larger than a buffer.
#[test]
fn a_header_of_20_kilobytes_is_sent_over_either_scheme() {
    let authority = Authority::new();
    let receivers = [Receiver::new(), Receiver::secure(authority.server())];
    let world = authority.world();
    let token = "x".repeat(20_000);
    fs::create_dir_all(world.server().join("webhook/secret")).unwrap();
    fs::write(world.server().join("webhook/secret/ci"), &token).unwrap();
    fs::set_permissions(world.server().join("webhook/secret/ci"), fs::Permissions::from_mode(0o600)).unwrap();
    for (name, receiver) in ["plain", "secure"].iter().zip(&receivers) {
        world.add_plain_target(name, receiver, "gitlab");
        world.configure(&format!("webhook.{name}.secretFile"), "ci");
    }
    let said = world.push(&["main"]).said();
    assert!(said.iter().all(|line| line.contains("delivered main (200")), "{said:?} {}", world.log());
    for receiver in &receivers {
        assert_eq!(receiver.take_one().header("x-gitlab-token"), token);
    }
}

#[test]
fn a_target_shows_a_certificate_of_its_own() {
    let authority = Authority::new();
    let receiver = Receiver::secure(authority.demanding(rustls::ALL_VERSIONS));
    let world = world_of(&receiver);
    let (key, certificate) = authority.client();
    let (other, _) = authority.client();
    name_file(&world, "sslCAInfo", &authority.0.pem(), 0o644);
    let is_wrong = |why: &str| {
        let said = world.push(&["main"]).said();
        assert_eq!(said, ["webhook ci: not configured rightly, the event is kept; see git webhook check"], "{why}");
        assert!(world.log().contains(why), "{}", world.log());
        world.commit("more");
    };
    name_file(&world, "sslCert", &certificate, 0o644);
    is_wrong("webhook.ci.sslCert 'sslCert.pem': is set without sslKey");
    name_file(&world, "sslKey", &other, 0o600);
    is_wrong("webhook.ci.sslKey: names a key that is not the one of the certificate in sslCert");
    name_file(
        &world,
        "sslKey",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        0o600,
    );
    is_wrong("webhook.ci.sslKey: names a file without a private key in PEM, or with one that is encrypted");
    name_file(&world, "sslKey", &key, 0o644);
    is_wrong("webhook.ci.sslKey: names a file that others can read or write");
    // What check prints does no harm to files that only a person can put right.
    let checked = String::from_utf8(world.webhook(&["check"]).stdout).unwrap();
    let unsets = |line: &str| line.contains("--unset") && line.contains("webhook.ci.ssl");
    assert!(checked.contains("webhook/secret/sslKey.pem\n") && !checked.lines().any(unsets), "{checked}");
    name_file(&world, "sslKey", &key, 0o600);
    let said = world.push(&["main"]).said();
    assert!(said[0].starts_with("webhook ci: delivered main (200, "), "{said:?} {}", world.log());
    assert!(!receiver.take().is_empty());
}

#[test]
fn a_certificate_that_the_receiver_does_not_accept_is_named() {
    let authority = Authority::new();
    for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
        let receiver = Receiver::secure(authority.demanding(versions));
        let world = world_of(&receiver);
        let (key, certificate) = Authority::called("theirs").client();
        name_file(&world, "sslCAInfo", &authority.0.pem(), 0o644);
        name_file(&world, "sslCert", &certificate, 0o644);
        name_file(&world, "sslKey", &key, 0o600);
        world.push(&["main"]);
        let why = "the receiver does not accept the client certificate of sslCert (";
        assert!(world.log().contains(why), "{}", world.log());
        assert!(receiver.take().is_empty());
    }
}

#[test]
fn bad_302_a_handshake_that_stalls_is_a_timeout() {
    let authority = Authority::new();
    let drip = Answer::Drip(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), Duration::from_millis(300));
    // Each would end in another way if it were given longer.
    let fan = Fan::waiting(
        "3s",
        authority.world(),
        &[
            Receiver::wild(|_stream| thread::sleep(Duration::from_secs(60))).over_https(),
            Receiver::wild(|mut stream| {
                for byte in hello_of_tls_1_1() {
                    thread::sleep(Duration::from_millis(100));
                    let _ = stream.write_all(&[byte]);
                }
            })
            .over_https(),
            Receiver::secure_answering(authority.server(), Answer::Never),
            Receiver::secure_answering(authority.server(), drip),
        ],
    );
    let log = fan.world.log();
    assert_eq!(log.matches("no answer in time (before the request was sent)").count(), 2, "{log}");
    assert_eq!(log.matches("no answer in time (the request was sent)").count(), 1, "{log}");
    assert_eq!(log.matches("no answer in time (in the midst of the answer's header)").count(), 1, "{log}");
    fan.fails("no answer in time");
}

#[test]
fn bad_274_a_secure_port_called_in_the_clear() {
    let receiver = Receiver::secure(Authority::new().server());
    let world = World::new();
    world.commit("one");
    world.configure("webhook.ci.url", &receiver.url().replace("https:", "http:"));
    assert_eq!(
        world.push(&["main"]).said(),
        ["webhook ci: not delivered: main (the answer is not HTTP); kept, and tried again later"]
    );
}

#[test]
fn without_verification_each_delivery_is_logged() {
    let receiver = Receiver::secure(self_signed());
    let world = World::told_to(&receiver, "gitlab");
    world.configure("webhook.ci.sslVerify", "false");
    world.commit("one");
    let said = world.push(&["main", "main:other"]).said();
    assert!(said[0].starts_with("webhook ci: delivered main, other (200, "), "{said:?}");
    let log = world.log();
    assert_eq!(log.matches("certificate is not verified (sslVerify is false)").count(), 2, "{log}");
}

#[test]
fn the_trust_store_is_read_for_https_alone() {
    let receiver = Receiver::new();
    let mut world = World::told_to(&receiver, "gitlab");
    // Who reads it logs that it is missing.
    world.set("SSL_CERT_FILE", "/nowhere/trust.pem");
    world.configure("webhook.unwanted.url", "https://does-not-exist.invalid/");
    world.configure("webhook.unwanted.ref", "refs/tags/*");
    world.configure("webhook.unverified.url", "https://127.0.0.1:1/");
    world.configure("webhook.unverified.sslVerify", "false");
    world.commit("one");
    world.push(&["main"]);
    receiver.take_one();
    assert!(!world.log().contains("trust store"), "{}", world.log());
}

#[test]
fn a_trust_store_that_is_missing_is_the_matter_of_https_targets() {
    let (secure, plain) = (Receiver::secure(self_signed()), Receiver::new());
    for store in ["", "garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let mut world = World::new();
        let file = world.path("trust.pem");
        if !store.is_empty() {
            fs::write(&file, store).unwrap();
        }
        world.set("SSL_CERT_FILE", file.to_str().unwrap());
        world.commit("one");
        let fan = Fan::of(world, [&secure, &plain]);
        assert_eq!(fan.said[0], Fan::failure(UNTRUSTED));
        assert!(fan.said[1].starts_with("delivered main (200, "), "{:?}", fan.said);
        if store.len() < 10 {
            assert!(fan.world.log().contains("trust store: no certificate found"), "{}", fan.world.log());
        }
    }
}

#[test]
fn a_redirect_to_http_is_not_followed() {
    let authority = Authority::new();
    let elsewhere = Receiver::new();
    let moved = format!("HTTP/1.1 301 X\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", elsewhere.url());
    let receiver = Receiver::secure_answering(authority.server(), Answer::Raw(moved.into()));
    Fan::of(authority.world(), [&receiver]).fails("answered 301, a redirect, which is not followed");
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn deliveries_of_one_push_share_a_tls_connection() {
    let authority = Authority::new();
    let receiver = Receiver::secure(authority.server());
    let world = authority.world();
    world.add_target("ci", &receiver, "gitlab");
    // Less than the timeout is left for each.
    world.configure("webhook.maxWait", "5s");
    world.push(&["main", "main:two", "main:three"]);
    assert_eq!((receiver.take().len(), receiver.connections()), (3, 1));
}

#[test]
fn bad_286_an_answer_cut_off_after_its_header_is_success() {
    let authority = Authority::new();
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort".to_vec();
    Fan::of(authority.world(), &[Receiver::secure_answering(authority.server(), Answer::Raw(cut))]).delivers();
}

#[test]
fn bad_292_connections_that_end_early() {
    let authority = Authority::new();
    Fan::of(
        authority.world(),
        &[
            Receiver::wild(drop).over_https(),
            Receiver::wild(|mut stream| drop(stream.read(&mut [0; 4096]))).over_https(),
            Receiver::secure_answering(authority.server(), Answer::Raw(Vec::new())),
            Receiver::secure_answering(authority.server(), Answer::Raw(b"HTTP/1.1 2".to_vec())),
        ],
    )
    .fails("connection closed without an answer");
}

/// What an administrator puts into a receiver's list of addresses, and sees before a certificate ends.
#[test]
fn check_shows_from_where_and_by_what_certificates_a_receiver_was_reached() {
    let authority = Authority::called("Our root");
    let secure = [3, 100].map(days_from_now).map(|(year, month, day)| {
        Receiver::secure(authority.server_with(|params| {
            params.not_after = date_time_ymd(year, month, day);
            params.subject_alt_names.extend(names("hooks.example"));
        }))
    });
    let plain = Receiver::new();
    let world = authority.world();
    world.add_target("plain", &plain, "gitlab");
    world.add_target("soon", &secure[0], "gitlab");
    world.add_target("later", &secure[1], "gitlab");
    let output = world.webhook(&["check", "--connect"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = |name: &str, receiver: &Receiver, rest: &str| {
        format!("reached: target '{name}' at {}, from 127.0.0.1{rest}\n", receiver.origin())
    };
    assert!(said.contains(&line("plain", &plain, "")), "{said}");
    let by = "certificate of localhost, hooks.example by Our root, for";
    let days_more = |receiver: &Receiver, name: &str, days: [i64; 2]| {
        days.iter().any(|days| said.contains(&line(name, receiver, &format!(": {by} {days} days more"))))
    };
    // The certificate ends at midnight.
    assert!(days_more(&secure[1], "later", [99, 100]) && days_more(&secure[0], "soon", [2, 3]), "{said}");
    assert!(
        said.contains("advice: the certificate of localhost, hooks.example, which target 'soon' shows, is valid for")
    );
    assert!(!said.contains("which target 'later' shows"), "{said}");
    assert!(output.status.success(), "{said}");
    let json = crate::support::rows(&world.webhook(&["check", "--connect", "--json"]).stdout);
    let rows = json.iter().filter(|row| row["severity"] == "fact");
    let row = rows.clone().find(|row| row["target"] == "later").unwrap();
    assert_eq!((&row["from"], &row["certificates"][0]["issuer"]), (&"127.0.0.1".into(), &"Our root".into()));
    assert_eq!(rows.count(), 3);
    assert!(plain.take().is_empty() && secure.iter().all(|receiver| receiver.take().is_empty()), "nothing is sent");
}

/// More certificates than any chain has: no more is read of them than a handshake may have.
#[test]
fn bad_308_a_chain_without_end_is_no_trusted_connection() {
    let authority = Authority::new();
    let (key, params) = key_and_params(|_| ());
    let certificate: CertificateDer = params.signed_by(&key, &authority.0).unwrap().into();
    let config = ServerConfig::builder().with_no_client_auth();
    let receiver = Receiver::secure(config.with_single_cert(vec![certificate; 2000], der(&key)).unwrap());
    let world = authority.world();
    world.add_target("ci", &receiver, "gitlab");
    let said = world.push(&["main"]).said();
    assert!(said[0].starts_with("webhook ci: not delivered: main ("), "{said:?}");
    assert!(world.log().contains("the receiver shows more certificates than any chain has"), "{}", world.log());
    assert_eq!(world.waiting("ci").len(), 1);
    assert!(receiver.take().is_empty());
}
