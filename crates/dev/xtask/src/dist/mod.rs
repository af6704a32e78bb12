//! `cargo xtask dist`: the Debian package of a release build.
//!
//! ```text
//!  programs ── strip ──┐
//!  transom man, completions ── gzip ──┤
//!  packaging/, docs/guide/, licences ─┴──► target/dist/root ── dpkg-deb ──► target/dist/transom_VERSION_ARCH.deb
//! ```
//!
//! The same commit and the same programs give the same package: times are the commit's, owners root's, lists sorted.

mod licences;
mod text;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace::{Workspace, cargo, on_path, run as run_shown, shown};

/// Who made the package, where `DEBFULLNAME` and `DEBEMAIL` name nobody: an address that reaches nobody, and says so.
const MAINTAINER: &str = "Transom developers <noreply@transom.invalid>";
/// What lintian says of that address.
const NOBODY: &str = "bogus-mail-host,bogus-mail-host-in-debian-changelog";
/// The programs needed, with the Debian package of each.
const TOOLS: [(&str, &str); 5] = [
    ("dpkg-deb", "dpkg"),
    ("dpkg-shlibdeps", "dpkg-dev"),
    ("strip", "binutils"),
    ("gzip", "gzip"),
    ("md5sum", "coreutils"),
];
const PROGRAMS: [&str; 4] = ["transom", "winrm", "winrs", "pssession"];
/// Where each shell looks for the completions of a program.
const COMPLETIONS: [(&str, &str, &str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions", "", ""),
    ("zsh", "usr/share/zsh/vendor-completions", "_", ""),
    ("fish", "usr/share/fish/vendor_completions.d", "", ".fish"),
];
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];
/// The administrator's files, which an upgrade leaves as they are.
const CONFFILES: &str = "/etc/logrotate.d/transom\n/etc/transom/config.toml\n";
const DOCS: &str = "usr/share/doc/transom";

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    /// Programs that are built already; ours of the release build otherwise.
    programs: Option<PathBuf>,
    out: Option<PathBuf>,
    /// Packs for a look inside: as fast as can be, and not as small.
    fast: bool,
}

/// Builds the programs and the package, and says where it is.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), String> {
    let package = build(workspace, Options::parse(arguments)?)?;
    let is_nobodys = maintainer() == MAINTAINER;
    if is_nobodys {
        println!(
            "DEBFULLNAME and DEBEMAIL are not set: the package names no maintainer who can be reached"
        );
    }
    if on_path("lintian") {
        let mut lintian = Command::new("lintian");
        lintian.args(["--fail-on", "error"]);
        if is_nobodys {
            lintian.args(["--suppress-tags", NOBODY]);
        }
        run_shown(lintian.arg(&package))?;
    } else {
        println!("lintian is not here, so that nobody has judged the package");
    }
    println!("{}", package.display());
    Ok(())
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value =
                || words.next().map(PathBuf::from).ok_or_else(|| format!("{word} needs a folder"));
            match word.as_str() {
                "--programs" => options.programs = Some(value()?),
                "--out" => options.out = Some(value()?),
                "--fast" => options.fast = true,
                _ => {
                    return Err(format!(
                        "dist has no option {word}: --programs DIR, --out DIR, --fast"
                    ));
                }
            }
        }
        Ok(options)
    }
}

fn missing_tools() -> Vec<&'static str> {
    TOOLS.iter().filter(|(tool, _)| !on_path(tool)).map(|(_, package)| *package).collect()
}

fn build(workspace: &Workspace, options: Options) -> Result<PathBuf, String> {
    let missing = missing_tools();
    if !missing.is_empty() {
        return Err(format!("dist needs the Debian packages {}", missing.join(", ")));
    }
    let programs = match options.programs {
        Some(folder) => folder,
        None => build_programs(workspace)?,
    };
    let out = options.out.unwrap_or_else(|| workspace.target.join("dist"));
    let tree = Tree { root: out.join("root") };
    match fs::remove_dir_all(&tree.root) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(at(&tree.root)(error));
        }
        Ok(()) | Err(_) => {}
    }
    let time = output(
        Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(&workspace.root),
    )?;
    let time = time.trim();
    tree.add_programs(&programs)?;
    tree.add_manual(&out)?;
    tree.add_files(workspace)?;
    tree.add_documents(workspace, time)?;
    tree.add_control(workspace, &out)?;
    tree.set_modes(&tree.root)?;
    let architecture = output(Command::new("dpkg").arg("--print-architecture"))?;
    let name = format!("transom_{}_{}.deb", env!("CARGO_PKG_VERSION"), architecture.trim());
    let package = out.join(name);
    let mut pack = Command::new("dpkg-deb");
    pack.args(["--root-owner-group", "--build"]).env("SOURCE_DATE_EPOCH", time);
    pack.args(if options.fast { ["-Zgzip", "-z1"] } else { ["-Zxz", "-z6"] });
    output(pack.arg(&tree.root).arg(&package))?;
    Ok(package)
}

fn build_programs(workspace: &Workspace) -> Result<PathBuf, String> {
    let mut build = cargo();
    build.args(["build", "--release", "--locked", "--package", "transom-cli"]);
    run_shown(build.current_dir(&workspace.root))?;
    Ok(workspace.target.join("release"))
}

/// The files as they will be installed, and `DEBIAN` beside them.
struct Tree {
    root: PathBuf,
}

impl Tree {
    /// Makes the folders above a path.
    fn place(&self, path: impl AsRef<Path>) -> Result<PathBuf, String> {
        let path = self.root.join(path);
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(at(folder))?;
        Ok(path)
    }

    fn write(&self, path: impl AsRef<Path>, text: impl AsRef<[u8]>) -> Result<PathBuf, String> {
        let path = self.place(path)?;
        fs::write(&path, text).map_err(at(&path))?;
        Ok(path)
    }

    fn copy(&self, from: &Path, to: impl AsRef<Path>) -> Result<(), String> {
        self.write(to, fs::read(from).map_err(at(from))?).map(drop)
    }

    fn add_programs(&self, from: &Path) -> Result<(), String> {
        for program in PROGRAMS {
            let to = self.place(format!("usr/bin/{program}"))?;
            let mut strip = Command::new("strip");
            strip.args(["--remove-section=.comment", "--remove-section=.note", "-o"]);
            output(strip.arg(&to).arg(from.join(program)))?;
            set_mode(&to, 0o755)?;
        }
        Ok(())
    }

    fn add_manual(&self, out: &Path) -> Result<(), String> {
        let transom = self.root.join("usr/bin/transom");
        let pages = out.join("pages");
        fs::create_dir_all(&pages).map_err(at(&pages))?;
        let written = output(Command::new(&transom).arg("man").arg(&pages))?;
        for page in written.lines().map(Path::new) {
            let name = page.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.copy(page, format!("usr/share/man/man1/{name}"))?;
            gzip(&self.root.join("usr/share/man/man1").join(name))?;
        }
        fs::remove_dir_all(&pages).map_err(at(&pages))?;
        for (shell, folder, before, behind) in COMPLETIONS {
            for program in PROGRAMS {
                let text = output(Command::new(&transom).args(["completions", shell, program]))?;
                self.write(format!("{folder}/{before}{program}{behind}"), text)?;
            }
        }
        Ok(())
    }

    fn add_files(&self, workspace: &Workspace) -> Result<(), String> {
        for (from, to) in [
            ("packaging/transom.service", "usr/lib/systemd/system/transom.service".to_owned()),
            ("packaging/transom.logrotate", "etc/logrotate.d/transom".to_owned()),
            ("packaging/config.toml", "etc/transom/config.toml".to_owned()),
            ("docs/guide/administrator.md", format!("{DOCS}/administrator.md")),
            ("docs/guide/access.md", format!("{DOCS}/access.md")),
            ("docs/guide/certificates.md", format!("{DOCS}/certificates.md")),
            ("docs/guide/configuration.md", format!("{DOCS}/configuration.md")),
            ("docs/guide/kerberos.md", format!("{DOCS}/kerberos.md")),
            ("docs/guide/winrm.md", format!("{DOCS}/winrm.md")),
            ("docs/guide/winrs.md", format!("{DOCS}/winrs.md")),
            ("docs/guide/wsman-cmdlets.md", format!("{DOCS}/wsman-cmdlets.md")),
            ("docs/guide/pssession.md", format!("{DOCS}/pssession.md")),
        ] {
            self.copy(&workspace.root.join(from), to)?;
        }
        Ok(())
    }

    fn add_documents(&self, workspace: &Workspace, time: &str) -> Result<(), String> {
        let date = output(Command::new("date").args(["-R", "-u", "-d", &format!("@{time}")]))?;
        let fragments = fragments(&workspace.root.join("changes"))?;
        let changelog =
            text::changelog(env!("CARGO_PKG_VERSION"), &fragments, &maintainer(), date.trim());
        gzip(&self.write(format!("{DOCS}/changelog"), changelog)?)?;
        let parts = licences::collect(workspace)?;
        let mit = fs::read_to_string(workspace.root.join("LICENSE-MIT"))
            .map_err(|error| error.to_string())?;
        self.write(format!("{DOCS}/copyright"), text::copyright(&mit, &parts))?;
        gzip(&self.write(format!("{DOCS}/third-party-licences"), licences::texts(&parts))?)
    }

    fn add_control(&self, workspace: &Workspace, out: &Path) -> Result<(), String> {
        let sums = self.sums()?;
        let kibibytes = size(&self.root)?.div_ceil(1024);
        let template = workspace.root.join("packaging/debian/control");
        let architecture = output(Command::new("dpkg").arg("--print-architecture"))?;
        let control = fs::read_to_string(&template)
            .map_err(at(&template))?
            .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
            .replace("@ARCHITECTURE@", architecture.trim())
            .replace("@MAINTAINER@", &maintainer())
            .replace("@SIZE@", &kibibytes.to_string())
            .replace("@DEPENDS@", &self.libraries(out)?);
        self.write("DEBIAN/control", control)?;
        self.write("DEBIAN/conffiles", CONFFILES)?;
        self.write("DEBIAN/md5sums", sums)?;
        for script in SCRIPTS {
            let from = workspace.root.join("packaging/debian").join(script);
            self.copy(&from, format!("DEBIAN/{script}"))?;
            set_mode(&self.root.join("DEBIAN").join(script), 0o755)?;
        }
        Ok(())
    }

    /// The packages whose libraries the programs were linked with, in the versions that have every symbol.
    fn libraries(&self, out: &Path) -> Result<String, String> {
        let folder = out.join("libraries");
        fs::create_dir_all(folder.join("debian")).map_err(at(&folder))?;
        let source = "Source: transom\n\nPackage: transom\nArchitecture: any\n";
        fs::write(folder.join("debian/control"), source).map_err(at(&folder))?;
        let mut shlibdeps = Command::new("dpkg-shlibdeps");
        shlibdeps.arg("-O").current_dir(&folder);
        shlibdeps.args(PROGRAMS.map(|program| self.root.join("usr/bin").join(program)));
        let found = output(&mut shlibdeps)?;
        fs::remove_dir_all(&folder).map_err(at(&folder))?;
        let depends = found.lines().find_map(|line| line.strip_prefix("shlibs:Depends="));
        depends.map(str::to_owned).ok_or_else(|| format!("dpkg-shlibdeps said: {found}"))
    }

    fn sums(&self) -> Result<String, String> {
        let mut files: Vec<PathBuf> = Vec::new();
        walk(&self.root, &mut |path, is_folder| {
            let relative = path.strip_prefix(&self.root).unwrap_or(path);
            // Those that the administrator changes have no sum.
            if !is_folder && !relative.starts_with("etc") {
                files.push(relative.to_owned());
            }
        })?;
        files.sort();
        output(Command::new("md5sum").args(files).current_dir(&self.root))
    }

    /// What is executable stays so; nothing depends on the umask of whoever builds.
    fn set_modes(&self, folder: &Path) -> Result<(), String> {
        let mut paths = vec![(folder.to_owned(), true)];
        walk(folder, &mut |path, is_folder| paths.push((path.to_owned(), is_folder)))?;
        for (path, is_folder) in paths {
            let mode = fs::metadata(&path).map_err(at(&path))?.permissions().mode();
            let executable = is_folder || mode & 0o111 != 0;
            set_mode(&path, if executable { 0o755 } else { 0o644 })?;
        }
        Ok(())
    }
}

/// Whoever builds, in Debian's own variables.
fn maintainer() -> String {
    match (std::env::var("DEBFULLNAME"), std::env::var("DEBEMAIL")) {
        (Ok(name), Ok(address)) => format!("{name} <{address}>"),
        _ => MAINTAINER.to_owned(),
    }
}

/// The texts of the changes since the last release, in the order of their names.
fn fragments(folder: &Path) -> Result<Vec<String>, String> {
    let mut paths = Vec::new();
    walk(folder, &mut |path, _| paths.push(path.to_owned()))?;
    paths.retain(|path| path.file_name().is_some_and(|name| name != "README.md"));
    paths.sort();
    paths.iter().map(|path| fs::read_to_string(path).map_err(at(path))).collect()
}

fn size(folder: &Path) -> Result<u64, String> {
    let mut total = 0;
    // A folder takes a block.
    walk(folder, &mut |path, is_folder| {
        total += if is_folder { 1024 } else { fs::metadata(path).map_or(0, |found| found.len()) };
    })?;
    Ok(total)
}

fn walk(folder: &Path, visit: &mut impl FnMut(&Path, bool)) -> Result<(), String> {
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        let is_folder = path.is_dir();
        visit(&path, is_folder);
        if is_folder {
            walk(&path, visit)?;
        }
    }
    Ok(())
}

/// The same bytes give the same file: no name and no time in it.
fn gzip(path: &Path) -> Result<(), String> {
    output(Command::new("gzip").args(["-9n"]).arg(path)).map(drop)
}

fn set_mode(path: &Path, mode: u32) -> Result<(), String> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(at(path))
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> String {
    move |error| format!("{}: {error}", path.display())
}

/// What a command prints; what it complains about is shown when it fails.
fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{}: {error}", shown(command)))?;
    if !output.status.success() {
        return Err(format!("{}: {}", shown(command), String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_are_read_and_others_refused() {
        let options = Options::parse(&words("--programs p --fast")).unwrap();
        assert_eq!(options, Options { programs: Some("p".into()), out: None, fast: true });
        assert!(Options::parse(&words("--out")).is_err());
        assert!(Options::parse(&words("--slow")).is_err());
    }

    /// A package of the programs that the other tests run; the release build takes minutes.
    #[test]
    fn package_holds_what_it_should_and_comes_out_the_same_twice() {
        const TEST: &str = "package_holds_what_it_should";
        let missing = missing_tools();
        if !missing.is_empty() {
            println!("SKIPPED {TEST}: needs Debian's {}", missing.join(", "));
            return;
        }
        let workspace = Workspace::find().unwrap();
        let programs = workspace.target.join("debug");
        if !PROGRAMS.iter().all(|program| programs.join(program).exists()) {
            println!("SKIPPED {TEST}: {} are not built", PROGRAMS.join(", "));
            return;
        }
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [first, second] = folders.each_ref().map(|folder| {
            let out = Some(folder.path().to_owned());
            build(&workspace, Options { programs: Some(programs.clone()), out, fast: true })
                .unwrap()
        });
        assert!(fs::read(&first).unwrap() == fs::read(&second).unwrap(), "two packages differ");

        let listed = output(Command::new("dpkg-deb").arg("--contents").arg(&first)).unwrap();
        let mut files: Vec<String> = listed
            .lines()
            .map(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                format!("{} {} {}", fields[0], fields[1], fields[5])
            })
            .filter(|line| !line.ends_with('/'))
            .collect();
        files.sort_by(|a, b| a.rsplit(' ').next().cmp(&b.rsplit(' ').next()));
        let expected: Vec<&str> = include_str!("files.txt").lines().collect();
        assert_eq!(files, expected, "files.txt of the xtask lists what the package holds");

        let installed = folders[1].path().join("installed");
        output(Command::new("dpkg-deb").arg("-x").arg(&first).arg(&installed)).unwrap();
        for program in PROGRAMS {
            let program = installed.join("usr/bin").join(program);
            let help = if program.ends_with("winrs") { "-?" } else { "--help" };
            assert!(output(Command::new(program).arg(help)).unwrap().contains("-"));
        }
        let control = output(Command::new("dpkg-deb").arg("--field").arg(&first)).unwrap();
        assert!(control.contains("\nDepends: adduser, libc6 (>= 2."), "{control}");
        assert!(!control.contains('@') || control.matches('@').count() == 1, "{control}");
        for script in SCRIPTS {
            let script = workspace.root.join("packaging/debian").join(script);
            output(Command::new("sh").arg("-n").arg(script)).unwrap();
        }
    }
}
