//! The text that a digest is made of: its parts, and whether two callbacks can share one text.

/// One part of a signed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Literal(String),
    Secret,
    Field {
        /// The name in the description.
        name: String,
        /// An absent parameter counts as empty.
        is_optional: bool,
        /// Only the integer part of the number is signed.
        is_integer: bool,
    },
}

impl Part {
    /// Parses `{user}-{id?}-{value:int}{secret}`.
    pub(super) fn parse(text: &str) -> Result<Vec<Self>, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once('{') {
            if !literal.is_empty() {
                parts.push(Self::Literal(literal.to_owned()));
            }
            let (field, after) = after.split_once('}').ok_or("no '}' after a '{': write {name}")?;
            rest = after;
            if field == "secret" {
                parts.push(Self::Secret);
                continue;
            }
            let (name, is_integer) = match field.strip_suffix(":int") {
                Some(name) => (name, true),
                None => (field, false),
            };
            let (name, is_optional) = match name.strip_suffix('?') {
                Some(name) => (name, true),
                None => (name, false),
            };
            if name.is_empty() {
                return Err("empty name between '{' and '}'".to_owned());
            }
            parts.push(Self::Field { name: name.to_owned(), is_optional, is_integer });
        }
        if rest.contains('}') {
            return Err("'}' without a '{' before it".to_owned());
        }
        if !rest.is_empty() {
            parts.push(Self::Literal(rest.to_owned()));
        }
        Ok(parts)
    }
}

/// The shape of a value, where a signed text has no separators: it shows where the value ends.
///
/// ```
/// use postback::network::Shape;
///
/// let shape = Shape::parse("uuid")?;
/// assert!(shape.fits("8cc877ee-af19-488d-b28d-216fb866b996"));
/// assert!(!shape.fits("8cc877ee"));
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Shape {
    /// 36 characters: hexadecimal digits in groups of 8, 4, 4, 4 and 12.
    Uuid,
    /// This many hexadecimal digits.
    Hex(usize),
    /// This many decimal digits.
    Digits(usize),
    /// This many bytes.
    Length(usize),
    /// Anything without a digit, `-` or `.`.
    Letters,
}

impl Shape {
    /// Parses `uuid`, `hex:40`, `digits:13`, `length:24` or `letters`.
    ///
    /// # Errors
    /// A text that says what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let unknown =
            || format!("unknown shape {text:?}: use \"uuid\", \"hex:N\", \"digits:N\", \"length:N\" or \"letters\"");
        match text {
            "uuid" => Ok(Self::Uuid),
            "letters" => Ok(Self::Letters),
            _ => {
                let (word, length) = text.split_once(':').ok_or_else(unknown)?;
                let length = length.parse().ok().filter(|length| (1..=256).contains(length));
                let length = length.ok_or_else(unknown)?;
                match word {
                    "hex" => Ok(Self::Hex(length)),
                    "digits" => Ok(Self::Digits(length)),
                    "length" => Ok(Self::Length(length)),
                    _ => Err(unknown()),
                }
            }
        }
    }

    /// Whether a value has this shape.
    pub fn fits(self, value: &str) -> bool {
        match self {
            Self::Uuid => {
                value.len() == 36
                    && value.bytes().enumerate().all(|(at, byte)| match at {
                        8 | 13 | 18 | 23 => byte == b'-',
                        _ => byte.is_ascii_hexdigit(),
                    })
            }
            Self::Hex(length) => value.len() == length && value.bytes().all(|byte| byte.is_ascii_hexdigit()),
            Self::Digits(length) => value.len() == length && value.bytes().all(|byte| byte.is_ascii_digit()),
            Self::Length(length) => value.len() == length,
            Self::Letters => !value.contains(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.')),
        }
    }

    fn has_fixed_length(self) -> bool {
        !matches!(self, Self::Letters)
    }
}

/// What is known about one field of a signed text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// Always of one length. An absent optional field is none.
    Fixed,
    /// A number.
    Number,
    /// No digits.
    Letters,
    /// Anything.
    Free,
}

impl Bound {
    pub(super) fn of(shape: Option<Shape>, is_number: bool, is_optional: bool) -> Self {
        match shape {
            Some(shape) if shape.has_fixed_length() && !is_optional => Self::Fixed,
            Some(Shape::Letters) => Self::Letters,
            _ if is_number => Self::Number,
            _ => Self::Free,
        }
    }
}

/// The fields of a signed text in their order, with whether something separates each from the one before.
#[derive(Debug, Clone)]
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) bound: Bound,
    pub(super) is_separated: bool,
}

/// Fields whose boundaries cannot be determined: a run of fields without separators in which more than one has no
/// fixed length. The characters separate two neighbors that have none in common.
pub(super) fn ambiguous_fields<'a>(fields: &[Field<'a>]) -> Vec<&'a str> {
    let mut runs: Vec<Vec<&Field<'a>>> = Vec::new();
    for field in fields {
        match runs.last_mut() {
            Some(run) if !field.is_separated => run.push(field),
            _ => runs.push(vec![field]),
        }
    }
    let is_ambiguous = |run: &Vec<&Field<'_>>| {
        // From both ends, fields of a fixed length show where the next one begins.
        let mut middle: &[&Field<'_>] = run;
        while let [first, rest @ ..] = middle
            && first.bound == Bound::Fixed
        {
            middle = rest;
        }
        while let [rest @ .., last] = middle
            && last.bound == Bound::Fixed
        {
            middle = rest;
        }
        match middle {
            [] | [_] => false,
            [a, b] => !matches!((a.bound, b.bound), (Bound::Letters, Bound::Number) | (Bound::Number, Bound::Letters)),
            _ => true,
        }
    };
    let found = runs.iter().filter(|run| is_ambiguous(run));
    found.flatten().map(|field| field.name).collect()
}

/// The integer part of a number as text: `100.1234` is signed as `100`. `None` if more than digits follow the point:
/// `5.0e9` would be signed as `5`.
pub(super) fn integer_part(text: &str) -> Option<&str> {
    let Some((integer, fraction)) = text.split_once('.') else {
        return Some(text);
    };
    (!fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit())).then_some(integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_is_parsed_into_parts() {
        let field = |name: &str, is_optional, is_integer| Part::Field { name: name.into(), is_optional, is_integer };
        assert_eq!(
            Part::parse("{user}-{id?}:{value:int}{secret}x").unwrap(),
            [
                field("user", false, false),
                Part::Literal("-".into()),
                field("id", true, false),
                Part::Literal(":".into()),
                field("value", false, true),
                Part::Secret,
                Part::Literal("x".into()),
            ]
        );
        for text in ["{user", "{}", "{?}", "user}", "{a}}"] {
            assert!(Part::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shapes_fix_where_a_value_ends() {
        for (shape, fits, other) in [
            ("uuid", "8cc877ee-af19-488d-b28d-216fb866b996", "8cc877eeXaf19-488d-b28d-216fb866b996"),
            ("hex:4", "09aF", "09aFf"),
            ("digits:3", "042", "42"),
            ("length:2", "é", "e"),
            ("letters", "Coins", "Coins1"),
        ] {
            let shape = Shape::parse(shape).unwrap();
            assert!(shape.fits(fits) && !shape.fits(other), "{shape:?}");
        }
        for text in ["", "UUID", "hex", "hex:", "hex:0", "hex:257", "words:3"] {
            assert!(Shape::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn boundaries_are_known_with_one_free_field_in_a_run() {
        use Bound::{Fixed, Free, Letters, Number};
        let run = |bounds: &[(Bound, bool)]| {
            let fields: Vec<Field<'_>> = bounds
                .iter()
                .map(|(bound, is_separated)| Field { name: "f", bound: *bound, is_separated: *is_separated })
                .collect();
            ambiguous_fields(&fields).len()
        };
        assert_eq!(run(&[]), 0);
        assert_eq!(run(&[(Free, false)]), 0);
        assert_eq!(run(&[(Free, false), (Number, false)]), 2);
        assert_eq!(run(&[(Free, false), (Number, true)]), 0);
        assert_eq!(run(&[(Fixed, false), (Free, false), (Fixed, false)]), 0);
        assert_eq!(run(&[(Fixed, false), (Letters, false), (Number, false), (Fixed, false)]), 0);
        assert_eq!(run(&[(Free, false), (Fixed, false), (Number, false)]), 3);
        assert_eq!(run(&[(Free, false), (Free, true), (Number, false), (Free, false)]), 3);
    }
}
