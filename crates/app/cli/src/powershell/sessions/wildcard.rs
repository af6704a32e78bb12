//! PowerShell's wildcards in names: `*`, `?`, `[a-c]`, a backtick before what stands for itself; in any case.

/// Whether a text has wildcards.
pub(in crate::powershell) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether a name fits a pattern.
pub(in crate::powershell) fn fits(pattern: &str, name: &str) -> bool {
    let pattern = pieces(pattern);
    let name: Vec<char> = name.to_lowercase().chars().collect();
    // Where to go on when what follows the last star does not fit.
    let (mut at, mut read, mut back) = (0, 0, None);
    while read < name.len() {
        match (pattern.get(at), name.get(read)) {
            (Some(Piece::Many), _) => {
                back = Some((at, read));
                at += 1;
            }
            (Some(piece), Some(letter)) if piece.takes(*letter) => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((star, from)) = back else { return false };
                back = Some((star, from + 1));
                (at, read) = (star + 1, from + 1);
            }
        }
    }
    pattern.iter().skip(at).all(|piece| matches!(piece, Piece::Many))
}

enum Piece {
    Letter(char),
    Any,
    Many,
    /// Letters from the first to the last of each pair.
    Of(Vec<(char, char)>),
}

impl Piece {
    fn takes(&self, letter: char) -> bool {
        match self {
            Self::Letter(own) => *own == letter,
            Self::Any => true,
            Self::Many => false,
            Self::Of(ranges) => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&letter))
            }
        }
    }
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let lower = pattern.to_lowercase();
    let mut letters = lower.chars().peekable();
    let mut pieces = Vec::new();
    while let Some(letter) = letters.next() {
        pieces.push(match letter {
            '*' => Piece::Many,
            '?' => Piece::Any,
            '`' => Piece::Letter(letters.next().unwrap_or('`')),
            '[' if letters.clone().any(|letter| letter == ']') => {
                let inner: Vec<char> =
                    letters.by_ref().take_while(|letter| *letter != ']').collect();
                Piece::Of(ranges(&inner))
            }
            other => Piece::Letter(other),
        });
    }
    pieces
}

fn ranges(letters: &[char]) -> Vec<(char, char)> {
    let mut ranges = Vec::new();
    let mut rest = letters;
    loop {
        match rest {
            [first, '-', last, more @ ..] => {
                ranges.push((*first, *last));
                rest = more;
            }
            [one, more @ ..] => {
                ranges.push((*one, *one));
                rest = more;
            }
            [] => return ranges,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_fit_as_in_powershell() {
        for (pattern, name, expected) in [
            ("O?E", "one", true),
            ("web*", "Web1", true),
            ("*b*1", "web11", true),
            ("w[a-f]b", "web", true),
            ("w[xyz]b", "web", false),
            ("*", "", true),
            ("none*", "one", false),
            ("a`*", "a*", true),
            ("a`*", "ab", false),
            ("[x", "[x", true),
            ("*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
        assert!(is_pattern("a*") && !is_pattern("a"));
    }
}
