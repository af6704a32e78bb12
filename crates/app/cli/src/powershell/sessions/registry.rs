//! The sessions that outlive a program: a private file that says where each is and how it is reached again.
//!
//! `$XDG_STATE_HOME/transom/sessions.json`, readable by its owner only, without passwords. It is replaced as a whole under a
//! lock, so that programs which run at once neither lose nor tear each other's entries.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::value::Value;
use crate::command_error::CommandError;

/// The file is never larger, in bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// The most sessions in it.
const MAX_SESSIONS: usize = 10_000;
/// The form of the file that is written here.
const VERSION: u32 = 1;
const FILE: &str = "sessions.json";
const LOCK: &str = "sessions.lock";

/// A session that is on its host.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::powershell) struct Record {
    /// Its number, which no other session of the file has.
    pub(in crate::powershell) id: u32,
    pub(in crate::powershell) name: String,
    #[serde(flatten)]
    pub(in crate::powershell) place: Place,
    /// What a later version keeps.
    #[serde(flatten)]
    other: serde_json::Map<String, serde_json::Value>,
}

/// Which session it is, where, and how it is reached again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::powershell) struct Place {
    #[serde(with = "as_text")]
    pub(in crate::powershell) instance_id: Uuid,
    /// As it was named.
    pub(in crate::powershell) computer_name: String,
    /// The address of its service.
    pub(in crate::powershell) connection_uri: String,
    pub(in crate::powershell) user_name: String,
    /// `Negotiate` or `Basic`.
    pub(in crate::powershell) authentication: String,
    /// The name of its configuration, or the whole URI.
    pub(in crate::powershell) configuration_name: String,
    /// Whether its streams are compressed.
    pub(in crate::powershell) is_compressed: bool,
    /// The options of the session, as a hashtable.
    pub(in crate::powershell) session_option: Value,
}

/// A session before it has a number.
#[derive(Clone, Debug)]
pub(in crate::powershell) struct Draft {
    /// `Runspace` and the number, where there is none.
    pub(in crate::powershell) name: Option<String>,
    pub(in crate::powershell) place: Place,
}

impl Draft {
    fn numbered(self, id: u32) -> Record {
        let name = self.name.unwrap_or_else(|| format!("Runspace{id}"));
        Record { id, name, place: self.place, other: serde_json::Map::new() }
    }
}

/// The file's content.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    version: u32,
    /// The last number that was given out, while sessions are there.
    last_id: u32,
    sessions: Vec<Record>,
    #[serde(flatten)]
    other: serde_json::Map<String, serde_json::Value>,
}

impl Default for Content {
    fn default() -> Self {
        let other = serde_json::Map::new();
        Self { version: VERSION, last_id: 0, sessions: Vec::new(), other }
    }
}

mod as_text {
    use serde::{Deserialize as _, Deserializer, Serializer};
    use uuid::Uuid;

    pub(super) fn serialize<S: Serializer>(id: &Uuid, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Uuid, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The user's file.
#[derive(Clone, Debug)]
pub(in crate::powershell) struct Registry {
    folder: PathBuf,
}

impl Registry {
    /// The one that the environment names.
    ///
    /// # Errors
    /// The user has no home.
    pub(in crate::powershell) fn of_user() -> Result<Self, CommandError> {
        let base = match std::env::var_os("XDG_STATE_HOME").map(PathBuf::from) {
            Some(folder) if folder.is_absolute() => folder,
            _ => std::env::home_dir().map(|home| home.join(".local/state")).ok_or_else(|| {
                CommandError::failed("there is no folder for the list of sessions")
                    .hint("set XDG_STATE_HOME")
            })?,
        };
        Ok(Self { folder: base.join("transom") })
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// All sessions, by their numbers.
    ///
    /// # Errors
    /// The file cannot be read, or what is in it.
    pub(in crate::powershell) fn sessions(&self) -> Result<Vec<Record>, CommandError> {
        let mut sessions = self.content()?.sessions;
        sessions.sort_by_key(|session| session.id);
        Ok(sessions)
    }

    /// Makes sure that sessions could be kept, before one is opened.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(in crate::powershell) fn check(&self) -> Result<(), CommandError> {
        self.update(|_| ((), false))
    }

    /// Keeps sessions: each gets a number. One that is there already keeps its own.
    ///
    /// # Errors
    /// The file cannot be read or written, or is full.
    pub(in crate::powershell) fn add(
        &self,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Record>, CommandError> {
        let path = self.path();
        self.update(|content| {
            let mut added = Vec::new();
            let mut has_changed = false;
            for draft in drafts {
                let is_same = |known: &&Record| known.place.instance_id == draft.place.instance_id;
                if let Some(known) = content.sessions.iter().find(is_same) {
                    added.push(known.clone());
                    continue;
                }
                if content.sessions.len() >= MAX_SESSIONS {
                    let message = format!("{} has {MAX_SESSIONS} sessions", path.display());
                    return (
                        Err(CommandError::failed(message).hint("Remove-PSSession ends sessions")),
                        has_changed,
                    );
                }
                let record = draft.numbered(content.next_id());
                content.sessions.push(record.clone());
                added.push(record);
                has_changed = true;
            }
            (Ok(added), has_changed)
        })?
    }

    /// Forgets sessions.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(in crate::powershell) fn remove(&self, ids: &[Uuid]) -> Result<(), CommandError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.update(|content| {
            let before = content.sessions.len();
            content.sessions.retain(|session| !ids.contains(&session.place.instance_id));
            ((), content.sessions.len() < before)
        })
    }

    /// Changes the content under the lock; `change` says whether there is something to write.
    fn update<T>(&self, change: impl FnOnce(&mut Content) -> (T, bool)) -> Result<T, CommandError> {
        let failed = |doing: &str, path: &Path, error: &io::Error| {
            CommandError::caused(format!("{doing} {}", path.display()), error)
                .hint("XDG_STATE_HOME names another place for the list of sessions")
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(|error| failed("making", &self.folder, &error))?;
        let lock = self.folder.join(LOCK);
        let file = private().write(true).create(true).truncate(false).open(&lock);
        let file = file.map_err(|error| failed("opening", &lock, &error))?;
        file.lock().map_err(|error| failed("locking", &lock, &error))?;
        let mut content = self.content()?;
        let (made, has_changed) = change(&mut content);
        if has_changed {
            let path = self.path();
            self.write(&content).map_err(|error| failed("writing", &path, &error))?;
        }
        // The lock goes with the file.
        drop(file);
        Ok(made)
    }

    fn write(&self, content: &Content) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(content)?;
        text.push(b'\n');
        // Under the lock nobody else has it; what a killed program left is overwritten.
        let new = self.folder.join("sessions.json.new");
        if let Err(error) = fs::remove_file(&new)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = private().write(true).create_new(true).open(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, self.path())
    }

    fn content(&self) -> Result<Content, CommandError> {
        let path = self.path();
        let failed =
            |error: &io::Error| CommandError::caused(format!("reading {}", path.display()), error);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Content::default());
            }
            Err(error) => return Err(failed(&error)),
        };
        let mut text = Vec::new();
        file.take(MAX_FILE + 1).read_to_end(&mut text).map_err(|error| failed(&error))?;
        let wrong = |problem: String| {
            CommandError::failed(format!("{} is no list of sessions: {problem}", path.display()))
                .hint("move it away; Get-PSSession -ComputerName finds the sessions on their hosts")
        };
        if text.len() as u64 > MAX_FILE {
            return Err(wrong("it is larger than 16 MiB".to_owned()));
        }
        let content: Content =
            serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        if content.version != VERSION {
            return Err(wrong(format!(
                "it is of version {}, and this program knows {VERSION}",
                content.version
            )));
        }
        Ok(content)
    }
}

impl Content {
    /// From 1 on; begins anew when no session is left.
    fn next_id(&mut self) -> u32 {
        let highest = self.sessions.iter().map(|session| session.id).max();
        let last = highest.map_or(0, |highest| highest.max(self.last_id));
        self.last_id = last.saturating_add(1);
        self.last_id
    }
}

/// A file for its owner only.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::thread;

    use super::*;

    fn draft(name: Option<&str>) -> Draft {
        let place = Place {
            instance_id: Uuid::from_u64_pair(1, rand()),
            computer_name: "server01".to_owned(),
            connection_uri: "http://server01:5985/wsman".to_owned(),
            user_name: r"Domain01\User01".to_owned(),
            authentication: "Negotiate".to_owned(),
            configuration_name: "Microsoft.PowerShell".to_owned(),
            is_compressed: true,
            session_option: Value::hashtable(vec![("OpenTimeout".to_owned(), Value::Integer(1))]),
        };
        Draft { name: name.map(str::to_owned), place }
    }

    fn rand() -> u64 {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).unwrap();
        u64::from_ne_bytes(bytes)
    }

    fn empty() -> (tempfile::TempDir, Registry) {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry { folder: folder.path().join("state/transom") };
        (folder, registry)
    }

    #[test]
    fn sessions_have_numbers_of_their_own_which_begin_anew_when_none_is_left() {
        let (_folder, registry) = empty();
        let add = |name| registry.add(vec![draft(name)]).unwrap().remove(0);
        let (one, two, three) = (add(None), add(Some("web")), add(Some("web")));
        assert_eq!([one.id, two.id, three.id], [1, 2, 3]);
        assert_eq!([one.name.as_str(), &two.name, &three.name], ["Runspace1", "web", "web"]);
        registry.remove(&[three.place.instance_id, two.place.instance_id]).unwrap();
        assert_eq!(add(None).id, 4, "a number is not given twice while sessions are there");
        let all: Vec<Uuid> =
            registry.sessions().unwrap().iter().map(|session| session.place.instance_id).collect();
        registry.remove(&all).unwrap();
        assert_eq!(add(None).id, 1);
    }

    #[test]
    fn session_that_is_known_keeps_its_number() {
        let (_folder, registry) = empty();
        let draft = draft(None);
        let first = registry.add(vec![draft.clone()]).unwrap().remove(0);
        let again = registry.add(vec![Draft { name: Some("x".to_owned()), ..draft }]).unwrap();
        assert_eq!((again[0].id, again[0].name.as_str()), (first.id, first.name.as_str()));
        let kept = registry.sessions().unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].place.session_option.member("OpenTimeout").text(), "1");
    }

    #[test]
    fn file_and_folder_are_for_their_owner_only() {
        let (_folder, registry) = empty();
        registry.add(vec![draft(None)]).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&registry.folder), 0o700);
        assert_eq!(mode(&registry.path()), 0o600);
        assert_eq!(mode(&registry.folder.join(LOCK)), 0o600);
    }

    #[test]
    fn damaged_content_is_named_and_left_alone() {
        let (_folder, registry) = empty();
        registry.add(vec![draft(None)]).unwrap();
        let sound = fs::read_to_string(registry.path()).unwrap();
        for (text, part) in [
            ("", "EOF"),
            ("{\"Version\":1", "EOF"),
            ("[]", "expected"),
            (&sound.replace("\"Version\": 1", "\"Version\": 2"), "version 2"),
            (&sound.replace("\"Id\": 1", "\"Id\": \"x\""), "invalid type"),
            (&sound.replace("\"InstanceId\": \"", "\"InstanceId\": \"x"), "sessions.json"),
        ] {
            fs::write(registry.path(), text).unwrap();
            for error in [
                registry.sessions().unwrap_err(),
                registry.add(vec![draft(None)]).unwrap_err(),
                registry.check().unwrap_err(),
            ] {
                assert!(error.error().contains("is no list of sessions"), "{}", error.error());
                assert!(error.error().contains(part), "{text}: {}", error.error());
            }
            assert_eq!(fs::read_to_string(registry.path()).unwrap(), text);
        }
    }

    #[test]
    fn what_a_later_version_keeps_is_not_lost() {
        let (_folder, registry) = empty();
        registry.add(vec![draft(None)]).unwrap();
        let text = fs::read_to_string(registry.path()).unwrap();
        let text = text.replace("\"Id\": 1", "\"Later\": [7], \"Id\": 1");
        fs::write(registry.path(), text).unwrap();
        registry.add(vec![draft(None)]).unwrap();
        assert!(fs::read_to_string(registry.path()).unwrap().contains("\"Later\": ["));
    }

    #[test]
    fn programs_that_run_at_once_lose_nothing() {
        let (_folder, registry) = empty();
        let add = |_| {
            let registry = registry.clone();
            thread::spawn(move || {
                let added = registry.add(vec![draft(None), draft(None)]).unwrap();
                registry.remove(&[added[0].place.instance_id]).unwrap();
            })
        };
        let threads: Vec<_> = (0..20).map(add).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let kept = registry.sessions().unwrap();
        let ids: std::collections::BTreeSet<u32> = kept.iter().map(|session| session.id).collect();
        assert_eq!((kept.len(), ids.len()), (20, 20));
    }
}
