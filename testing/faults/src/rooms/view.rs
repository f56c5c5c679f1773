//! What a member sees of a room through the API.

use super::decider::Decider;
use crate::ledger::{Findings, Ledger};
use crate::node::Address;
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use torchat_engine::store::{Page, PageLimit, Reader};
use torchat_protocol::control::api::record::MessageFlag;
use torchat_protocol::id::parse_onion;
use torchat_protocol::room::RoomId;

/// Messages of a page.
const PAGE: usize = 1_000;

/// What is between a text's own words and those that an edit adds.
pub const EDITED: &str = " (again ";

/// A text as it is shown, without what differs from daemon to daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its id.
    pub mid: String,
    /// What is shown: empty if it was taken away.
    pub text: String,
    /// Whose it is.
    pub member: u64,
    /// What is noted of it, but not whom it mentions.
    pub flags: Vec<String>,
    /// How members reacted.
    pub reacts: Value,
    /// Its place in the order that is the same at all members.
    pub order: Value,
}

impl Shown {
    fn of(message: &Value) -> anyhow::Result<Self> {
        let flags = message["flags"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Ok(Self {
            mid: super::text(&message["mid"])?,
            text: super::text(&message["text"])?,
            member: message["from"]["member"].as_u64().with_context(|| format!("of nobody: {message}"))?,
            flags: flags.filter(|flag| *flag != "mention").map(str::to_owned).collect(),
            reacts: message["reacts"].clone(),
            order: message["order"].clone(),
        })
    }

    /// Whether something is noted of it.
    #[must_use]
    pub fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|one| one == flag)
    }
}

/// What was decided about a room, from its records.
fn decided(room: &Value, members: &Value) -> anyhow::Result<BTreeMap<String, String>> {
    let mut decided = BTreeMap::from([("topic".to_owned(), super::text(&room["topic"])?)]);
    for member in members.as_array().context("no members")? {
        let state = format!("{} {}", super::text(&member["state"])?, super::text(&member["role"])?);
        decided.insert(format!("member {}", member["no"]), state);
        decided.insert(format!("name {}", member["no"]), super::text(&member["name"])?);
    }
    Ok(decided)
}

/// A room as a member sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// What was decided, by its name: the topic, and the state of each member.
    pub decided: BTreeMap<String, String>,
    /// All texts in the order of arrival, hidden ones too.
    pub texts: Vec<Shown>,
}

impl View {
    /// Asks a daemon.
    ///
    /// # Errors
    /// When it does not answer, does not have everything yet, or shows something twice.
    pub fn at(address: &Address, room: &str) -> anyhow::Result<Self> {
        let mut api = address.api().context("it does not answer")?;
        let one = api.ok(json!({"cmd": "ROOM", "peer": room}))?["room"].take();
        ensure!(one["state"] == "member" && one["queued"] == 0, "not yet: {one}");
        ensure!(one.get("frozen").is_none(), "decisions contradict each other: {one}");
        let members = api.ok(json!({"cmd": "ROOM_MEMBERS", "peer": room}))?;
        let decided = decided(&one, &members["members"])?;
        let (mut texts, mut after) = (Vec::new(), json!(0));
        loop {
            let page = json!({"cmd": "HISTORY", "peer": room, "after": after, "limit": PAGE, "hidden": true});
            let page = api.ok(page)?;
            let messages = page["messages"].as_array().context("no messages")?;
            for message in messages {
                if message.get("from").is_some() && message["state"] != "system" {
                    texts.push(Shown::of(message)?);
                }
            }
            match messages.last() {
                Some(last) if page["more"] == true => after = last["id"].clone(),
                _ => break,
            }
        }
        let ids: HashMap<&str, ()> = texts.iter().map(|shown| (shown.mid.as_str(), ())).collect();
        ensure!(ids.len() == texts.len(), "{} texts have {} ids", texts.len(), ids.len());
        Ok(Self { decided, texts })
    }

    /// Reads a store. `None`: it knows no such room.
    ///
    /// # Errors
    /// When that fails, or a row is damaged.
    pub fn in_store(database: &Path, room: &str) -> anyhow::Result<Option<Self>> {
        let reader = Reader::of_file(database.to_owned());
        let id = RoomId(*parse_onion(room)?.as_bytes());
        let Some(one) = reader.room(id)? else { return Ok(None) };
        let (members, _) = reader.room_members(id, None, PAGE)?.context("a room without members")?;
        let decided = decided(&serde_json::to_value(one)?, &serde_json::to_value(members)?)?;
        let limit = PageLimit::rows(10_000_000);
        let (rows, _) = reader.page_with(parse_onion(room)?.into(), Page::Last, limit, true)?;
        let mut texts = Vec::new();
        for row in rows {
            let Some(part) = row.room else { continue };
            let Some(from) = part.from.filter(|_| !part.flags.contains(&MessageFlag::System)) else { continue };
            texts.push(Shown::of(
                &json!({"mid": row.mid, "text": row.text, "from": from, "flags": part.flags, "reacts": part.reacts,
                "order": part.order}),
            )?);
        }
        Ok(Some(Self { decided, texts }))
    }

    /// Pairs of id and original text, in the order of arrival, for the ledger. What was redacted is not among them: its mark stands where
    /// its body came, or nowhere.
    ///
    /// # Errors
    /// When a text was redacted that nobody wanted to redact, or does not count.
    pub fn lines(&self, originals: &HashMap<String, String>) -> anyhow::Result<Vec<(String, String)>> {
        let mut lines = Vec::new();
        for shown in &self.texts {
            ensure!(!shown.is("void"), "a text does not count: {shown:?}");
            if shown.is("redacted") {
                ensure!(originals.contains_key(&shown.mid), "nobody redacted {shown:?}");
                continue;
            }
            let text = shown.text.split_once(EDITED).map_or(&*shown.text, |(text, _)| text);
            lines.push((shown.mid.clone(), text.to_owned()));
        }
        Ok(lines)
    }

    /// How everything is that somebody can decide about.
    #[must_use]
    pub fn things(&self) -> BTreeMap<String, String> {
        let mut things = self.decided.clone();
        for shown in &self.texts {
            let text = if shown.is("redacted") { "redacted".to_owned() } else { shown.text.clone() };
            things.insert(format!("text {}", shown.mid), text);
            for (sign, members) in shown.reacts.as_object().into_iter().flatten() {
                for member in members.as_array().into_iter().flatten() {
                    things.insert(format!("sign of {member} on {}", shown.mid), sign.clone());
                }
            }
        }
        things
    }

    /// Whether somebody of this name is a member now.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.decided.iter().filter(|(_, value)| *value == name).any(|(thing, _)| {
            let state = self.decided.get(&thing.replace("name", "member"));
            state.is_some_and(|state| state.starts_with("in "))
        })
    }

    /// The other member sees the same, in whatever order it arrived. A member that heard of a redact before the text shows no text there.
    ///
    /// # Errors
    /// The first difference.
    pub fn agrees(&self, other: &Self) -> anyhow::Result<()> {
        ensure!(self.decided == other.decided, "decided: {:?} and {:?}", self.decided, other.decided);
        self.has_all_of(other)?;
        other.has_all_of(self)
    }

    fn has_all_of(&self, other: &Self) -> anyhow::Result<()> {
        let here: HashMap<_, _> = self.texts.iter().map(|shown| (&shown.mid, shown)).collect();
        for shown in &other.texts {
            match here.get(&shown.mid) {
                Some(own) => ensure!(*own == shown, "two see a text differently: {own:?} and {shown:?}"),
                None => ensure!(shown.is("redacted"), "one of them has no {shown:?}"),
            }
        }
        Ok(())
    }

    /// Redacted texts, as `originals` has them.
    #[must_use]
    pub fn redacted<'a>(&self, originals: &'a HashMap<String, String>) -> Vec<&'a String> {
        let redacted = self.texts.iter().filter(|shown| shown.is("redacted"));
        redacted.filter_map(|shown| originals.get(&shown.mid)).collect()
    }
}

/// What members of a room see when everything has come to rest: the owner first. Returns what was found, all members together.
///
/// # Errors
/// When two do not agree, a text is lost, repeated, out of order or void, or a decision is not done. `moment`: as for
/// [`Decisions::check`](crate::decisions::Decisions::check).
pub fn judge(views: &[View], said: &Ledger, decider: &Decider, moment: u64) -> anyhow::Result<Findings> {
    let owner = views.first().context("nobody")?;
    // A member may have heard of the redact first. The owner redacts what it sees.
    let mut said = said.clone();
    owner.redacted(&decider.originals).into_iter().for_each(|text| said.excuse(text));
    let mut found = Findings::default();
    for (n, view) in views.iter().enumerate() {
        let who = || format!("member {}", n + 1);
        owner.agrees(view).with_context(who)?;
        found += said.check(&view.lines(&decider.originals)?).with_context(who)?;
    }
    decider.decisions.check(&owner.things(), moment)?;
    Ok(found)
}
