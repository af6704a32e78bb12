//! What cannot be set is refused by exit status, number and reason, and nothing has changed.

use super::{afar, winrm_set};
use crate::service::{Flavour, Service};
use crate::tool::{self, Ran};

/// What nobody can change by the wire: a setting, another value than it has, and the number of the refusal.
#[rustfmt::skip]
const REFUSED: [(&str, &str, &str); 18] = [
    ("MaxProviderRequests", "25", "-2144108114 0x803381AE"),
    ("Service/MaxConcurrentOperations", "100", "-2144108114 0x803381AE"),
    ("Winrs/MaxShellRunTime", "28800000", "-2144108114 0x803381AE"),
    ("Service/DefaultPorts/HTTP", "80", "-2144108525 0x80338013"),
    ("Service/DefaultPorts/HTTPS", "443", "-2144108525 0x80338013"),
    ("Client/NetworkDelayms", "700", "-2144108225 0x8033813F"),
    ("Client/URLPrefix", "manage", "-2144108225 0x8033813F"),
    ("Client/AllowUnencrypted", "true", "-2144108225 0x8033813F"),
    ("Client/Auth/Basic", "false", "-2144108225 0x8033813F"),
    ("Client/Auth/Digest", "false", "-2144108225 0x8033813F"),
    ("Client/Auth/Kerberos", "false", "-2144108225 0x8033813F"),
    ("Client/Auth/Negotiate", "false", "-2144108225 0x8033813F"),
    ("Client/Auth/Certificate", "false", "-2144108225 0x8033813F"),
    ("Client/Auth/CredSSP", "true", "-2144108225 0x8033813F"),
    ("Client/DefaultPorts/HTTP", "80", "-2144108225 0x8033813F"),
    ("Client/DefaultPorts/HTTPS", "443", "-2144108225 0x8033813F"),
    ("Client/TrustedHosts", "*", "-2144108225 0x8033813F"),
    ("MaxTimeoutms", "60000", "-2144108406 0x8033808A"),
];

/// What a setting that can be changed cannot be.
#[rustfmt::skip]
const WRONG: [(&str, &str, &str); 18] = [
    ("MaxEnvelopeSizekb", "many", "-2144108479 0x80338041"),
    ("Service/Auth/Basic", "yes", "-2144108479 0x80338041"),
    ("Service/Auth/CbtHardeningLevel", "Strong", "-2144108479 0x80338041"),
    ("Service/EnumerationTimeoutms", "499", "-2144108532 0x8033800C"),
    ("Service/IPv4Filter", "::1-::1", "-2144108308 0x803380EC"),
    ("Service/IPv6Filter", "2001:db8::1", "-2144108308 0x803380EC"),
    ("Service/RootSDDL", "O:NSG", "-2144108196 0x8033815C"),
    ("MaxEnvelopeSizekb", "31", "87 0x00000057"),
    ("MaxBatchItems", "0", "87 0x00000057"),
    ("Service/MaxConcurrentOperationsPerUser", "4294967296", "87 0x00000057"),
    ("Service/MaxConnections", "513", "87 0x00000057"),
    ("Service/MaxPacketRetrievalTimeSeconds", "0", "87 0x00000057"),
    ("Service/CertificateThumbprint", "0011", "87 0x00000057"),
    ("Winrs/IdleTimeout", "2147483648", "87 0x00000057"),
    ("Winrs/MaxConcurrentUsers", "0", "87 0x00000057"),
    ("Winrs/MaxProcessesPerShell", "0", "87 0x00000057"),
    ("Winrs/MaxShellsPerUser", "0", "87 0x00000057"),
    ("Winrs/AllowRemoteShellAccess", "", "-2144108479 0x80338041"),
];

/// The settings that the service has now.
fn configuration(service: &Service) -> String {
    let mut winrm = tool::winrm();
    winrm.args(["get", "winrm/config"]);
    tool::run(&mut afar(service, winrm)).ended(0).stdout
}

/// Asks for each from another computer: without `-remote`, settings of clients are those of the user's own file.
fn refused(service: &Service, cases: &[(&str, &str, &str)]) -> String {
    let before = configuration(service);
    let told = |(path, value, number): &(&str, &str, &str)| {
        let ran: Ran = tool::run(&mut afar(service, winrm_set(service, path, value))).ended(1);
        assert_eq!(ran.stdout, "");
        let line = format!("Error number:  {number}\n");
        assert!(ran.stderr.contains(&line), "{path}={value}: {ran:#?}");
        format!("=== {path}={value}\n{}", ran.stderr)
    };
    let whole = cases.iter().map(told).collect();
    assert_eq!(configuration(service), before);
    whole
}

#[test]
fn what_winrm_cannot_set_is_refused_with_a_number_and_a_reason() {
    let service = Service::configured(Flavour::Unprivileged, "MaxTimeoutms = 50000\n");
    insta::assert_snapshot!(refused(&service, &REFUSED));
}

#[test]
fn values_that_no_setting_can_have_are_refused_with_a_number_and_a_reason() {
    let service = Service::start(Flavour::Unprivileged);
    insta::assert_snapshot!(refused(&service, &WRONG));
}
