//! What members, former members and strangers say on room links.

mod broken;
mod crowd;
mod lies;
mod owner;
mod probing;

use super::{Attack, Kind, row};
use crate::room::{Member, RoomLink, Said, Stage, text};
use crate::target::Target;
use anyhow::ensure;
use std::sync::Arc;
use torchat_protocol::room::{Event, Frame};

pub(super) fn rows() -> Vec<Attack> {
    let honest =
        row(Kind::Quick, "room-honest: a member that keeps every rule", "its texts are stored", |target| async move {
            let stage = Stage::new(&target).await?;
            let (mut member, mut link, channel) = Member::join(&target, &stage.invite).await?;
            let events = vec![member.next(0, &text("canary one")?)?, member.next(0, &text("canary two")?)?];
            link.say(channel, &Frame::Events(events)).await?;
            ensure!(stored(&mut link).await? == Some(2), "its texts are not stored");
            stage.unharmed(&target).await
        });
    [vec![honest], broken::rows(), probing::rows(), lies::rows(), owner::rows(), crowd::rows()]
        .into_iter()
        .flatten()
        .collect()
}

/// A row in a room of its own, with an attacker that is a member. The honest member's texts, and those of the attacked daemon,
/// arrive behind it.
fn by_member<F, Done>(name: &str, expect: &'static str, run: F) -> Attack
where
    F: Fn(Arc<Target>, Attacker) -> Done + Send + Sync + Clone + 'static,
    Done: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    row(Kind::Quick, name, expect, move |target: Arc<Target>| {
        let run = run.clone();
        async move {
            let stage = Stage::new(&target).await?;
            let (member, link, channel) = Member::join(&target, &stage.invite).await?;
            run(target.clone(), Attacker { member, link, channel }).await?;
            stage.unharmed(&target).await
        }
    })
}

/// A member on its link.
struct Attacker {
    member: Member,
    link: RoomLink,
    channel: u16,
}

impl Attacker {
    /// Says a frame on the room's channel.
    async fn say(&mut self, frame: &Frame) -> anyhow::Result<bool> {
        self.link.say(self.channel, frame).await
    }

    /// Says events, as many in a frame as may be.
    async fn say_events(&mut self, events: Vec<Event>) -> anyhow::Result<bool> {
        for frame in Frame::Events(events).parts() {
            if !self.say(&frame).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What the daemon says of all this, and that it keeps the link.
    async fn alive(&mut self) -> anyhow::Result<Vec<Said>> {
        let (said, alive) = self.link.settle().await?;
        ensure!(alive, "the link ended: {said:?}");
        Ok(said)
    }

    /// The daemon ends the link, and says nothing about it.
    async fn thrown_out(&mut self) -> anyhow::Result<()> {
        let said = self.link.ended().await?;
        let words = said.iter().any(|one| matches!(one, Said::Message(_) | Said::Frame(_, Frame::Close(_))));
        ensure!(!words, "it says {said:?}");
        Ok(())
    }
}

/// Up to which number the daemon says that the attacker's first chain is stored.
async fn stored(link: &mut RoomLink) -> anyhow::Result<Option<u64>> {
    let (said, alive) = link.settle().await?;
    ensure!(alive, "the link ended: {said:?}");
    Ok(said.iter().filter_map(stored_of).max())
}

fn stored_of(said: &Said) -> Option<u64> {
    match said {
        Said::Frame(_, Frame::Stored(chains)) => chains.first().map(|(_, seq)| *seq),
        _ => None,
    }
}

/// The frames of a type that came.
fn count(said: &[Said], is: impl Fn(&Frame) -> bool) -> usize {
    said.iter().filter(|one| matches!(one, Said::Frame(_, frame) if is(frame))).count()
}

/// The events that came.
fn events(said: &[Said]) -> Vec<&Event> {
    said.iter()
        .filter_map(|one| if let Said::Frame(_, Frame::Events(events)) = one { Some(events) } else { None })
        .flatten()
        .collect()
}
