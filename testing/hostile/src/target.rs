//! A daemon under attack: how it is reached, and what it says over its control port of what came of it.

use crate::forger::Forger;
use crate::link::Link;
use crate::room::{Member, RoomLink, Stage};
use crate::way::{BoxStream, Way};
use anyhow::{Context as _, ensure};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, OnceCell};
use torchat_client::Client;
use torchat_client::api::{Address, Call, Connection};
use torchat_protocol::id::{PeerId, parse_onion};
use torchat_protocol::message::ContactState;
use torchat_protocol::room::RoomId;

/// How long a request to the control port may take.
const CONTROL_TIME: Duration = Duration::from_secs(60);
/// How long a dial over Tor is tried again, and the pause between: a C tor client that failed at an introduction point leaves
/// it alone for up to two minutes, and says at once that it reaches nobody when none is left. That is nobody's fault here.
const DIAL_TIME: Duration = Duration::from_secs(150);
const DIAL_PAUSE: Duration = Duration::from_secs(3);
/// Rooms for honest texts: a member says 20 texts at once in a room and then one a second, and the daemon makes the others wait.
const OTHERS: usize = 8;
/// Messages that a look at a conversation fetches.
const LOOK: u32 = 10_000;

/// A daemon under attack.
pub struct Target {
    /// Who it is.
    pub peer: PeerId,
    /// How it is reached.
    pub way: Way,
    /// How long it may take to answer or to end a stream when nothing has to be waited for.
    pub patience: Duration,
    control: u16,
    honest: Option<u16>,
    /// Attackers that its user has accepted.
    contacts: Mutex<Vec<Forger>>,
    circuits: AtomicU64,
    letters: AtomicU64,
    /// A room of the attacked daemon's with the honest one and an attacker in it, when it was needed first.
    stage: OnceCell<(Stage, Mutex<Member>)>,
    /// Rooms of the attacked daemon's in which only the honest one is, when they were needed first.
    others: OnceCell<Vec<RoomId>>,
    texts: AtomicUsize,
    /// The link over which that attacker floods, with its channel.
    flooder: Mutex<Option<(RoomLink, u16)>>,
}

impl Target {
    /// The daemon with this control port. `honest` is the control port of another daemon that is a contact of it.
    ///
    /// # Errors
    /// When one of them does not answer.
    pub fn new(way: Way, control: u16, honest: Option<u16>) -> anyhow::Result<Self> {
        let peer = parse_onion(&Client::connect_tcp(control, CONTROL_TIME)?.host()?)?;
        let patience = match way {
            Way::Loopback(_) => Duration::from_secs(10),
            Way::Socks(_) => Duration::from_secs(60),
        };
        let (contacts, circuits, letters) = (Mutex::default(), AtomicU64::default(), AtomicU64::default());
        Ok(Self {
            peer,
            way,
            patience,
            control,
            honest,
            contacts,
            circuits,
            letters,
            stage: OnceCell::new(),
            others: OnceCell::new(),
            texts: AtomicUsize::default(),
            flooder: Mutex::default(),
        })
    }

    /// Opens a stream, on circuits of its own.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn dial(&self) -> anyhow::Result<BoxStream> {
        let begun = Instant::now();
        let again = |_: &anyhow::Error| matches!(self.way, Way::Socks(_)) && begun.elapsed() < DIAL_TIME;
        loop {
            match self.way.dial(self.peer, self.circuits.fetch_add(1, Ordering::Relaxed)).await {
                Err(error) if again(&error) => tokio::time::sleep(DIAL_PAUSE).await,
                result => return result.context("it cannot be dialled"),
            }
        }
    }

    /// Says the whole handshake of this attacker.
    ///
    /// # Errors
    /// When the daemon ends the stream before the third message.
    pub async fn knock(&self, forger: &Forger) -> anyhow::Result<Link> {
        forger.knock(self.dial().await?, self.peer).await
    }

    /// A link of this attacker, which the daemon believes to be who it is; and whether it takes its messages.
    ///
    /// # Errors
    /// When it does not let it in.
    pub async fn enter(&self, forger: &Forger) -> anyhow::Result<(Link, ContactState)> {
        let mut link = self.knock(forger).await?;
        let (_, state) = link.welcomed(self.patience).await?;
        Ok((link, state))
    }

    /// A room for many attacks, with an attacker that is a member.
    ///
    /// # Errors
    /// When one of the daemons does not do what it must.
    pub async fn stage(&self) -> anyhow::Result<&(Stage, Mutex<Member>)> {
        let made = self.stage.get_or_try_init(|| async {
            let stage = Stage::new(self).await?;
            let (member, _, _) = Member::join(self, &stage.invite).await?;
            anyhow::Ok((stage, Mutex::new(member)))
        });
        made.await
    }

    /// The link over which the attacker of the stage floods, if it is up.
    #[must_use]
    pub fn flooder(&self) -> &Mutex<Option<(RoomLink, u16)>> {
        &self.flooder
    }

    /// A link of somebody that the daemon has never met.
    ///
    /// # Errors
    /// When it does not let it in.
    pub async fn stranger(&self) -> anyhow::Result<(Forger, Link)> {
        let forger = Forger::fresh();
        let (link, state) = self.enter(&forger).await?;
        ensure!(state == ContactState::Pending, "a stranger is told {state:?}");
        Ok((forger, link))
    }

    /// The `n`-th attacker that the daemon's user has accepted.
    ///
    /// # Errors
    /// When the control port does not answer.
    pub async fn contact(&self, n: usize) -> anyhow::Result<Forger> {
        let mut contacts = self.contacts.lock().await;
        while contacts.len() <= n {
            let forger = Forger::fresh();
            let onion = forger.peer()?.onion();
            self.ask(move |client| Ok(client.add(&onion)?)).await?;
            contacts.push(forger);
        }
        contacts.get(n).cloned().context("no such contact")
    }

    /// A link of the `n`-th attacker that is a contact, after its first words.
    ///
    /// # Errors
    /// When the daemon does not let it in as a contact.
    pub async fn accepted(&self, n: usize) -> anyhow::Result<(Forger, Link)> {
        let forger = self.contact(n).await?;
        let (mut link, state) = self.enter(&forger).await?;
        ensure!(state == ContactState::Accepted, "a contact is told {state:?}");
        link.introduce().await?;
        Ok((forger, link))
    }

    /// Its control port.
    #[must_use]
    pub fn control(&self) -> u16 {
        self.control
    }

    /// Asks its control port.
    ///
    /// # Errors
    /// Those of the question.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Client) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        ask(self.control, question).await
    }

    /// Calls a command of API 1.
    ///
    /// # Errors
    /// Those of the command.
    pub async fn call<C: Call + Send + 'static>(&self, command: C) -> anyhow::Result<C::Answer>
    where
        C::Answer: Send + 'static,
    {
        call(self.control, command).await
    }

    /// Calls a command of the honest contact's.
    ///
    /// # Errors
    /// Those of the command, or there is no honest contact.
    pub async fn call_honest<C: Call + Send + 'static>(&self, command: C) -> anyhow::Result<C::Answer>
    where
        C::Answer: Send + 'static,
    {
        call(self.honest.context("no honest contact")?, command).await
    }

    /// A counter of STATUS that says how often a limit was met.
    ///
    /// # Errors
    /// When there is no such counter.
    pub async fn refused(&self, counter: &'static str) -> anyhow::Result<u64> {
        let status = self.ask(|client| Ok(client.status()?)).await?;
        status["refused"][counter].as_u64().with_context(|| format!("STATUS has no counter {counter:?}"))
    }

    /// The honest contact.
    ///
    /// # Errors
    /// When there is none, or it does not answer.
    pub async fn honest_peer(&self) -> anyhow::Result<PeerId> {
        let port = self.honest.context("no honest contact")?;
        Ok(parse_onion(&ask(port, |client| Ok(client.host()?)).await?)?)
    }

    /// The bytes that a request to its control port is answered with, on a connection of its own.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn raw(&self, request: String) -> anyhow::Result<Vec<u8>> {
        let port = self.control;
        let exchange = move || {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
            stream.set_read_timeout(Some(CONTROL_TIME))?;
            stream.write_all(request.as_bytes())?;
            stream.shutdown(Shutdown::Write)?;
            let mut reply = Vec::new();
            stream.read_to_end(&mut reply)?;
            anyhow::Ok(reply)
        };
        tokio::task::spawn_blocking(exchange).await?
    }

    /// The texts of what it has from this peer.
    ///
    /// # Errors
    /// When the control port does not answer.
    pub async fn texts(&self, peer: PeerId) -> anyhow::Result<Vec<String>> {
        let lines = self.ask(move |client| Ok(client.history(&peer.onion(), LOOK)?)).await?;
        Ok(lines.into_iter().filter(|line| line.dir == "in").map(|line| line.text).collect())
    }

    /// It has nothing of this peer: no mail, no conversation.
    ///
    /// # Errors
    /// What it has.
    pub async fn nothing_from(&self, peer: PeerId) -> anyhow::Result<()> {
        let lines = self.ask(move |client| Ok(client.history(&peer.onion(), LOOK)?)).await?;
        ensure!(lines.is_empty(), "it keeps {} lines of a stranger", lines.len());
        let unread = self.ask(|client| Ok(client.peers()?)).await?;
        ensure!(!unread.contains(&peer.onion()), "a stranger's mail is shown as unread");
        Ok(())
    }

    /// An honest contact's message arrives, once, while or after all this.
    ///
    /// # Errors
    /// When it does not.
    pub async fn unharmed(&self) -> anyhow::Result<()> {
        let Some(port) = self.honest else { return Ok(()) };
        let (onion, seconds) = (self.peer.onion(), 3 * self.patience.as_secs());
        let text = format!("letter {}", self.letters.fetch_add(1, Ordering::Relaxed));
        let (sent, to) = (text.clone(), onion.clone());
        let deliver = move |client: &mut Client| {
            client.send_and_wait(&to, &sent, seconds)?;
            Ok(client.host()?)
        };
        let from = ask(port, deliver).await.context("an honest contact's message does not arrive")?;
        let lines = self.ask(move |client| Ok(client.history(&from, 3)?)).await?;
        let found = lines.iter().filter(|line| line.dir == "in" && line.text == text).count();
        ensure!(found == 1, "an honest contact's message is there {found} times");
        Ok(())
    }

    /// Sends one honest message and waits until it is durable at the daemon.
    ///
    /// # Errors
    /// When there is no honest contact, or its message does not arrive.
    pub async fn honest_delivery(&self) -> anyhow::Result<Duration> {
        self.delivery(self.peer.onion()).await
    }

    /// The same with a text in a room in which no attacker is: in one of [`OTHERS`], in turn.
    ///
    /// # Errors
    /// When one of the daemons does not do what it must.
    pub async fn honest_text(&self) -> anyhow::Result<Duration> {
        let rooms = self.others.get_or_try_init(|| async {
            let mut rooms = Vec::new();
            while rooms.len() < OTHERS {
                rooms.push(Stage::new(self).await?.room);
            }
            anyhow::Ok(rooms)
        });
        let rooms = rooms.await?;
        let room = rooms.get(self.texts.fetch_add(1, Ordering::Relaxed) % OTHERS).context("there is no room")?;
        self.delivery(room.conversation().onion()).await
    }

    async fn delivery(&self, to: String) -> anyhow::Result<Duration> {
        ask(self.honest.context("no honest contact")?, move |client| {
            // From the request to its answer, on a connection that is open.
            client.host()?;
            let begun = std::time::Instant::now();
            client.send_and_wait(&to, "how are you?", 60)?;
            Ok(begun.elapsed())
        })
        .await
    }
}

async fn ask<T: Send + 'static>(
    port: u16,
    question: impl FnOnce(&mut Client) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let work = move || question(&mut Client::connect_tcp(port, CONTROL_TIME).context("the control port")?);
    tokio::task::spawn_blocking(work).await?
}

async fn call<C: Call + Send + 'static>(port: u16, command: C) -> anyhow::Result<C::Answer>
where
    C::Answer: Send + 'static,
{
    let work = move || anyhow::Ok(Connection::open(&Address::tcp(port))?.call_within(&command, CONTROL_TIME)?);
    tokio::task::spawn_blocking(work).await?
}
