//! Descriptor 3, and closing descriptors that no value of this process owns.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use nix::libc;
use rustix::net::{AddressFamily, SocketType, sockopt};

/// The number under which the network process finds the spawner's socket.
const SPAWNER: RawFd = 3;
/// `SO_PASSRIGHTS` of Linux 6.16, which libc does not name yet.
const SO_PASSRIGHTS: libc::c_int = 83;

/// Takes descriptor 3 over, after a look at what it is.
///
/// # Errors
/// When it is not open, or no `SEQPACKET` socket of this machine. To be called once.
#[expect(unsafe_code, reason = "a descriptor that was inherited exists as a number only")]
pub(crate) fn inherited_socket() -> io::Result<OwnedFd> {
    // SAFETY: borrowed for the length of three questions, which fail harmlessly when nothing is open there.
    let descriptor = unsafe { BorrowedFd::borrow_raw(SPAWNER) };
    if sockopt::socket_domain(descriptor)? != AddressFamily::UNIX
        || sockopt::socket_type(descriptor)? != SocketType::SEQPACKET
    {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "descriptor 3 is not the privileged process's socket",
        ));
    }
    rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::CLOEXEC)?;
    // SAFETY: descriptor 3 is open, and belongs to no other value: the caller takes it once, before anything else opens
    // descriptors, and the spawner leaves exactly this socket there.
    Ok(unsafe { OwnedFd::from_raw_fd(SPAWNER) })
}

/// Moves a socket to descriptor 3, to be inherited by the program that this process executes next.
#[expect(unsafe_code, reason = "dup2 onto a number may close what another value owns")]
pub(crate) fn leave_as_descriptor_3(socket: OwnedFd) -> io::Result<()> {
    let raw = socket.into_raw_fd();
    // SAFETY: the caller is a forked child that executes a program or ends next and drops no inherited value, so whoever
    // owned descriptor 3 never uses it again.
    let result = unsafe {
        if raw == SPAWNER {
            libc::fcntl(SPAWNER, libc::F_SETFD, 0)
        } else {
            libc::dup2(raw, SPAWNER)
        }
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Closes every descriptor above a number. For a forked child that executes a program or ends next, and for a program that
/// has opened nothing yet.
pub(crate) fn close_above(last: RawFd) -> io::Result<()> {
    close_range(last.saturating_add(1), RawFd::MAX)
}

/// Closes every descriptor but 0-2 and those given. For a forked child that never drops what it inherited.
pub(crate) fn close_except(keep: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut keep: Vec<RawFd> =
        keep.iter().map(|descriptor| descriptor.as_fd().as_raw_fd()).collect();
    keep.sort_unstable();
    let mut first = 3;
    for raw in keep.into_iter().filter(|raw| *raw >= 3) {
        if raw > first {
            close_range(first, raw.saturating_sub(1))?;
        }
        first = raw.saturating_add(1);
    }
    close_range(first, RawFd::MAX)
}

#[expect(
    unsafe_code,
    reason = "close_range(2) has no safe wrapper, since it closes what other values own"
)]
fn close_range(first: RawFd, last: RawFd) -> io::Result<()> {
    // SAFETY: the callers are forked children that drop no inherited value, and programs that have opened nothing yet, so that
    // no value owns what they inherited.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes the kernel refuse descriptors that the other side sends; says whether this kernel knows the option. Where it does
/// not, receiving without a control buffer makes it discard them.
#[expect(unsafe_code, reason = "setsockopt for an option that the wrappers do not know yet")]
pub(crate) fn refuse_descriptors(socket: BorrowedFd<'_>) -> bool {
    let off: libc::c_int = 0;
    let length = libc::socklen_t::try_from(size_of_val(&off)).unwrap_or_default();
    // SAFETY: the pointer and the length are those of an integer that lives until the call returns.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PASSRIGHTS,
            (&raw const off).cast(),
            length,
        )
    };
    result == 0
}
