//! A compromised network process: everything that it can send to the spawner, without our half of the conversation.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, send, sendmsg,
};
use spawner::frames::root::{Event, LENGTH, Reason, Request};

use crate::cases::place_passwd;
use crate::network::{ALICE, Context, Outcomes, ensure};
use crate::runner::{Needs, Test};
use crate::service::{Mode, Place, assert_descriptors};

type Scenario = fn(&Context) -> Outcomes;

pub(crate) const SCENARIOS: &[(&str, Scenario)] = &[
    ("hostile_version", |context| nonsense(context, &with(Request::Ready.encode(1), 0, 2))),
    ("hostile_zero_length", |context| nonsense(context, &[])),
    ("hostile_short", |context| nonsense(context, &Request::Ready.encode(1)[..63])),
    ("hostile_long", |context| nonsense(context, &[&Request::Ready.encode(1)[..], &[0]].concat())),
    ("hostile_oversize", |context| nonsense(context, &vec![1; 150_000])),
    ("hostile_verb", |context| nonsense(context, &with(Request::Ready.encode(1), 1, 9))),
    ("hostile_event", |context| nonsense(context, &Event::Stop.encode(0))),
    ("hostile_zeros", |context| nonsense(context, &with(Request::Accounts.encode(1), 63, 1))),
    ("hostile_session", |context| {
        nonsense(context, &Request::KillSession { shell: 1, session: 1 }.encode(1))
    }),
    ("hostile_requests", requests),
    ("hostile_descriptors", many_descriptors),
    ("hostile_flood", flood),
    ("hostile_opens", opens),
    ("hostile_pending", pending),
];

pub(crate) const TESTS: &[Test] = &[
    Test { name: "a_malformed_frame_ends_everything", needs: Needs::Either, run: malformed },
    Test {
        name: "impossible_requests_are_refused_one_by_one",
        needs: Needs::Either,
        run: |mode| survives(mode, "hostile_requests", &[]),
    },
    Test {
        name: "253_descriptors_stay_outside",
        needs: Needs::Either,
        run: |mode| survives(mode, "hostile_descriptors", &[]),
    },
    Test {
        name: "a_flood_that_never_reads_stops_itself",
        needs: Needs::Either,
        run: |mode| survives(mode, "hostile_flood", &[]),
    },
    Test {
        name: "opens_that_nobody_fetches_are_ended",
        needs: Needs::Either,
        run: |mode| survives(mode, "hostile_opens", &["per-account=10"]),
    },
    Test {
        name: "the_65th_pending_open_is_refused",
        needs: Needs::Root,
        run: |mode| survives(mode, "hostile_pending", &[]),
    },
];

fn with(mut frame: [u8; LENGTH], at: usize, value: u8) -> [u8; LENGTH] {
    frame[at] = value;
    frame
}

#[expect(unsafe_code, reason = "descriptor 3 was inherited as a number")]
fn socket() -> OwnedFd {
    // SAFETY: called once per process, which has nothing else that owns descriptor 3.
    unsafe { OwnedFd::from_raw_fd(3) }
}

fn say(socket: &OwnedFd, request: &Request, sequence: u32) -> Outcomes {
    send(socket, &request.encode(sequence), SendFlags::NOSIGNAL)
        .map(drop)
        .map_err(|error| format!("{request:?}: {error}"))
}

fn ready(socket: &OwnedFd, interest: PollFlags, seconds: i64) -> bool {
    let mut descriptors = [PollFd::new(socket, interest)];
    poll(&mut descriptors, Some(&Timespec { tv_sec: seconds, tv_nsec: 0 })).unwrap() > 0
}

/// The next event, with the descriptor that came with it.
fn hear(socket: &OwnedFd, seconds: i64) -> Result<(u32, Event, Option<OwnedFd>), String> {
    ensure!(ready(socket, PollFlags::IN, seconds), "the spawner is silent");
    let mut frame = [0; LENGTH];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message =
        recvmsg(socket, &mut [IoSliceMut::new(&mut frame)], &mut control, RecvFlags::CMSG_CLOEXEC);
    let length = message.map_err(|error| error.to_string())?.bytes;
    let mut descriptor = None;
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut rights) = part {
            descriptor = rights.next();
        }
    }
    let (sequence, event) = Event::decode(&frame[..length]).map_err(|error| error.to_string())?;
    Ok((sequence, event, descriptor))
}

/// Opens a shell, then sends what no network process sends; nobody should come back from that.
fn nonsense(_: &Context, frame: &[u8]) -> Outcomes {
    let socket = socket();
    say(
        &socket,
        &Request::Open { account: ALICE, login: [0; 16], ticket: false, memory: None },
        5,
    )?;
    let (5, Event::Opened { .. }, Some(_keeper)) = hear(&socket, 10)? else {
        return Err("not opened".into());
    };
    println!("RESULT ok");
    send(&socket, frame, SendFlags::NOSIGNAL).map_err(|error| error.to_string())?;
    std::thread::sleep(Duration::from_secs(60));
    Err("the spawner lets it live".into())
}

fn malformed(mode: Mode) {
    for (name, _) in SCENARIOS.iter().take(9) {
        let place = Place::new(mode);
        let mut service = place.start(name, &[]);
        service.result(|_, _, action| panic!("{action}"));
        assert_eq!(service.exit_code(), Some(1), "{name}: {:?}", service.log);
        assert_eq!(
            crate::service::marked(&service.marker),
            Vec::<String>::new(),
            "{name}: left when the spawner ended"
        );
    }
}

/// A scenario after which the service must be as before: its descriptors are counted, and it stops in good order.
fn survives(mode: Mode, scenario: &str, options: &[&str]) {
    let place = Place::new(mode);
    let mut service = place.start(scenario, options);
    service.result(|_, spawner, action| match action {
        "count" if mode.is_root() => assert_descriptors(spawner),
        "count" => {}
        other => place_passwd(&place, other),
    });
    // Such a network process does not wait for Stop; it has exited, which is no graceful end.
    assert_eq!(service.exit_code(), Some(1), "{:?}", service.log);
    service.assert_nothing_left();
}

fn count(context: &Context) {
    ask(context, 0, "count");
}

fn ask(context: &Context, number: u32, action: &str) {
    println!("ASK {number} {action}");
    while !context.base.join("ack").join(number.to_string()).exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// 64 Opens whose keepers hang in a name look-up: the next one is refused at once, these when their time is over.
fn pending(context: &Context) -> Outcomes {
    let socket = socket();
    ask(context, 1, "hang");
    for sequence in 1..=64 {
        say(
            &socket,
            &Request::Open { account: ALICE, login: [0; 16], ticket: false, memory: None },
            sequence,
        )?;
    }
    expect(
        &socket,
        &Request::Open { account: ALICE, login: [0; 16], ticket: false, memory: None },
        65,
        Reason::PendingLimit,
    )?;
    for _ in 0..64 {
        let (_, Event::Refused { reason: Reason::TimedOut, .. }, None) = hear(&socket, 20)? else {
            return Err("not timed out".into());
        };
    }
    ask(context, 2, "heal");
    count(context);
    Ok(())
}

fn expect(socket: &OwnedFd, request: &Request, sequence: u32, reason: Reason) -> Outcomes {
    say(socket, request, sequence)?;
    match hear(socket, 10)? {
        (heard, Event::Refused { reason: given, .. }, None)
            if heard == sequence && given == reason =>
        {
            Ok(())
        }
        other => Err(format!("{request:?}: {other:?}")),
    }
}

fn requests(context: &Context) -> Outcomes {
    let socket = socket();
    for sequence in [0, 0, 7] {
        say(&socket, &Request::Ready, sequence)?;
    }
    for shell in [1, 77, u64::MAX] {
        expect(&socket, &Request::Close { shell }, 8, Reason::NoSuchShell)?;
        expect(&socket, &Request::KillSession { shell, session: 2 }, 9, Reason::NoSuchShell)?;
    }
    expect(
        &socket,
        &Request::Bind { address: "127.0.0.1:22".parse().unwrap() },
        10,
        Reason::NotListed,
    )?;
    expect(
        &socket,
        &Request::Open { account: [0xff; 16], login: [9; 16], ticket: false, memory: None },
        11,
        Reason::NotMapped,
    )?;
    if context.root {
        expect(
            &socket,
            &Request::Open { account: [5; 16], login: [0; 16], ticket: false, memory: None },
            12,
            Reason::RootNotAllowed,
        )?;
    }
    say(
        &socket,
        &Request::Open { account: ALICE, login: [0; 16], ticket: false, memory: None },
        13,
    )?;
    let (13, Event::Opened { shell, .. }, Some(keeper)) = hear(&socket, 10)? else {
        return Err("not opened".into());
    };
    // Sessions that are not below that keeper: this process's own, the spawner's, init's neighbour.
    let spawner = rustix::process::getppid().unwrap().as_raw_pid().unsigned_abs();
    for session in [std::process::id(), spawner, 2] {
        say(&socket, &Request::KillSession { shell, session }, 14)?;
    }
    say(&socket, &Request::Close { shell }, 15)?;
    say(&socket, &Request::Close { shell }, 16)?;
    let (0, Event::Ended { shell: ended }, None) = hear(&socket, 20)? else {
        return Err("not ended".into());
    };
    ensure!(ended == shell, "{ended} instead of {shell}");
    ensure!(ready(&keeper, PollFlags::IN, 1), "the keeper's socket is still open elsewhere");
    drop(keeper);
    count(context);
    Ok(())
}

fn many_descriptors(context: &Context) -> Outcomes {
    let socket = socket();
    let copies: Vec<OwnedFd> =
        (0..253).map(|_| rustix::io::fcntl_dupfd_cloexec(&socket, 10).unwrap()).collect();
    let borrowed: Vec<BorrowedFd<'_>> = copies.iter().map(|copy| copy.as_fd()).collect();
    for sequence in 1..20 {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        ensure!(control.push(SendAncillaryMessage::ScmRights(&borrowed)), "no room");
        let frame = Request::Accounts.encode(sequence);
        match sendmsg(&socket, &[IoSlice::new(&frame)], &mut control, SendFlags::NOSIGNAL) {
            // A kernel with SO_PASSRIGHTS refuses on the sender's side.
            Err(rustix::io::Errno::PERM) => {}
            Ok(_) => drop(hear(&socket, 10)?),
            Err(error) => return Err(error.to_string()),
        }
    }
    drop(borrowed);
    drop(copies);
    count(context);
    say(&socket, &Request::Accounts, 99)?;
    let (99, Event::File, Some(_)) = hear(&socket, 10)? else {
        return Err("no accounts afterwards".into());
    };
    Ok(())
}

/// Sends until the spawner no longer reads.
fn fill(socket: &OwnedFd, request: &Request) -> Result<u32, String> {
    let mut sent = 0;
    loop {
        match send(socket, &request.encode(sent + 1), SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(_) => sent += 1,
            // A pause, in which the spawner would go on reading if it did.
            Err(rustix::io::Errno::AGAIN) if ready(socket, PollFlags::OUT, 1) => {}
            Err(rustix::io::Errno::AGAIN) => return Ok(sent),
            Err(error) => return Err(error.to_string()),
        }
        ensure!(sent < 1_000_000, "a million frames and no end");
    }
}

fn flood(context: &Context) -> Outcomes {
    let socket = socket();
    for request in [
        Request::Close { shell: 5 },
        Request::Open { account: [0xee; 16], login: [0; 16], ticket: false, memory: None },
    ] {
        let sent = fill(&socket, &request)?;
        for wanted in 1..=sent {
            let (sequence, event, _) = hear(&socket, 10)?;
            ensure!(
                sequence == wanted && matches!(event, Event::Refused { .. }),
                "{event:?} for {sequence}, not {wanted}"
            );
        }
    }
    count(context);
    Ok(())
}

fn opens(context: &Context) -> Outcomes {
    let socket = socket();
    let sent = fill(
        &socket,
        &Request::Open { account: ALICE, login: [0; 16], ticket: false, memory: None },
    )?;
    // Only read, until everything is answered: the spawner listens to nobody who does not.
    let (mut opened, mut refused) = (Vec::new(), 0);
    while opened.len() + refused < sent as usize {
        match hear(&socket, 20)? {
            (_, Event::Opened { shell, .. }, Some(keeper)) => opened.push((shell, keeper)),
            (_, Event::Refused { .. }, None) => refused += 1,
            other => return Err(format!("{other:?}")),
        }
    }
    ensure!(
        !opened.is_empty() && refused > 0,
        "{} opened, {refused} refused of {sent}",
        opened.len()
    );
    for (shell, _) in &opened {
        say(&socket, &Request::Close { shell: *shell }, 0)?;
    }
    for _ in 0..opened.len() {
        let (0, Event::Ended { .. }, None) = hear(&socket, 20)? else {
            return Err("not ended".into());
        };
    }
    drop(opened);
    // Nothing is left of those that could not be delivered: each of the account's places becomes free again.
    let mut kept = Vec::new();
    let mut shells = Vec::new();
    while kept.len() < 10 {
        say(
            &socket,
            &Request::Open { account: ALICE, login: [0; 16], ticket: false, memory: None },
            1,
        )?;
        match hear(&socket, 20)? {
            (_, Event::Opened { shell, .. }, Some(keeper)) => {
                kept.push(keeper);
                shells.push(shell);
            }
            (_, Event::Refused { reason: Reason::AccountLimit, .. }, _) => {
                std::thread::sleep(Duration::from_millis(10))
            }
            other => return Err(format!("{other:?}")),
        }
    }
    for shell in &shells {
        say(&socket, &Request::Close { shell: *shell }, 0)?;
    }
    while !shells.is_empty() {
        let (0, Event::Ended { shell }, None) = hear(&socket, 20)? else {
            return Err("not ended".into());
        };
        shells.retain(|other| *other != shell);
    }
    count(context);
    Ok(())
}
