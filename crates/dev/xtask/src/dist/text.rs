//! Debian's own forms: changelog and copyright.

use super::licences::Part;

/// Columns of a changelog.
const WIDTH: usize = 78;

/// A changelog with one entry.
pub(super) fn changelog(version: &str, changes: &[String], maintainer: &str, date: &str) -> String {
    let mut text = format!("transom ({version}) unstable; urgency=medium\n\n");
    for change in changes {
        text.push_str(&wrapped("  * ", "    ", change));
    }
    if changes.is_empty() {
        text.push_str("  * Release.\n");
    }
    text + &format!("\n -- {maintainer}  {date}\n")
}

/// Words in lines, the first of them after `first`, all others after `rest`.
fn wrapped(first: &str, rest: &str, text: &str) -> String {
    let (mut lines, mut line) = (String::new(), first.to_owned());
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            line = rest.to_owned();
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    lines + &line + "\n"
}

/// The file `copyright` in Debian's machine-readable form.
pub(super) fn copyright(mit: &str, parts: &[Part]) -> String {
    let holder = mit.lines().find_map(|line| line.strip_prefix("Copyright (c) "));
    let body: String = mit
        .lines()
        .skip_while(|line| !line.starts_with("Copyright"))
        .map(|line| if line.is_empty() { " .\n".to_owned() } else { format!(" {line}\n") })
        .collect();
    let parts: String = parts
        .iter()
        .map(|part| format!("  {} {}: {}\n", part.name, part.version, part.licence))
        .collect();
    format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: transom
Comment: The programs contain Rust's standard library (MIT or Apache-2.0), and
 the following packages of other authors under the licences named. Their texts
 and copyright notices are in /usr/share/doc/transom/third-party-licences.gz.
 .
{parts}
Files: *
Copyright: {}
License: MIT or Apache-2.0

License: MIT
{body}
License: Apache-2.0
 On Debian systems, the text of the Apache License, version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.
",
        holder.unwrap_or("The authors of Transom")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_wrapped_bullets_between_heading_and_signature() {
        let change = "word ".repeat(30);
        let text = changelog("1.2", &[change], "A <a@b>", "today");
        assert!(text.starts_with("transom (1.2) unstable; urgency=medium\n\n  * word word"));
        assert!(text.contains("\n    word"), "{text}");
        assert!(text.ends_with("word\n\n -- A <a@b>  today\n"), "{text}");
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
    }

    #[test]
    fn copyright_names_parts_and_holder() {
        let part = Part {
            name: "ring".to_owned(),
            version: "0.17.0".to_owned(),
            licence: "ISC".to_owned(),
            texts: Vec::new(),
        };
        let mit = "MIT License\n\nCopyright (c) 2026 Somebody\n\nPermission is\n\nhere\n";
        let text = copyright(mit, &[part]);
        assert!(text.contains("\n  ring 0.17.0: ISC\n"), "{text}");
        assert!(text.contains("\nCopyright: 2026 Somebody\n"), "{text}");
        assert!(
            text.contains("\nLicense: MIT\n Copyright (c) 2026 Somebody\n .\n Permission is\n"),
            "{text}"
        );
    }
}
