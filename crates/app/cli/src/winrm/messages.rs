//! Whole sentences for the numbers that people meet most, and for those whose few words in the table of codes say too little.

use wsman::ErrorCode;

/// Sorted by number.
const SENTENCES: [(u32, &str); 31] = [
    (0x0000_0005, "Access is denied."),
    (0x0000_0057, "A parameter is incorrect."),
    (0x0000_03E3, "The operation was ended before it was done."),
    (0x0000_045B, "The service is shutting down."),
    (0x0000_052E, "The user name or the password is incorrect."),
    (0x8007_0005, "Access is denied."),
    (0x8033_8000, "The service has no resource with this URI and these selectors."),
    (
        0x8033_8012,
        "The client cannot connect to the host. Check that its service runs, that the address and the port are right, and that nothing on the way blocks them.",
    ),
    (
        0x8033_8029,
        "The service could not complete the operation in the time that OperationTimeout gave it.",
    ),
    (0x8033_8041, "The XML of the message does not fit its schema."),
    (0x8033_805B, "The selectors of the request fit no resource of the service."),
    (0x8033_808A, "The setting is controlled by policy and cannot be changed here."),
    (0x8033_8098, "The session is being closed by another thread while it is used."),
    (
        0x8033_80AA,
        "No listener is set up for the host name and transport of a push subscription, or its settings do not fit.",
    ),
    (0x8033_80DE, "The client's settings do not allow unencrypted messages."),
    (
        0x8033_80E4,
        "A login other than by Kerberos does not prove who the host is: connect by HTTPS, or add the host to TrustedHosts.",
    ),
    (
        0x8033_80E5,
        "Default credentials are used with Negotiate by HTTPS, or where the host is in TrustedHosts, and only if implicit credentials are allowed.",
    ),
    (
        0x8033_80E8,
        "The listener cannot be made: TLS is set up otherwise for this address and port.",
    ),
    (0x8033_80F2, "The body of a request for a fragment must be an element XmlFragment."),
    (0x8033_8101, "An object has a reference to another machine, which cannot be followed."),
    (
        0x8033_810E,
        "The name of the host cannot be used here: write localhost, 127.0.0.1 or [::1] for this computer.",
    ),
    (
        0x8033_8115,
        "A listener by HTTPS cannot be made: this computer has no fit certificate, with the name of the host, that is valid and not signed by itself.",
    ),
    (
        0x8033_8117,
        "The firewall cannot be opened for the service: the policy does not allow local changes.",
    ),
    (
        0x8033_8126,
        "The host did not answer in time. Check that its name is right, that it can be reached, and that its firewall lets the service's port through.",
    ),
    (0x8033_813F, "The setting can be read only."),
    (0x8033_8148, "The certificate has no user name in its alternative names or its subject."),
    (
        0x8033_8169,
        "A network of this computer is a public one, where the firewall lets nobody reach the service.",
    ),
    (0x8033_818A, "The parameter must be given as bytes."),
    (0x8033_81AD, "A later Pull must have the same MaxCharacters and MaxElements as the first."),
    (
        0x8033_81BB,
        "An IP address without a named login is possible by HTTPS or where the address is in TrustedHosts, and with a user name and a password.",
    ),
    (
        0x8033_81DF,
        "The shell could not be made as another user: RunAsPassword may be wrong, or the policy does not let the service store passwords.",
    ),
];

/// What a number means, a sentence on a line of its own.
pub(super) fn meaning(code: ErrorCode) -> String {
    let known = SENTENCES.iter().find(|(number, _)| *number == code.0);
    if let Some((_, sentence)) = known {
        return format!("{sentence}\n");
    }
    let Some(summary) = code.summary() else {
        return "There is no text for this number.\n".to_owned();
    };
    let mut letters = summary.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>());
    format!("{}{}.\n", first.unwrap_or_default(), letters.as_str().trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_in_order_and_about_known_numbers() {
        assert!(SENTENCES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (number, sentence) in SENTENCES {
            assert!(ErrorCode(number).summary().is_some(), "{number:#x}");
            assert!(sentence.ends_with('.'), "{sentence}");
        }
        assert!(ErrorCode::all().all(|code| meaning(code).trim_end().len() > 5));
    }
}
