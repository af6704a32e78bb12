//! The form of a cmdlet's description: binding, help, completions and pages of the manual are made from one table.

/// A cmdlet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cmdlet {
    pub(crate) name: &'static str,
    pub(crate) aliases: &'static [&'static str],
    /// One sentence without its full stop.
    pub(crate) synopsis: &'static str,
    pub(crate) description: &'static str,
    /// The names of the parameter sets; the first is the default.
    pub(crate) sets: &'static [&'static str],
    /// Its own parameters; [`COMMON`] come on top.
    pub(crate) parameters: &'static [Parameter],
    pub(crate) examples: &'static [&'static str],
    pub(crate) action: Action,
}

/// What a cmdlet does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    ConnectSession,
    DisconnectSession,
    EnterSession,
    ExitSession,
    GetSession,
    NewSession,
    InvokeCommand,
    NewSessionOption,
    ReceiveSession,
    RemoveSession,
    TestWsman,
    GetItem,
    GetChildItem,
    SetItem,
    NewItem,
    RemoveItem,
    GetInstance,
    SetInstance,
    NewInstance,
    RemoveInstance,
    InvokeMethod,
    ConnectWsman,
    DisconnectWsman,
    NewConnectionOption,
    QuickConfig,
    EnableCredSsp,
    DisableCredSsp,
    GetCredSsp,
    EnableRemoting,
    DisableRemoting,
    GetConfiguration,
    RegisterConfiguration,
    SetConfiguration,
    UnregisterConfiguration,
    EnableConfiguration,
    DisableConfiguration,
    NewTransportOption,
    ToSecureString,
    NewObject,
}

impl Action {
    /// Whether the cmdlet runs once for all that comes from a pipe, and not for each object.
    pub(crate) const fn takes_whole_pipe(self) -> bool {
        matches!(self, Self::InvokeCommand)
    }
}

/// A parameter of a cmdlet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) aliases: &'static [&'static str],
    pub(crate) kind: Kind,
    /// Takes several values with commas between them.
    pub(crate) is_list: bool,
    pub(crate) about: &'static str,
    /// The sets to which it belongs.
    pub(crate) memberships: &'static [Membership],
    pub(crate) pipeline: FromPipeline,
}

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `-Name`, `-Name:$false`.
    Switch,
    /// A text that is not empty.
    Text,
    /// A text that may be empty.
    AnyText,
    /// `$true` or `$false`, or such a word.
    Boolean,
    /// A number of 32 bits from the first to the last.
    Integer(i32, i32),
    /// A number that is not negative, with or without a fraction.
    Number,
    /// One of these, of this type.
    Choice(&'static str, &'static [&'static str]),
    /// The name of a culture: `de-DE`.
    Culture,
    /// A user name, or an object with one.
    Credential,
    /// `@{…}`, or a text `key=value;key=value`.
    Table,
    /// The same, of any values.
    Hashtable,
    /// The options of sessions: their object, `@{…}`, or a text `key=value;key=value`.
    SessionOption,
    /// The options of connections without a session, likewise.
    ConnectionOption,
    /// The quotas of session configurations, likewise.
    TransportOption,
    /// A GUID, as text in lower case with hyphens.
    Guid,
    /// `{ … }`; from a shell any text.
    ScriptBlock,
    /// A session: its object, its id, its GUID or its name.
    Session,
    /// Anything.
    Object,
}

impl Kind {
    /// The type's name.
    pub(crate) const fn type_name(self) -> &'static str {
        match self {
            Self::Switch => "System.Management.Automation.SwitchParameter",
            Self::Text | Self::AnyText => "System.String",
            Self::Boolean => "System.Boolean",
            Self::Integer(..) => "System.Int32",
            Self::Number => "System.Double",
            Self::Choice(name, _) => name,
            Self::Culture => "System.Globalization.CultureInfo",
            Self::Credential => "System.Management.Automation.PSCredential",
            Self::Table => "System.Management.Automation.PSPrimitiveDictionary",
            Self::Hashtable => "System.Collections.Hashtable",
            Self::SessionOption => "System.Management.Automation.Remoting.PSSessionOption",
            Self::ConnectionOption => "Microsoft.WSMan.Management.SessionOption",
            Self::TransportOption => "System.Management.Automation.PSTransportOption",
            Self::Guid => "System.Guid",
            Self::ScriptBlock => "System.Management.Automation.ScriptBlock",
            Self::Session => "System.Management.Automation.Runspaces.PSSession",
            Self::Object => "System.Object",
        }
    }
}

/// How a parameter stands in a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Membership {
    /// `None` means each.
    pub(crate) set: Option<&'static str>,
    /// From 0 on; `None` needs the name.
    pub(crate) position: Option<u8>,
    pub(crate) is_mandatory: bool,
}

/// In each set, by its name, optional.
pub(crate) const NAMED: &[Membership] =
    &[Membership { set: None, position: None, is_mandatory: false }];

/// By its name, optional.
pub(crate) const fn in_set(set: &'static str) -> Membership {
    Membership { set: Some(set), position: None, is_mandatory: false }
}

/// At the first position, optional.
pub(crate) const fn first(set: &'static str) -> Membership {
    Membership { position: Some(0), ..in_set(set) }
}

/// By its name, mandatory.
pub(crate) const fn needed(set: &'static str) -> Membership {
    Membership { is_mandatory: true, ..in_set(set) }
}

/// At the first position, mandatory.
pub(crate) const fn needed_first(set: &'static str) -> Membership {
    Membership { is_mandatory: true, ..first(set) }
}

/// What a parameter takes from a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FromPipeline {
    /// The value itself.
    pub(crate) value: bool,
    /// The property with the parameter's name or alias.
    pub(crate) property: bool,
}

impl FromPipeline {
    pub(crate) const NOTHING: Self = Self { value: false, property: false };
    pub(crate) const PROPERTY: Self = Self { value: false, property: true };
    pub(crate) const BOTH: Self = Self { value: true, property: true };

    /// Whether it takes anything.
    pub(crate) const fn is_any(self) -> bool {
        self.value || self.property
    }
}

/// The parameters that every cmdlet has.
pub(crate) const COMMON: &[Parameter] = &[
    Parameter {
        name: "ErrorAction",
        aliases: &["ea"],
        kind: Kind::Choice(
            "System.Management.Automation.ActionPreference",
            &["SilentlyContinue", "Stop", "Continue", "Ignore"],
        ),
        is_list: false,
        about: "After an error: Continue tells it and goes on (the default), SilentlyContinue and Ignore go on without \
                a word, Stop ends the script.",
        memberships: NAMED,
        pipeline: FromPipeline::NOTHING,
    },
    Parameter {
        name: "Verbose",
        aliases: &["vb"],
        kind: Kind::Switch,
        is_list: false,
        about: "Tells on stderr what is being done.",
        memberships: NAMED,
        pipeline: FromPipeline::NOTHING,
    },
];

impl Cmdlet {
    /// Its parameters, the common ones last.
    pub(crate) fn all(&self) -> impl Iterator<Item = &'static Parameter> {
        self.parameters.iter().chain(COMMON)
    }
}

impl Parameter {
    /// How it stands in a set, if it belongs there.
    pub(crate) fn membership(&self, set: &str) -> Option<Membership> {
        self.memberships
            .iter()
            .find(|membership| membership.set.is_none_or(|name| name == set))
            .copied()
    }

    /// Name and aliases.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// The name as GNU programs spell it: `UseSSL` is `use-ssl`.
    pub(crate) fn long(&self) -> String {
        let letters: Vec<char> = self.name.chars().collect();
        let mut long = String::new();
        for (index, letter) in letters.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| letters.get(before));
            let behind = letters.get(index + 1);
            let begins = letter.is_uppercase()
                && before.is_some_and(|before| {
                    !before.is_uppercase() || behind.is_some_and(|behind| behind.is_lowercase())
                });
            if begins {
                long.push('-');
            }
            long.push(letter.to_ascii_lowercase());
        }
        long
    }
}

#[cfg(test)]
mod tests {
    use super::super::cmdlets::{CMDLETS, find};
    use super::*;

    #[test]
    fn gnu_names_part_words_and_keep_abbreviations_whole() {
        let option = find("New-PSSessionOption").unwrap();
        let long: Vec<String> = option.parameters.iter().map(Parameter::long).collect();
        for name in
            ["ui-culture", "skip-ca-check", "include-port-in-spn", "use-utf16", "idle-timeout"]
        {
            assert!(long.iter().any(|found| found == name), "{name}: {long:?}");
        }
    }

    #[test]
    fn names_and_aliases_of_a_cmdlet_are_different() {
        for cmdlet in CMDLETS {
            let names: Vec<String> =
                cmdlet.all().flat_map(Parameter::names).map(str::to_ascii_lowercase).collect();
            let unique: std::collections::BTreeSet<&String> = names.iter().collect();
            assert_eq!(unique.len(), names.len(), "{}", cmdlet.name);
            for parameter in cmdlet.all() {
                assert!(parameter.about.ends_with('.'), "{}", parameter.name);
                let known = |membership: &Membership| {
                    membership.set.is_none_or(|set| cmdlet.sets.contains(&set))
                };
                assert!(parameter.memberships.iter().all(known), "{}", parameter.name);
            }
        }
    }
}
