//! The bodies of CredSSP: pieces of 16 KiB, each of them records of the TLS session ([MS-WSMV] 2.2.9.1.3).
//!
//! The number in front of the records says how long the trailer is, and pywinrm computes it wrongly for TLS 1.3. It moves
//! nothing: the records begin behind it. Where a piece ends, the next delimiter tells; it is looked for where the records of
//! a piece can end, since these are as long as its message and a little more.

use auth::Sealer;

use super::{
    Announced, BOUNDARY, Dialect, Frame, Lines, Sealed, SealedError, content_type, delimiter_end,
    front, header_size,
};

/// The longest piece that is sealed: one record.
pub(super) const PIECE: usize = 16 * 1024;
/// What encryption may add to a piece: headers, codes, padding, and records beside the message such as tickets.
pub(super) const RECORDS: usize = 8 * 1024;

/// Seals a message in pieces.
pub(super) fn seal(
    sealer: &mut dyn Sealer,
    frame: Frame,
    original: &str,
    message: &[u8],
) -> Result<Sealed, SealedError> {
    // About 350 bytes around each piece.
    let around = message.len().div_ceil(PIECE).saturating_mul(512);
    let mut body = Vec::with_capacity(message.len().saturating_add(around));
    for piece in message.chunks(PIECE) {
        let mut data = piece.to_vec();
        let sealed = sealer.seal(&mut data)?;
        body.extend(front(frame, original, piece.len() + sealed.padding, &sealed.header)?);
        body.append(&mut data);
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    Ok(Sealed { content_type: content_type("multipart/x-multi-encrypted", frame), body })
}

/// Opens all pieces of a body: how it was written, its media type, and the message.
pub(super) fn open(
    sealer: &mut dyn Sealer,
    announced: &Announced,
    body: &[u8],
) -> Result<(Dialect, String, Vec<u8>), SealedError> {
    let boundary = announced.boundary.as_bytes();
    let mut message = Vec::new();
    let mut known: Option<(Dialect, String)> = None;
    let mut at = 0;
    loop {
        let mut lines = Lines::from(body, at);
        let (original, dialect) = lines.part_headers(announced)?;
        let payload = body.get(lines.at..).unwrap_or_default();
        let size = header_size(payload)?;
        let records = payload.get(4..).unwrap_or_default();
        let end = records_end(records, original.length, boundary)?;
        let (header, data) = records
            .get(..end)
            .and_then(|records| records.split_at_checked(size))
            .ok_or(SealedError::Frame("the trailer is longer than the records"))?;
        let mut data = data.to_vec();
        sealer.unseal(header, &mut data)?;
        if data.len() != original.length {
            return Err(SealedError::Frame("Length does not agree with the sealed data"));
        }
        message.append(&mut data);
        let (dialect, media) = known.get_or_insert_with(|| (dialect, original.media.clone()));
        if *media != original.media {
            return Err(SealedError::Frame("the pieces have different types"));
        }
        at = lines.at + 4 + end;
        if is_closing(body.get(at..).unwrap_or_default(), boundary) {
            return Ok((*dialect, std::mem::take(media), message));
        }
        if !announced.is_multi {
            return Err(SealedError::Frame("there are several pieces, and one was announced"));
        }
    }
}

/// Where the records of a piece of so many bytes end.
fn records_end(records: &[u8], length: usize, boundary: &[u8]) -> Result<usize, SealedError> {
    let last = length.saturating_add(RECORDS).min(records.len());
    (length..last)
        .find(|&at| records.get(at..).is_some_and(|rest| delimiter_end(rest, boundary).is_some()))
        .ok_or(SealedError::Frame("the delimiter behind a piece is missing"))
}

/// Whether the closing delimiter ends the body here; one more line end may follow.
fn is_closing(rest: &[u8], boundary: &[u8]) -> bool {
    let after = delimiter_end(rest, boundary).and_then(|end| rest.get(end..));
    matches!(after, Some(b"--" | b"--\r\n" | b"--\r\n\r\n"))
}
