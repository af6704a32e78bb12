//! Invoke-Command in sessions that stay, commands that run on without their program, and Receive-PSSession.

use std::io::{BufRead as _, BufReader};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::sessions::{Place, objects};
use crate::tool;

/// Lines that a command writes: those of the numbers to `last`.
fn numbers(last: u32) -> String {
    (1..=last).map(|number| format!("{number}\n")).collect()
}

/// A script that writes numbers, slowly.
fn slowly(last: u32) -> String {
    format!("{{ 1..{last} | ForEach-Object {{ $_; Start-Sleep -Milliseconds 20 }} }}")
}

#[test]
fn commands_in_a_session_find_what_earlier_ones_left() {
    let place = Place::new();
    let there = place.there();
    let ran = place.script(&format!(
        "$s = New-PSSession {there} -Name one; Invoke-Command $s {{ $kept = 9 }}; Invoke-Command $s {{ $kept }}; \
         $f = {{ $kept + 1 }}; Invoke-Command -ScriptBlock $f -Session $s; $s.State"
    ));
    assert_eq!(ran.ended(0).stdout, "9\n10\nOpened\n");
    let mut second = place.cmdlet("Invoke-Command -Session one");
    let ran = tool::run(second.arg("{ $kept + 2 }")).ended(0);
    assert_eq!(ran.stdout, "11\n");
}

#[test]
fn command_runs_in_several_sessions_and_names_each() {
    let place = Place::new();
    let there = place.there();
    let line = format!(
        "$m = New-PSSession {there} -Name a; $n = New-PSSession {there} -Name b; Invoke-Command -Session $m, $n {{ [pscustomobject]@{{ a = 1 }} }}"
    );
    let mut json = place.line(&line);
    let ran = tool::run(json.arg("--json")).ended(0);
    let told = objects(&ran);
    assert_eq!(told.len(), 2, "{ran:#?}");
    assert_ne!(told[0]["RunspaceId"], told[1]["RunspaceId"]);
    let ended = place.script(&format!(
        "{}; Remove-PSSession $m; Invoke-Command -Session $m, $n {{ 'ok' }}",
        line.replace("[pscustomobject]@{ a = 1 }", "1")
    ));
    assert!(ended.stdout.ends_with("ok\n"), "{ended:#?}");
    assert!(ended.stderr.contains("The session state is Closed."), "{ended:#?}");
}

#[test]
fn session_that_is_closed_is_told_in_powershells_words() {
    let place = Place::new();
    let there = place.there();
    let ran = place.script(&format!(
        "$s = New-PSSession {there} -Name one; Invoke-Command $s {{ 'a'; exit 5; 'b' }}; $s.State; Invoke-Command $s {{ 1 }}"
    ));
    let shown = crate::invoke::without_guids(&ran.snapshot());
    insta::assert_snapshot!(shown);
}

#[test]
fn command_that_was_left_is_received_by_a_second_program() {
    let place = Place::new();
    let there = place.there();
    let left = place.script(&format!(
        "Invoke-Command {there} -InDisconnectedSession -SessionName long {}",
        slowly(100)
    ));
    let left = crate::invoke::without_guids(&left.ended(0).stdout);
    assert!(left.contains("long") && left.contains("Disconnected"), "{left}");
    let got = place.script("Receive-PSSession -Name long").ended(0);
    assert_eq!(got.stdout, numbers(100));
    // Nothing comes twice, and the session is there.
    assert_eq!(place.script("Receive-PSSession -Name long").ended(0).stdout, "");
    assert_eq!(place.script("Invoke-Command -Session long { 'on' }").ended(0).stdout, "on\n");
}

#[test]
fn command_that_was_left_is_received_on_another_machine() {
    let place = Place::new();
    let there = place.there();
    place
        .script(&format!("Invoke-Command {there} -Disconnected -SessionName far {{ 1..3; [pscustomobject]@{{ a = 1 }} }}"))
        .ended(0);
    let place = place.elsewhere();
    let mut json = place.line(&format!("Receive-PSSession {there} -Name far"));
    let ran = tool::run(json.arg("--json")).ended(0);
    let told = objects(&ran);
    assert_eq!(told.len(), 4, "{ran:#?}");
    assert_eq!((&told[2]["value"], &told[3]["a"]), (&3.into(), &1.into()));
    assert_eq!(told[0]["PSComputerName"], "localhost");
}

#[test]
fn command_in_the_background_is_received_in_the_same_script() {
    let place = Place::new();
    let there = place.there();
    let ran = place.script(&format!(
        "$s = New-PSSession {there} -Name one; $j = Invoke-Command $s -AsJob {{ $input | ForEach-Object {{ $_ + 1 }} }} -InputObject 1, 2; \
         $j.State; Receive-PSSession $j; Invoke-Command $s {{ 'on' }}"
    ));
    assert_eq!(ran.ended(0).stdout, "Disconnected\n2\n3\non\n");
    let ran = place.script(&format!(
        "$j = Invoke-Command {there} -AsJob -JobName night {{ 'done' }}; $j.Name; Receive-PSSession $j -OutTarget Job -WhatIf; \
         $k = Receive-PSSession $j -OutTarget Job; $k.Name; $j | Receive-PSSession"
    ));
    assert!(ran.stdout.starts_with("night\n"), "{ran:#?}");
    assert!(ran.stdout.ends_with("night\ndone\n"), "{ran:#?}");
}

#[test]
fn ctrl_c_stops_a_command_and_keeps_its_session() {
    let place = Place::new();
    let there = place.there();
    place
        .script(&format!("$s = New-PSSession {there} -Name one; Invoke-Command $s {{ $kept = 5 }}"))
        .ended(0);
    let child = tool::spawn(
        &mut place
            .line("Invoke-Command -Session one { while ($true) { Start-Sleep -Milliseconds 50 } }"),
    );
    tool::until("it runs", || place.service.log().contains("while ($true)"));
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    let ran = tool::finish(child);
    assert_eq!((ran.code(), ran.stderr.as_str()), (1, "Invoke-Command: interrupted\n"));
    assert_eq!(place.script("Invoke-Command -Session one { $kept }").ended(0).stdout, "5\n");
}

#[test]
fn ctrl_c_stops_a_command_that_is_received_and_keeps_its_session() {
    let place = Place::new();
    let there = place.there();
    let script = "{ 'begun'; while ($true) { Start-Sleep -Milliseconds 50 } }";
    place
        .script(&format!(
            "Invoke-Command {there} -InDisconnectedSession -SessionName busy {script}"
        ))
        .ended(0);
    let mut child = tool::spawn(&mut place.line("Receive-PSSession -Name busy"));
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "begun\n");
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(tool::wait(&mut child).code(), Some(1));
    assert_eq!(place.script("Invoke-Command -Session busy { 'on' }").ended(0).stdout, "on\n");
}

#[test]
fn output_is_received_from_a_command_while_it_runs() {
    let place = Place::new();
    let there = place.there();
    place
        .script(&format!(
            "Invoke-Command {there} -InDisconnectedSession -SessionName busy {}",
            slowly(150)
        ))
        .ended(0);
    let got = place.script("Receive-PSSession -Name busy").ended(0);
    assert_eq!(got.stdout, numbers(150));
    let missing = place.script("Receive-PSSession -Name nobody").ended(1);
    assert_eq!(
        missing.stderr,
        "Receive-PSSession: The remote session with the name nobody is not available.\n"
    );
}

#[test]
fn job_name_is_refused_where_a_session_has_a_name() {
    let place = Place::new();
    let received = place.script("Receive-PSSession -Name any -JobName j").ended(1);
    assert_eq!(
        received.stderr,
        "Receive-PSSession: -JobName: a session keeps the name that it has\n"
    );
    for (words, told) in [
        ("-Session 1 -AsJob -JobName j { 1 }", "-JobName: a session keeps the name that it has"),
        ("h -JobName j { 1 }", "-JobName names the session that -AsJob leaves, which is missing"),
        (
            "h -SessionName j { 1 }",
            "-SessionName names the session that -InDisconnectedSession leaves, which is missing",
        ),
        (
            "h -AsJob -InDisconnectedSession { 1 }",
            "-AsJob and -InDisconnectedSession mean the same: one of them is enough",
        ),
    ] {
        let ran = place.script(&format!("Invoke-Command {words}")).ended(1);
        assert_eq!(ran.stderr, format!("Invoke-Command: {told}\n"));
    }
}
