//! Validates every envelope that a test run sent, of both roles, against the published schemas.
//!
//! Debug builds of the client and of the service append what they send to files in the folder that `TRANSOM_ENVELOPES` names. Ids differ
//! in each of them and say nothing: envelopes that differ in ids only are validated once.

mod schemas;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::report::Report;
use crate::workspace::Workspace;

/// The variable by which the programs are told where.
pub(crate) const VARIABLE: &str = "TRANSOM_ENVELOPES";
/// Envelopes that one xmllint validates.
const BATCH: usize = 400;
/// Problems that are shown.
const SHOWN: usize = 20;

/// What the schemas do not allow and is right all the same: part of what xmllint says, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    (
        "The QName value '{http://schemas.dmtf.org/wbem/wscim/1/common}",
        "xsi:type names a type of DSP0230's common.xsd, which is not among the schemas (MSFT_WmiError, as Windows writes it)",
    ),
    (
        "'many' is not a valid value of the atomic type 'xs:unsignedLong'",
        "a test has the client send a value that the service must refuse",
    ),
];

/// Where a test run puts what it sends. Services run as users who may not read the build folder.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn make() -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("transom-envelopes-{}", std::process::id()));
        let made = fs::create_dir(&path)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o1777)));
        made.map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays is a folder of a test run in the folder for what is temporary.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// What was sent.
#[derive(Debug, Default)]
struct Sent {
    client: usize,
    service: usize,
    /// Different but for ids, each with an example of it.
    distinct: BTreeMap<String, Vec<u8>>,
}

/// Validates what a run kept that was not a test run's.
pub(crate) fn run(workspace: &Workspace, folder: &Path) -> Result<bool, String> {
    let mut report = Report::default();
    check(workspace, folder, &mut report, true)?;
    println!("\n{report}");
    Ok(report.counts().failed == 0)
}

/// Validates what is in the folder. What is wrong becomes a failure of the report; a whole run must have sent something.
pub(crate) fn check(
    workspace: &Workspace,
    folder: &Path,
    report: &mut Report,
    is_whole: bool,
) -> Result<(), String> {
    let Some(corpora) = workspace.corpora() else {
        report.line(
            "SKIPPED every_envelope_validates: the schemas are not there (../shared/corpora)",
        );
        return Ok(());
    };
    let place = workspace.target.join("envelopes");
    let empty = if place.exists() { fs::remove_dir_all(&place) } else { Ok(()) };
    empty.map_err(|error| format!("{}: {error}", place.display()))?;
    let schema = schemas::prepare(&corpora, &place.join("schemas"))?;
    for problem in controls(&schema, &place.join("controls"))? {
        report.failure(problem);
    }
    let sent = read(folder)?;
    if is_whole && (sent.client == 0 || sent.service == 0) {
        let Sent { client, service, .. } = sent;
        report.failure(format!(
            "the run kept {client} envelopes of clients and {service} of services"
        ));
    }
    let messages = place.join("messages");
    let problems = validate(&schema, &messages, &sent)?;
    let mut excused: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for problem in problems {
        match EXCEPTIONS.iter().find(|(text, _)| problem.contains(text)) {
            Some((_, why)) => *excused.entry(why).or_default() += 1,
            None => wrong.push(problem),
        }
    }
    println!(
        "envelopes: {} of clients, {} of services, {} different, {} problems",
        sent.client,
        sent.service,
        sent.distinct.len(),
        wrong.len()
    );
    for (why, count) in excused {
        println!("  {count} allowed: {why}");
    }
    for problem in wrong.iter().take(SHOWN) {
        println!("  {problem}");
    }
    if !wrong.is_empty() {
        report.failure(format!(
            "{} problems of envelopes: see {}",
            wrong.len(),
            messages.display()
        ));
    }
    Ok(())
}

/// Reads the files of all processes.
fn read(folder: &Path) -> Result<Sent, String> {
    let at = |error: io::Error| format!("{}: {error}", folder.display());
    let mut sent = Sent::default();
    for entry in fs::read_dir(folder).map_err(at)? {
        let bytes = fs::read(entry.map_err(at)?.path()).map_err(at)?;
        let mut rest = bytes.as_slice();
        while let Some((role, envelope, next)) = record(rest) {
            match role {
                "client" => sent.client += 1,
                _ => sent.service += 1,
            }
            let key = without_ids(&String::from_utf8_lossy(envelope));
            sent.distinct.entry(key).or_insert_with(|| envelope.to_vec());
            rest = next;
        }
        // A process that is killed may leave half a record at the end.
    }
    Ok(sent)
}

/// The first record: `ROLE OCTETS`, a line end, the envelope, a line end.
fn record(bytes: &[u8]) -> Option<(&str, &[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (head, rest) = bytes.split_at_checked(end)?;
    let (role, length) = std::str::from_utf8(head).ok()?.split_once(' ')?;
    let (envelope, rest) = rest.get(1..)?.split_at_checked(length.parse().ok()?)?;
    Some((role, envelope, rest.strip_prefix(b"\n")?))
}

/// The text with every GUID as the same one, which no schema tells from another.
fn without_ids(text: &str) -> String {
    const LENGTH: usize = 36;
    let bytes = text.as_bytes();
    let is_guid = |at: usize| {
        bytes.get(at..at + LENGTH).is_some_and(|guid| {
            guid.iter().enumerate().all(|(place, byte)| match place {
                8 | 13 | 18 | 23 => *byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
        })
    };
    let mut kept = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('-')).map(|found| at + found) {
        match found.checked_sub(8).filter(|start| *start >= at && is_guid(*start)) {
            Some(start) => {
                kept.push_str(text.get(at..start).unwrap_or_default());
                kept.push_str("GUID");
                at = start + LENGTH;
            }
            None => {
                kept.push_str(text.get(at..=found).unwrap_or_default());
                at = found + 1;
            }
        }
    }
    kept.push_str(text.get(at..).unwrap_or_default());
    kept
}

/// What xmllint has to say about them, a line for each problem.
fn validate(schema: &Path, folder: &Path, sent: &Sent) -> Result<Vec<String>, String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths = Vec::new();
    for (number, envelope) in sent.distinct.values().enumerate() {
        let path = folder.join(format!("{number}.xml"));
        fs::write(&path, envelope).map_err(|error| format!("{}: {error}", path.display()))?;
        paths.push(path);
    }
    let mut problems = Vec::new();
    let mut valid = BTreeSet::new();
    for batch in paths.chunks(BATCH) {
        let Output { stderr, .. } = xmllint(schema, batch)?;
        for line in String::from_utf8_lossy(&stderr).lines() {
            match line.strip_suffix(" validates") {
                Some(path) => drop(valid.insert(PathBuf::from(path))),
                None if line.contains(": ") => problems.push(line.to_owned()),
                // The end of a problem, or its sum.
                None => {}
            }
        }
    }
    let silent = paths.iter().filter(|path| !valid.contains(*path)).count();
    if silent > 0 && problems.is_empty() {
        problems.push(format!("xmllint says nothing about {silent} envelopes"));
    }
    for path in &valid {
        drop(fs::remove_file(path));
    }
    Ok(problems)
}

fn xmllint(schema: &Path, files: &[PathBuf]) -> Result<Output, String> {
    let mut command = Command::new("xmllint");
    command.args(["--noout", "--nonet", "--huge", "--schema"]).arg(schema).args(files);
    command.output().map_err(|error| format!("xmllint: {error}"))
}

/// An envelope that is right, and mistakes of the kinds that the schemas shall catch: what is not caught is a failure.
fn controls(schema: &Path, folder: &Path) -> Result<Vec<String>, String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let verdict = |name: &str, text: &str| {
        let path = folder.join(format!("{name}.xml"));
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        let output = xmllint(schema, &[path])?;
        Ok::<_, String>((
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ))
    };
    let mut problems = Vec::new();
    let (is_valid, said) = verdict("right", RIGHT)?;
    if !is_valid {
        problems.push(format!("the schemas refuse an envelope that is right: {said}"));
    }
    for (number, (from, to)) in MISTAKES.iter().enumerate() {
        let wrong = RIGHT.replacen(from, to, 1);
        let (is_valid, _) = verdict(&format!("mistake-{number}"), &wrong)?;
        if is_valid || wrong == RIGHT {
            problems.push(format!("the schemas do not catch {to} for {from}"));
        }
    }
    Ok(problems)
}

const RIGHT: &str = include_str!("right.xml");

/// What is changed in [`RIGHT`]: an order, a type, a name, something that is missing, something too many.
const MISTAKES: &[(&str, &str)] = &[
    ("<s:Body>", "<s:Bodies>"),
    ("<w:OperationTimeout>PT60.000S<", "<w:OperationTimeout>60<"),
    (
        "<w:MaxEnvelopeSize s:mustUnderstand=\"true\">153600<",
        "<w:MaxEnvelopeSize s:mustUnderstand=\"true\">0<",
    ),
    ("s:mustUnderstand=\"false\"", "s:mustUnderstand=\"no\""),
    ("<w:Locale xml:lang=\"en-US\"", "<w:Locale"),
    ("<w:Selector Name=\"ShellId\">", "<w:Selector>"),
    ("<a:Address>", "<a:Other/><a:Address>"),
    ("<p:SequenceId>1<", "<p:SequenceId>one<"),
    (
        "<rsp:Command>dir</rsp:Command><rsp:Arguments>/w</rsp:Arguments>",
        "<rsp:Arguments>/w</rsp:Arguments><rsp:Command>dir</rsp:Command>",
    ),
    ("<rsp:Stream Name=\"stdin\">", "<rsp:Stream>"),
    (">ZGly<", ">Z!!y<"),
    ("<n:EnumerationContext/>", ""),
    ("<f:WSManFault Code=\"5\"", "<f:WSManFault Code=\"five\""),
    ("<cfg:Basic Source=\"GPO\">true<", "<cfg:Basic Source=\"GPO\">yes<"),
    ("<cfg:Kerberos>", "<cfg:Kerberos/><cfg:Kerberos>"),
    ("<wsmid:ProtocolVersion>urn:x</wsmid:ProtocolVersion>", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_until_one_is_cut_off() {
        let bytes = b"client 3\n<a>\nservice 0\n\nclient 9\n<b>";
        let (role, envelope, rest) = record(bytes).unwrap();
        assert_eq!((role, envelope), ("client", b"<a>".as_slice()));
        let (role, envelope, rest) = record(rest).unwrap();
        assert_eq!((role, envelope), ("service", b"".as_slice()));
        assert!(record(rest).is_none());
        assert!(record(b"").is_none() && record(b"x y\n").is_none());
    }

    #[test]
    fn envelopes_that_differ_in_ids_only_are_one() {
        let text = |guid: &str| format!("<a>uuid:{guid}</a><b>{guid}{guid}</b>-x- é {guid}");
        let one = "11223344-5566-7788-99AA-BBCCDDEEFF00";
        let other = "00000000-aaaa-0000-ffff-000000000000";
        assert_eq!(without_ids(&text(one)), without_ids(&text(other)));
        assert_eq!(without_ids(&text(one)), "<a>uuid:GUID</a><b>GUIDGUID</b>-x- é GUID");
        let none = "11223344-5566-7788-99AA-BBCCDDEEFFxx-1234567-8";
        assert_eq!(without_ids(none), none);
    }

    #[test]
    fn schemas_catch_mistakes() {
        let workspace = Workspace::find().unwrap();
        let Some(corpora) = workspace.corpora() else {
            println!("SKIPPED schemas_catch_mistakes: the schemas are not there");
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let schema = schemas::prepare(&corpora, &folder.path().join("schemas")).unwrap();
        let problems = controls(&schema, &folder.path().join("controls")).unwrap();
        assert!(problems.is_empty(), "{problems:#?}");
    }
}
