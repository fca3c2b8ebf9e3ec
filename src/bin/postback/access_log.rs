//! Requests in an access log, in the common or the combined format.

/// Method and request target of a line; `None` where it holds no request.
///
/// `127.0.0.1 - - [10/Oct/2026:13:55:36 +0000] "GET /callbacks?player=p1 HTTP/1.1" 200 7`
pub(crate) fn request(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once('"')?;
    let end = closing_quote(rest)?;
    let mut words = rest.get(..end)?.split(' ');
    let (method, target, protocol) = (words.next()?, words.next()?, words.next()?);
    let is_request = words.next().is_none()
        && protocol.starts_with("HTTP/")
        && target.starts_with('/')
        && method.bytes().all(|letter| letter.is_ascii_uppercase());
    is_request.then_some((method, target))
}

/// A quotation mark within the request is written with a backslash.
fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_are_read_and_junk_is_not() {
        let common = r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /cb?a=1&hash=x HTTP/1.0" 200 2326"#;
        let combined = format!(r#"{common} "http://www.example/start.html" "Mozilla/4.08 [en]""#);
        for line in [common, &combined] {
            assert_eq!(request(line), Some(("GET", "/cb?a=1&hash=x")));
        }
        for junk in [
            "",
            "no request",
            r#"1 - - [x] "-" 400 0"#,
            r#"1 - - [x] "\x16\x03" 400 0"#,
            r#"1 - - [x] "GET /unclosed HTTP/1.1"#,
            r#"1 - - [x] "GET /a b HTTP/1.1" 400"#,
        ] {
            assert_eq!(request(junk), None, "{junk}");
        }
        assert_eq!(
            request(r#"1 - - [x] "GET /a?b=\"c HTTP/1.1" 400"#),
            Some(("GET", r#"/a?b=\"c"#))
        );
    }
}
