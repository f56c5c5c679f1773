//! The local API: HOST and SEND in API 1, events, and idle connections; and, in [`mod@large`], what 1,000,000 stored messages
//! cost.

mod fill;
mod history;
mod idle;
mod large;
mod line;
mod moment;
mod redis;
mod words;

pub(crate) use fill::{Filling, fill};
pub(crate) use large::run as large;
pub(crate) use line::Line;
pub(crate) use words::{Numbers, TEXT, Words};

use crate::Setup;
use crate::contract::{self, SHAPES};
use crate::load::Script;
use crate::process::Process;
use crate::report::{Aim, Report};
use std::sync::Arc;

/// Requests in flight where the rate is measured.
const IN_FLIGHT: usize = 16;

pub(crate) fn run(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    host(setup, report)?;
    send(setup, report)?;
    moment::run(setup, report)?;
    idle::run(setup, report)
}

/// HOST in both contracts. The reference has the classic one only, so its requests and answers are a little shorter than
/// those of API 1.
fn host(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    let (ours, reference) = contract::servers(setup, "api-host", false)?;
    let api = || Script::api(vec![b"{\"ref\":1,\"cmd\":\"HOST\"}\n".to_vec()]);
    let classic = contract::classic_host;
    let one = [("API 1", Arc::new(api())), ("classic", Arc::new(classic()))];
    let many = [api(), classic()].map(|script| Arc::new(script.in_flight(IN_FLIGHT)));
    for ((name, script), many_script) in one.iter().zip(&many) {
        for connections in SHAPES {
            let pairs = contract::measure(setup.pairs, [(&ours, script), (&reference, &one[1].1)], connections)?;
            let what = format!("HOST, {name}, {connections} connections");
            contract::latency_row(report, &what, &pairs, Aim::AtMost(1.15));
            contract::rate_row(report, &what, &pairs, Aim::None);
        }
        let pairs = contract::measure(setup.pairs, [(&ours, many_script), (&reference, &many[1])], 1)?;
        contract::rate_row(
            report,
            &format!("HOST, {name}, 1 connection, {IN_FLIGHT} in flight"),
            &pairs,
            Aim::AtLeast(0.7),
        );
    }
    ours.stop()
}

/// Durable SEND, beside the append log and, where there is one, Redis.
fn send(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    let program = redis::program();
    if program.is_none() {
        report.note("There is no redis-server in the PATH: SEND was not compared with Redis.");
    }
    let classic = Arc::new(contract::classic_send()?);
    for connections in SHAPES {
        let name = format!("api-send-{connections}");
        let reference = contract::reference(setup, &name, true)?;
        let api = Arc::new(api_send()?);
        let pairs = contract::measure_sends(setup, &name, [&api, &classic], &reference, connections)?;
        let what = format!("durable SEND, API 1, {connections} connections, append log");
        send_rows(report, &what, connections, &pairs, [Aim::AtMost(1.5), Aim::AtLeast(0.5)]);
        if let Some(program) = &program {
            let redis = redis::start(program, &setup.dir.join(format!("redis-{connections}")))?;
            beside_redis(setup, report, &api, &redis, connections)?;
        }
    }
    Ok(())
}

fn beside_redis(
    setup: &Setup<'_>,
    report: &mut Report,
    api: &Arc<Script>,
    redis: &Process,
    connections: usize,
) -> anyhow::Result<()> {
    let name = format!("api-redis-{connections}");
    let pairs = contract::measure_sends(setup, &name, [api, &Arc::new(redis::script())], redis, connections)?;
    let what = format!("durable SEND, API 1, {connections} connections, Redis");
    contract::latency_row(report, &what, &pairs, Aim::AtMost(1.0));
    contract::rate_row(report, &what, &pairs, Aim::AtLeast(1.0));
    Ok(())
}

/// The aim for the time is about one connection, the one for the rate about many.
fn send_rows(
    report: &mut Report,
    what: &str,
    connections: usize,
    pairs: &[[crate::load::Slice; 2]],
    [time, rate]: [Aim; 2],
) {
    let (time, rate) = if connections == 1 { (time, Aim::None) } else { (Aim::None, rate) };
    contract::latency_row(report, what, pairs, time);
    contract::rate_row(report, what, pairs, rate);
}

/// SEND in API 1.
fn api_send() -> anyhow::Result<Script> {
    let text = "x".repeat(contract::TEXT);
    let peers = contract::peers()?;
    let requests = peers.iter().map(|peer| {
        let peer = peer.onion();
        format!("{{\"ref\":1,\"cmd\":\"SEND\",\"peer\":\"{peer}\",\"text\":\"{text}\"}}\n").into_bytes()
    });
    Ok(Script::api(requests.collect()))
}
