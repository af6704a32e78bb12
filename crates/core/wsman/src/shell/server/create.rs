//! What a Create asks for, checked against what its kind of shell has.

use std::time::Duration;

use super::faults;
use crate::duration;
use crate::fault::Fault;
use crate::shell::{InputStream, OutputStream, Profile, ShellDescription};

/// Both lists of streams must be in the answers, [MS-WSMV] 3.1.4.5.2: what the Create names, else
/// what there is.
pub(super) fn names_or(named: &[String], all: Vec<String>) -> Vec<String> {
    if named.is_empty() { all } else { named.to_vec() }
}

/// The output streams that the Create wants; all where it names none.
pub(super) fn output_streams(
    profile: Profile,
    description: &ShellDescription,
) -> Result<Vec<OutputStream>, Box<Fault>> {
    let names = &description.output_streams;
    if names.is_empty() {
        return Ok(profile.outputs.to_vec());
    }
    let unknown = || {
        let there = profile.output_names().join(" and ");
        faults::invalid_parameter(profile, &format!("the shell has the output streams {there}"))
    };
    let mut streams = Vec::new();
    for name in names {
        let stream = OutputStream::from_name(name);
        let stream = stream.filter(|stream| profile.outputs.contains(stream));
        let stream = stream.ok_or_else(unknown)?;
        if !streams.contains(&stream) {
            streams.push(stream);
        }
    }
    Ok(streams)
}

/// Drops what the shell never tells anybody: it would cost memory for as long as the shell lives, up
/// to many times the envelope that brought it.
pub(super) fn keep_what_is_told(profile: Profile, description: &mut ShellDescription) {
    let ShellDescription {
        environment,
        working_directory,
        input_streams,
        output_streams,
        name,
        shell_id: _,
        lifetime: _,
        idle_timeout: _,
        creation_xml: _,
        attributes: _,
        other: _,
    } = std::mem::take(description);
    let distinct = |names: Vec<String>| {
        let mut kept: Vec<String> = Vec::new();
        for name in names {
            // Only the few names that exist have come so far.
            if !kept.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                kept.push(name);
            }
        }
        kept
    };
    *description = ShellDescription {
        environment,
        working_directory,
        input_streams: distinct(input_streams),
        output_streams: distinct(output_streams),
        name: name.filter(|_| profile.is_plug_in),
        ..ShellDescription::default()
    };
}

pub(super) fn check_input_streams(
    profile: Profile,
    description: &ShellDescription,
) -> Result<(), Box<Fault>> {
    let known = |name: &String| {
        InputStream::from_name(name).is_some_and(|stream| profile.inputs.contains(&stream))
    };
    if description.input_streams.iter().all(known) {
        return Ok(());
    }
    let there = profile.input_names().join(" and ");
    let text = format!("the shell has the input streams {there}");
    Err(faults::invalid_parameter(profile, &text))
}

/// Windows's client makes no longer names, `ERROR_WSMAN_CLIENT_CREATESHELL_NAME_INVALID`.
const MAX_NAME: usize = 255;

pub(super) fn check_name(
    profile: Profile,
    description: &ShellDescription,
) -> Result<(), Box<Fault>> {
    match &description.name {
        Some(name) if profile.is_plug_in && name.chars().count() > MAX_NAME => {
            Err(faults::invalid_parameter(profile, "the name of the shell is too long"))
        }
        Some(_) | None => Ok(()),
    }
}

/// A duration of a request.
pub(super) fn length(
    profile: Profile,
    duration: &duration::Duration,
) -> Result<Duration, Box<Fault>> {
    let negative = || faults::invalid_parameter(profile, "a duration is negative");
    duration.length().ok_or_else(negative)
}
