//! The first words on a connection: HELLO, and the proof of a token in both directions.

use super::Open;
use super::pending::ask;
use crate::api::address::Address;
use crate::api::error::ApiClientError;
use std::io::Read as _;
use std::sync::Arc;
use torchat_protocol::control::api;
use torchat_protocol::control::api::command::{Auth, Hello, Welcome};
use torchat_protocol::control::token::{self, Exchange, Proof, Token};

pub(super) fn hello(open: &Arc<Open>, address: &Address) -> Result<Welcome, ApiClientError> {
    let hello = Hello { api: api::VERSION, client: address.client.clone(), token: None, nonce: None };
    let answer = ask(open, &hello)?;
    answer.welcome.ok_or_else(|| ApiClientError::Protocol("HELLO's answer does not say what is allowed".into()))
}

pub(super) fn prove(open: &Arc<Open>, address: &Address, token: &Token) -> Result<Welcome, ApiClientError> {
    let impostor =
        || ApiClientError::Impostor { endpoint: address.endpoint.to_string(), token: token.name().to_owned() };
    let client_nonce = token::nonce(&random::<{ token::SERVER_NONCE }>()?);
    let hello = Hello {
        api: api::VERSION,
        client: address.client.clone(),
        token: Some(token.name().to_owned()),
        nonce: Some(client_nonce.clone()),
    };
    // A program that lets us in without a proof of its own has shown nothing.
    let server_nonce = ask(open, &hello)?.nonce.ok_or_else(impostor)?;
    let proof_address = address.endpoint.proof_address();
    let exchange = Exchange { client_nonce: &client_nonce, server_nonce: &server_nonce, address: &proof_address };
    let answer = ask(open, &Auth { proof: token.client_proof(&exchange).to_string() })?;
    let server: Proof = answer.proof.parse().map_err(|_| impostor())?;
    if token.accepts(&exchange, &server) { Ok(answer.welcome) } else { Err(impostor()) }
}

/// Random bytes of the system. Read from its device, because the standard library has no other way and one place in
/// one program is no reason for a crate.
fn random<const N: usize>() -> Result<[u8; N], ApiClientError> {
    let mut bytes = [0; N];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut device| device.read_exact(&mut bytes))
        .map_err(|error| ApiClientError::System(format!("no random bytes: {error}")))?;
    Ok(bytes)
}

/// A new key for [`SEND`](api::command::Send)'s `client_id`. Keep it with the text until the daemon has answered, and
/// repeat the SEND with it as often as you like: it is one message.
///
/// # Errors
/// [`ApiClientError::System`] when the system gives no random bytes.
pub fn client_id() -> Result<String, ApiClientError> {
    Ok(token::nonce(&random::<18>()?))
}
