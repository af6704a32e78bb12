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
    // At most `limit`, and the system gives memory only for what arrives.
    let mut bytes = Vec::with_capacity(announced);
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

/// Reads the whole body of somebody known. A body that is too long is thrown away up to `most` bytes: a client that is
/// still writing would not read the answer.
pub(crate) async fn read_or_discard(
    body: Incoming,
    limit: usize,
    most: usize,
    time: Duration,
) -> Result<Vec<u8>, BodyError> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced <= limit {
        return read(body, limit, time).await;
    }
    // Whatever becomes of the rest, the answer is the same.
    let _discarded = discard(body, most, time).await;
    Err(BodyError::TooLong)
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
