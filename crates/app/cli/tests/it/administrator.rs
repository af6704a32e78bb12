//! The administrator's guide and the files of the package stay in step with the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use nix::unistd::Uid;
use server::Settings;
use server::metrics::FAMILIES;
use testkit::outside::report;

use crate::docs::{quoted, rows};
use crate::tool;

fn guide() -> String {
    fs::read_to_string(tool::repository().join("docs/guide/administrator.md")).unwrap()
}

/// The rows of the table with this heading.
fn table(heading: &str) -> Vec<Vec<String>> {
    let guide = guide();
    let (_, behind) = guide.split_once(heading).unwrap();
    let end = behind.find("\n\n").unwrap_or(behind.len());
    rows(&format!("{heading}{}", &behind[..end]))
}

fn parse(text: &str) -> Result<Settings, String> {
    Settings::parse(text, Path::new("test.toml")).map_err(|error| error.to_string())
}

/// The headings under which the keys of a table can stand.
fn headings(table: &str) -> [String; 2] {
    if table.is_empty() {
        [String::new(), String::new()]
    } else {
        [format!("[{table}]\n"), format!("[[{table}]]\n")]
    }
}

/// The keys that the program knows in a table, as it says itself; `None` where the name is no table's.
fn keys(table: &str) -> Option<Vec<String>> {
    headings(table).iter().find_map(|heading| {
        let error = parse(&format!("{heading}unheard-of = 1\n")).unwrap_err();
        let (_, expected) = error.split_once("unknown field `unheard-of`, expected ")?;
        Some(quoted(expected).into_iter().map(str::to_owned).collect())
    })
}

/// Every setting below a table, with its path.
fn settings_of(table: &str, found: &mut BTreeSet<String>) {
    for key in keys(table).unwrap() {
        let path = if table.is_empty() { key } else { format!("{table}.{key}") };
        if keys(&path).is_some() {
            settings_of(&path, found);
        } else {
            found.insert(path);
        }
    }
}

/// A settings file with one setting.
fn with(path: &str, value: &str) -> Result<Settings, String> {
    let (table, key) = path.rsplit_once('.').unwrap_or(("", path));
    let index = usize::from(table == "Listener");
    parse(&format!("{}{key} = {value}\n", headings(table)[index]))
}

#[test]
fn table_of_settings_names_each_with_its_range_and_default() {
    let rows = table("| Setting |");
    let told: BTreeSet<String> = rows.iter().map(|row| quoted(&row[0])[0].to_owned()).collect();
    let mut known = BTreeSet::new();
    settings_of("", &mut known);
    // Sealed by accounts' passwords: no file has them but the one that the service writes itself.
    known.retain(|name| !name.starts_with("CertMapping."));
    assert!(known.len() > 20, "{known:?}");
    assert_eq!(told, known);
    for row in rows {
        let name = quoted(&row[0])[0].to_owned();
        if let Some(default) = quoted(&row[2]).first() {
            assert_eq!(with(&name, default), Ok(Settings::default()), "{row:?}");
        }
        let words: Vec<&str> = row[1].split([' ', ',']).collect();
        let Some(to) = words.iter().position(|word| *word == "to") else { continue };
        let [least, most]: [i64; 2] =
            [words[to - 1], words[to + 1]].map(|word| word.parse().unwrap());
        for (number, legal) in [(least, true), (most, true), (least - 1, false), (most + 1, false)]
        {
            assert_eq!(with(&name, &number.to_string()).is_ok(), legal, "{row:?}: {number}");
        }
    }
}

#[test]
fn table_of_metrics_is_that_of_the_program() {
    let told: Vec<String> = table("| Metric |").iter().map(|row| row.join(" | ")).collect();
    let known = FAMILIES.iter().map(|family| {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let kind = format!("{:?}", family.kind).to_lowercase();
        format!("`{}` | {kind} | {} | {}", family.name, labels.join(", "), family.help)
    });
    assert_eq!(told, known.collect::<Vec<_>>());
}

/// The text of every source file below a folder.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.components().any(|part| part.as_os_str() == "src") {
            text.push_str(&fs::read_to_string(path).unwrap_or_default());
        }
    }
}

#[test]
fn log_lines_of_the_guide_are_written_somewhere() {
    let mut text = String::new();
    sources(&tool::repository().join("crates"), &mut text);
    let rows = table("| Line |");
    assert!(rows.len() > 10);
    for row in rows {
        let line = quoted(&row[0])[0];
        assert!(text.contains(&format!("\"{line}\"")), "{row:?}");
    }
    for event in text.split("event = \"").skip(1).map(|behind| behind.split('"').next().unwrap()) {
        assert!(table("| Line |").iter().any(|row| quoted(&row[0])[0] == event), "{event}");
    }
}

#[test]
fn packaged_settings_are_the_defaults_in_comments() {
    let text = fs::read_to_string(tool::repository().join("packaging/config.toml")).unwrap();
    assert_eq!(parse(&text), Ok(Settings::default()));
    let uncommented: String = text
        .lines()
        .filter_map(|line| line.strip_prefix('#').filter(|line| !line.starts_with(' ')))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(parse(&uncommented), Ok(Settings::default()), "{uncommented}");
    for name in table("| Setting |").iter().map(|row| quoted(&row[0])[0].to_owned()) {
        // A table of tables has no value of its own.
        if matches!(&*name, "Plugin" | "Service.Groups") {
            assert!(text.contains(&format!("[{name}")), "{name}");
            continue;
        }
        let key = name.rsplit('.').next().unwrap();
        assert!(text.contains(&format!("{key} = ")), "{name}");
    }
}

/// What happens around the examples: folders and a network of their own, and the service where the guide says so.
const AROUND: &str = r#"
set -eu
mount --make-rprivate /
cp -a /etc "$WORK/etc"
mount --bind "$WORK/etc" /etc
for folder in /var/lib /var/log /home; do mount -t tmpfs -o mode=755 tmpfs "$folder"; done
mkdir -p /etc/transom
cp "$REPOSITORY/packaging/config.toml" /etc/transom
ip link set lo up
server=
serve() {
    if [ -n "$server" ]; then kill "$server"; wait "$server"; fi
    transom serve "$@" &
    server=$!
    until transom doctor http://localhost:5985 >/dev/null 2>&1; do kill -0 "$server"; sleep 0.1; done
}
cd "$WORK"
"#;

#[test]
fn examples_of_the_guide_run_as_they_stand() {
    const TEST: &str = "examples_of_the_guide_run_as_they_stand";
    let folder = tempfile::Builder::new().prefix("transom-test-").tempdir().unwrap();
    let mut unshare = tool::program("unshare");
    unshare.args(["--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "--"]);
    let mut probe = tool::program("unshare");
    probe.args(["--mount", "--net", "--pid", "--fork", "--mount-proc", "--", "ip", "link"]);
    let possible = probe.output().is_ok_and(|output| output.status.success());
    let tools = ["curl", "pkill", "useradd"];
    let present =
        |tool: &&str| tool::program("which").arg(tool).output().is_ok_and(|o| o.status.success());
    if !Uid::effective().is_root() || !possible || !tools.iter().all(present) {
        return report(&format!(
            "SKIPPED {TEST}: needs root, unshare, ip, curl, pkill and useradd"
        ));
    }
    let mut script = AROUND.to_owned();
    let (guide, mut is_example) = (guide(), false);
    for line in guide.lines() {
        let directive = line.strip_prefix("<!-- test: ").and_then(|line| line.strip_suffix(" -->"));
        match (line, directive) {
            ("```sh", _) => is_example = true,
            ("```", _) => is_example = false,
            (_, Some(directive)) => script.push_str(&format!("{directive}\n")),
            _ if is_example => script.push_str(&format!("{line}\n")),
            _ => {}
        }
    }
    script.push_str("kill \"$server\"; wait \"$server\"; echo everything ran\n");
    let programs = Path::new(env!("CARGO_BIN_EXE_transom")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    unshare.args(["sh", "-c", &script]).env("PATH", path).env("WORK", folder.path());
    unshare.env("REPOSITORY", tool::repository());
    let ran = tool::run(&mut unshare).ended(0);
    for part in
        ["Account", "alice", "by https", "rotated", "transom_connections_open", "everything ran"]
    {
        assert!(ran.stdout.contains(part), "{part}: {ran:#?}");
    }
}
