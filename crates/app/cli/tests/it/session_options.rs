//! What the options of sessions and the preferences do on the wire and to the session.

use std::net::TcpListener;
use std::time::Duration;

use client::{BufferMode, ListedPool, PoolOptions};
use psrp::clixml::Value;
use psrp::messages::PipelineState;

use crate::powershell::{Reachable, client_at, finish, led, options, outputs};
use crate::service::{PASSWORD, Service, USER, flavours};
use crate::sessions::{Place, facts, objects};
use crate::tool;

/// The only session of a service, as its host lists it.
fn listed(place: &Place) -> ListedPool {
    led(async {
        let mut pools = client_at(place.service.port).pools().await.unwrap();
        assert_eq!(pools.len(), 1, "{pools:?}");
        pools.remove(0)
    })
}

#[test]
fn options_come_from_an_object_a_hashtable_or_a_text() {
    let place = Place::new();
    let there = place.there();
    for option in [
        "(New-PSSessionOption -NoCompression -IdleTimeout 120000)",
        "@{ NoCompression = $true; IdleTimeout = 120000 }",
        "'NoCompression=true;IdleTimeout=120000'",
    ] {
        let line = format!("$o = {option}; New-PSSession {there} -SessionOption $o");
        let ran = place.script(&line).ended(0);
        assert!(ran.stdout.contains("Opened"), "{ran:#?}");
    }
    let line =
        format!("New-PSSession {there} -SessionOption NoCompression=true;IdleTimeout=120000");
    place.shell(&line).ended(0);
    let list = std::fs::read_to_string(place.state.path().join("transom/sessions.json")).unwrap();
    assert_eq!(list.matches("\"IsCompressed\": false").count(), 4, "{list}");
    assert_eq!(list.matches("\"IdleTimeout\": 120000").count(), 4, "{list}");
}

#[test]
fn sessions_are_compressed_by_default_and_taken_over_as_they_are() {
    let place = Place::new();
    place.made("-Name squeezed");
    place.made("-Name plain -SessionOption NoCompression=true");
    for name in ["squeezed", "plain"] {
        let told = place.told(&format!("Connect-PSSession -Name {name}"));
        assert!(told[0].ends_with("Disconnected None"), "{told:?}");
    }
}

#[test]
fn preferences_hold_where_a_parameter_is_missing() {
    let place = Place::new();
    let there = place.there();
    let settings = tool::client_settings(
        "PSSessionApplicationName = \"nowhere\"\nPSSessionConfigurationName = \"Missing\"\n[PSSessionOption]\nIdleTimeout = 90000\n",
    );
    let run = |line: &str| tool::run(place.line(line).env("XDG_CONFIG_HOME", settings.path()));
    let shown =
        run("$PSSessionApplicationName; $PSSessionConfigurationName; $PSSessionOption.IdleTimeout")
            .ended(0);
    assert_eq!(shown.stdout, "nowhere\nMissing\n00:01:30\n");
    let nowhere = run(&format!("New-PSSession {there}")).ended(1);
    assert!(nowhere.stderr.contains("404"), "{nowhere:#?}");
    let missing = run(&format!("New-PSSession {there} -ApplicationName wsman")).ended(1);
    assert!(missing.stderr.contains("Missing"), "{missing:#?}");
    // A parameter beats a variable of the script, which beats the file.
    let line = format!(
        "$PSSessionApplicationName = 'wsman'; $PSSessionConfigurationName = 'x'; \
         New-PSSession {there} -ConfigurationName Microsoft.PowerShell"
    );
    run(&line).ended(0);
    let list = std::fs::read_to_string(place.state.path().join("transom/sessions.json")).unwrap();
    assert!(list.contains("\"IdleTimeout\": 90000"), "{list}");
    let own = format!(
        "$PSSessionOption = New-PSSessionOption -IdleTimeout 80000; $PSSessionApplicationName = 'wsman'; \
         New-PSSession {there} -ConfigurationName Microsoft.PowerShell"
    );
    run(&own).ended(0);
    let list = std::fs::read_to_string(place.state.path().join("transom/sessions.json")).unwrap();
    assert!(list.contains("\"IdleTimeout\": 80000"), "{list}");
}

#[test]
fn own_preferences_are_powershells() {
    let place = Place::new();
    let ran = place
        .script(
            "$PSSessionApplicationName; $PSSessionConfigurationName; $PSSessionOption.OpenTimeout",
        )
        .ended(0);
    assert_eq!(ran.stdout, "wsman\nMicrosoft.PowerShell\n00:03:00\n");
}

#[test]
fn idle_timeout_and_buffering_of_a_session_are_what_was_asked_for() {
    let place = Place::new();
    let seconds = |pool: &ListedPool| pool.idle_timeout().unwrap().as_secs();
    place.made("-Name a -SessionOption IdleTimeout=600000;OutputBufferingMode=Drop");
    let found = listed(&place);
    assert_eq!((seconds(&found), found.buffer_mode()), (600, Some(BufferMode::Drop)));
    let told =
        place.told("Disconnect-PSSession -Name a -IdleTimeoutSec 300 -OutputBufferingMode Block");
    assert_eq!(told, ["1 a Disconnected None"]);
    let found = listed(&place);
    assert_eq!((seconds(&found), found.buffer_mode()), (300, Some(BufferMode::Block)));
}

#[test]
fn application_arguments_arrive_in_the_session() {
    let place = Place::new();
    place.made("-Name a -SessionOption @{ApplicationArguments=@{Team='IT';Use=1}}");
    let id = listed(&place).id();
    led(async {
        let client = client_at(place.service.port);
        let options = PoolOptions { compression: true, ..PoolOptions::default() };
        let pool = client.connect_pool(id, options).await.unwrap();
        let script =
            "$PSSenderInfo.ApplicationArguments.Team; $PSSenderInfo.ApplicationArguments.Use";
        let (output, _) = finish(&pool, script).await.unwrap();
        assert_eq!(output, [Value::from("IT"), Value::Int32(1)]);
        pool.close().await.unwrap();
    });
}

#[test]
fn host_that_never_answers_is_given_up_when_the_options_say() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let place = Place::new();
    let there = format!("-ComputerName 127.0.0.1 -Port {port} -Credential {USER}");
    let open =
        place.shell(&format!("New-PSSession {there} -SessionOption OpenTimeout=300")).ended(1);
    let told = "New-PSSession: [127.0.0.1] no answer within 0.3 s";
    assert!(open.stderr.starts_with(told), "{open:#?}");
    let get = place.shell(&format!("Get-PSSession {there} -SessionOption OperationTimeout=1000"));
    let get = get.ended(1);
    assert!(get.stderr.starts_with("Get-PSSession: [127.0.0.1] no answer within "), "{get:#?}");
}

#[test]
fn certificate_that_nobody_knows_is_taken_with_the_options_that_say_so() {
    let engine = Reachable::find();
    let service = Service::https(flavours()[0], &engine.settings());
    let state = tempfile::tempdir().unwrap();
    let run = |more: &str| {
        let mut command = tool::transom();
        let line = format!(
            "New-PSSession -ComputerName localhost -UseSSL -Port {} -Credential {USER} {more}",
            service.port
        );
        command.args(line.split_whitespace());
        command.env("XDG_STATE_HOME", state.path()).env("TRANSOM_PASSWORD", PASSWORD);
        tool::run(&mut command)
    };
    let refused = run("").ended(1);
    assert!(refused.stderr.contains("certificate"), "{refused:#?}");
    run("-SessionOption SkipCACheck=true").ended(0);
}

#[test]
fn pipeline_that_sends_more_than_it_may_is_given_up_and_the_session_stays() {
    let place = Place::new();
    led(async {
        let most = PoolOptions { max_data_per_command: Some(500_000), ..PoolOptions::default() };
        let pool = client_at(place.service.port).open_pool(most).await.unwrap();
        let error = finish(&pool, "Get-Large 1").await.unwrap_err();
        let told = "exceeded the allowed maximum. The allowed maximum is 500000.";
        assert!(error.contains(told), "{error}");
        assert_eq!(finish(&pool, "7").await.unwrap().0, [Value::Int32(7)]);
        pool.close().await.unwrap();
    });
}

#[test]
fn pipeline_that_does_not_stop_in_time_is_given_up() {
    let place = Place::new();
    led(async {
        let at_once = PoolOptions { cancel_timeout: Duration::ZERO, ..PoolOptions::default() };
        let client = client_at(place.service.port);
        let pool = client.open_pool(at_once).await.unwrap();
        let mut pipeline = pool.invoke(options("Start-Sleep -Seconds 60")).await.unwrap();
        pipeline.input().stop().await.unwrap();
        let error = outputs(&mut pipeline).await.unwrap_err();
        assert!(error.contains("no answer within 0 s (Signal on "), "{error}");
        let patient = client.open_pool(PoolOptions::default()).await.unwrap();
        let mut pipeline = patient.invoke(options("Start-Sleep -Seconds 60")).await.unwrap();
        pipeline.input().stop().await.unwrap();
        assert_eq!(outputs(&mut pipeline).await.unwrap().1, PipelineState::Stopped);
        for pool in [pool, patient] {
            pool.close().await.unwrap();
        }
    });
}

#[test]
fn charset_is_taken_and_no_encryption_needs_consent() {
    let place = Place::new();
    let there = place.there();
    let ran = place.shell(&format!("New-PSSession {there} --json -SessionOption UseUTF16=true"));
    assert_eq!(facts(&objects(&ran.ended(0))[0]), "1 Runspace1 Disconnected None");
    let ran =
        place.shell(&format!("New-PSSession {there} -SessionOption NoEncryption=true")).ended(1);
    assert!(ran.stderr.contains("unencrypted traffic is disabled"), "{ran:#?}");
}
