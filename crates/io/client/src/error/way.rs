//! What can go wrong on the way to a service: a proxy that makes none, a host that sends elsewhere.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use session::client::login::LoginError;
use transport::ConnectError;

/// Why a proxy made no way to a service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The proxy itself cannot be reached.
    #[error(transparent)]
    Open(#[from] ConnectError),
    /// It wants a login, and none is configured.
    #[error("it wants a login ({})", .0.join(", "))]
    LoginWanted(Vec<String>),
    /// Its login failed.
    #[error("{}", AtProxy(.0))]
    Denied(LoginError),
    /// It does not connect to the service.
    #[error("it answered CONNECT with HTTP status {0}")]
    Status(StatusCode),
    /// The connection to it broke.
    #[error("the connection was lost: {0}")]
    Lost(hyper::Error),
    /// Something spoke before it was asked.
    #[error("something behind it spoke first: it is no WinRM service")]
    Early,
    /// The service's address cannot be written into a request.
    #[error("the service's address cannot be asked for: {0}")]
    Target(String),
    /// Time ran out.
    #[error("no way to the service within {} s", .0.as_secs_f32())]
    Timeout(Duration),
}

impl ProxyError {
    /// Whether the same may succeed a moment later: a proxy that says no will say so again.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Open(_) | Self::Lost(_) | Self::Timeout(_) => true,
            Self::Status(status) => status.is_server_error(),
            Self::LoginWanted(_) | Self::Denied(_) | Self::Early | Self::Target(_) => false,
        }
    }

    /// What a person may try.
    pub(super) fn hints(&self) -> Vec<String> {
        let text = match self {
            Self::Open(_) | Self::Lost(_) | Self::Timeout(_) => {
                "check the proxy's address, or connect without one: --proxy none, ProxyAccessType NoProxyServer, or [Proxy] in client.toml"
            }
            Self::LoginWanted(_) => {
                "name an account at the proxy: winrs --proxy-user, -ProxyCredential of New-PSSessionOption, or UserName in [Proxy] of client.toml"
            }
            Self::Denied(LoginError::NotOffered { .. }) => {
                "take another login for the proxy: winrs --proxy-auth, -ProxyAuthentication, or Authentication in [Proxy] of client.toml"
            }
            Self::Denied(_) => "check the name and the password of the account at the proxy",
            Self::Status(StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED) => {
                "the proxy must allow CONNECT to the service's port (5986, 5985 for http): its administrator can"
            }
            Self::Status(_) => "the proxy cannot reach the service: check its name and port",
            Self::Early | Self::Target(_) => "check the service's address and port",
        };
        vec![text.to_owned()]
    }
}

/// A login's error, said of a proxy.
struct AtProxy<'a>(&'a LoginError);

impl fmt::Display for AtProxy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_string().replacen("the service", "it", 1))
    }
}

/// A host's word that somebody else is to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redirected {
    /// Where it sends to.
    pub location: String,
    /// Why that is not followed although it may be; `None` where it may not.
    pub refusal: Option<String>,
}

impl fmt::Display for Redirected {
    /// PowerShell's words where the user did not allow it (error 2150859161).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { location, refusal } = self;
        match refusal {
            Some(refusal) => {
                write!(
                    f,
                    "the redirection to {location} is not followed: {refusal} (error 2150859189)"
                )
            }
            None => write!(
                f,
                "The WinRM service cannot process the request because the request needs to be sent to a different machine. \
                 Use the redirect information to send the request to a new machine. Redirect location reported: {location}. \
                 To automatically connect to the redirected URI, verify \"MaximumConnectionRedirectionCount\" property of \
                 session preference variable \"PSSessionOption\" and use \"AllowRedirection\" parameter on the cmdlet."
            ),
        }
    }
}
