//! `Service/Groups`: which local groups stand for groups of the service, which Windows has not.

use std::collections::BTreeMap;
use std::collections::btree_map::Iter;

use serde::{Deserialize, Deserializer, de};

use crate::accounts::check_group;

/// The most groups of the service.
const MOST: usize = 64;
/// The most local groups of each.
const MOST_LOCAL: usize = 64;

/// The table `[Service.Groups]`: each key a group of the service, its value the local groups whose members belong to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Groups(BTreeMap<String, Vec<String>>);

impl Groups {
    /// The groups of the service with their local ones, in the order of their names.
    pub fn iter(&self) -> Iter<'_, String, Vec<String>> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Groups {
    type Item = (&'a String, &'a Vec<String>);
    type IntoIter = Iter<'a, String, Vec<String>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'de> Deserialize<'de> for Groups {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let groups = BTreeMap::<String, Vec<String>>::deserialize(deserializer)?;
        if groups.len() > MOST || groups.values().any(|local| local.len() > MOST_LOCAL) {
            let text =
                format!("more than {MOST} groups, or more than {MOST_LOCAL} local ones of one");
            return Err(de::Error::custom(text));
        }
        for name in groups.keys() {
            check_group(name).map_err(de::Error::custom)?;
        }
        let unfit = |name: &&String| {
            name.is_empty() || name.contains(|c: char| c.is_control() || matches!(c, ':' | ','))
        };
        match groups.values().flatten().find(unfit) {
            Some(name) => {
                Err(de::Error::custom(format!("`{name}` cannot be a local group's name")))
            }
            None => Ok(Self(groups)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::Settings;

    #[test]
    fn local_groups_are_lists_by_the_groups_of_the_service() {
        let parse = |text: &str| {
            let text = format!("[Service.Groups]\n{text}\n");
            Settings::parse(&text, Path::new("test")).map(|settings| settings.service.groups)
        };
        let groups = parse(
            "\"Remote Management Users\" = [\"ops\"]\nAdministrators = [\"sudo\", \"wheel\"]",
        );
        let shown: Vec<_> =
            groups.unwrap().iter().map(|(name, local)| (name.clone(), local.len())).collect();
        let expected = [("Administrators", 2), ("Remote Management Users", 1)];
        assert_eq!(shown, expected.map(|(name, count)| (name.to_owned(), count)));
        let many = |count: usize| (0..count).map(|n| format!("g{n} = []\n")).collect::<String>();
        assert_eq!(parse(&many(64)).unwrap().iter().count(), 64);
        for wrong in [
            "Administrators = \"sudo\"",
            "A = [\"\"]",
            "A = [\"a:b\"]",
            "A = [1]",
            "\"\" = [\"a\"]",
            &many(65),
        ] {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(error.contains("Service.Groups"), "{wrong}: {error}");
        }
    }
}
