//! Every setting, in the order of the schema. Defaults are those of Windows Server 2012 and later, [MS-WSMV] 2.2.5.1 and
//! a recorded reply; the order of the elements is the schema's.

use super::{Kind, Mutability, Setting};
use Kind::{Boolean, IpFilter, Number, Sddl, Text, Thumbprint, Word};
use Mutability::{Deprecated, Free, ReadOnly};

const MOST_32: u32 = u32::MAX;
/// What Windows writes for no limit in `winrm/config/winrs`.
const MOST_31: u32 = 0x7FFF_FFFF;

const fn row(
    path: &'static str,
    kind: Kind,
    default: &'static str,
    mutability: Mutability,
    summary: &'static str,
) -> Setting {
    Setting { path, kind, default, mutability, summary }
}

const fn from(least: u32, most: u32) -> Kind {
    Number { least, most }
}

/// `winrm/config`.
#[rustfmt::skip]
pub(super) static TREE: &[Setting] = &[
    row("MaxEnvelopeSizekb", from(32, 1_039_440), "500", Free, "The largest message, in units of 1,024 bytes."),
    row("MaxTimeoutms", from(500, MOST_32), "60000", Free, "The longest time that an operation may take, in milliseconds."),
    row("MaxBatchItems", from(1, MOST_32), "32000", Free, "The most items of one answer of an enumeration."),
    row("MaxProviderRequests", from(1, MOST_32), "4294967295", Deprecated, "Has no effect."),
    row("Client/NetworkDelayms", from(500, MOST_32), "5000", Free, "How long a client waits for an answer beyond the operation's time, in milliseconds."),
    row("Client/URLPrefix", Text, "wsman", Free, "The path that a client asks on."),
    row("Client/AllowUnencrypted", Boolean, "false", Free, "Whether a client may send messages unsealed over plain HTTP."),
    row("Client/Auth/Basic", Boolean, "true", Free, "Whether a client may log in by Basic."),
    row("Client/Auth/Digest", Boolean, "true", Free, "Whether a client may log in by Digest."),
    row("Client/Auth/Kerberos", Boolean, "true", Free, "Whether a client may log in by Kerberos."),
    row("Client/Auth/Negotiate", Boolean, "true", Free, "Whether a client may log in by Negotiate."),
    row("Client/Auth/Certificate", Boolean, "true", Free, "Whether a client may log in by a certificate."),
    row("Client/Auth/CredSSP", Boolean, "false", Free, "Whether a client may hand its password over by CredSSP."),
    row("Client/DefaultPorts/HTTP", from(1, 65_535), "5985", Free, "The port of HTTP where none is named."),
    row("Client/DefaultPorts/HTTPS", from(1, 65_535), "5986", Free, "The port of HTTPS where none is named."),
    row("Client/TrustedHosts", Text, "", Free, "Hosts that need not prove who they are."),
    row("Service/RootSDDL", Sddl, "O:NSG:BAD:P(A;;GA;;;BA)(A;;GR;;;IU)S:P(AU;FA;GA;;;WD)(AU;SA;GXGW;;;WD)", Free, "Who may do what, where a resource has no descriptor of its own."),
    row("Service/MaxConcurrentOperations", from(1, MOST_32), "4294967295", Deprecated, "Has no effect."),
    row("Service/MaxConcurrentOperationsPerUser", from(1, MOST_32), "1500", Free, "Operations that one user may have open at the same time."),
    row("Service/EnumerationTimeoutms", from(500, MOST_32), "240000", Free, "How long an enumeration is kept without a Pull, in milliseconds."),
    row("Service/MaxConnections", from(1, 512), "300", Free, "Connections at a time."),
    row("Service/MaxPacketRetrievalTimeSeconds", from(1, MOST_32), "120", Free, "Seconds in which a whole request must arrive."),
    row("Service/AllowUnencrypted", Boolean, "false", Free, "Whether messages may travel unsealed over plain HTTP."),
    row("Service/Auth/Basic", Boolean, "false", Free, "Whether logins by Basic are offered."),
    row("Service/Auth/Kerberos", Boolean, "true", Free, "Whether logins by Kerberos are offered."),
    row("Service/Auth/Negotiate", Boolean, "true", Free, "Whether logins by Negotiate are offered."),
    row("Service/Auth/Certificate", Boolean, "false", Free, "Whether logins by certificates are offered."),
    row("Service/Auth/CredSSP", Boolean, "false", Free, "Whether logins by CredSSP are offered."),
    row("Service/Auth/CbtHardeningLevel", Word(&["None", "Relaxed", "Strict"]), "Relaxed", Free, "What is asked of channel bindings on HTTPS."),
    row("Service/DefaultPorts/HTTP", from(1, 65_535), "5985", ReadOnly, "The port of an HTTP listener that names none."),
    row("Service/DefaultPorts/HTTPS", from(1, 65_535), "5986", ReadOnly, "The port of an HTTPS listener that names none."),
    row("Service/IPv4Filter", IpFilter(4), "*", Free, "The IPv4 addresses that listeners on every address listen on."),
    row("Service/IPv6Filter", IpFilter(6), "*", Free, "The IPv6 addresses that listeners on every address listen on."),
    row("Service/EnableCompatibilityHttpListener", Boolean, "false", Free, "Whether there is a listener on port 80 as well."),
    row("Service/EnableCompatibilityHttpsListener", Boolean, "false", Free, "Whether there is a listener on port 443 as well."),
    row("Service/CertificateThumbprint", Thumbprint, "", Free, "The certificate that logins by CredSSP see."),
    row("Service/AllowRemoteAccess", Boolean, "true", Free, "Whether other machines may ask."),
    row("Winrs/AllowRemoteShellAccess", Boolean, "true", Free, "Whether shells may be opened."),
    row("Winrs/IdleTimeout", from(0, MOST_31), "7200000", Free, "How long a shell lives without a request, in milliseconds."),
    row("Winrs/MaxConcurrentUsers", from(1, MOST_31), "2147483647", Free, "Users that have shells at the same time."),
    row("Winrs/MaxShellRunTime", from(0, MOST_31), "2147483647", Deprecated, "Has no effect."),
    row("Winrs/MaxProcessesPerShell", from(1, MOST_31), "2147483647", Free, "Commands that run in one shell at the same time."),
    row("Winrs/MaxMemoryPerShellMB", from(0, MOST_31), "2147483647", Free, "Memory of one shell, in units of 1,048,576 bytes."),
    row("Winrs/MaxShellsPerUser", from(1, MOST_31), "2147483647", Free, "Shells of one user at the same time."),
];

/// `winrm/config/listener`. Its addresses follow, as `ListeningOn`.
#[rustfmt::skip]
pub(super) static LISTENER: &[Setting] = &[
    row("Address", Text, "*", ReadOnly, "What it listens on: `*`, `IP:ADDRESS` or `MAC:ADDRESS`."),
    row("Transport", Word(&["HTTP", "HTTPS"]), "HTTP", ReadOnly, "HTTP or HTTPS."),
    row("Port", from(1, 65_535), "5985", Free, "The TCP port."),
    row("Hostname", Text, "", Free, "The name that the certificate of an HTTPS listener is for."),
    row("Enabled", Boolean, "true", Free, "Whether it listens."),
    row("URLPrefix", Text, "wsman", Free, "The path without slashes at its ends."),
    row("CertificateThumbprint", Thumbprint, "", Free, "The certificate of an HTTPS listener."),
];

/// `winrm/config/service/certmapping`.
#[rustfmt::skip]
pub(super) static CERT_MAPPING: &[Setting] = &[
    row("URI", Text, "*", ReadOnly, "The resources that it lets in to."),
    row("Subject", Text, "*", ReadOnly, "The name in the client's certificate."),
    row("Issuer", Thumbprint, "", ReadOnly, "The thumbprint of the authority that issued the client's certificate."),
    row("UserName", Text, "", Free, "Whose account it is."),
    row("Enabled", Boolean, "true", Free, "Whether it lets anybody in."),
    row("Password", Text, "", Free, "The account's password; it is never told."),
];
