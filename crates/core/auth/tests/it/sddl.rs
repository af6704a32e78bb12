//! Security descriptors: the documented ones, what is refused, and how they decide.

use auth::Account;
use auth::sddl::{
    AccessMask, Ace, MAX_ENTRIES, MAX_TEXT, Origin, SddlError, SecurityDescriptor, Sid, Token,
};
use proptest::prelude::*;

const READ: AccessMask = AccessMask::READ;
const WRITE: AccessMask = AccessMask::WRITE;
const EXECUTE: AccessMask = AccessMask::EXECUTE;

fn read(text: &str) -> SecurityDescriptor {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn account(id: u8, groups: &[&str]) -> Account {
    let groups = groups.iter().map(|&group| group.to_owned()).collect();
    Account { id: [id; 16], name: format!("user{id}"), groups }
}

fn token(id: u8, groups: &[&str]) -> Token {
    Token::of(&account(id, groups), Origin::Network)
}

/// Windows's own, which are written as it writes them: `RootSDDL` now and of old, and session configurations.
#[test]
fn windows_descriptors_are_written_as_they_were_read() {
    for text in [
        "O:NSG:BAD:P(A;;GA;;;BA)(A;;GR;;;IU)S:P(AU;FA;GA;;;WD)(AU;SA;GXGW;;;WD)",
        "O:NSG:BAD:P(A;;GA;;;BA)S:P(AU;FA;GA;;;WD)(AU;SA;GWGX;;;WD)",
        "O:NSG:BAD:P(A;;GA;;;BA)(A;;GA;;;RM)S:P(AU;FA;GA;;;WD)(AU;SA;GXGW;;;WD)",
        "O:NSG:BAD:P(D;;GA;;;NU)(A;;GA;;;BA)(A;;GA;;;IU)S:P(AU;FA;GA;;;WD)(AU;SA;GXGW;;;WD)",
        "O:NSG:BAD:P(A;;GXGR;;;S-1-5-21-1004336348-1177238915-682003330-1001)",
        "D:PARAI(A;OICINPIOID;0x1200a9;;;BU)",
        "D:(A;;FA;;;SY)(A;;KR;;;S-1-0x100000000-1)",
        "O:SYG:SYD:P",
    ] {
        // The one of old has its letters in another order.
        assert_eq!(read(text).to_string(), text.replace("GWGX", "GXGW"), "{text}");
        assert_eq!(read(text).check(), Ok(()), "{text}");
    }
}

/// The example of Windows's reference for the language, blanks and all.
#[test]
fn documented_example_means_the_same_when_it_is_written() {
    let text = "O:DAG:DAD:(A;;RPWPCCDCLCRCWOWDSDSW;;;SY) (A;;RPWPCCDCLCRCWOWDSDSW;;;DA)
        (OA;;CCDC;bf967aba-0de6-11d0-a285-00aa003049e2;;AO) (OA;;CCDC;bf967a9c-0de6-11d0-a285-00aa003049e2;;AO)
        (OA;;CCDC;6da8a4ff-0e52-11d0-a286-00aa003049e2;;AO) (OA;;CCDC;bf967aa8-0de6-11d0-a285-00aa003049e2;;PO)
        (A;;RPLCRC;;;AU)S:(AU;SAFA;WDWOSDWPCCDCSW;;;WD)";
    let descriptor = read(text);
    let written = descriptor.to_string();
    // Those rights together are what the language calls all rights to a registry key, as Windows writes them, too.
    assert!(written.starts_with("O:DAG:DAD:(A;;KA;;;SY)(A;;KA;;;DA)(OA;;CCDC;bf"), "{written}");
    assert!(written.ends_with("S:(AU;SAFA;CCDCSWWPSDWDWO;;;WD)"), "{written}");
    assert_eq!(read(&written), descriptor);
    let other = read("O:AOG:DAD:(A;;RPWPCCDCLCSWRCWDWOGA;;;S-1-0-0)");
    assert_eq!(other.to_string(), "O:AOG:DAD:(A;;CCDCLCSWRPWPRCWDWOGA;;;S-1-0-0)");
}

#[test]
fn what_could_not_be_obeyed_is_refused_by_name() {
    let entries = "(A;;GA;;;BA)".repeat(MAX_ENTRIES + 1);
    for (text, expected) in [
        ("X:BA", SddlError::Part("X:BA".to_owned())),
        ("D:P(A;;GA;;;BA", SddlError::Entry("(A;;GA;;;BA".to_owned())),
        ("D:P(A;;GA;;BA)", SddlError::Entry("A;;GA;;BA".to_owned())),
        ("D:Q(A;;GA;;;BA)", SddlError::AclFlag("Q".to_owned())),
        ("D:(XA;;GA;;;BA)", SddlError::Kind("XA".to_owned())),
        ("D:(ML;;NW;;;LW)", SddlError::Kind("ML".to_owned())),
        ("D:(A;XX;GA;;;BA)", SddlError::AceFlag("XX".to_owned())),
        ("D:(A;;GQ;;;BA)", SddlError::Right("GQ".to_owned())),
        ("D:(A;;G;;;BA)", SddlError::Right("G".to_owned())),
        ("D:(A;;0x;;;BA)", SddlError::Right("0x".to_owned())),
        ("D:(A;;0x1ffffffff;;;BA)", SddlError::Right("0x1ffffffff".to_owned())),
        ("D:(A;;GA;bf967aba;;BA)", SddlError::Object("bf967aba".to_owned())),
        ("D:(A;;GA;;;ZZ)", SddlError::Sid("ZZ".to_owned())),
        ("D:(A;;GA;;;S-1-5)", SddlError::Sid("S-1-5".to_owned())),
        ("D:(A;;GA;;;S-1-5-+4)", SddlError::Sid("S-1-5-+4".to_owned())),
        ("D:(A;;GA;;;S-1-5-4294967296)", SddlError::Sid("S-1-5-4294967296".to_owned())),
        ("O:BAO:BA", SddlError::Twice('O')),
        (&format!("D:{entries}"), SddlError::TooMany),
        (&"D".repeat(MAX_TEXT + 1), SddlError::TooLong),
    ] {
        assert_eq!(text.parse::<SecurityDescriptor>(), Err(expected), "{text:.60}");
    }
    assert_eq!(read("O:BAG:BA").check(), Err(SddlError::NoDacl));
    let misplaced = read("D:(AU;FA;GA;;;WD)").check();
    assert_eq!(misplaced, Err(SddlError::Misplaced("AU;FA;GA;;;WD".to_owned())));
    assert!(read("D:S:(A;;GA;;;WD)").check().is_err());
}

#[test]
fn rights_come_from_several_entries_and_the_first_denial_ends_it() {
    let user = token(1, &["Remote Management Users"]);
    for (text, granted, denied) in [
        ("D:(A;;GR;;;RM)(A;;GX;;;NU)", READ | EXECUTE, WRITE),
        ("D:(A;;GA;;;WD)", READ | WRITE | EXECUTE | AccessMask::ALL, AccessMask::from_bits(1)),
        ("D:(A;;GA;;;BA)", AccessMask::NONE, READ),
        ("D:(D;;GX;;;AU)(A;;GA;;;RM)", READ | WRITE, EXECUTE | READ),
        // An entry that allows before it is not taken back.
        ("D:(A;;GX;;;RM)(D;;GX;;;AU)", EXECUTE, READ),
        ("D:(D;;GA;;;RM)(A;;GA;;;WD)", AccessMask::NONE, READ),
        ("D:(A;OICIIO;GA;;;RM)(A;;GR;;;RM)", READ, EXECUTE),
        ("D:(D;CIIO;GA;;;RM)(A;;GR;;;RM)", READ, EXECUTE),
        ("D:(A;;FA;;;RM)", AccessMask::NONE, READ),
        ("D:(OA;;GA;bf967aba-0de6-11d0-a285-00aa003049e2;;RM)", AccessMask::NONE, READ),
        ("D:(A;;GA;;;IU)", AccessMask::NONE, READ),
        ("O:RMG:RM", AccessMask::NONE, READ),
    ] {
        let descriptor = read(text);
        assert!(descriptor.grants(&user, granted), "{text} {granted}");
        assert!(!descriptor.grants(&user, denied), "{text} {denied}");
    }
    let local = Token::of(&account(1, &[]), Origin::Local);
    assert!(read("D:(A;;GR;;;IU)").grants(&local, READ));
    assert!(!read("D:(A;;GR;;;NU)").grants(&local, READ));
}

#[test]
fn sids_of_groups_stay_the_same_and_those_of_windows_are_windows() {
    assert_eq!(Sid::of_group("administrators").to_string(), "BA");
    assert_eq!(Sid::of_group("Remote Management Users").in_full(), "S-1-5-32-580");
    assert_eq!(Sid::of_group("USERS").in_full(), "S-1-5-32-545");
    // Printed by Python: struct.unpack('>8I', hashlib.sha256(b'operators').digest()).
    let own = "S-1-5-32-3000698588-950666004-4139001537-3933861842-1983481298-834648142-3526004901-2541383194";
    assert_eq!(Sid::of_group("Operators").to_string(), own);
    // The name of somebody who is no group of every machine.
    assert_ne!(Sid::of_group("Everyone").to_string(), "WD");
    assert_ne!(Sid::of_group("SYSTEM").to_string(), "SY");
    let id = [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xFF, 0xFF, 0xFF, 0xFF];
    assert_eq!(Sid::of_account(&id).to_string(), "S-1-5-21-1-2-3-4294967295");
    let mut administrator = [0; 16];
    administrator[14..].copy_from_slice(&500_u16.to_be_bytes());
    assert_eq!(Sid::of_account(&administrator).letters(), Some("LA"));
    let name = |name: &str| Sid::by_well_known_name(name).map(|sid| sid.to_string());
    assert_eq!(name(r"builtin\Administrators").as_deref(), Some("BA"));
    assert_eq!(name("everyone").as_deref(), Some("WD"));
    assert_eq!(name(r"HOST\Administrators"), None);
    assert_eq!(read("O:S-1-5-32-544").owner.unwrap().well_known_name(), Some("Administrators"));
}

proptest! {
    #[test]
    fn any_mask_and_any_sid_come_back(bits: u32, authority in 0_u64..1 << 48, numbers in prop::collection::vec(any::<u32>(), 1..=15)) {
        let mask = AccessMask::from_bits(bits);
        if !mask.is_empty() {
            prop_assert_eq!(mask.to_string().parse(), Ok(mask));
        }
        let text = numbers.iter().fold(format!("S-1-{authority}"), |text, number| format!("{text}-{number}"));
        let sid: Sid = text.parse().unwrap();
        prop_assert_eq!(sid.to_string().parse(), Ok(sid.clone()));
        let ace = Ace::allow(sid, mask);
        prop_assert_eq!(ace.to_string().parse(), Ok(ace));
    }

    #[test]
    fn no_text_panics(text in "[DOSGA:;()PRIXW0-9x -]{0,60}") {
        if let Ok(descriptor) = text.parse::<SecurityDescriptor>() {
            prop_assert_eq!(descriptor.to_string().parse(), Ok(descriptor));
        }
    }
}
