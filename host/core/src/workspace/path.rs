//! The text of paths: what a guest wrote, taken apart into single, checked names.

use std::borrow::Cow;

use super::{Errno, FsResult};

/// The longest path that a guest may write, in bytes.
pub(super) const PATH_MAX: usize = 4096;
/// The longest name in a path, in bytes.
const NAME_MAX: usize = 255;

/// Who wrote a component: `..` may climb further in the target of a link than in a path given by the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Guest,
    Link,
}

/// One component of a path. A name has no `/`, no NUL, and is neither empty, `.` nor `..`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Component<'p> {
    Name(Cow<'p, str>),
    Here,
    Up(Origin),
}

/// What remains to be walked: the guest's path and the targets of links met on the way, the innermost last.
#[derive(Debug)]
pub(super) struct Pending<'p> {
    segments: Vec<Segment<'p>>,
}

#[derive(Debug)]
struct Segment<'p> {
    /// Without slashes at its end, so that a component is left where any of it is.
    text: Cow<'p, str>,
    at: usize,
    origin: Origin,
}

impl<'p> Pending<'p> {
    pub(super) fn new(path: &'p str) -> FsResult<Self> {
        check_text(path)?;
        Ok(Self {
            segments: vec![Segment {
                text: Cow::Borrowed(path.trim_end_matches('/')),
                at: 0,
                origin: Origin::Guest,
            }],
        })
    }

    /// Puts the target of a link before everything that is pending.
    pub(super) fn push(&mut self, mut target: String) -> FsResult<()> {
        check_text(&target)?;
        target.truncate(target.trim_end_matches('/').len());
        self.segments.retain(Segment::has_more);
        self.segments.push(Segment {
            text: Cow::Owned(target),
            at: 0,
            origin: Origin::Link,
        });
        Ok(())
    }

    /// Whether a component is left.
    pub(super) fn has_more(&self) -> bool {
        self.segments.iter().any(Segment::has_more)
    }

    /// All that is left, as it was written but for slashes at the ends.
    pub(super) fn rest(&self) -> String {
        self.segments.iter().rev().map(Segment::rest).collect()
    }

    /// The guest's path where nothing of it was walked yet and it holds only names: no `.` and no `..`.
    pub(super) fn untouched_plain(&self) -> Option<&'p str> {
        let [
            Segment {
                text: Cow::Borrowed(text),
                at: 0,
                ..
            },
        ] = self.segments.as_slice()
        else {
            return None;
        };
        text.split('/').all(|name| !matches!(name, "." | "..")).then_some(*text)
    }

    /// Passes over the first `bytes` of the guest's path, which the caller has walked by itself.
    pub(super) fn skip(&mut self, bytes: usize) {
        if let Some(segment) = self.segments.last_mut() {
            segment.at += bytes;
        }
    }

    pub(super) fn next(&mut self) -> FsResult<Option<Component<'p>>> {
        while let Some(segment) = self.segments.last_mut() {
            if let Some(text) = segment.next_text() {
                let origin = segment.origin;
                return component(text, origin).map(Some);
            }
            self.segments.pop();
        }
        Ok(None)
    }
}

impl<'p> Segment<'p> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn has_more(&self) -> bool {
        self.at < self.text.len()
    }

    fn next_text(&mut self) -> Option<Cow<'p, str>> {
        let start = self.at + self.rest().bytes().take_while(|byte| *byte == b'/').count();
        let length = self.text[start..].find('/').unwrap_or(self.text.len() - start);
        self.at = start + length;
        match &self.text {
            _ if length == 0 => None,
            Cow::Borrowed(text) => Some(Cow::Borrowed(&text[start..self.at])),
            Cow::Owned(text) => Some(Cow::Owned(text[start..self.at].to_owned())),
        }
    }
}

fn component(text: Cow<'_, str>, origin: Origin) -> FsResult<Component<'_>> {
    match &*text {
        "." => Ok(Component::Here),
        ".." => Ok(Component::Up(origin)),
        name if name.len() > NAME_MAX => Err(Errno::NAMETOOLONG),
        _ => Ok(Component::Name(text)),
    }
}

/// Refuses text which cannot be a path or the target of a link.
pub(super) fn check_text(text: &str) -> FsResult<()> {
    match text {
        "" => Err(Errno::NOENT),
        text if text.len() > PATH_MAX => Err(Errno::NAMETOOLONG),
        text if text.contains('\0') => Err(Errno::INVAL),
        _ => Ok(()),
    }
}

/// `directory/name` for a normal, absolute `directory`.
pub(super) fn join(directory: &str, name: &str) -> String {
    if directory == "/" {
        format!("/{name}")
    } else {
        format!("{directory}/{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(path: &str) -> Vec<String> {
        let mut pending = Pending::new(path).unwrap();
        std::iter::from_fn(|| pending.next().unwrap())
            .map(|component| match component {
                Component::Name(name) => name.into_owned(),
                Component::Here => ".".into(),
                Component::Up(_) => "..".into(),
            })
            .collect()
    }

    #[test]
    fn a_path_falls_into_its_components() {
        assert_eq!(all("a//b/./../c/"), ["a", "b", ".", "..", "c"]);
        assert!(all("///").is_empty());
    }

    #[test]
    fn a_links_target_comes_before_the_rest() {
        let mut pending = Pending::new("link/end").unwrap();
        assert_eq!(pending.next(), Ok(Some(Component::Name("link".into()))));
        pending.push("x/..".into()).unwrap();
        assert_eq!(pending.next(), Ok(Some(Component::Name("x".into()))));
        assert_eq!(pending.next(), Ok(Some(Component::Up(Origin::Link))));
        assert!(pending.has_more());
        assert_eq!(pending.next(), Ok(Some(Component::Name("end".into()))));
        assert!(!pending.has_more());
    }

    #[test]
    fn slashes_leave_nothing_to_walk() {
        let padding = "/".repeat(4000);
        let path = format!("a{padding}");
        let mut pending = Pending::new(&path).unwrap();
        for _ in 0..40 {
            assert!(matches!(pending.next(), Ok(Some(Component::Name(_)))));
            assert!(!pending.has_more());
            pending.push(format!("b{padding}")).unwrap();
            assert_eq!((pending.segments.len(), pending.rest().len()), (1, 1));
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        assert_eq!(Pending::new("").unwrap_err(), Errno::NOENT);
        assert_eq!(Pending::new("a\0b").unwrap_err(), Errno::INVAL);
        assert_eq!(Pending::new(&"a/".repeat(2049)).unwrap_err(), Errno::NAMETOOLONG);
        assert_eq!(Pending::new(&"n".repeat(256)).unwrap().next(), Err(Errno::NAMETOOLONG));
    }
}
