//! Installs the released programs that the tests run against us, into the build folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::report::Report;
use crate::workspace::{Workspace, on_path, run, shown};

/// Pinned versions, for pip.
const REQUIREMENTS: &str = "crates/dev/xtask/peers.txt";

/// A peer that a whole run must have met.
struct Required {
    /// The first word after `PEER` in the report.
    name: &'static str,
    /// Whether it can take part here.
    possible: fn(&Workspace) -> bool,
}

const REQUIRED: &[Required] = &[
    Required { name: "ansible-core", possible: |_| true },
    Required { name: "apache2", possible: |_| true },
    Required { name: "curl", possible: |_| true },
    Required { name: "mit-krb5", possible: |_| true },
    Required { name: "nginx", possible: |workspace| workspace.stub().is_some() },
    Required { name: "openssl", possible: |_| true },
    Required { name: "prometheus-client", possible: |_| true },
    Required { name: "pypsrp", possible: |_| true },
    Required { name: "pyspnego", possible: |_| true },
    Required { name: "pywinrm", possible: |_| true },
    Required { name: "requests-credssp", possible: |_| true },
    Required { name: "squid", possible: |_| true },
    Required { name: "tinyproxy", possible: |_| true },
    Required { name: "winrm_stub", possible: |workspace| workspace.stub().is_some() },
    Required { name: "xmllint", possible: |workspace| workspace.corpora().is_some() },
];

/// The peers that should have taken part in a whole run, and did not.
pub(crate) fn missing(workspace: &Workspace, report: &Report) -> Vec<&'static str> {
    let absent = |peer: &&Required| (peer.possible)(workspace) && !report.has_peer(peer.name);
    REQUIRED.iter().filter(absent).map(|peer| peer.name).collect()
}

/// Makes sure that everything is there and gives the Python to run the peers with. Instant when
/// nothing changed since the last time.
pub(crate) fn install(workspace: &Workspace) -> Result<PathBuf, String> {
    let packages = missing_packages(is_there);
    if !packages.is_empty() {
        install_packages(&packages)?;
    }
    let folder = workspace.target.join("peers");
    let venv = folder.join("venv");
    let python = venv.join("bin/python");
    let stamp = folder.join("stamp");
    let requirements = workspace.root.join(REQUIREMENTS);
    let wanted = stamp_text(&requirements)?;
    if python.exists() && fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(python);
    }
    println!("Installs the peers of {REQUIREMENTS} into {}", folder.display());
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    let pip = run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"])
        .arg("--requirement")
        .arg(&requirements));
    pip.map_err(|fault| {
        format!("{fault}\nThe peers come from PyPI: is it reachable? `cargo test` runs what needs no peers.")
    })?;
    fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(python)
}

/// What decides whether an installation still fits: the pinned versions and Python's own.
fn stamp_text(requirements: &Path) -> Result<String, String> {
    let pinned = fs::read_to_string(requirements)
        .map_err(|error| format!("{}: {error}", requirements.display()))?;
    let version = Command::new("python3").arg("--version").output();
    let version = version.map_err(|error| format!("python3: {error}"))?;
    Ok(format!("{}{pinned}", String::from_utf8_lossy(&version.stdout)))
}

/// Servers stand where a user's path may not lead.
fn is_there(program: &str) -> bool {
    on_path(program) || Path::new("/usr/sbin").join(program).is_file()
}

/// The Debian packages that are not there.
fn missing_packages(on_path: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let mut packages = Vec::new();
    if !on_path("xmllint") {
        packages.push("libxml2-utils");
    }
    if !on_path("curl") {
        packages.push("curl");
    }
    if !on_path("openssl") {
        packages.push("openssl");
    }
    // Servers stand where users have no path to.
    for (program, package) in [
        ("/usr/sbin/apache2", "apache2-bin"),
        ("/usr/sbin/nginx", "nginx-light"),
        ("/usr/bin/tinyproxy", "tinyproxy-bin"),
        ("/usr/sbin/squid", "squid"),
        ("/usr/sbin/krb5kdc", "krb5-kdc"),
        ("/usr/sbin/kadmin.local", "krb5-admin-server"),
        ("/usr/bin/kinit", "krb5-user"),
        // One of the peers from PyPI is built here against it.
        ("/usr/bin/krb5-config", "libkrb5-dev"),
        // Clocks that differ, and hosts that reach each other through a network.
        ("/usr/bin/faketime", "faketime"),
        ("/usr/sbin/ip", "iproute2"),
    ] {
        if !on_path(program) {
            packages.push(package);
        }
    }
    // NTLM for GSSAPI, and the way to it from the system's Python.
    for (file, package) in [
        ("/etc/gss/mech.d/mech.ntlmssp.conf", "gss-ntlmssp"),
        ("/usr/lib/python3/dist-packages/gssapi/__init__.py", "python3-gssapi"),
    ] {
        if !on_path(file) {
            packages.push(package);
        }
    }
    if !on_path("python3") {
        packages.extend(["python3", "python3-venv"]);
    } else if !python_makes_venvs() {
        packages.push("python3-venv");
    }
    packages
}

/// Debian's python3 comes without the part of `venv` that installs pip.
fn python_makes_venvs() -> bool {
    let mut python = Command::new("python3");
    python.args(["-c", "import ensurepip, venv"]).stdout(Stdio::null()).stderr(Stdio::null());
    python.status().is_ok_and(|status| status.success())
}

fn install_packages(packages: &[&str]) -> Result<(), String> {
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", "--no-install-recommends"]).args(packages);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    // Some come with a service that starts at once; in this run level none does. The tests start their own.
    install.env("RUNLEVEL", "1");
    if !nix::unistd::geteuid().is_root() || !on_path("apt-get") {
        return Err(format!(
            "the tests need {0}, which only root may install. On Debian and Ubuntu:\n  sudo apt-get install {0}",
            packages.join(" ")
        ));
    }
    println!("Runs {}", shown(&install));
    run(Command::new("apt-get").arg("update"))?;
    run(&mut install)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_programs_name_their_debian_packages() {
        let all = [
            "libxml2-utils",
            "curl",
            "openssl",
            "apache2-bin",
            "nginx-light",
            "tinyproxy-bin",
            "squid",
            "krb5-kdc",
            "krb5-admin-server",
            "krb5-user",
            "libkrb5-dev",
            "faketime",
            "iproute2",
            "gss-ntlmssp",
            "python3-gssapi",
            "python3",
            "python3-venv",
        ];
        assert_eq!(missing_packages(|_| false), all);
        assert!(!missing_packages(|_| true).contains(&"libxml2-utils"));
    }

    #[test]
    fn pinned_peers_are_pinned() {
        let text = include_str!("../peers.txt");
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with(['#', '-'])).collect();
        assert!(!lines.is_empty());
        for line in lines {
            assert!(line.contains("=="), "{line}");
        }
    }
}
