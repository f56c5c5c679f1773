//! What a client sends: HELLO and AUTH, commands, and what cannot be read.

use super::Connection;
use crate::api::answer::{answer_line, fail};
use crate::api::dispatch::dispatch;
use crate::api::hello::{auth, check_version, hello};
use crate::objects::{Found, Objects};
use std::ops::ControlFlow;
use tokio::io::AsyncRead;
use tokio::time::Instant;
use torchat_protocol::control::api::command::{Auth, Hello};
use torchat_protocol::control::api::{ApiError, Call, Envelope, Ref, RequestError};
use torchat_protocol::control::code::Code;

impl Connection {
    /// Takes up what came, and what came whole with it: a client that has many requests in flight sends them together, and
    /// their answers are to go together.
    pub(super) async fn take(
        &mut self,
        found: Found,
        objects: &mut Objects<impl AsyncRead + Unpin>,
    ) -> ControlFlow<()> {
        let mut next = Some(found);
        while let Some(found) = next {
            match found {
                Found::Request { bytes, .. } => self.begin(&bytes).await,
                Found::Bad { error, .. } => self.give_up(fail(Code::BadObject, error.to_string())),
                Found::End => self.end(),
                Found::Foreign | Found::Broken => return ControlFlow::Break(()),
            }
            next = if self.may_begin() { objects.at_hand() } else { None };
        }
        ControlFlow::Continue(())
    }

    /// Begins a request. Only a proof takes time here.
    pub(super) async fn begin(&mut self, bytes: &[u8]) {
        self.active_at = Instant::now();
        let envelope = match Envelope::read(bytes) {
            Ok(envelope) => envelope,
            Err(error @ (RequestError::Object(_) | RequestError::Value(_))) => {
                return self.give_up(fail(Code::BadObject, error.to_string()));
            }
            Err(error @ RequestError::Reference) => {
                let error =
                    self.visitor.access().map_or_else(|error| error, |_| fail(Code::BadRequest, error.to_string()));
                return self.refuse_unproven(None, error);
            }
        };
        match envelope.name.as_ref() {
            Hello::NAME => self.hello(&envelope),
            Auth::NAME => self.auth(&envelope).await,
            // What is not proven is not told what there is.
            _ => match self.visitor.access() {
                Ok(access) => dispatch(&envelope, access, self),
                Err(error) => self.refuse_unproven(envelope.reference, error),
            },
        }
    }

    /// Refuses something. What was not proven may do nothing: the connection ends after what was said.
    fn refuse_unproven(&mut self, reference: Option<Ref>, error: ApiError) {
        self.refuse(reference, error);
        if self.visitor.access().is_err() {
            self.refuse_all();
        }
    }

    fn refuse_all(&mut self) {
        self.context.cut.cancel();
        self.end();
    }

    /// The parameters of HELLO and AUTH, or the refusal.
    fn parameters<C: Call>(&mut self, envelope: &Envelope<'_>) -> Option<C> {
        match envelope.parameters() {
            Ok(parameters) => Some(parameters),
            Err(error) => {
                let error =
                    self.visitor.access().map_or_else(|error| error, |_| fail(Code::BadRequest, error.to_string()));
                self.refuse_unproven(envelope.reference.clone(), error);
                None
            }
        }
    }

    fn hello(&mut self, envelope: &Envelope<'_>) {
        let Some(wanted) = self.parameters::<Hello>(envelope) else { return };
        let reference = envelope.reference.clone();
        if let Err(error) = check_version(&wanted) {
            return self.refuse(reference, error);
        }
        let result = hello(wanted, self);
        let failed = result.is_err();
        self.answer(answer_line::<Hello>(reference, result), None);
        if failed {
            self.refuse_all();
        }
    }

    async fn auth(&mut self, envelope: &Envelope<'_>) {
        let Some(wanted) = self.parameters::<Auth>(envelope) else { return };
        let result = auth(wanted, self).await;
        let failed = result.is_err();
        self.answer(answer_line::<Auth>(envelope.reference.clone(), result), None);
        if failed {
            self.refuse_all();
        }
    }
}
