//! What the options of sessions and the preferences do on the wire and to the session.

use crate::service::USER;
use crate::sessions::{Place, facts, objects};
use crate::tool;

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
fn idle_timeout_of_a_session_is_what_was_asked_within_the_hosts_most() {
    let place = Place::configured("[Shell]\nIdleTimeout = 7200000\n");
    place.made("-Name a -SessionOption IdleTimeout=600000");
    let told = place.told("Disconnect-PSSession -Name a -IdleTimeoutSec 300");
    assert_eq!(told, ["1 a Disconnected None"]);
}

#[test]
fn charset_encryption_and_waiting_options_are_noted_or_refused() {
    let place = Place::new();
    let there = place.there();
    let ran = place.shell(&format!("New-PSSession {there} --json -SessionOption UseUTF16=true"));
    assert_eq!(facts(&objects(&ran.ended(0))[0]), "1 Runspace1 Disconnected None");
    let ran =
        place.shell(&format!("New-PSSession {there} -SessionOption NoEncryption=true")).ended(1);
    assert!(ran.stderr.contains("unencrypted traffic is disabled"), "{ran:#?}");
    let line = format!(
        "New-PSSession {there} -Verbose -SessionOption IncludePortInSPN=true;SkipRevocationCheck=true"
    );
    let ran = place.shell(&line).ended(0);
    assert!(ran.stderr.contains("IncludePortInSPN waits for logins by Kerberos"), "{ran:#?}");
    assert!(ran.stderr.contains("asks nobody whether a certificate was revoked"), "{ran:#?}");
    let uri = format!("{}/wsman", place.service.url);
    let ran = place
        .shell(&format!(
            "New-PSSession -ConnectionUri {uri} -AllowRedirection -Credential {USER} -Verbose"
        ))
        .ended(0);
    assert!(ran.stderr.contains("this version follows no redirection"), "{ran:#?}");
}
