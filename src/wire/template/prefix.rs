//! Scheme, host, port and path of a template: the part that is signed as typed.

use super::TemplateError;

/// Splits what was typed into the prefix and the query.
pub(super) fn split(typed: &str) -> Result<(&str, Option<&str>), TemplateError> {
    if typed.is_empty() {
        return Err(TemplateError::Nothing);
    }
    if typed.starts_with(['<', '"', '\'', '`', '(']) {
        return Err(TemplateError::Enclosed);
    }
    if typed.contains('#') {
        return Err(TemplateError::Fragment);
    }
    Ok(match typed.split_once('?') {
        Some((prefix, query)) => (prefix, Some(query)),
        None => (typed, None),
    })
}

/// Checks the prefix; tells where its path begins.
pub(super) fn check(prefix: &str) -> Result<usize, TemplateError> {
    if prefix.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(TemplateError::Space);
    }
    if !prefix.is_ascii() {
        return Err(TemplateError::NotAscii);
    }
    let rest = match prefix.split_once("://") {
        None => return Err(TemplateError::NoScheme),
        Some(("http" | "https", rest)) => rest,
        Some(_) => return Err(TemplateError::OtherScheme),
    };
    let authority = rest
        .find(['/', '\\'])
        .and_then(|at| rest.get(..at))
        .unwrap_or(rest);
    if authority.contains('@') {
        return Err(TemplateError::UserInfo);
    }
    check_authority(authority)?;
    let path_at = prefix.len() - rest.len() + authority.len();
    check_path(prefix.get(path_at..).unwrap_or_default())?;
    Ok(path_at)
}

fn check_authority(authority: &str) -> Result<(), TemplateError> {
    let (host, port) = match authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((host, rest))
            if host
                .bytes()
                .all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.')) =>
        {
            (host, rest)
        }
        Some(_) => return Err(TemplateError::MacroInPrefix),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if host.is_empty() {
        return Err(TemplateError::NoHost);
    }
    if host.contains(['%', '[', ']', '{', '}', '<', '>']) {
        return Err(TemplateError::MacroInPrefix);
    }
    if !host
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':'))
    {
        return Err(TemplateError::BadHost);
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(()),
        Some(digits)
            if digits.bytes().all(|b| b.is_ascii_digit())
                && digits.parse::<u16>().is_ok_and(|port| port != 0) =>
        {
            Ok(())
        }
        _ => Err(TemplateError::BadPort),
    }
}

fn check_path(path: &str) -> Result<(), TemplateError> {
    if path.contains(['[', ']', '{', '}', '<', '>']) {
        return Err(TemplateError::MacroInPrefix);
    }
    if path.contains(['\\', '"', '^', '`', '|']) {
        return Err(TemplateError::BadPath);
    }
    Ok(())
}
