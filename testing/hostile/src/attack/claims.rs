//! What a contact says of the attacked daemon itself, which nobody can check: that it has a second copy, or a newer one.
//!
//! It is a claim. The daemon tells its user who says so and that it may be a lie, and tells nobody to stop anything: else one
//! contact that means ill stops daemons by a word.

use super::{Attack, Kind, row};
use crate::link::{Link, honest_hello};
use crate::target::Target;
use anyhow::{Context as _, ensure};
use std::sync::Arc;
use torchat_protocol::id::{PeerId, RunId};
use torchat_protocol::message::{Bye, ByeReason, PeerMessage};

const WORDS: &str = "STATUS says who says so, that it may be a lie, and nothing of stopping";

pub(super) fn rows() -> Vec<Attack> {
    vec![
        row(Kind::Quick, "claim: the daemon has a second copy (protocol 11)", WORDS, |target| async move {
            let (forger, mut link) = target.accepted(7).await?;
            second_copy(&mut link).await?;
            ensure!(link.settle(target.patience).await?.alive, "the link ended");
            told_as_words(&target, forger.peer()?, "another daemon with your identity").await
        }),
        row(Kind::Quick, "claim: the daemon is superseded (protocol 11)", WORDS, |target| async move {
            let (forger, mut link) = target.accepted(7).await?;
            link.say(&superseded()).await?;
            link.ended(target.patience).await?;
            told_as_words(&target, forger.peer()?, "a newer copy of your identity").await
        }),
        row(Kind::Quick, "claim: both, by a stranger", "it is not even told", |target| async move {
            let (forger, mut link) = target.stranger().await?;
            second_copy(&mut link).await?;
            link.say(&superseded()).await?;
            link.ended(target.patience).await?;
            let found = notices(&target, forger.peer()?).await?;
            ensure!(found.is_empty(), "{found:?}");
            Ok(())
        }),
    ]
}

async fn second_copy(link: &mut Link) -> anyhow::Result<()> {
    let mut hello = honest_hello();
    (hello.run, hello.met) = (Some(RunId(rand::random())), Some(RunId(rand::random())));
    link.say(&PeerMessage::Hello(hello)).await?;
    Ok(())
}

fn superseded() -> PeerMessage {
    PeerMessage::Bye(Bye { why: ByeReason::Superseded })
}

/// What STATUS tells because of this peer.
async fn notices(target: &Target, peer: PeerId) -> anyhow::Result<Vec<String>> {
    let status = target.ask(|client| Ok(client.status()?)).await?;
    let rows = status["notices"].as_array().context("STATUS has no notices")?;
    let of = rows.iter().filter(|row| row["peer"] == peer.onion().as_str());
    of.map(|row| Ok(row["sentence"].as_str().context("a notice without words")?.to_owned())).collect()
}

async fn told_as_words(target: &Arc<Target>, peer: PeerId, what: &str) -> anyhow::Result<()> {
    let found = notices(target, peer).await?;
    let words =
        found.iter().find(|words| words.contains(what)).with_context(|| format!("it is not told: {found:?}"))?;
    ensure!(words.contains(" say") && words.contains("may be wrong or a lie"), "told as a fact: {words}");
    let status = target.ask(|client| Ok(client.status()?)).await?;
    for said in [words.as_str(), status["sentence"].as_str().unwrap_or_default()] {
        ensure!(!said.contains("stop"), "one contact's word tells the user to stop something: {said}");
    }
    Ok(())
}
