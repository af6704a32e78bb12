//! Where things are: the repository, its build folder, and the outside material that tests may read.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

/// The repository and what surrounds it.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The folder of the root Cargo.toml.
    pub(crate) root: PathBuf,
    /// Cargo's build folder.
    pub(crate) target: PathBuf,
    /// Every crate of the workspace.
    pub(crate) packages: Vec<Package>,
}

/// A crate of the workspace, as `cargo metadata` knows it.
#[derive(Debug)]
pub(crate) struct Package {
    /// The package name, `transom-wsman`.
    pub(crate) name: String,
    /// The crate's folder below the root, `crates/core/wsman`.
    pub(crate) folder: PathBuf,
    /// The workspace crates that it uses outside its tests, by package name.
    pub(crate) uses: Vec<String>,
}

impl Workspace {
    /// Asks cargo for the workspace that this program was run from.
    pub(crate) fn find() -> Result<Self, String> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = fs::canonicalize(manifest.join("../../.."))
            .map_err(|error| format!("no workspace above {}: {error}", manifest.display()))?;
        let output = cargo()
            .args(["metadata", "--format-version=1", "--no-deps"])
            .current_dir(&root)
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| format!("cargo metadata: {error}"))?;
        let json = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("cargo metadata: {error}"))?;
        Self::from_metadata(root, &json)
    }

    fn from_metadata(root: PathBuf, json: &serde_json::Value) -> Result<Self, String> {
        let text = |value: &serde_json::Value, key: &str| {
            let found = value.get(key).and_then(serde_json::Value::as_str);
            found.map(str::to_owned).ok_or_else(|| format!("cargo metadata has no {key}"))
        };
        let mut packages = Vec::new();
        for package in json.get("packages").and_then(|list| list.as_array()).into_iter().flatten() {
            let manifest = PathBuf::from(text(package, "manifest_path")?);
            let folder = manifest.parent().unwrap_or(&manifest);
            let mut uses = Vec::new();
            for used in
                package.get("dependencies").and_then(|list| list.as_array()).into_iter().flatten()
            {
                let of_tests = used.get("kind").and_then(|kind| kind.as_str()) == Some("dev");
                let ours = used.get("path").is_some_and(serde_json::Value::is_string);
                if ours && !of_tests {
                    uses.push(text(used, "name")?);
                }
            }
            let folder = folder.strip_prefix(&root).unwrap_or(folder).to_path_buf();
            packages.push(Package { name: text(package, "name")?, folder, uses });
        }
        Ok(Self { target: PathBuf::from(text(json, "target_directory")?), root, packages })
    }

    /// The recorded messages and vectors, where they are: `TRANSOM_CORPORA`, or beside the repository.
    pub(crate) fn corpora(&self) -> Option<PathBuf> {
        let named = env::var_os("TRANSOM_CORPORA").map(PathBuf::from);
        existing(named.unwrap_or_else(|| self.root.join("../shared/corpora")))
    }

    /// The stub server, where it is: `TRANSOM_STUB`, or beside the recorded messages.
    pub(crate) fn stub(&self) -> Option<PathBuf> {
        let named = env::var_os("TRANSOM_STUB").map(PathBuf::from);
        let corpora = self.corpora().unwrap_or_else(|| self.root.join("../shared/corpora"));
        existing(named.unwrap_or_else(|| corpora.join("../peers/winrm_stub.py")))
    }
}

/// The cargo that runs us, so that a chosen toolchain stays chosen.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Whether a program of this name can be run.
pub(crate) fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Runs a command with its output shown; says what was run when it fails.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let status = command.stdin(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{}: {status}", shown(command))),
        Err(error) => Err(format!("{}: {error}", shown(command))),
    }
}

/// A command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn existing(path: PathBuf) -> Option<PathBuf> {
    fs::canonicalize(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_gives_arrows_without_those_of_tests_and_of_registries() {
        let json = serde_json::json!({
            "target_directory": "/r/target",
            "packages": [{
                "name": "transom-a", "manifest_path": "/r/crates/io/a/Cargo.toml",
                "dependencies": [
                    {"name": "transom-b", "path": "/r/crates/core/b", "kind": null},
                    {"name": "transom-c", "path": "/r/crates/core/c", "kind": "build"},
                    {"name": "transom-testkit", "path": "/r/crates/dev/testkit", "kind": "dev"},
                    {"name": "tokio", "kind": null},
                ],
            }],
        });
        let workspace = Workspace::from_metadata(PathBuf::from("/r"), &json).unwrap();
        assert_eq!(workspace.target, Path::new("/r/target"));
        assert_eq!(workspace.packages[0].folder, Path::new("crates/io/a"));
        assert_eq!(workspace.packages[0].uses, ["transom-b", "transom-c"]);
    }

    #[test]
    fn a_command_is_shown_without_the_folder_of_its_program() {
        let mut command = Command::new("/opt/bin/cargo");
        command.args(["fmt", "--check"]);
        assert_eq!(shown(&command), "cargo fmt --check");
    }
}
