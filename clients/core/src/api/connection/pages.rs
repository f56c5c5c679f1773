//! Long lists, page after page.
//!
//! A daemon may have thousands of contacts. A program that handles one after the other takes [`Connection::contact_pages`] and
//! [`Connection::conversation_pages`], with [`rows`]: they hold one page at a time (1 MiB at most). A program that needs all at
//! once, to sort them, takes [`Connection::contacts`] and [`Connection::conversations`], which hold at most [`LISTED`].

use super::Connection;
use crate::api::error::ApiClientError;
use torchat_protocol::control::api::command::{Contacts, Conversations};
use torchat_protocol::control::api::record::{Contact, Conversation};

/// Contacts or conversations that are gathered at most; with more it is an error. Ten times as many as the long test has, and
/// about 60 MB: a program that answers in a daemon's place, with pages that never end, gets no more than that.
pub const LISTED: usize = 100_000;

impl Connection {
    /// All contacts and blocked peers, in one list. At most [`LISTED`]; [`Connection::contact_pages`] has no bound.
    ///
    /// # Errors
    /// As [`Connection::call`]; [`ApiClientError::Protocol`] if there are more.
    pub fn contacts(&self) -> Result<Vec<Contact>, ApiClientError> {
        gather(self.contact_pages(), LISTED)
    }

    /// All conversations, the one with the newest message first, in one list. At most [`LISTED`];
    /// [`Connection::conversation_pages`] has no bound, and tells what may be missing.
    ///
    /// # Errors
    /// As [`Connection::call`]; [`ApiClientError::Protocol`] if there are more.
    pub fn conversations(&self) -> Result<Vec<Conversation>, ApiClientError> {
        gather(self.conversation_pages(), LISTED)
    }

    /// All contacts and blocked peers, page after page: each is asked for when it is wanted, with [`Connection::call`]. After
    /// an error nothing follows.
    pub fn contact_pages(&self) -> impl Iterator<Item = Result<Vec<Contact>, ApiClientError>> + '_ {
        pages(move |last: Option<&Contact>| {
            let page = self.call(&Contacts { after: last.map(|contact| contact.peer), limit: None })?;
            Ok((page.contacts, page.more))
        })
    }

    /// All conversations, the one with the newest message first, page after page: each is asked for when it is wanted, with
    /// [`Connection::call`]. One that gets a message meanwhile may be missing from the later pages, because it stands at the
    /// beginning now; its event tells of it. After an error nothing follows.
    pub fn conversation_pages(&self) -> impl Iterator<Item = Result<Vec<Conversation>, ApiClientError>> + '_ {
        pages(move |last: Option<&Conversation>| {
            let before = last.and_then(|one| one.last.as_ref()).map(|message| message.id);
            let after = last.filter(|one| one.last.is_none()).map(Conversation::id);
            let page = self.call(&Conversations { before, after, limit: None })?;
            Ok((page.conversations, page.more))
        })
    }
}

/// The entries of a page, or its error, one by one: `pages.flat_map(rows)`.
pub fn rows<T>(page: Result<Vec<T>, ApiClientError>) -> impl Iterator<Item = Result<T, ApiClientError>> {
    let (rows, error) = match page {
        Ok(rows) => (rows, None),
        Err(error) => (Vec::new(), Some(Err(error))),
    };
    rows.into_iter().map(Ok).chain(error)
}

/// A page, and whether there is more behind it.
type Page<T> = Result<(Vec<T>, bool), ApiClientError>;

/// Asks for one page after the other, each with the last entry of the one before.
fn pages<T: Clone>(ask: impl Fn(Option<&T>) -> Page<T>) -> impl Iterator<Item = Result<Vec<T>, ApiClientError>> {
    let (mut last, mut more) = (None::<T>, true);
    std::iter::from_fn(move || {
        if !std::mem::take(&mut more) {
            return None;
        }
        Some(ask(last.as_ref()).map(|(page, follows)| {
            last = page.last().cloned();
            more = follows && last.is_some();
            page
        }))
    })
}

fn gather<T>(
    pages: impl Iterator<Item = Result<Vec<T>, ApiClientError>>,
    limit: usize,
) -> Result<Vec<T>, ApiClientError> {
    let mut all = Vec::new();
    for page in pages {
        all.extend(page?);
        if all.len() > limit {
            return Err(ApiClientError::Protocol(format!("a list of more than {limit} entries")));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::cell::Cell;

    /// Pages of three numbers each, up to a number.
    fn counting(upto: u32, asked: &Cell<u32>) -> impl Iterator<Item = Result<Vec<u32>, ApiClientError>> + '_ {
        pages(move |last: Option<&u32>| {
            asked.set(asked.get() + 1);
            let first = last.map_or(0, |last| last + 1);
            Ok(((first..upto.min(first + 3)).collect(), first + 3 < upto))
        })
    }

    #[test]
    fn a_page_is_asked_for_when_it_is_wanted_and_none_behind_the_last() {
        let asked = Cell::new(0);
        let mut pages = counting(7, &asked);
        assert_eq!(pages.next().unwrap().unwrap(), [0, 1, 2]);
        assert_eq!(asked.get(), 1);
        assert_eq!(pages.by_ref().map(Result::unwrap).collect::<Vec<_>>(), [vec![3, 4, 5], vec![6]]);
        assert!(pages.next().is_none());
        assert_eq!(asked.get(), 3);
    }

    #[test]
    fn a_list_without_an_end_is_gathered_no_further_than_its_bound() {
        let asked = Cell::new(0);
        assert_eq!(gather(counting(7, &asked), 7).unwrap(), (0..7).collect::<Vec<_>>());
        asked.set(0);
        assert!(matches!(gather(counting(u32::MAX, &asked), 7), Err(ApiClientError::Protocol(_))));
        assert_eq!(asked.get(), 3, "and no page more is asked for");
        // Nor is an empty page that promises more.
        assert_eq!(gather(pages(|_: Option<&u32>| Ok((Vec::new(), true))), 7).unwrap(), [0; 0]);
    }

    #[test]
    fn nothing_follows_an_error() {
        let mut failing = pages(|_: Option<&u32>| Err(ApiClientError::Protocol("no".into())));
        assert!(failing.next().unwrap().is_err());
        assert!(failing.next().is_none());
    }
}
