//! Much data through one command: unchanged, and in memory that does not depend on how much it is.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::thread;

use crate::service::{Service, flavours};
use crate::tool;

const MEGABYTE: usize = 1024 * 1024;
/// What goes through: enough that memory which grew with it would be seen.
const MUCH: usize = if cfg!(debug_assertions) { 256 * MEGABYTE } else { 1024 * MEGABYTE };
/// Most memory of `winrs`, in KiB.
const CLIENT: u64 = 64 * 1024;
/// Most memory of each process of the service, in KiB.
const SERVICE: u64 = 128 * 1024;

#[test]
fn output_of_any_length_takes_a_bounded_memory_on_both_sides() {
    let service = Service::start(flavours()[0]);
    let mut command = service.winrs(&[&format!("head -c {MUCH} /dev/zero")]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let (mut length, mut client, mut processes) = (0, 0, 0);
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
            assert!(peaks.len() >= 3, "spawner, network, keeper: {peaks:?}");
            processes = peaks.into_iter().fold(processes, u64::max);
        }
        length += read;
    }
    assert!(tool::wait(&mut child).success());
    assert_eq!(length, MUCH);
    assert!((1..CLIENT).contains(&client), "winrs: {client} KiB");
    assert!((1..SERVICE).contains(&processes), "service: {processes} KiB");
}

#[test]
fn input_goes_in_smaller_pieces_to_a_service_that_takes_only_those() {
    // Less than our client sends when it may, and less than what every service takes by default.
    for kilobytes in [200, 64] {
        let settings = format!("MaxEnvelopeSizekb = {kilobytes}\n");
        let service = Service::configured(flavours()[0], &settings);
        let input: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        let expected = tool::run_with_input(&mut tool::program("cksum"), &input).ended(0);
        let mut command = service.winrs(&["cksum"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writer = thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        assert!(output.status.success());
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected.stdout, "{kilobytes} KB");
    }
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
