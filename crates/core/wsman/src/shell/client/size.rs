//! How long a request may be, and what fits it.

use std::time::Duration;

use uuid::Uuid;

use super::{CommandKey, Error, Shell, send_request};
use crate::compression;
use crate::shell::{
    self, CommandLine, CommandOptions, InputStream, ShellDescription, ShellOptions,
};

/// What is known of the longest request that the service takes. No message tells it: the
/// MaxEnvelopeSize of a request is about the answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestSize {
    /// Octets that the service surely takes, as far as it has not refused as many.
    sure: u64,
    /// Whether it has refused a request as too long: then nothing longer is tried again.
    is_refused: bool,
}

impl RequestSize {
    /// What is known of a service that has not been spoken to.
    pub(super) const UNKNOWN: Self = Self { sure: OLD_REQUEST, is_refused: false };
}

/// Octets of the longest request before Windows 8: the default of `MaxEnvelopeSizekb` there.
const OLD_REQUEST: u64 = 153_600;
/// Octets that every service takes (DSP0226 R6.2-4).
const LEAST_REQUEST: u64 = 8_192;

impl Shell {
    /// The most bytes that [`Self::send`] takes at once: what fits a request that the service
    /// surely takes, of at most the context's MaxEnvelopeSize.
    ///
    /// That is 153,600 octets until the service has shown that it is no older than Windows 8, and
    /// always where [refusals](Self::trust_refusals) may be somebody else's.
    ///
    /// # Errors
    ///
    /// As [`Self::send`], but for the state of the input.
    pub fn max_send_payload(&self, command: CommandKey) -> Result<usize, Error> {
        let shell_id = self.opened()?;
        let command_id = self.known(command)?.id(command)?;
        let send = send_request(command_id, InputStream::Stdin, Vec::new(), true);
        let room = self.room(&send, Some(shell_id));
        Ok(if self.is_compressed { compression::fits(room) } else { room })
    }

    /// The most bytes that fit [`CommandLine::plug_in`] with an id that the client chooses, within a
    /// request that the service surely takes.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::NotOpen`](super::ApiMisuse::NotOpen).
    pub fn max_command_payload(&self) -> Result<usize, Error> {
        let shell_id = self.opened()?;
        let command = CommandLine::plug_in(Some(crate::guid(Uuid::nil())), &[]);
        let options = CommandOptions::default();
        Ok(self.room(&shell::Request::Command { command, options }, Some(shell_id)))
    }

    /// The most bytes that fit [`ShellDescription::creation_xml`] of that Create, within a request
    /// that the service surely takes.
    #[must_use]
    pub fn max_creation_payload(
        &self,
        description: &ShellDescription,
        options: &ShellOptions,
    ) -> usize {
        let shell = ShellDescription { creation_xml: Some(Vec::new()), ..description.clone() };
        let (shell, options) = (Box::new(shell), options.clone());
        self.room(&shell::Request::Create { shell, options }, None)
    }

    /// The most bytes that can be added as base64 to a request which has none yet.
    fn room(&self, request: &shell::Request, shell_id: Option<&str>) -> usize {
        // No timeout of the protocol is written longer than this one.
        let longest = Duration::from_secs(u32::MAX.into());
        let envelope = request.to_envelope(&self.context, shell_id, Uuid::nil(), longest);
        let limit = usize::try_from(self.request_limit()).unwrap_or(usize::MAX);
        let limit = self.context.charset.fits(limit);
        limit.saturating_sub(envelope.encode().len() + CLOSING_TAG) / 4 * 3
    }

    /// Octets that a request may have.
    fn request_limit(&self) -> u64 {
        self.context.max_envelope_size.min(self.request_size.sure)
    }

    /// Takes it that the service refused a Send as too long, by HTTP's 413 and before it looked at
    /// it. Whether [`Self::max_send_payload`] is less from now on, so that what was to be sent may
    /// go in smaller pieces.
    pub fn handle_too_long(&mut self) -> bool {
        let refused = self.request_limit();
        let less = if refused > OLD_REQUEST { OLD_REQUEST } else { refused / 2 };
        self.request_size = RequestSize { sure: less.max(LEAST_REQUEST), is_refused: true };
        self.request_limit() < refused
    }

    /// Takes it that the service took the id that was chosen for a command: services before
    /// Windows 8 choose their own, and only these take no more than [`OLD_REQUEST`] by default.
    pub(super) const fn is_modern(&mut self) {
        if self.trusts_refusals && !self.request_size.is_refused {
            self.request_size.sure = u64::MAX;
        }
    }
}

/// `</rsp:Arguments>`, the longest of the three that an empty element is written without; the others
/// are `</rsp:Stream>` and `</creationXml>`.
const CLOSING_TAG: usize = 16;
