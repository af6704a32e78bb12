//! What clients of PowerShell's endpoint are refused with.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a few causes have a code or a text of their own"
)]

use psrp::bridge::Refusal;
use psrp::clixml::Version;
use spawner::network::{Stage, StartError};
use wsman::OptionSet;
use wsman::fault::{ErrorCode, Fault};
use wsman::shell::PROTOCOL_VERSION;

/// `ERROR_WSMAN_INVALID_RESOURCE_URI`'s neighbour that Windows gives for what its plug-in refuses: 0x80540BC5, seen for
/// versions of the protocol.
const VERSION: ErrorCode = ErrorCode(0x8054_0BC5);
/// The name that Windows's plug-in has in its faults.
const PROVIDER: &str = "microsoft.powershell";
const PROVIDER_PATH: &str = "transom";
const ENOENT: i32 = 2;

/// The engine does not run: the configuration is there, and what it needs is not.
pub(super) fn no_engine(error: &StartError, program: &str, configuration: &str) -> Box<Fault> {
    let configuration = shown(configuration);
    let cause = match error {
        StartError::Failed { stage: Stage::Execute, errno: ENOENT } => {
            format!("its engine {program} is not installed")
        }
        StartError::Failed { stage: Stage::Directory, .. } => {
            "its working directory cannot be entered".to_owned()
        }
        other => format!("its engine {program} cannot be started ({other})"),
    };
    let text = format!(
        "The WS-Management service cannot process the request. The {configuration} session configuration cannot be \
         used: {cause}. The setting Command of [PowerShell] names the engine. "
    );
    fault(ErrorCode::INVALID_RESOURCE_URI, text)
}

/// The Create must name the version of the protocol, and the service speaks the second generation, [MS-PSRP] 3.2.5.4.1.
pub(super) fn check_version(options: &OptionSet) -> Result<(), Box<Fault>> {
    let refused = |what: &str| {
        let text = format!(
            "The request does not name a version of PowerShell Remoting that is known here: {what}. "
        );
        Err(fault(VERSION, text))
    };
    match options.value(PROTOCOL_VERSION) {
        None => refused("the option protocolversion is missing"),
        Some(text) => match Version::parse(text.trim()) {
            Some(version) if version.major == 2 => Ok(()),
            Some(_) | None => refused(&format!("protocolversion is {}", shown(text))),
        },
    }
}

/// What the bridge refuses.
pub(super) fn refused(refusal: &Refusal) -> Box<Fault> {
    let code = match refusal {
        Refusal::Version(_) => VERSION,
        Refusal::UnknownPipeline(_) => ErrorCode::UNEXPECTED_SELECTORS,
        Refusal::PipelineIdInUse(_) => ErrorCode::SHELLCOMMAND_CLIENTID_RESOURCE_CONFLICT,
        Refusal::TooManyPipelines(_) => ErrorCode::QUOTA_MAX_COMMANDS_PER_SHELL,
        Refusal::Broken(_) => ErrorCode::OPERATION_ABORTED,
        _ => ErrorCode::INVALID_PARAMETER,
    };
    let text = match refusal.version_element(env!("CARGO_PKG_VERSION")) {
        Some(element) => element,
        None => format!("The PowerShell endpoint refused the request: {refusal}. "),
    };
    fault(code, text)
}

/// A client's text, as far as it belongs into a message.
fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

fn fault(code: ErrorCode, text: String) -> Box<Fault> {
    Box::new(Fault::new(code, text).with_provider(PROVIDER, PROVIDER_PATH))
}
