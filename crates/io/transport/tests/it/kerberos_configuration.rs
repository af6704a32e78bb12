//! `krb5.conf` read by us and by MIT's own library: they must find the same in every file, or both refuse it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use transport::kerberos::configuration::Configuration;

/// Asks the library: whether it takes the files; then the default realm, the values of `kdc` of the realm `A`, and the
/// realm of each host, one a line.
const LIBRARY: &str = r"
import ctypes, sys
k = ctypes.CDLL('libkrb5.so.3')
files, hosts = sys.argv[1], sys.argv[2:]
p = ctypes.c_void_p()
refused = k.profile_init_path(files.encode(), ctypes.byref(p))
if refused:
    print('refused')
    sys.exit()
def values(*names):
    path = (ctypes.c_char_p * (len(names) + 1))(*[name.encode() for name in names], None)
    found = ctypes.POINTER(ctypes.c_char_p)()
    if k.profile_get_values(p, path, ctypes.byref(found)):
        return []
    texts, i = [], 0
    while found[i] is not None:
        texts.append(found[i].decode())
        i += 1
    return texts
print(repr(values('libdefaults', 'default_realm')[:1]))
print(repr(values('realms', 'A', 'kdc')))
c = ctypes.c_void_p()
assert k.krb5_init_context(ctypes.byref(c)) == 0
for host in hosts:
    found = ctypes.POINTER(ctypes.c_char_p)()
    assert k.krb5_get_host_realm(c, host.encode(), ctypes.byref(found)) == 0
    print(repr(found[0].decode()))
";

const HOSTS: &[&str] = &[
    "web.example.com",
    "WEB.EXAMPLE.COM.",
    "example.com",
    "a.b.c.deep.test",
    "deep.test",
    "capital.test",
    "x.capital.test",
    "192.0.2.1",
    "2001:db8::1",
    "localhost",
];

fn library(files: &[PathBuf]) -> Vec<String> {
    let list = std::env::join_paths(files).unwrap().into_string().unwrap();
    let output = Command::new("/usr/bin/python3")
        .args(["-c", LIBRARY, &list])
        .args(HOSTS)
        .env("KRB5_CONFIG", &list)
        .stdin(Stdio::null())
        .output()
        .expect("python3 starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "libkrb5 cannot be asked: {told}");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace('\t', "\\t"))
}

fn ours(files: &[PathBuf], kdcs: &dyn Fn(&Configuration) -> Vec<String>) -> Vec<String> {
    let Ok(conf) = Configuration::read_from(files) else { return vec!["refused".into()] };
    let list = |texts: Vec<String>| {
        format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "))
    };
    let mut lines = vec![
        list(conf.default_realm().map(str::to_owned).into_iter().collect()),
        list(kdcs(&conf)),
    ];
    let realm = |host: &&str| quoted(conf.realm_of_host(host).map_or("", |line| line.realm));
    lines.extend(HOSTS.iter().map(realm));
    lines
}

/// What differs.
fn compare(folder: &Path, texts: &[&str]) -> Option<String> {
    let files: Vec<PathBuf> =
        (0..texts.len()).map(|at| folder.join(format!("{at}.conf"))).collect();
    for (file, text) in files.iter().zip(texts) {
        let text = text.replace("FOLDER", &folder.display().to_string());
        std::fs::write(file, text).unwrap();
    }
    let kdcs = |conf: &Configuration| conf.kdcs("A").into_iter().map(|kdc| kdc.host).collect();
    let (ours, library) = (ours(&files, &kdcs), library(&files));
    (ours != library).then(|| format!("{texts:?}: {ours:?} and not {library:?}"))
}

#[test]
fn our_reader_and_the_librarys_agree() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::create_dir(folder.join("d")).unwrap();
    for (name, kdc) in [("b", "b"), ("a.conf", "a"), (".c.conf", "c"), ("d~", "d"), ("e.rpm", "e")]
    {
        let text = format!("[realms]\nA = {{\nkdc = {kdc}\n}}\n");
        std::fs::write(folder.join("d").join(name), text).unwrap();
    }
    std::fs::write(folder.join("open"), "[realms]\nA = {\nkdc = open\n").unwrap();
    let kdc = |name: &str| format!("[realms]\nA = {{\nkdc = {name}\n}}\n");
    let second = kdc("second");
    let domains = "[domain_realm]\n.example.com = E\ndeep.test = D\nCapital.test = C\n\
                   .Capital.test = C\n192.0.2.1 = I\n";
    let cases = [
        vec![""],
        vec!["prose = {\n}\n[libdefaults]\ndefault_realm = A\n"],
        vec!["[libdefaults]\n default_realm\t= \t A  \r\n"],
        vec!["[libdefaults]\ndefault_realm = \"A \\\"b\\\" \\\\ c\" rest\n"],
        vec!["[libdefaults]\ndefault_realm = A # not a comment\n"],
        vec!["[libdefaults] # a comment\ndefault_realm = A\n;c\n # c\n"],
        vec!["[libdefaults] rest\ndefault_realm = A\n"],
        vec![" [libdefaults]\ndefault_realm = A\n"],
        vec!["[libdefaults\n"],
        vec!["[libdefaults]\ndefault_realm A\n"],
        vec!["[libdefaults]\ndefault realm = A\n"],
        vec!["[libdefaults]\n= A\n"],
        vec!["[libdefaults]\ndefault_realm = A\ndefault_realm = B\n"],
        vec!["[libdefaults]\ndefault_realm* = A\ndefault_realm = B\n"],
        vec!["[realms]\nA = {\nkdc = one\n}\nA = {\nkdc = two\n}\n"],
        vec!["[realms]\nA =\n{\nkdc = one\n}\n"],
        vec!["[realms]\nA =\nkdc = one\n"],
        vec!["[realms]\nA = {\nkdc = one\n[libdefaults]\n"],
        vec!["[realms]\nA = {  \nkdc = one\n} rest\nB = {x\n"],
        vec!["[realms]\n}\n"],
        vec!["[realms]\nA = {\nkdc = one"],
        vec!["[realms]\nA = {\nB = {\nkdc = deep\n}\nkdc = one\n}\n"],
        vec!["include FOLDER/open\n[realms]\nA = {\nkdc = one\n}\n"],
        vec!["[realms]\nA = {\ninclude FOLDER/open\nkdc = one\n}\n"],
        vec!["includedir FOLDER/d\n", &second],
        vec!["include FOLDER/absent\n"],
        vec!["includedir FOLDER/absent\n"],
        vec![" include FOLDER/open\n[libdefaults]\n"],
        vec![&second, "[realms]\nA = {\nkdc = third\n}\n"],
        vec!["[realms]\nA = {\nkdc* = one\nkdc = two\n}\n", &second],
        vec!["[realms]\nA* = {\nkdc = one\n}\n", &second],
        vec!["[realms]\nA = {\nkdc = one\n}*\n", &second],
        vec!["[realms]*\nA = {\nkdc = one\n}\n", &second],
        vec!["[realms]\nB = {\nkdc* = one\n}\n", &second],
        vec!["[realms]\nA = {\nkdc* = one\n}\nA = {\nkdc = two\n}\n"],
        vec!["[realms]\nA = {\nkdc = one\n}*\nA = {\nkdc = two\n}\n"],
        vec!["[realms]*\nA = {\nkdc = one\n}\n[realms]\nA = {\nkdc = two\n}\n"],
        vec![domains],
        vec!["[domain_realm]\nweb.example.com = {\n}\nexample.com = E\nexample.com = F\n"],
        vec!["[domain_realm]*\n.example.com = E\n", domains],
        vec!["\u{feff}[libdefaults]\ndefault_realm = A\n"],
    ];
    let faults: Vec<_> = cases.iter().filter_map(|texts| compare(folder, texts)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
