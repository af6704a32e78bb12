//! Inner sessions by OpenSSL, for a client that the user has told to speak old versions and suites.

use std::fmt;
use std::io::{self, Read, Write};

use auth::credssp::{Channel, ChannelError};
use openssl::error::ErrorStack;
use openssl::ssl::{
    ErrorCode, Ssl, SslContext, SslMethod, SslOptions, SslRef, SslStream, SslVerifyMode, SslVersion,
};
use rustls::pki_types::ServerName;

use crate::tls::error::TrustError;
use crate::tls::level::Level;
use crate::tls::ossl;

/// What all sessions of a client have in common.
#[derive(Clone)]
pub(super) struct Context(SslContext);

impl Context {
    pub(super) fn new(level: Level) -> Result<Self, TrustError> {
        let build = || {
            let mut context = ossl::base(level, SslMethod::tls_client())?;
            // The login inside proves the key; a handshake in the middle could show another one. Windows understands no
            // empty records.
            context.set_verify(SslVerifyMode::NONE);
            context.set_options(
                SslOptions::NO_RENEGOTIATION | SslOptions::DONT_INSERT_EMPTY_FRAGMENTS,
            );
            Ok(Self(context.build()))
        };
        build().map_err(|error| setup(&error))
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

fn setup(error: &ErrorStack) -> TrustError {
    TrustError::Setup(ossl::problem(error))
}

/// Records on their way, in both directions.
#[derive(Debug, Default)]
struct Memory {
    incoming: Vec<u8>,
    /// So much of `incoming` has been read.
    read: usize,
    outgoing: Vec<u8>,
}

impl Read for Memory {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let rest = self.incoming.get(self.read..).unwrap_or_default();
        if rest.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = (&mut &*rest).read(to)?;
        self.read += taken;
        if self.read == self.incoming.len() {
            self.incoming.clear();
            self.read = 0;
        }
        Ok(taken)
    }
}

impl Write for Memory {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.outgoing.write(from)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One session.
pub(super) struct Session {
    stream: SslStream<Memory>,
    is_handshaking: bool,
}

impl Session {
    pub(super) fn connect(
        context: &Context,
        host: &ServerName<'static>,
    ) -> Result<Self, TrustError> {
        let mut ssl = Ssl::new(&context.0).map_err(|error| setup(&error))?;
        // Addresses are not sent, RFC 6066 3.
        if let ServerName::DnsName(name) = host {
            ssl.set_hostname(name.as_ref()).map_err(|error| setup(&error))?;
        }
        let stream = SslStream::new(ssl, Memory::default());
        let mut stream = stream.map_err(|error| setup(&error))?;
        // Writes the first flight, and waits for the answer to it.
        match stream.connect() {
            Err(error) if error.code() == ErrorCode::WANT_READ => {}
            _ => return Err(TrustError::Setup("OpenSSL cannot begin a handshake".to_owned())),
        }
        Ok(Self { stream, is_handshaking: true })
    }

    fn reason(error: &openssl::ssl::Error) -> ChannelError {
        let words = error.ssl_error().and_then(|stack| stack.errors().first()?.reason());
        let words = words.unwrap_or_default();
        if words.contains("bad record mac") || words.contains("decryption failed") {
            ChannelError::Tampered
        } else if words.contains("unsupported protocol") || words.contains("no protocols") {
            ChannelError::Incompatible
        } else {
            ChannelError::Failed
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("is_handshaking", &self.is_handshaking)
            .finish_non_exhaustive()
    }
}

impl Channel for Session {
    fn receive(&mut self, records: &[u8]) -> Result<Vec<u8>, ChannelError> {
        self.stream.get_mut().incoming.extend_from_slice(records);
        if self.is_handshaking {
            match self.stream.do_handshake() {
                Ok(()) => self.is_handshaking = false,
                Err(error) if error.code() == ErrorCode::WANT_READ => return Ok(Vec::new()),
                Err(error) => return Err(Self::reason(&error)),
            }
        }
        let mut data = Vec::new();
        let mut piece = [0; 4096];
        loop {
            match self.stream.ssl_read(&mut piece) {
                Ok(read) => data.extend_from_slice(piece.get(..read).unwrap_or_default()),
                Err(error) if error.code() == ErrorCode::WANT_READ => return Ok(data),
                Err(error) => return Err(Self::reason(&error)),
            }
        }
    }

    fn send(&mut self, data: &[u8]) -> Result<(), ChannelError> {
        if self.is_handshaking {
            return Err(ChannelError::Failed);
        }
        self.stream.write_all(data).map_err(|_| ChannelError::Failed)
    }

    fn take_records(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.stream.get_mut().outgoing)
    }

    fn is_handshaking(&self) -> bool {
        self.is_handshaking
    }

    fn server_key(&self) -> Option<Vec<u8>> {
        let own = self.stream.ssl().peer_certificate()?.to_der().ok()?;
        crate::tls::certificate::subject_public_key(&own)
    }

    fn trailer(&self, length: usize) -> usize {
        trailer(self.stream.ssl(), length)
    }
}

/// What encryption adds behind the data (RFC 5246 6.2.3).
fn trailer(ssl: &SslRef, length: usize) -> usize {
    const BLOCK: usize = 16;
    if ssl.version2() == Some(SslVersion::TLS1_3) {
        return 17;
    }
    let words = ssl.current_cipher().map(|cipher| cipher.description()).unwrap_or_default();
    let code = if words.contains("Mac=SHA384") {
        48
    } else if words.contains("Mac=SHA256") {
        32
    } else if words.contains("Mac=SHA1") {
        20
    } else {
        return 16;
    };
    code + BLOCK - (length + code) % BLOCK
}
