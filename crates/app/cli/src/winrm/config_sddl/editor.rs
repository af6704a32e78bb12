//! The editor over a descriptor: what it shows, and what its commands do to it. Nothing here reads or writes anything.

use std::fmt::Write as _;

use auth::sddl::{AccessMask, Ace, AceKind, Acl, SecurityDescriptor};

use super::names::Names;

/// The rights that are shown, in the order of their columns.
const RIGHTS: [(&str, AccessMask); 3] =
    [("Read", AccessMask::READ), ("Write", AccessMask::WRITE), ("Execute", AccessMask::EXECUTE)];

/// What the commands are.
pub(super) const HELP: &str = "\
  add NAME [read] [write] [execute]   adds an entry; read and execute where no right is named
  read N, write N, execute N          gives the entry N the right, or takes it away
  remove N                            removes the entry N
  list                                shows the entries
  sddl [TEXT]                         shows the descriptor, or puts another one in its place
  save                                writes the descriptor, and ends
  quit                                ends without writing
";

/// A descriptor that is edited.
#[derive(Debug)]
pub(super) struct Editor {
    descriptor: SecurityDescriptor,
    before: SecurityDescriptor,
    names: Names,
}

/// What comes of a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// This is to be shown.
    Show(String),
    /// The entries have changed.
    Changed,
    /// The descriptor is to be written.
    Save,
    /// It is not.
    Quit,
}

impl Editor {
    pub(super) fn new(descriptor: SecurityDescriptor, names: Names) -> Self {
        Self { before: descriptor.clone(), descriptor, names }
    }

    /// The descriptor as it is now.
    pub(super) const fn descriptor(&self) -> &SecurityDescriptor {
        &self.descriptor
    }

    /// Whether it is another one than at the beginning.
    pub(super) fn has_changed(&self) -> bool {
        self.descriptor != self.before
    }

    /// The entries as a table.
    pub(super) fn table(&self) -> String {
        let entries = self.entries();
        let name = |ace: &Ace| {
            let name = self.names.name(&ace.sid);
            if ace.kind == AceKind::Allow { name } else { format!("{name} (denied)") }
        };
        let heading = "Group or user";
        let rows: Vec<_> = entries.iter().map(|ace| (name(ace), ace.rights)).collect();
        let widths = rows.iter().map(|(name, _)| name.chars().count());
        let width = widths.chain([heading.len()]).max().unwrap_or_default();
        let mut text = format!("   #  {heading:width$}  Read  Write  Execute\n");
        for (number, (name, rights)) in (1..).zip(rows) {
            let [read, write, execute] =
                RIGHTS.map(|(_, right)| if rights.contains(right) { "yes" } else { "-" });
            let line = format!("{number:>4}  {name:width$}  {read:4}  {write:5}  {execute}");
            let _infallible = writeln!(text, "{}", line.trim_end());
        }
        if entries.is_empty() {
            text.push_str("      nobody\n");
        }
        text
    }

    /// Obeys a command.
    ///
    /// # Errors
    ///
    /// What is wrong with it; nothing has changed.
    pub(super) fn obey(&mut self, line: &str) -> Result<Outcome, String> {
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        match (word.to_ascii_lowercase().as_str(), rest) {
            ("" | "list", "") => Ok(Outcome::Show(self.table())),
            ("help" | "?", "") => Ok(Outcome::Show(HELP.to_owned())),
            ("save", "") => {
                self.descriptor.check().map_err(|error| error.to_string())?;
                Ok(Outcome::Save)
            }
            ("quit" | "exit", "") => Ok(Outcome::Quit),
            ("sddl", "") => Ok(Outcome::Show(format!("{}\n", self.descriptor))),
            ("sddl", text) => {
                let other: SecurityDescriptor =
                    text.parse().map_err(|error: auth::sddl::SddlError| error.to_string())?;
                other.check().map_err(|error| error.to_string())?;
                self.descriptor = other;
                Ok(Outcome::Changed)
            }
            ("add", rest) if !rest.is_empty() => self.add(rest),
            ("remove", number) => {
                let at = self.place(number)?;
                self.entries_mut().remove(at);
                Ok(Outcome::Changed)
            }
            (word, number) => {
                let found = RIGHTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
                let Some((_, right)) = found else {
                    return Err(format!("`{line}` is no command; `help` shows what there is"));
                };
                self.toggle(self.place(number)?, *right)
            }
        }
    }

    /// An entry for somebody whose name may have blanks: rights stand at the end.
    fn add(&mut self, text: &str) -> Result<Outcome, String> {
        let (mut name, mut rights) = (text, AccessMask::NONE);
        while let Some((rest, word)) = name.rsplit_once(char::is_whitespace) {
            let found = RIGHTS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
            let Some((_, right)) = found else { break };
            rights = rights | *right;
            name = rest.trim_end();
        }
        if rights.is_empty() {
            rights = AccessMask::READ | AccessMask::EXECUTE;
        }
        let sid = self.names.sid(name.trim_matches('"'))?;
        let entries = self.entries_mut();
        let same = |ace: &&mut Ace| ace.kind == AceKind::Allow && ace.sid == sid;
        match entries.iter_mut().find(same) {
            Some(ace) => ace.rights = whole(ace.rights | rights),
            None => entries.push(Ace::allow(sid, whole(rights))),
        }
        Ok(Outcome::Changed)
    }

    fn toggle(&mut self, at: usize, right: AccessMask) -> Result<Outcome, String> {
        let entry = self.entries_mut().get_mut(at).ok_or("there is no such entry")?;
        let rights = entry.rights.mapped();
        let other = if rights.contains(right) { rights.without(right) } else { rights | right };
        if other.is_empty() {
            return Err("an entry without rights says nothing: remove it instead".to_owned());
        }
        entry.rights = whole(other);
        Ok(Outcome::Changed)
    }

    /// The place of an entry by its number.
    fn place(&self, number: &str) -> Result<usize, String> {
        let count = self.entries().len();
        let at: Option<usize> = number.parse().ok();
        at.and_then(|number| number.checked_sub(1))
            .filter(|at| *at < count)
            .ok_or_else(|| format!("`{number}` is no number of an entry, which are 1 to {count}"))
    }

    fn entries(&self) -> &[Ace] {
        self.descriptor.dacl.as_ref().map_or(&[], |dacl| &dacl.entries)
    }

    fn entries_mut(&mut self) -> &mut Vec<Ace> {
        let empty = || Acl { is_protected: true, ..Acl::default() };
        &mut self.descriptor.dacl.get_or_insert_with(empty).entries
    }
}

/// All three rights as Windows writes them.
fn whole(rights: AccessMask) -> AccessMask {
    let all = AccessMask::ALL.mapped();
    if rights.contains(all) { rights.mapped().without(all) | AccessMask::ALL } else { rights }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "O:NSG:BAD:P(A;;GA;;;BA)(A;;GR;;;IU)S:P(AU;FA;GA;;;WD)(AU;SA;GXGW;;;WD)";

    fn editor() -> Editor {
        Editor::new(ROOT.parse().unwrap(), Names::default())
    }

    #[test]
    fn table_shows_who_has_which_right() {
        let mut editor = editor();
        editor.obey("sddl O:NSG:BAD:P(D;;GW;;;NU)(A;;GA;;;BA)(A;;GXGR;;;RM)").unwrap();
        let lines = [
            "   #  Group or user                    Read  Write  Execute",
            "   1  NT AUTHORITY\\NETWORK (denied)    -     yes    -",
            "   2  BUILTIN\\Administrators           yes   yes    yes",
            "   3  BUILTIN\\Remote Management Users  yes   -      yes",
        ];
        assert_eq!(editor.table(), lines.map(|line| format!("{line}\n")).concat());
    }

    #[test]
    fn commands_change_the_entries_and_nothing_else() {
        let mut editor = editor();
        for (line, entries) in [
            ("add Remote Management Users", "(A;;GA;;;BA)(A;;GR;;;IU)(A;;GXGR;;;RM)"),
            ("Write 3", "(A;;GA;;;BA)(A;;GR;;;IU)(A;;GA;;;RM)"),
            ("read 3", "(A;;GA;;;BA)(A;;GR;;;IU)(A;;GXGW;;;RM)"),
            ("remove 2", "(A;;GA;;;BA)(A;;GXGW;;;RM)"),
            (
                "add \"S-1-5-21-1-2-3-4\" execute READ",
                "(A;;GA;;;BA)(A;;GXGW;;;RM)(A;;GXGR;;;S-1-5-21-1-2-3-4)",
            ),
            ("add RM read", "(A;;GA;;;BA)(A;;GA;;;RM)(A;;GXGR;;;S-1-5-21-1-2-3-4)"),
        ] {
            assert_eq!(editor.obey(line), Ok(Outcome::Changed), "{line}");
            let expected = ROOT.replace("(A;;GA;;;BA)(A;;GR;;;IU)", entries);
            assert_eq!(editor.descriptor().to_string(), expected, "{line}");
        }
        assert!(editor.has_changed());
        assert_eq!(editor.obey("save"), Ok(Outcome::Save));
    }

    #[test]
    fn wrong_commands_change_nothing() {
        let mut editor = editor();
        for line in [
            "remove 3",
            "remove 0",
            "remove",
            "read",
            "read x",
            "add",
            "add nobody",
            "add read",
            "delete 1",
            "save now",
            "sddl D:(A;;QQ;;;BA)",
            "sddl O:BA",
            "read 2",
        ] {
            assert!(editor.obey(line).is_err(), "{line}");
            assert!(!editor.has_changed(), "{line}");
        }
        assert_eq!(editor.obey("quit"), Ok(Outcome::Quit));
        assert_eq!(editor.obey("sddl"), Ok(Outcome::Show(format!("{ROOT}\n"))));
        assert_eq!(editor.obey("help"), Ok(Outcome::Show(HELP.to_owned())));
    }
}
