//! The certificates that a receiver shows, for people: whom they are for, by whom, until when.

use std::net::IpAddr;

use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der::Decode;
use x509_cert::der::oid::db::rfc5280::{ANY_EXTENDED_KEY_USAGE, ID_KP_SERVER_AUTH};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, SubjectAltName};
use x509_cert::name::Name;
use x509_cert::time::Time;

/// So many names of a certificate are told.
pub(super) const MOST_NAMES: usize = 10;

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownCertificate {
    /// The hosts that it is for; of an authority its own name.
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// Until when it is valid, in seconds since 1970.
    pub not_after: i64,
}

impl ShownCertificate {
    /// From DER; `None` where it cannot be read, which is for whoever verifies it to judge.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let certificate = certificate.tbs_certificate();
        let alternatives = certificate.get_extension::<SubjectAltName>().ok().flatten();
        let mut names: Vec<_> = alternatives.iter().flat_map(|(_, all)| &all.0).filter_map(host).collect();
        names.truncate(MOST_NAMES);
        if names.is_empty() {
            names.push(short(certificate.subject()));
        }
        let end = certificate.validity().not_after.to_unix_duration();
        Some(Self { names, issuer: short(certificate.issuer()), not_after: i64::try_from(end.as_secs()).ok()? })
    }
}

/// From when until when a certificate is valid, in seconds since 1970; `None` where it cannot be read.
pub(super) fn validity(der: &[u8]) -> Option<[i64; 2]> {
    let certificate = Certificate::from_der(der).ok()?;
    let validity = certificate.tbs_certificate().validity();
    let seconds = |time: &Time| i64::try_from(time.to_unix_duration().as_secs()).ok();
    Some([seconds(&validity.not_before)?, seconds(&validity.not_after)?])
}

/// Whether it may vouch for others: of version 1, as old roots are, or an authority by its own words, and not expired. webpki asks
/// for neither of a root.
pub(super) fn is_authority(der: &[u8], now: i64) -> bool {
    let Ok(certificate) = Certificate::from_der(der) else { return false };
    let certificate = certificate.tbs_certificate();
    let constraints = certificate.get_extension::<BasicConstraints>().ok().flatten();
    let is_one = certificate.version() == Version::V1 || constraints.is_some_and(|(_, it)| it.ca);
    is_one && validity(der).is_some_and(|[_, not_after]| now <= not_after)
}

/// Whether it may be a server's, so far as it says for what it is.
pub(super) fn is_for_servers(der: &[u8]) -> bool {
    let Ok(certificate) = Certificate::from_der(der) else { return false };
    match certificate.tbs_certificate().get_extension::<ExtendedKeyUsage>() {
        Ok(Some((_, usage))) => usage.0.iter().any(|it| [ID_KP_SERVER_AUTH, ANY_EXTENDED_KEY_USAGE].contains(it)),
        Ok(None) => true,
        Err(_) => false,
    }
}

fn host(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
        GeneralName::IpAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(bytes.as_bytes()).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(bytes.as_bytes()).map(IpAddr::from));
            Some(address.ok()?.to_string())
        }
        _ => None,
    }
}

/// The common name, as people know authorities; of one that has none all of it.
fn short(name: &Name) -> String {
    let common = name.common_name().ok().flatten();
    common.map_or_else(|| name.to_string(), |name| name.value().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, CertifiedIssuer, DnType, KeyPair, date_time_ymd};

    #[test]
    fn names_issuer_and_end_are_read() {
        let named = |name: &str| {
            let mut params = CertificateParams::new([]).unwrap();
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(DnType::OrganizationName, "Example");
            params.distinguished_name.push(DnType::CommonName, name);
            params.not_after = date_time_ymd(2031, 2, 3);
            params
        };
        let authority = CertifiedIssuer::self_signed(named("Root 1"), KeyPair::generate().unwrap()).unwrap();
        let read = ShownCertificate::read(authority.der()).unwrap();
        let not_after = 1_927_843_200;
        assert_eq!(read, ShownCertificate { names: vec!["Root 1".into()], issuer: "Root 1".into(), not_after });
        let mut params =
            CertificateParams::new(["a.example".into(), "192.0.2.1".into(), "2001:db8::1".into()]).unwrap();
        params.not_after = date_time_ymd(2031, 2, 3);
        let leaf = params.signed_by(&KeyPair::generate().unwrap(), &authority).unwrap();
        let names = ["a.example", "192.0.2.1", "2001:db8::1"].map(String::from).to_vec();
        assert_eq!(
            ShownCertificate::read(leaf.der()),
            Some(ShownCertificate { names, issuer: "Root 1".into(), not_after })
        );
        for end in [0, 1, leaf.der().len() - 1] {
            assert_eq!(ShownCertificate::read(&leaf.der()[..end]), None);
        }
    }
}
