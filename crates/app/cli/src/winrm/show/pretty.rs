//! XML with a line for each element.

use wsman::xml::{self, Element};

/// One level.
const STEP: &str = "    ";

/// A piece of a document.
enum Piece<'a> {
    /// `<a …>`
    Start(&'a str),
    /// `</a>`
    End(&'a str),
    /// `<a …/>`
    Empty(&'a str),
    /// What stands between.
    Text(&'a str),
}

/// The element with indentation, and a line feed at its end.
pub(super) fn of(element: &Element) -> String {
    indented(&String::from_utf8_lossy(&xml::encode(element)), 0)
}

/// The same inside another one.
pub(super) fn inside(element: &Element) -> String {
    indented(&String::from_utf8_lossy(&xml::encode(element)), 1)
}

/// Our own writer makes no comments, declarations or CDATA, and writes every `>` that is text as a reference.
fn pieces(document: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = document;
    while !rest.is_empty() {
        let is_tag = rest.starts_with('<');
        let end = if is_tag { rest.find('>').map(|place| place + 1) } else { rest.find('<') };
        let (piece, after) = rest.split_at(end.unwrap_or(rest.len()));
        pieces.push(match piece {
            tag if tag.starts_with("</") => Piece::End(tag),
            tag if tag.starts_with('<') && tag.ends_with("/>") => Piece::Empty(tag),
            tag if tag.starts_with('<') => Piece::Start(tag),
            text => Piece::Text(text),
        });
        rest = after;
    }
    pieces
}

/// An element that holds text alone stays on its line; where text stands beside elements nothing is added to it.
fn indented(document: &str, outer: usize) -> String {
    let pieces = pieces(document);
    let mut out = String::with_capacity(document.len() * 2);
    let (mut depth, mut in_line) = (outer, false);
    for (index, piece) in pieces.iter().enumerate() {
        let is_before_text = matches!(pieces.get(index + 1), Some(Piece::Text(_)));
        let (text, goes_out) = match piece {
            Piece::Start(text) | Piece::Empty(text) => (*text, false),
            Piece::End(text) => (*text, true),
            Piece::Text(text) => (*text, false),
        };
        if goes_out {
            depth = depth.saturating_sub(1);
        }
        if !in_line && !matches!(piece, Piece::Text(_)) {
            out.push_str(&STEP.repeat(depth));
        }
        out.push_str(text);
        let ends_at_once = matches!(piece, Piece::Start(_))
            && matches!(pieces.get(index + 1), Some(Piece::End(_)));
        in_line = is_before_text || matches!(piece, Piece::Text(_)) || ends_at_once;
        if !in_line {
            out.push('\n');
        }
        if matches!(piece, Piece::Start(_)) {
            depth += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use wsman::xml::{Limits, decode};

    use super::*;

    #[test]
    fn elements_have_lines_and_text_stays_as_it_is() {
        let xml = "<a x='&gt;1'><b>text &lt; more</b><c><d/></c></a>";
        let element = decode(xml.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(
            of(&element),
            "<a x=\"&gt;1\">\n    <b>text &lt; more</b>\n    <c>\n        <d/>\n    </c>\n</a>\n"
        );
        assert_eq!(inside(&element).lines().next(), Some("    <a x=\"&gt;1\">"));
        let again = decode(of(&element).as_bytes(), &Limits::default()).unwrap();
        assert_eq!(again, element);
    }
}
