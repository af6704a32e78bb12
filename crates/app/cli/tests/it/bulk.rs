//! Much data through one command: unchanged, and in memory that does not depend on how much it is.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::thread;

use crate::service::{Service, flavours};
use crate::tool::{self, Ran};

const MEGABYTE: usize = 1024 * 1024;
/// What goes through: enough that memory which grew with it would be seen.
const MUCH: usize = if cfg!(debug_assertions) { 160 * MEGABYTE } else { 1024 * MEGABYTE };
/// Most memory of `winrs`, in KiB.
const CLIENT: u64 = 64 * 1024;
/// Most memory of each process of the service, in KiB.
const SERVICE: u64 = 128 * 1024;

#[test]
fn output_of_any_length_takes_a_bounded_memory_on_both_sides() {
    let service = Service::https(flavours()[0], "");
    let authority = service.certificate();
    let line = format!("head -c {MUCH} /dev/zero");
    let mut command = service.winrs(&["--ca", authority.to_str().unwrap(), &line]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let (mut length, mut client, mut largest, mut count) = (0, 0, 0, 0);
    let mut piece = vec![0; MEGABYTE];
    loop {
        let read = stdout.read(&mut piece).unwrap();
        if read == 0 {
            break;
        }
        assert!(piece[..read].iter().all(|&byte| byte == 0));
        if length / (16 * MEGABYTE) != (length + read) / (16 * MEGABYTE) {
            client = client.max(peak(child.id()).unwrap_or_default());
            let peaks: Vec<u64> = family(service.spawner()).filter_map(peak).collect();
            count = count.max(peaks.len());
            largest = peaks.into_iter().fold(largest, u64::max);
        }
        length += read;
    }
    assert!(tool::wait(&mut child).success());
    assert_eq!(length, MUCH);
    assert!((1..CLIENT).contains(&client), "winrs: {client} KiB");
    assert!(count >= 3, "spawner, network, keeper: {count} processes were seen");
    assert!((1..SERVICE).contains(&largest), "service: {largest} KiB");
}

/// Longer than one message.
fn input() -> Vec<u8> {
    (0..300_000_u32).flat_map(u32::to_le_bytes).collect()
}

/// What `cksum` says of the input on the other side.
fn sum(mut winrs: Command) -> Ran {
    let mut child =
        winrs.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Whoever gives up reads no more of it.
    let writer = thread::spawn(move || drop(stdin.write_all(&input())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Ran::from(output)
}

#[test]
fn input_goes_in_smaller_pieces_to_a_service_that_takes_only_those() {
    let expected = tool::run_with_input(&mut tool::program("cksum"), &input()).ended(0);
    // Less than our client sends when it may, and less than what every service takes by default.
    for kilobytes in [200, 64] {
        let settings = format!("MaxEnvelopeSizekb = {kilobytes}\n");
        let service = Service::https(flavours()[0], &settings);
        let authority = service.certificate();
        let summed = sum(service.winrs(&["--ca", authority.to_str().unwrap(), "cksum"])).ended(0);
        assert_eq!(summed.stdout, expected.stdout, "{kilobytes} KB");
    }
    let service = Service::configured(flavours()[0], "MaxEnvelopeSizekb = 200\n");
    assert_eq!(sum(service.winrs(&["cksum"])).ended(0).stdout, expected.stdout);
}

#[test]
fn refusal_that_anybody_could_have_made_up_repeats_no_input() {
    let service = Service::configured(flavours()[0], "MaxEnvelopeSizekb = 64\n");
    let refused = sum(service.winrs(&["cksum"])).ended(255);
    assert!(refused.stderr.contains("MaxEnvelopeSizekb"), "{}", refused.stderr);
}

/// The most memory that a process has had, in KiB; `None` when it is gone.
fn peak(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// A process and those below it.
fn family(root: u32) -> impl Iterator<Item = u32> {
    let mut found = vec![root];
    let all: Vec<(u32, u32)> = fs::read_dir("/proc").unwrap().flatten().filter_map(stat).collect();
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(all.iter().filter(|(_, above)| *above == parent).map(|(process, _)| *process));
        next += 1;
    }
    found.into_iter()
}

/// Id and parent of a process.
fn stat(entry: fs::DirEntry) -> Option<(u32, u32)> {
    let process = entry.file_name().to_str()?.parse().ok()?;
    let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
    let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
    Some((process, parent))
}
