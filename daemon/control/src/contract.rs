//! One connection of a local program: the classic contract, until a HELLO asks for API 1.

use crate::access::Visitor;
use crate::api::{self, Consumers, Context};
use crate::carrier::Carrier;
use crate::objects::Objects;
use crate::page_budget::PageBudget;
use crate::{ControlConfig, classic};
use std::sync::Arc;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use torchat_engine::handle::Handle;

/// Connections that may hold more than 64 KiB of what is unfinished or waits, at the same time: at most 1 MiB and what
/// waits each.
const LARGE_CONNECTIONS: usize = 32;

/// What all connections share, so that together they stay within bounds. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct SharedLimits {
    large: Arc<Semaphore>,
    pages: PageBudget,
    consumers: Consumers,
}

impl Default for SharedLimits {
    fn default() -> Self {
        Self {
            large: Arc::new(Semaphore::new(LARGE_CONNECTIONS)),
            pages: PageBudget::default(),
            consumers: Consumers::default(),
        }
    }
}

/// Serves a connection until it ends. `stop` is a token of its own, so that connections wait for no lock that others have.
pub(crate) async fn serve(
    carrier: Carrier,
    visitor: Visitor,
    handle: Handle,
    config: Arc<ControlConfig>,
    limits: SharedLimits,
    stop: CancellationToken,
) {
    let mut objects = Objects::new(visitor.guard(carrier.input), config.clone(), limits.large);
    let mut writer = visitor.guard(carrier.output);
    let share = limits.pages.share();
    // Each in a box of its own, so that a connection holds the memory of what it speaks and no more.
    let classic = classic::run(&mut objects, &mut writer, &visitor, &handle, &config, &share, &stop);
    if let Some(hello) = Box::pin(classic).await {
        let context = Context::new(handle, share, limits.consumers, carrier.kind);
        let api = api::run(hello, &mut objects, &mut writer, visitor, context, config, &stop);
        Box::pin(api).await;
    }
    let _ = writer.shutdown().await;
}
