//! A `SEQPACKET` socket on the runtime: whole messages, and the descriptors that come with them.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendFlags, recvmsg, send,
    sockopt,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// The most descriptors that any frame brings.
const DESCRIPTORS: usize = 3;

/// One end of a `SEQPACKET` pair.
///
/// Registered as a `UnixStream`, which is what the runtime knows; its byte-stream methods are not used.
#[derive(Debug)]
pub(super) struct Socket(UnixStream);

impl Socket {
    /// Takes a descriptor over after a look at what it is.
    pub(super) fn new(descriptor: OwnedFd) -> io::Result<Self> {
        if sockopt::socket_type(&descriptor)? != rustix::net::SocketType::SEQPACKET {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the descriptor is no SEQPACKET socket",
            ));
        }
        rustix::io::ioctl_fionbio(&descriptor, true)?;
        Ok(Self(UnixStream::from_std(descriptor.into())?))
    }

    /// Receives one message; 0 is the other side's end.
    ///
    /// # Errors
    /// The system's, and `InvalidData` for a message longer than the buffer.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        self.0.async_io(Interest::READABLE, || receive(&self.0, buffer, RecvFlags::DONTWAIT)).await
    }

    /// Sends one message when there is room for it.
    pub(super) async fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.0.async_io(Interest::WRITABLE, || try_send(&self.0, frame)).await
    }

    /// Sends one message if there is room for it at once.
    pub(super) fn try_send(&self, frame: &[u8]) -> io::Result<()> {
        try_send(&self.0, frame)
    }
}

fn try_send(socket: &UnixStream, frame: &[u8]) -> io::Result<()> {
    send(socket, frame, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
    Ok(())
}

/// Receives one message from a descriptor that waits; 0 is the other side's end.
///
/// # Errors
/// As [`Socket::receive`].
pub(super) fn receive_waiting(
    socket: &OwnedFd,
    buffer: &mut [u8],
) -> io::Result<(usize, Vec<OwnedFd>)> {
    loop {
        match receive(socket, buffer, RecvFlags::empty()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            received => return received,
        }
    }
}

pub(super) fn receive(
    socket: impl AsFd,
    buffer: &mut [u8],
    flags: RecvFlags,
) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = flags | RecvFlags::CMSG_CLOEXEC;
    let message = recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, flags)?;
    let mut descriptors = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = part {
            descriptors.extend(rights);
        }
    }
    // Descriptors that did not fit, or for which this process has no number left, are missing: the caller counts them.
    if message.flags.contains(ReturnFlags::TRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message that is too long"));
    }
    Ok((message.bytes, descriptors))
}
