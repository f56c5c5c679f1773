//! Tokens: what the gate asks of the store.

use super::{Handle, Refusal, read};
use crate::store::TokenRow;

impl Handle {
    /// All tokens by name.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn tokens(&self) -> Result<Vec<TokenRow>, Refusal> {
        let reader = self.reader.clone();
        read(reader, move |reader| reader.tokens()).await
    }

    /// Adds a token, or replaces the one of this name. Durable when it returns.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn put_token(&self, token: TokenRow) -> Result<(), Refusal> {
        self.write(move |store| store.put_token(&token)).await
    }

    /// Removes a token. `false`: there was none. Durable when it returns.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn drop_token(&self, name: &str) -> Result<bool, Refusal> {
        let name = name.to_owned();
        self.write(move |store| store.drop_token(&name)).await
    }
}
