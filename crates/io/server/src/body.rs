//! Reading a request's body: never more than a limit, never longer than a time.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// It is longer than the limit.
    TooLong,
    /// It did not arrive in time.
    TooSlow,
    /// The connection ended, or the chunks are malformed.
    Broken,
}

/// Reads the whole body.
pub(crate) async fn read(
    body: Incoming,
    limit: usize,
    time: Duration,
) -> Result<Vec<u8>, BodyError> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(BodyError::TooLong);
    }
    // Memory grows with what arrives, not with what a header promises.
    let mut bytes = Vec::with_capacity(announced.min(64 * 1024));
    let take = |data: &Bytes| {
        if bytes.len() + data.len() > limit {
            return Err(BodyError::TooLong);
        }
        bytes.extend_from_slice(data);
        Ok(())
    };
    timeout(time, each(body, take)).await.map_err(|_| BodyError::TooSlow)??;
    Ok(bytes)
}

/// Reads the body and throws it away, so that the connection can go on.
pub(crate) async fn discard(body: Incoming, limit: usize, time: Duration) -> Result<(), BodyError> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(BodyError::TooLong);
    }
    let mut seen = 0;
    let count = |data: &Bytes| {
        seen += data.len();
        if seen > limit { Err(BodyError::TooLong) } else { Ok(()) }
    };
    timeout(time, each(body, count)).await.map_err(|_| BodyError::TooSlow)?
}

async fn each(
    mut body: Incoming,
    mut take: impl FnMut(&Bytes) -> Result<(), BodyError>,
) -> Result<(), BodyError> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Broken)?;
        if let Some(data) = frame.data_ref() {
            take(data)?;
        }
    }
    Ok(())
}
