//! Properties files as `java.util.Properties` reads them: ISO 8859-1, escapes, continued lines; the last of equal keys.

use std::collections::BTreeMap;

use encoding_rs::UTF_8;
use java_properties::{PropertiesError, PropertiesIter};

/// Name to value of every entry. Fails at a `\u` without four hexadecimal digits behind it.
pub fn entries(file: &[u8]) -> Result<BTreeMap<String, String>, PropertiesError> {
    // The reader looks for byte order marks, and panics where such text ends within a character: it gets UTF-8 that
    // has neither.
    let text: String = file.iter().copied().map(char::from).collect();
    let mut entries = BTreeMap::new();
    PropertiesIter::new_with_encoding(text.as_bytes(), UTF_8).read_into(|name, value| {
        entries.insert(name, value);
    })?;
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_characters_whatever_they_are() {
        let read = |file: &[u8]| entries(file).unwrap().into_iter().collect::<Vec<_>>();
        assert_eq!(read(b"a=\xe4\x80\na = b\\\n  c\n!d"), [("a".into(), "bc".into())]);
        assert_eq!(read(b"\xfe\xff1=\xc3\xa4"), [("\u{fe}\u{ff}1".into(), "\u{c3}\u{a4}".into())]);
        assert_eq!(read(b"\xef\xbb\xbfa=1"), [("\u{ef}\u{bb}\u{bf}a".into(), "1".into())]);
        assert!(entries(b"a=\\u00g0").is_err());
    }
}
