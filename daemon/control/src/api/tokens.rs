//! TOKEN: makes, lists and revokes.

use super::answer::{Done, fail, refused};
use super::connection::Connection;
use super::dispatch::{Caller, Course, Execute};
use crate::access::{Access, Gate, Known};
use std::collections::BTreeSet;
use torchat_engine::handle::{TokenRow, time};
use torchat_protocol::control::api::command::{TokenAction, TokenAnswer, Tokens};
use torchat_protocol::control::api::{ConversationId, Right, record};
use torchat_protocol::control::code::Code;
use torchat_protocol::control::token;
use zeroize::Zeroizing;

/// Tokens that the daemon keeps.
const TOKENS: usize = 100;
/// Conversations that a token may be made for.
const PEERS: usize = 1000;
/// Days that a token may be made for.
const DAYS: u32 = 3650;
const DAY_MS: i64 = 86_400_000;

impl Execute for Tokens {
    fn execute(self, caller: Caller, connection: &mut Connection) -> Course<TokenAnswer> {
        let gate = connection.gate();
        Course::later(async move { tokens(&gate, &caller.access, &self).await })
    }
}

/// A new token's secret is in the answer and nowhere else; a revoked one's connections end before this returns.
///
/// # Errors
/// `bad-request`, `not-allowed`, `token-exists`, `too-many-tokens`, `unknown-token`, and those of the store.
async fn tokens(gate: &Gate, access: &Access, request: &Tokens) -> Done<TokenAnswer> {
    let needs_name = || fail(Code::BadRequest, "\"name\" is missing");
    let token = match request.action {
        TokenAction::List => None,
        TokenAction::Create => {
            Some(create(gate, access, request.name.as_deref().ok_or_else(needs_name)?, request).await?)
        }
        TokenAction::Revoke => {
            revoke(gate, request.name.as_deref().ok_or_else(needs_name)?).await?;
            None
        }
    };
    let tokens = gate.tokens().iter().map(|(name, known)| shown(name, known)).collect();
    Ok(TokenAnswer { token, tokens })
}

async fn create(gate: &Gate, access: &Access, name: &str, request: &Tokens) -> Done<String> {
    let bad = |message: String| fail(Code::BadRequest, message);
    let secret = Zeroizing::new(gate.random());
    let token = token::Token::new(name, *secret).map_err(|error| bad(error.to_string()))?;
    let is_room = |id| gate.handle().room_of(id).is_some();
    let (rights, peers) = scope(access, request, is_room)?;
    let created_ms = gate.wall_ms();
    let expires_ms = match request.days {
        None => None,
        Some(days @ 1..=DAYS) => Some(created_ms.saturating_add(i64::from(days) * DAY_MS)),
        Some(days) => return Err(bad(format!("\"days\" is {days}, it must be 1 to {DAYS}"))),
    };
    let verifier = token.verifier();
    let row = TokenRow {
        name: name.to_owned(),
        rights: rights.into_iter().collect(),
        peers: peers.map(|peers| peers.into_iter().collect()),
        stored_key: verifier.stored_key,
        server_key: verifier.server_key,
        created_ms,
        expires_ms,
    };
    let _changing = gate.changing().await;
    let (exists, count) = {
        let tokens = gate.tokens();
        (tokens.contains_key(name), tokens.len())
    };
    if exists {
        // Not replaced: a program would lose its access without a word, and an old token must end by a decision.
        return Err(fail(Code::TokenExists, format!("there is a token {name} already: revoke it first")));
    }
    if count >= TOKENS {
        let error = fail(Code::TooManyTokens, format!("there are {count} tokens, at most {TOKENS} are kept"));
        return Err(error.with("limit", TOKENS));
    }
    gate.handle().put_token(row.clone()).await.map_err(|refusal| refused(&refusal))?;
    gate.insert(row);
    Ok(token.to_text().to_string())
}

/// What a new token is good for, checked.
fn scope(
    access: &Access,
    request: &Tokens,
    is_room: impl Fn(ConversationId) -> bool,
) -> Done<(BTreeSet<Right>, Option<BTreeSet<ConversationId>>)> {
    let rights: BTreeSet<Right> = request.rights.iter().flatten().copied().collect();
    if rights.is_empty() {
        return Err(fail(Code::BadRequest, "\"rights\" is missing or empty: read, send, contacts, rooms or admin"));
    }
    if rights.iter().any(|right| !access.allows(Some(*right))) {
        return Err(fail(Code::NotAllowed, "you cannot give a token a right that you do not have"));
    }
    let peers: Option<BTreeSet<ConversationId>> = request.peers.as_ref().map(|peers| peers.iter().copied().collect());
    match &peers {
        None if access.peers.is_some() => {
            return Err(fail(Code::NotAllowed, "you cannot make a token for a conversation that you may not see"));
        }
        None => {}
        Some(peers) if peers.is_empty() || peers.len() > PEERS => {
            return Err(fail(Code::BadRequest, format!("\"peers\" has 1 to {PEERS} onions, or is absent for all")));
        }
        Some(peers) if rights.contains(&Right::Rooms) && !peers.iter().all(|peer| is_room(*peer)) => {
            return Err(fail(
                Code::BadRequest,
                "with the right rooms, all of \"peers\" must be rooms that this daemon has",
            ));
        }
        Some(_) if rights.contains(&Right::Contacts) || rights.contains(&Right::Admin) => {
            // Both decide about everybody: "only these peers" would be a promise that nobody keeps.
            return Err(fail(Code::BadRequest, "\"peers\" does not go with the rights contacts and admin"));
        }
        Some(peers) if peers.iter().any(|peer| !access.sees(*peer)) => {
            return Err(fail(Code::NotAllowed, "you cannot make a token for a conversation that you may not see"));
        }
        Some(_) => {}
    }
    Ok((rights, peers))
}

async fn revoke(gate: &Gate, name: &str) -> Done<()> {
    let _changing = gate.changing().await;
    // First in memory: whatever the disk does, from here on nobody uses it any more.
    let known = gate.tokens().remove(name);
    if let Some(known) = &known {
        known.ended.cancel();
    }
    match gate.handle().drop_token(name).await {
        Ok(stored) if stored || known.is_some() => Ok(()),
        Ok(_) => Err(fail(Code::UnknownToken, "there is no token of this name")),
        Err(refusal) => {
            let mut error = refused(&refusal);
            error.message =
                format!("it is revoked until the daemon restarts, and is valid again then: {}", error.message);
            error.hint = Some("make room on the disk and revoke it again".into());
            Err(error)
        }
    }
}

fn shown(name: &str, known: &Known) -> record::Token {
    record::Token {
        name: name.to_owned(),
        rights: known.access.rights.iter().copied().collect(),
        peers: known.access.peers.as_ref().map(|peers| peers.iter().copied().collect()),
        created_at: time(known.created_ms),
        expires_at: known.expires_ms.map(time),
    }
}
