//! Commands about this connection: who is at either end of it.

use crate::control::api::{ConversationId, Onion, Right};
use serde::{Deserialize, Serialize};

commands! {
    /// Begins API 1 on this connection. With `token` and `nonce` it begins the proof of a token, which AUTH ends.
    Hello "HELLO" None => HelloAnswer;
    /// Ends the proof of a token: see "Tokens".
    Auth "AUTH" None => AuthAnswer;
    /// Your onion.
    Host "HOST" Some(Right::Read) => HostAnswer;
    /// Who the daemon thinks this connection is, what it may do, and how it came in.
    WhoAmI "WHOAMI" None => WhoAmIAnswer;
}

records! {
    /// Parameters of HELLO.
    Hello {
        /// The version: 1.
        api: u32,
        /// What the program calls itself, for the log.
        #[serde(default)]
        client: String,
        /// The name of a token to prove.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        /// For the proof: at least 18 random bytes in base64url without padding.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nonce: Option<String>,
    }
    /// What HELLO answers: who is there and what is allowed, or, with a token, what the program must prove first.
    HelloAnswer {
        /// The version.
        api: u32,
        /// Program and version.
        server: String,
        /// The program must prove the token with AUTH; then `nonce` is set and all else is absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nonce: Option<String>,
        /// What is allowed.
        #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
        welcome: Option<Welcome>,
    }
    /// What a program may do here.
    Welcome {
        /// Your onion.
        onion: Onion,
        /// The rights of this connection.
        #[serde(deserialize_with = "crate::control::api::known_rights")]
        rights: Vec<Right>,
        /// The conversations that they are good for; absent: all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peers: Option<Vec<ConversationId>>,
        /// The commands that it may use.
        commands: Vec<String>,
        /// The last event's number.
        seq: u64,
        /// The oldest event that the log holds; `seq` + 1 if it holds none.
        oldest: u64,
        /// Limits, by name.
        limits: Limits,
    }
    /// The limits of a connection.
    Limits {
        /// Bytes of an object.
        object_bytes: u64,
        /// Bytes of a message's text.
        text_bytes: u64,
        /// Requests of a connection that can be in progress at the same time; then the daemon stops reading.
        requests: u64,
        /// Subscriptions of a connection.
        subscriptions: u64,
        /// Messages or events in an answer.
        page: u64,
        /// Bytes of a message's text in a room; 0: an older daemon, which has no rooms.
        #[serde(default)]
        room_text_bytes: u64,
    }
    /// Parameters of AUTH.
    Auth {
        /// The client's proof, 32 bytes in base64url without padding.
        proof: String,
    }
    /// What AUTH answers.
    AuthAnswer {
        /// The daemon's proof that it knows the token, 32 bytes in base64url: check it before you believe anything.
        proof: String,
        /// What is allowed.
        #[serde(flatten)]
        welcome: Welcome,
    }
    /// Parameters of HOST.
    Host {}
    /// What HOST answers.
    HostAnswer {
        /// Your onion.
        onion: Onion,
    }
    /// Parameters of WHOAMI.
    WhoAmI {}
    /// What WHOAMI answers.
    WhoAmIAnswer {
        /// Your onion.
        onion: Onion,
        /// Who the daemon thinks this connection is.
        who: Who,
        /// For `user`: the uid, as the kernel says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uid: Option<u32>,
        /// For `token`: the name of the token that was proven.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        /// The rights of this connection.
        #[serde(deserialize_with = "crate::control::api::known_rights")]
        rights: Vec<Right>,
        /// The conversations that they are good for; absent: all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peers: Option<Vec<ConversationId>>,
        /// How it came in.
        carrier: Carrier,
    }
}

/// Who a connection is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// The user who runs the daemon.
    Owner,
    /// Another user of this machine.
    User,
    /// A program that has proven a token.
    Token,
    /// Only when reading: of a later version of the API.
    #[serde(other)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

/// What a connection comes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Carrier {
    /// A Unix socket.
    Unix,
    /// The loopback port.
    Tcp,
    /// Only when reading: of a later version of the API.
    #[serde(other)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}
