//! Just as much of HTTP/1.1 as it takes to read a short response with a `Content-Length`.

/// A response that has arrived whole.
#[derive(Debug, PartialEq, Eq)]
pub struct Response<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

/// `None`: more is to come.
pub fn whole(received: &[u8]) -> Result<Option<Response<'_>>, &'static str> {
    let Some(head) = received.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let (head, body) = (&received[..head], &received[head + 4..]);
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let status = lines
        .next()
        .and_then(|line| number(line.get(9..12)?))
        .ok_or("a response without a status")?;
    let length = lines
        .find_map(|line| {
            let (name, value) = line.split_at_checked("content-length:".len())?;
            name.eq_ignore_ascii_case(b"content-length:")
                .then_some(value)
        })
        .and_then(|value| number(value.trim_ascii()))
        .ok_or("a response without a Content-Length")?;
    match body.len().cmp(&length) {
        std::cmp::Ordering::Less => Ok(None),
        std::cmp::Ordering::Equal => Ok(Some(Response {
            status: u16::try_from(status).map_err(|_| "a status out of range")?,
            body,
        })),
        std::cmp::Ordering::Greater => Err("more than one response to one request"),
    }
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: &[u8] =
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\nDate: now\r\n\r\nforbidden";

    #[test]
    fn a_response_is_read_once_it_is_whole() {
        for cut in 0..RESPONSE.len() {
            assert_eq!(whole(&RESPONSE[..cut]), Ok(None));
        }
        let response = Response {
            status: 403,
            body: b"forbidden",
        };
        assert_eq!(whole(RESPONSE), Ok(Some(response)));
    }

    #[test]
    fn what_cannot_be_counted_is_an_error() {
        assert!(whole(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(whole(&[RESPONSE, b"HTTP".as_slice()].concat()).is_err());
    }
}
