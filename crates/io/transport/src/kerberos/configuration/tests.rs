//! What the reader makes of files.

use super::*;

fn read(text: &str) -> Result<Configuration, ConfigurationError> {
    Configuration::parse(&[piece("krb5.conf", text)], &mut |_| Err("no includes here".into()))
}

fn piece(name: &str, text: &str) -> Piece {
    Piece { name: name.into(), content: text.as_bytes().to_vec() }
}

const USUAL: &str = "
# A comment before the first section.
[libdefaults]
    default_realm = EXAMPLE.COM
    dns_lookup_kdc = false   \x20
    rdns=no
[realms]
    EXAMPLE.COM = {
        kdc = dc1.example.com
        kdc = tcp/dc2.example.com:1088
        admin_server = dc1.example.com
    }
    OTHER.TEST =
    {
        kdc = [2001:db8::1]:89
        kdc = 2001:db8::2
        kdc = https://proxy.other.test/KdcProxy
        kdc = udp/10.0.0.1
        kdc = :88
        kdc = host:port
    }
[domain_realm]
    .example.com = EXAMPLE.COM
    example.com = EXAMPLE.COM
    odd.example.com = OTHER.TEST
    .Capital.test = OTHER.TEST
    deep.other.test = OTHER.TEST
";

#[test]
fn the_usual_file_is_understood() {
    let conf = read(USUAL).unwrap();
    assert_eq!(conf.default_realm(), Some("EXAMPLE.COM"));
    assert_eq!(conf.flag("rdns"), Some(false));
    assert_eq!(conf.flag("dns_canonicalize_hostname"), None);
    assert!(!conf.asks_dns_for_kdcs());
    assert_eq!(conf.realms(), ["EXAMPLE.COM", "OTHER.TEST"]);
    let lines = |realm: &str| -> Vec<_> {
        let kdcs = conf.kdcs(realm).into_iter();
        kdcs.map(|kdc| (kdc.transport, kdc.host, kdc.port)).collect()
    };
    assert_eq!(
        lines("EXAMPLE.COM"),
        [
            (KdcTransport::Any, "dc1.example.com".into(), 88),
            (KdcTransport::Tcp, "dc2.example.com".into(), 1088),
        ]
    );
    assert_eq!(
        lines("OTHER.TEST"),
        [
            (KdcTransport::Any, "2001:db8::1".into(), 89),
            (KdcTransport::Any, "2001:db8::2".into(), 88),
            (KdcTransport::Https, "https://proxy.other.test/KdcProxy".into(), 443),
            (KdcTransport::Udp, "10.0.0.1".into(), 88),
        ]
    );
    assert_eq!(lines("example.com"), []);
}

#[test]
fn a_host_has_the_realm_of_the_closest_line() {
    let conf = read(USUAL).unwrap();
    let realm = |host: &str| conf.realm_of_host(host).map(|line| (line.key, line.realm));
    assert_eq!(realm("web.example.com"), Some((".example.com", "EXAMPLE.COM")));
    assert_eq!(realm("WEB.Example.COM."), Some((".example.com", "EXAMPLE.COM")));
    assert_eq!(realm("example.com"), Some(("example.com", "EXAMPLE.COM")));
    assert_eq!(realm("odd.example.com"), Some(("odd.example.com", "OTHER.TEST")));
    // A name without the dot is its whole domain's, too.
    assert_eq!(realm("a.b.deep.other.test"), Some(("deep.other.test", "OTHER.TEST")));
    assert_eq!(realm("notexample.com"), None);
    assert_eq!(realm("10.0.0.1"), None);
    assert_eq!(realm("[fe80::1%eth0]"), None);
    assert_eq!(realm(""), None);
    // The library compares byte by byte with the name in lower case.
    assert_eq!(realm("host.capital.test"), None);
    let near = conf.realm_of_host_ignoring_case("host.capital.test").map(|line| line.key);
    assert_eq!(near, Some(".Capital.test"));
    assert_eq!(parent_realm("a.b.example.org"), Some("B.EXAMPLE.ORG".into()));
    assert_eq!(parent_realm("localhost"), None);
    assert_eq!(parent_realm("192.0.2.1"), None);
}

#[test]
fn a_domain_is_found_by_its_names() {
    let conf = read(USUAL).unwrap();
    for (domain, realm) in [
        ("EXAMPLE.COM", Some("EXAMPLE.COM")),
        ("example.com", Some("EXAMPLE.COM")),
        ("EXAMPLE", Some("EXAMPLE.COM")),
        ("other", Some("OTHER.TEST")),
        ("sub.example.com", Some("EXAMPLE.COM")),
        ("WORKGROUP", None),
        ("", None),
    ] {
        assert_eq!(conf.realm_of_domain(domain), realm, "{domain}");
    }
    let two = read("[realms]\nCORP.A = {\n}\nCORP.B = {\n}\n").unwrap();
    assert_eq!(two.realm_of_domain("CORP"), None, "two realms begin like that");
    assert_eq!(conf.realm_in_other_case("example.com"), Some("EXAMPLE.COM"));
    assert_eq!(conf.realm_in_other_case("EXAMPLE.COM"), None);
}

#[test]
fn earlier_files_count_first_and_a_section_with_a_star_ends_the_matter() {
    let files = |first: &str, second: &str| {
        let files = [piece("one", first), piece("two", second)];
        Configuration::parse(&files, &mut |_| Err(String::new())).unwrap()
    };
    let kdc = |name: &str| format!("[realms]\nA = {{\nkdc = {name}\n}}\n");
    let hosts = |conf: &Configuration| -> Vec<String> {
        conf.kdcs("A").into_iter().map(|kdc| kdc.host).collect()
    };
    assert_eq!(hosts(&files(&kdc("one"), &kdc("two"))), ["one", "two"]);
    for first in [
        "[realms]\nA* = {\nkdc = one\n}\n",
        "[realms]\nA = {\nkdc = one\n}*\n",
        "[realms]*\nA = {\nkdc = one\n}\n",
    ] {
        assert_eq!(hosts(&files(first, &kdc("two"))), ["one"], "{first}");
    }
    let conf = files("[libdefaults]\ndefault_realm = A\n", "[libdefaults]\ndefault_realm = B\n");
    assert_eq!(conf.default_realm(), Some("A"));
}

#[test]
fn included_files_are_a_part_of_the_whole() {
    let mut asked = Vec::new();
    let text = "include /etc/one\nincludedir /etc/two.d \r\n[libdefaults]\ndefault_realm = A\n";
    let conf = Configuration::parse(&[piece("krb5.conf", text)], &mut |wanted| match wanted {
        Include::File(path) => {
            asked.push(path.to_owned());
            Ok(vec![piece(path, "[realms]\nA = {\n kdc = a\n")])
        }
        Include::Folder(path) => {
            asked.push(path.to_owned());
            Ok(vec![piece("x", "[realms]\nA = {\n kdc = b\n}\n"), piece("y", "nothing of note")])
        }
    });
    let conf = conf.unwrap();
    assert_eq!(conf.kdcs("A").len(), 2);
    assert_eq!(conf.files(), ["krb5.conf", "/etc/one", "x", "y"]);
    assert_eq!(asked, ["/etc/one", "/etc/two.d"]);
    let itself = Configuration::parse(&[piece("a", "include a\n")], &mut |_| {
        Ok(vec![piece("a", "include a\n")])
    });
    assert!(itself.unwrap_err().to_string().contains("in each other"));
}

#[test]
fn what_the_library_refuses_is_refused_with_file_and_line() {
    for (text, line, what) in [
        ("[libdefaults\n", 1, "`]`"),
        ("[libdefaults]\ndefault_realm EXAMPLE.COM\n", 2, "without `=`"),
        ("[libdefaults]\ndefault realm = EXAMPLE.COM\n", 2, "one word"),
        ("[libdefaults]\n= EXAMPLE.COM\n", 2, "one word"),
        ("[realms]\nA = {\n[domain_realm]\n", 3, "before the one around it"),
        ("[realms]\n}\n", 2, "without a section"),
        ("[realms]\nA =\nkdc = a\n", 3, "`{`"),
        ("[realms] A\n", 1, "behind"),
        ("include /nowhere\n", 1, "no includes here"),
    ] {
        let error = read(text).unwrap_err();
        assert_eq!(error.line, line, "{text:?}: {error}");
        assert!(error.to_string().contains(what), "{text:?}: {error}");
        assert!(error.to_string().starts_with("krb5.conf"), "{error}");
    }
}

#[test]
fn quotes_comments_and_odd_spellings_read_as_in_the_library() {
    let text = "prose before the first section = { is nothing\n[libdefaults]  \n\
                \u{9}default_realm\u{9}=\u{9}\"A \\\"B\\\" \\x\" ignored\r\n; comment\n  # comment\n\
                ticket_lifetime = 10h # no comment\nmodule x\n";
    assert!(read(text).unwrap_err().to_string().contains("without `=`"), "module comes first only");
    let conf = read(text.strip_suffix("module x\n").unwrap()).unwrap();
    assert_eq!(conf.default_realm(), Some("A \"B\" x"));
    assert_eq!(conf.setting("ticket_lifetime"), Some("10h # no comment"));
    let conf = read("module /lib/x.so:rest\n").unwrap();
    assert_eq!(conf.modules(), ["/lib/x.so:rest"]);
    assert_eq!(read("").unwrap(), read("only\nprose\n").unwrap());
}

#[test]
fn too_much_is_refused() {
    let deep = format!("[a]\n{}", "b = {\n".repeat(40));
    assert!(read(&deep).unwrap_err().what.contains("in each other"));
    let long = "#".repeat(MAX_LENGTH + 1);
    assert!(read(&long).unwrap_err().what.contains("longer"));
    let many = Configuration::parse(&[piece("a", "include b\n".repeat(300).as_str())], &mut |_| {
        Ok(vec![piece("b", "")])
    });
    assert!(many.unwrap_err().what.contains("files"));
}

#[test]
fn files_of_the_system_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("d")).unwrap();
    let include = format!("includedir {}\n[libdefaults]\n", at("d").display());
    std::fs::write(at("krb5.conf"), include).unwrap();
    for (name, realm) in [("b", "B"), ("a.conf", "A"), (".hidden.conf", "H"), ("a~", "T")] {
        std::fs::write(at("d").join(name), format!("[libdefaults]\ndefault_realm = {realm}\n"))
            .unwrap();
    }
    let paths = paths(Some(std::env::join_paths([at("absent"), at("krb5.conf")]).unwrap()));
    let conf = Configuration::read_from(&paths).unwrap();
    assert_eq!(conf.default_realm(), Some("A"));
    assert_eq!(conf.files().len(), 3);
    let nothing = Configuration::read_from(&[at("absent")]).unwrap();
    assert_eq!(nothing, Configuration::default());
    std::fs::write(at("bad"), "include /nowhere/at/all\n").unwrap();
    let error = Configuration::read_from(&[at("bad")]).unwrap_err().to_string();
    assert!(error.contains("/nowhere/at/all"), "{error}");
}
