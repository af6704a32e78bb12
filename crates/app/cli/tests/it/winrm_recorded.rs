//! `winrm` with the recorded answers of hosts that are not ours: Intel AMT and Windows. What we ask of them is looked at, and
//! the whole output stands in the snapshots.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use testkit::{Recorded, corpora, read};

use crate::tool::{self, Ran, client_settings};

/// Runs `winrm` with these words against a host with these answers; what it was asked comes with the output.
#[track_caller]
fn run(answers: Vec<String>, words: &[&str]) -> (Ran, Vec<String>) {
    let count = answers.len();
    let host = Recorded::start(answers);
    let settings = client_settings("AllowUnencrypted = true\n");
    let mut command: Command = tool::winrm();
    command.args(words).arg(format!("-r:http://127.0.0.1:{}/wsman", host.port));
    command.args(["-u:admin", "-a:digest"]).env("TRANSOM_PASSWORD", "P@ssw0rd");
    let ran = tool::run(command.env("XDG_CONFIG_HOME", settings.path()));
    let requests = host.requests();
    assert_eq!(requests.len(), count, "{ran:#?}");
    (ran, requests)
}

/// An answer of Intel AMT.
fn amt(folder: &std::path::Path, name: &str) -> String {
    read(&folder.join("intel-amt/pkg/wsman/wsmantesting/responses").join(name))
}

/// An answer of the protocol's own examples, which are Windows's.
fn example(folder: &std::path::Path, name: &str) -> String {
    let found: Vec<PathBuf> = ["ms-wsmv/envelopes", "ms-wsmv/xml", "ms-wsmv"]
        .map(|place| folder.join(place).join(name))
        .into_iter()
        .filter(|path| path.is_file())
        .collect();
    fs::read_to_string(found.first().unwrap_or_else(|| panic!("{name} is not there"))).unwrap()
}

/// The answers of a recorded conversation of pypsrp with Windows.
fn conversation(folder: &std::path::Path, name: &str) -> Vec<String> {
    let text = read(&folder.join("pypsrp/responses").join(name));
    text.lines().filter_map(|line| line.strip_prefix("  response: ")).map(str::to_owned).collect()
}

#[test]
fn instance_of_intel_amt_is_shown_in_every_format() {
    let Some(folder) = corpora("instance_of_intel_amt_is_shown_in_every_format") else { return };
    let uri = "http://intel.com/wbem/wscim/1/amt-schema/1/AMT_GeneralSettings";
    let get = || vec![amt(&folder, "amt/general/get.xml")];
    let (ran, requests) =
        run(get(), &["get", &format!("{uri}?InstanceID=Intel(r) AMT: General Settings")]);
    insta::assert_snapshot!("amt_get_text", ran.ended(0).snapshot());
    assert!(
        requests[0].contains(
            "<w:Selector Name=\"InstanceID\">Intel(r) AMT: General Settings</w:Selector>"
        )
    );
    for format in ["xml", "pretty", "json"] {
        let (ran, _) = run(get(), &["get", uri, &format!("-format:{format}")]);
        insta::assert_snapshot!(format!("amt_get_{format}"), ran.ended(0).snapshot());
    }
}

#[test]
fn fans_and_references_of_hardware_are_enumerated_with_a_pull() {
    let Some(folder) = corpora("fans_and_references_of_hardware_are_enumerated_with_a_pull") else {
        return;
    };
    let answers = vec![amt(&folder, "cim/fan/enumerate.xml"), amt(&folder, "cim/fan/pull.xml")];
    let (ran, requests) = run(answers, &["enumerate", "cimv2/CIM_Fan"]);
    insta::assert_snapshot!("amt_enumerate_fans", ran.ended(0).snapshot());
    assert!(
        requests[0].contains("cim-schema/2/CIM_Fan") && requests[0].contains("OptimizeEnumeration")
    );
    assert!(requests[1].contains(":Pull"));
    let folder = folder.join("intel-amt/go-amt");
    let answers =
        ["02_EnumerateResponse.xml", "04_PullResponse.xml"].map(|name| read(&folder.join(name)));
    let (ran, _) = run(answers.to_vec(), &["e", "cimv2/CIM_ElementConformsToProfile"]);
    insta::assert_snapshot!("amt_enumerate_references", ran.ended(0).snapshot());
}

#[test]
fn method_of_hardware_is_called_with_the_xml_of_a_file() {
    let Some(folder) = corpora("method_of_hardware_is_called_with_the_xml_of_a_file") else {
        return;
    };
    let answer = read(&folder.join("intel-amt/go-amt/26_ChangeBootOrderResponse.xml"));
    let input = tempfile::tempdir().unwrap();
    let file = input.path().join("input.xml");
    fs::write(&file, "<b:ChangeBootOrder_INPUT xmlns:b=\"urn:b\"><b:Source>1</b:Source></b:ChangeBootOrder_INPUT>").unwrap();
    let words = [
        "invoke",
        "ChangeBootOrder",
        "cimv2/CIM_BootConfigSetting?InstanceID=Intel(r) AMT: Boot Configuration 0",
        &format!("-file:{}", file.display()),
    ];
    let (ran, requests) = run(vec![answer], &words);
    insta::assert_snapshot!("amt_invoke", ran.ended(0).snapshot());
    assert!(requests[0].contains("CIM_BootConfigSetting/ChangeBootOrder</a:Action>"));
    assert!(requests[0].contains("<ns1:Source>1</ns1:Source>"), "{}", requests[0]);
}

#[test]
fn property_of_hardware_is_changed_by_a_get_and_a_put() {
    let Some(folder) = corpora("property_of_hardware_is_changed_by_a_get_and_a_put") else {
        return;
    };
    let uri = "http://intel.com/wbem/wscim/1/amt-schema/1/AMT_RedirectionService";
    let answers = vec![
        amt(&folder, "amt/redirectionservice/get.xml"),
        amt(&folder, "amt/redirectionservice/put.xml"),
    ];
    let (ran, requests) = run(answers, &["set", uri, "@{ListenerEnabled=\"false\"}"]);
    insta::assert_snapshot!("amt_set", ran.ended(0).snapshot());
    assert!(requests[1].contains(":ListenerEnabled>false</"), "{}", requests[1]);
    assert!(requests[1].contains(":EnabledState>"), "the other properties go back as they came");
    let (ran, _) = run(
        vec![amt(&folder, "amt/redirectionservice/get.xml")],
        &["set", uri, "@{Nothing=\"1\"}"],
    );
    assert!(ran.ended(1).stderr.contains("does not match any properties"));
}

#[test]
fn configuration_of_windows_is_shown_as_windows_shows_it() {
    let Some(folder) = corpora("configuration_of_windows_is_shown_as_windows_shows_it") else {
        return;
    };
    let answers = conversation(&folder, "test_wsman_update_envelope_size_150.yml");
    let (ran, requests) = run(vec![answers[0].clone()], &["get", "winrm/config"]);
    insta::assert_snapshot!("windows_get_config", ran.ended(0).snapshot());
    assert!(
        requests[0].contains("http://schemas.microsoft.com/wbem/wsman/1/config</w:ResourceURI>")
    );
}

#[test]
fn examples_of_the_protocol_are_understood() {
    let Some(folder) = corpora("examples_of_the_protocol_are_understood") else { return };
    let cases: [(&str, &[&str], &[&str], i32); 5] = [
        (
            "windows_get_instance",
            &["4-1-1_02_GetResponse.xml"],
            &["get", "wmicimv2/Win32_LogicalDisk?DeviceId=c:"],
            0,
        ),
        (
            "windows_enumerate_instances",
            &[
                "4-1-2-2_01_EnumerateResponse.xml",
                "4-1-2-4_01_PullResponse.xml",
                "4-1-2-6_01_PullResponse.xml",
            ],
            &["enumerate", "wmicimv2/Win32_Service", "-returntype:object"],
            0,
        ),
        (
            "windows_create_mapping",
            &["4-2-3_02_CreateResponse.xml"],
            &[
                "create",
                "winrm/config/service/certmapping?Issuer=1+Subject=a+URI=*",
                "@{UserName=\"u\";Password=\"p\"}",
            ],
            0,
        ),
        (
            "windows_enumerate_shells",
            &["4-7-6_02_EnumerateResponse.xml", "4-7-6_04_PullResponse.xml"],
            &["enumerate", "shell"],
            0,
        ),
        ("windows_fault", &["4-10_02_fault.xml"], &["get", "winrm/config/nothing"], 1),
    ];
    for (name, answers, words, code) in cases {
        let answers = answers.iter().map(|file| example(&folder, file)).collect();
        let (ran, _) = run(answers, words);
        insta::assert_snapshot!(name, ran.ended(code).snapshot());
    }
}
