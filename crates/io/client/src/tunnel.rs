//! The way to a service: a TCP connection, through a proxy where the settings name one.
//!
//! ```text
//!  TCP to the proxy ──CONNECT──► 200 ──► a TCP connection to the service
//!        ▲                │
//!        │                └─ 407 ──► the login's next leg: on the same connection, or on another if the proxy
//!        └──────────────────────────  closed it and the login is bound to none
//! ```

use std::time::Duration;

use auth::spnego::{self, InitiatorMechanism};
use auth::{Scheme, UserName, digest, ntlm};
use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use session::client::endpoint::Endpoint;
use session::client::login::{Login, LoginError};
use session::client::proxy::ProxyAddress;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::Credentials;
use crate::connection::AGENT;
use crate::entropy::{self, SystemEntropy};
use crate::error::{ConnectionError, ProxyError};
use crate::settings::{ProxyAuthentication, ProxySettings};

/// The most bytes of a page behind a refusal.
const MAX_PAGE: usize = 64 * 1024;
/// The most requests of one login: NTLM by Negotiate has two, another two where the proxy says NTLM.
const MAX_REQUESTS: u32 = 6;

/// A TCP connection to the service, within `limit`.
pub(crate) async fn connect(
    endpoint: &Endpoint,
    settings: &ProxySettings,
    limit: Duration,
) -> Result<TcpStream, ConnectionError> {
    let Some(proxy) = settings.proxies.of(endpoint) else {
        return Ok(transport::connect(&endpoint.host, endpoint.port, limit).await?);
    };
    let error = |kind| ConnectionError::Proxy { proxy: proxy.to_string(), kind };
    match timeout(limit, tunnel(endpoint, settings, proxy, limit)).await {
        Ok(made) => made.map_err(error),
        Err(_) => Err(error(ProxyError::Timeout(limit))),
    }
}

async fn tunnel(
    endpoint: &Endpoint,
    settings: &ProxySettings,
    proxy: &ProxyAddress,
    limit: Duration,
) -> Result<TcpStream, ProxyError> {
    let target = endpoint.authority();
    let mut login = settings
        .credentials
        .as_ref()
        .map(|user| login(settings.authentication, user, proxy, &target))
        .transpose()?;
    let mut way = Way::open(proxy, limit).await?;
    let mut authorization = match &mut login {
        Some(login) => login.start().map_err(ProxyError::Denied)?.authorization,
        None => None,
    };
    let mut fell_back = false;
    for _ in 0..MAX_REQUESTS {
        let header = login.as_ref().map(Login::header).zip(authorization.take());
        let mut response = way.ask(&target, header).await?;
        match response.status() {
            status if status.is_success() => return way.through(&mut response).await,
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => {}
            status => return Err(ProxyError::Status(status)),
        }
        let (head, body) = response.into_parts();
        let Some(user) = &settings.credentials else {
            return Err(ProxyError::LoginWanted(offered(&head.headers)));
        };
        let Some(current) = &mut login else { break };
        let mut next = current.handle_response(head.status, &head.headers);
        let is_negotiate = settings.authentication == ProxyAuthentication::Negotiate;
        if let Err(LoginError::NotOffered { offered, .. }) = &next
            && is_negotiate
            && !fell_back
            && offered.contains(&Scheme::Ntlm)
        {
            // The same mechanism without an envelope around it.
            fell_back = true;
            let ntlm = Login::new(Box::new(ntlm(user, proxy)?));
            let ntlm = login.insert(ntlm.called(Scheme::Ntlm).at_a_proxy());
            next = ntlm.start().map(Some);
            way = Way::open(proxy, limit).await?;
        } else if way.is_over(&head.headers, body).await {
            // What is bound to a connection has no use for another: the proxy will say so.
            way = Way::open(proxy, limit).await?;
        }
        let leg = next.map_err(ProxyError::Denied)?;
        authorization = leg.ok_or(ProxyError::Denied(LoginError::Refused))?.authorization;
    }
    Err(ProxyError::Denied(LoginError::Refused))
}

/// The words of the schemes that a proxy offers, those that are not known here too.
fn offered(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(http::header::PROXY_AUTHENTICATE);
    let words = values.iter().filter_map(|value| value.to_str().ok()?.split(' ').next());
    words.map(|word| word.trim_end_matches(',').to_owned()).collect()
}

fn login(
    authentication: ProxyAuthentication,
    user: &Credentials,
    proxy: &ProxyAddress,
    target: &str,
) -> Result<Login, ProxyError> {
    let login = match authentication {
        ProxyAuthentication::Basic => {
            let basic = auth::basic::Initiator::new(&user.user, &user.password);
            Login::new(Box::new(basic.map_err(wrong)?))
        }
        ProxyAuthentication::Digest => {
            let digest = digest::Initiator::new(&user.user, &user.password, &mut SystemEntropy);
            Login::digest(digest.map_err(wrong)?, "CONNECT", target)
        }
        ProxyAuthentication::Negotiate => {
            let mechanisms: Vec<Box<dyn InitiatorMechanism>> = vec![Box::new(ntlm(user, proxy)?)];
            Login::new(Box::new(spnego::Initiator::new(mechanisms).map_err(wrong)?))
        }
    };
    Ok(login.at_a_proxy())
}

fn ntlm(user: &Credentials, proxy: &ProxyAddress) -> Result<ntlm::Initiator, ProxyError> {
    let name = UserName::parse(&user.user);
    let credential = ntlm::Credential::from_password(name, &user.password);
    let options = ntlm::InitiatorOptions {
        target: Some(format!("HTTP/{}", proxy.host)),
        // What goes through a tunnel is none of the proxy's business.
        unsealed: true,
        ..ntlm::InitiatorOptions::default()
    };
    ntlm::Initiator::new(credential, options, &mut SystemEntropy, entropy::now()).map_err(wrong)
}

const fn wrong(error: auth::ApiMisuse) -> ProxyError {
    ProxyError::Denied(LoginError::Auth(auth::Error::ApiMisuse(error)))
}

/// A connection to the proxy.
struct Way {
    sender: SendRequest<Empty<Bytes>>,
    /// Ends with the tunnel's making, however that ends.
    _driver: JoinSet<()>,
}

impl Way {
    async fn open(proxy: &ProxyAddress, limit: Duration) -> Result<Self, ProxyError> {
        let stream = transport::connect(&proxy.host, proxy.port, limit).await?;
        let (sender, connection) =
            Builder::new().handshake(TokioIo::new(stream)).await.map_err(ProxyError::Lost)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "Connection to the proxy ended");
            }
        });
        Ok(Self { sender, _driver: driver })
    }

    async fn ask(
        &mut self,
        target: &str,
        authorization: Option<(http::HeaderName, HeaderValue)>,
    ) -> Result<Response<Incoming>, ProxyError> {
        let mut request = Request::connect(target)
            .header(HOST, target)
            .header(USER_AGENT, AGENT)
            .header("proxy-connection", "keep-alive")
            .body(Empty::new())
            .map_err(|error| ProxyError::Target(error.to_string()))?;
        if let Some((name, value)) = authorization {
            request.headers_mut().insert(name, value);
        }
        self.sender.ready().await.map_err(ProxyError::Lost)?;
        self.sender.send_request(request).await.map_err(ProxyError::Lost)
    }

    /// Reads the page behind a refusal; whether the connection is of no more use then.
    async fn is_over(&self, headers: &HeaderMap, body: Incoming) -> bool {
        let closes = |name: &http::HeaderName| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.is_some_and(|value| value.to_ascii_lowercase().contains("close"))
        };
        let says =
            closes(&CONNECTION) || closes(&http::HeaderName::from_static("proxy-connection"));
        says || Limited::new(body, MAX_PAGE).collect().await.is_err() || self.sender.is_closed()
    }

    /// What is left of the connection when the proxy has stepped back.
    async fn through(&self, response: &mut Response<Incoming>) -> Result<TcpStream, ProxyError> {
        let upgraded = hyper::upgrade::on(response).await.map_err(ProxyError::Lost)?;
        let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else {
            return Err(ProxyError::Target("the connection is none".to_owned()));
        };
        // A service that speaks first is none that we want.
        if !parts.read_buf.is_empty() {
            return Err(ProxyError::Early);
        }
        Ok(parts.io.into_inner())
    }
}
