//! The system calls of the network process: a list of those it may make, and a short one of those that end it.
//!
//! Two filters, of which the kernel takes the stricter answer:
//!
//! * What is not on the list is answered with `ENOSYS`, as by a kernel that does not know the call. The C library, the
//!   standard library and the runtime try newer calls first (`clone3`, `openat2`, `io_uring_setup`) and do without them then.
//! * What no library tries and only an intruder wants ends the process: programs, processes, identities, other processes'
//!   memory, mounts, namespaces, modules. The spawner then ends all shells, and the kernel's log tells the call. An answer
//!   would only let the intruder look for the next way.
//!
//! The list is what the service was seen to do (x86_64), what the C libraries glibc and musl do for the same purposes, and
//! the names that other machines have for it.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp,
    SeccompCondition, SeccompFilter, SeccompRule, apply_filter,
};

/// The calls of a filter, each with its rules: none, or one of which must hold.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What pthread_create asks `clone` for, `CLONE_DETACHED` aside, which musl adds and the kernel ignores.
const THREAD: libc::c_int = libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SIGHAND
    | libc::CLONE_THREAD
    | libc::CLONE_SYSVSEM
    | libc::CLONE_SETTLS
    | libc::CLONE_PARENT_SETTID
    | libc::CLONE_CHILD_CLEARTID;

/// What an open asks for that is not reading: other access modes, and files that come or go by it.
const NOT_READING: libc::c_int = libc::O_ACCMODE
    | libc::O_CREAT
    | libc::O_TRUNC
    | libc::O_APPEND
    | (libc::O_TMPFILE & !libc::O_DIRECTORY);

/// What may be asked of a descriptor by `fcntl`: its flags, a copy, and a wider pipe for a busy stream.
const DESCRIPTOR_COMMANDS: [libc::c_int; 6] = [
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETFL,
    libc::F_DUPFD_CLOEXEC,
    libc::F_SETPIPE_SZ,
];

/// Not to block, and not to be inherited. The C libraries disagree on the type of these numbers.
const FIONBIO: libc::c_int = 0x5421;
const FIOCLEX: libc::c_int = 0x5451;

/// Allowed with any arguments.
const ALLOWED: &[i64] = &[
    // What comes in and goes out over descriptors that are open.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_accept4,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    // Looking at files and folders; which, is Landlock's matter.
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_getdents64,
    // Waiting.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_futex,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    // Time and random bytes, where the vDSO has none; the machine's name, and its processors.
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_uname,
    libc::SYS_sched_getaffinity,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Threads, signals that reach this process, its end.
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// The same by older names, which this machine's C libraries still use.
#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[i64] = &[libc::SYS_epoll_wait, libc::SYS_stat, libc::SYS_lstat];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[i64] = &[];

/// What ends the process.
const DEADLY: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_bpf,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
];

#[cfg(target_arch = "x86_64")]
const DEADLY_HERE: &[i64] = &[libc::SYS_fork, libc::SYS_vfork];
#[cfg(not(target_arch = "x86_64"))]
const DEADLY_HERE: &[i64] = &[];

/// Installs both filters for this thread and those that it will start. Sets no_new_privs, which the network process has.
///
/// # Errors
/// The system's error.
pub(super) fn restrict() -> Result<(), Error> {
    let deadly = program(deadly()?, SeccompAction::Allow, SeccompAction::KillProcess)?;
    let unknown = u32::try_from(libc::ENOSYS).unwrap_or_default();
    let allowed = program(allowed()?, SeccompAction::Errno(unknown), SeccompAction::Allow)?;
    // The list last: it does not have the call that installs filters.
    apply_filter(&deadly)?;
    apply_filter(&allowed)
}

fn program(
    rules: Rules,
    otherwise: SeccompAction,
    listed: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    let machine = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, otherwise, listed, machine)?.try_into()
}

fn deadly() -> Result<Rules, BackendError> {
    let mut rules: Rules =
        DEADLY.iter().chain(DEADLY_HERE).map(|call| (*call, Vec::new())).collect();
    // What is no thread is a process.
    rules.insert(libc::SYS_clone, vec![when(&[masked(0, libc::CLONE_THREAD, 0)?])?]);
    Ok(rules)
}

fn allowed() -> Result<Rules, BackendError> {
    let mut rules: Rules =
        ALLOWED.iter().chain(ALLOWED_HERE).map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_clone, vec![when(&[masked(0, !libc::CLONE_DETACHED, THREAD)?])?]);
    // Memory is never both written and executed: no page becomes executable.
    let not_executable = || Ok(vec![when(&[masked(2, libc::PROT_EXEC, 0)?])?]);
    rules.insert(libc::SYS_mmap, not_executable()?);
    rules.insert(libc::SYS_mprotect, not_executable()?);
    rules.insert(libc::SYS_openat, vec![when(&[masked(2, NOT_READING, 0)?])?]);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_open, vec![when(&[masked(1, NOT_READING, 0)?])?]);
    // The runtime's own pair for signals. No other socket is made in here: they are open, or are handed over.
    rules.insert(libc::SYS_socketpair, vec![when(&[equal(0, libc::AF_UNIX)?])?]);
    rules.insert(
        libc::SYS_fcntl,
        DESCRIPTOR_COMMANDS
            .iter()
            .map(|command| when(&[equal(1, *command)?]))
            .collect::<Result<_, _>>()?,
    );
    let requests = [FIONBIO, FIOCLEX].into_iter().map(|request| when(&[equal(1, request)?]));
    rules.insert(libc::SYS_ioctl, requests.collect::<Result<_, _>>()?);
    // Another log file in the place of standard error, and of nothing else.
    rules.insert(libc::SYS_dup3, vec![when(&[equal(1, libc::STDERR_FILENO)?])?]);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_dup2, vec![when(&[equal(1, libc::STDERR_FILENO)?])?]);
    // Names of threads.
    rules.insert(libc::SYS_prctl, vec![when(&[equal(0, libc::PR_SET_NAME)?])?]);
    // Asking for limits, not setting them: the third argument, the new one, is null.
    let asks = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    rules.insert(libc::SYS_prlimit64, vec![when(&[equal(0, 0)?, asks])?]);
    // The end of a program that aborts. No other process gets a signal from this one.
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    rules.insert(libc::SYS_tgkill, vec![when(&[equal(0, own)?])?]);
    Ok(rules)
}

/// A rule that holds where all conditions do.
fn when(conditions: &[SeccompCondition]) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.to_vec())
}

fn equal(argument: u8, value: libc::c_int) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::Eq, bits(value))
}

/// That the argument has this value where the mask has ones.
fn masked(
    argument: u8,
    mask: libc::c_int,
    value: libc::c_int,
) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::MaskedEq(bits(mask)), bits(value))
}

/// The kernel looks at the lower half of these arguments only.
fn condition(
    argument: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}

fn bits(value: libc::c_int) -> u64 {
    u64::from(value.cast_unsigned())
}
